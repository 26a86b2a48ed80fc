"""The command that measures a trained network, class by class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nndl_jax.command.chosen_data import DataOption, data_for, precision_of
from nndl_jax.command.console import AsJson, in_a_sentence, show, show_json, show_table
from nndl_jax.command.predicting import Trained, find_weights
from nndl_jax.command.setup import prepare_jax

if TYPE_CHECKING:
    import numpy as np


@in_a_sentence
def evaluate(
    weights: Trained,
    data: DataOption = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    as_json: AsJson = False,
) -> None:
    """Measure a trained network, class by class.

    Accuracy, cost, and which digit it takes for which; where targets are real numbers, mean squared
    error and R2.
    """
    from nndl_jax.data.datasets import SPLITS
    from nndl_jax.data.selection import check_sizes, cut, read_dataset, select

    if split not in SPLITS:
        raise typer.BadParameter(f"must be one of {', '.join(SPLITS)}, got {split!r}")
    prepare_jax(1)
    import jax

    import nndl_jax

    path = find_weights(weights)
    with jax.enable_x64(True):  # Its document may ask for that.
        _, spec = nndl_jax.load(path)
    dataset = data_for(spec, data)
    with precision_of(spec):
        model, _ = nndl_jax.load(path)
        confusion: list[list[int]] = []
        if spec.data.examples:
            images = select(dataset, spec)["train"]
            found = nndl_jax.evaluate(model, images, spec)
            measured = {"cost": float(found.cost), "output": float(found.output)}
        else:
            check_sizes(dataset, spec)
            read = read_dataset(dataset, [split], spec)
            images = cut(read, split, digits=spec.data.digits, limit=None)
            found = nndl_jax.evaluate(model, images, spec)
            measured = {"cost": float(found.cost)}
            if spec.data.has_classes():
                measured |= {"accuracy": float(found.accuracy)}
                confusion = nndl_jax.confusion_matrix(model, images, spec).tolist()
            else:
                measured |= _errors(images.labels, nndl_jax.predict(model, images, spec))
    about = {"id": spec.id, "data": dataset.name, "split": split, "images": len(images.labels)}
    if as_json:
        show_json(about | measured | ({"confusion": confusion} if confusion else {}))
    elif spec.data.examples:
        message = f"cost {measured['cost']:.6g}, mean output {measured['output']:.6g}"
        show(f"{spec.id} on its examples: {message}")
    else:
        show(f"{spec.id} on {len(images.labels):,} images of {dataset.name}, {split}")
        accuracy = f"accuracy {measured['accuracy']:.4f}, " if confusion else ""
        others = [f", {name} {measured[name]:.6g}" for name in ("mse", "r2") if name in measured]
        show(f"{accuracy}cost {measured['cost']:.6g}{''.join(others)}\n")
        if confusion:
            _show_confusion(confusion, dataset.classes)


def _errors(targets: "np.ndarray", outputs: "np.ndarray") -> dict[str, float]:
    """Mean squared error, and one less its share of the targets' variance, the mean of outputs."""
    import numpy as np

    errors, variances = ((outputs - targets) ** 2).mean(axis=0), targets.var(axis=0)
    shares = errors / np.where(variances > 0, variances, np.nan)
    return {"mse": float(errors.mean()), "r2": float(1 - shares.mean())}


def _show_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str] | None) -> None:
    digits = [str(digit) for digit in range(len(confusion[0]))]
    names = [*classes, *digits[len(classes) :]] if classes else digits
    what = "class" if classes and list(classes) != digits[: len(classes)] else "digit"
    rows = [
        [name, *(f"{count:,}" if count else "." for count in counts)]
        for name, counts in zip(names, confusion, strict=False)
    ]
    show_table((what, *names), rows, right=(what, *names))
    show(f"rows: the {what} in the image; columns: the {what} that the network takes it for")
