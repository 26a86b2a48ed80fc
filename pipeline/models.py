"""Stage `models`: trained networks under names that people type, with a card beside each.

`models/<id>.safetensors` is of the variant and the run of a document that did best on the
validation images; where these are not measured, of the first variant, and of the run with the
lowest cost in training. No test image has a say in that.
Small ones go to `pretrained/` as well, which the package ships; what was trained on other data or
with other settings than the book's does not.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nndl_jax.data.files import replace_file
from nndl_jax.documents import Network
from nndl_jax.documents.metrics import VALIDATION
from nndl_jax.documents.variants import Run, Variant
from nndl_jax.judging.judge import last_epoch
from pipeline.machine.paths import DATASET, MODELS, SHIPPED
from pipeline.machine.writing import replacing, write_text
from pipeline.store.dataset import load_data
from pipeline.store.results import Results, load_all
from pipeline.store.runs import network_path

INDEX = "index.json"
SMALL = ("ch1-30-hidden", "ch1-100-hidden")
"""Documents whose networks the package ships: 784-30-10 and 784-100-10."""
_TEST = "test_accuracy"


class Chosen(NamedTuple):
    """The network that stands for a document."""

    document: Network
    point: Variant
    run: Run
    path: Path
    """Of the file that training wrote."""
    accuracies: list[float]
    """Of each run of its variant on the test images, as fractions, its own first."""
    by: str
    """By what it was chosen among its runs."""
    data: str
    foreign: str | None


def main() -> None:
    """Write `models/`, and the small ones to `pretrained/`."""
    _, experiments = load_all()
    chosen = [found for results in experiments.values() if (found := choose(results)) is not None]
    about_data = f"SHA-256 of the prepared file `{_sum(DATASET)}`", len(load_data().test.labels)
    with replacing(MODELS) as folder:
        _write_all(folder, chosen, about_data)
    small = [each for each in chosen if each.document.id in SMALL and each.foreign is None]
    if len(small) == len(SMALL):
        with replacing(SHIPPED) as folder:
            _write_all(folder, small, about_data)


def choose(results: Results) -> Chosen | None:
    """The network that stands for a document; None where no weights of it are at hand."""
    document, history = results.document, results.history
    if not isinstance(document, Network) or history is None:
        return None
    point = max(results.points, key=lambda each: _validated(results, each))
    is_best = document.training.keep_best
    runs = [run for run in history.runs if run.variant == point.name]
    epoch = "best-validation" if is_best else "last"
    validated = results.at_epoch(epoch, VALIDATION, point.values)
    costs = results.at_epoch("last", "batch_cost", point.values)
    by, scores = "accuracy on the validation images", validated
    if scores is None:
        by, scores = "cost in training", np.zeros(len(runs)) if costs is None else -costs
    best = int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
    path = network_path(document.id, runs[best], is_best=is_best, folder=results.folder)
    if not path.is_file():
        return None
    found = results.at_epoch(epoch, _TEST, point.values)
    own = [] if found is None else [found[best], *np.delete(found, best)]
    accuracies = [float(each) for each in own]
    data, foreign = history.data, results.foreign
    return Chosen(document, point, runs[best], path, accuracies, by, data, foreign)


def _validated(results: Results, point: Variant) -> float:
    curves = results.curves(VALIDATION, point.values)
    return 0.0 if curves is None else float(np.nanmean(last_epoch(curves)))


def _write_all(folder: Path, chosen: list[Chosen], about_data: tuple[str, int]) -> None:
    index: dict[str, dict[str, object]] = {}
    for each in chosen:
        name = each.document.id
        replace_file(folder / f"{name}.safetensors", each.path.read_bytes())
        write_text(folder / f"{name}.md", _card(each, about_data))
        index[name] = {
            "sha256": _sum(each.path),
            "variant": each.point.name,
            "seed": each.run.seed,
            "data": each.data,
            "test_accuracy": each.accuracies[0] if each.accuracies else None,
        }
    write_text(folder / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _card(chosen: Chosen, about_data: tuple[str, int]) -> str:
    """What a network is, how good it is, how it is loaded, and what it is not for."""
    document, spec = chosen.document, chosen.point.spec
    name, layers = document.id, spec.model.num_params() if isinstance(spec, Network) else 0
    place = f", chapter {document.source.chapter} of the book" if document.source else ""
    from_file = "" if chosen.data == "examples" else f"; {about_data[0]}"
    caution = f"\nIts numbers say nothing about the book's: {chosen.foreign}.\n"
    lines = [
        f"# {name}\n",
        f"{document.title}{place}:",
        f"{layers:,} weights and biases, variant `{chosen.point.name}` of the document `{name}`.\n",
        f"Data: {chosen.data}{from_file}.",
        f"Run: seed {chosen.run.seed}, the best of its variant by {chosen.by}.",
        _said_accuracy(chosen.accuracies, about_data[1]),
        caution if chosen.foreign else "",
        _LOADING.replace("NAME", name),
        "Limits: it knows one digit of 28 x 28 pixels, dark on light, centred by mass as in MNIST.",
        "What is no digit it takes for one all the same, and its outputs are no probabilities that",
        "somebody has checked. It is for learning, not for reading forms.\n",
    ]
    return "\n".join(line for line in lines if line)


def _said_accuracy(accuracies: list[float], num_images: int) -> str:
    """The network's own, with the interval that so many test images leave, and that of all runs."""
    if not accuracies:
        return "It classifies nothing, and has no accuracy.\n"
    from scipy.stats import binomtest

    right = round(accuracies[0] * num_images)
    interval = binomtest(right, num_images).proportion_ci(method="wilson")
    own = f"Accuracy on the test images: {accuracies[0]:.4f} (95 %: {interval.low:.4f} to "
    own += f"{interval.high:.4f}, as many images allow)"
    if len(accuracies) < 2:
        return f"{own}.\n"
    mean, spread = np.mean(accuracies), np.std(accuracies, ddof=1)
    return (
        f"{own};\nof all runs {mean:.4f} on average, with a standard deviation of {spread:.4f}.\n"
    )


_LOADING = """
Here, a module of Flax that knows its document:

```python
import nndl_jax

model = nndl_jax.load_pretrained("NAME")
digits = nndl_jax.predict(model, images)  # bytes, 0 white to 255 black
```

In NumPy, where `layers.0.weight` is (out, in), and images are bytes / 256:

```python
from safetensors.numpy import load_file

arrays = load_file("NAME.safetensors")
```

In PyTorch, whose Linear holds weights in the same order:

```python
import torch
from safetensors.torch import load_file

arrays = load_file("NAME.safetensors")
first = torch.nn.functional.linear(images, arrays["layers.0.weight"], arrays["layers.0.bias"])
```

Activations stand in the document, `nndl show NAME`; the inputs of a layer with dropout are
multiplied by the share that is kept.
"""


if __name__ == "__main__":
    run_stage(main, __doc__)
