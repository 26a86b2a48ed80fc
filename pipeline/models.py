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
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nndl_jax.data.files import replace_file
from nndl_jax.documents import Network
from nndl_jax.documents.metrics import VALIDATION
from nndl_jax.documents.variants import Run, Variant
from nndl_jax.judging.judge import last_epoch
from pipeline.machine.paths import MODELS, SHIPPED
from pipeline.machine.writing import replacing, write_text
from pipeline.store.dataset import file_of, load_data
from pipeline.store.results import Results, load_all
from pipeline.store.runs import network_path
from pipeline.tables.format import quantity_name, show

INDEX = "index.json"
SMALL = ("ch1-30-hidden", "ch1-100-hidden")
"""Documents whose networks the package ships: 784-30-10 and 784-100-10."""
_TESTED = ("test_accuracy", "test_r2", "test_mse")


class Chosen(NamedTuple):
    """The network that stands for a document."""

    document: Network
    variant: Variant
    run: Run
    path: Path
    """Of the file that training wrote."""
    measured: dict[str, list[float]]
    """Test metrics of each run of its variant, its own first: accuracies are fractions."""
    by: str
    """By what it was chosen among its runs."""
    data: str
    foreign: str | None


def main() -> None:
    """Write `models/`, and the small ones to `pretrained/`."""
    _, experiments = load_all()
    chosen = [found for results in experiments.values() if (found := choose(results)) is not None]
    with replacing(MODELS) as folder:
        _write_all(folder, chosen)
    small = [
        network for network in chosen if network.document.id in SMALL and network.foreign is None
    ]
    if len(small) == len(SMALL):
        with replacing(SHIPPED) as folder:
            _write_all(folder, small)


def choose(results: Results) -> Chosen | None:
    """The network that stands for a document; None where no weights of it are at hand."""
    document, history = results.document, results.history
    if not isinstance(document, Network) or history is None:
        return None
    variant = max(results.variants, key=lambda variant: _validated(results, variant))
    is_best = document.training.keep_best
    runs = [run for run in history.runs if run.variant == variant.name]
    epoch = "best-validation" if is_best else "last"
    validated = results.at_epoch(epoch, VALIDATION, variant.values)
    costs = results.at_epoch("last", "batch_cost", variant.values)
    by, scores = "accuracy on the validation images", validated
    if scores is None:
        by, scores = "cost in training", np.zeros(len(runs)) if costs is None else -costs
    best = int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
    path = network_path(document.id, runs[best], is_best=is_best, folder=results.folder)
    if not path.is_file():
        return None
    measured: dict[str, list[float]] = {}
    for metric in _TESTED:
        found = results.at_epoch(epoch, metric, variant.values)
        if found is not None:
            measured[metric] = [float(value) for value in (found[best], *np.delete(found, best))]
    data, foreign = history.data, results.foreign
    return Chosen(document, variant, runs[best], path, measured, by, data, foreign)


def _validated(results: Results, variant: Variant) -> float:
    curves = results.curves(VALIDATION, variant.values)
    return 0.0 if curves is None else float(np.nanmean(last_epoch(curves)))


def _write_all(folder: Path, chosen: list[Chosen]) -> None:
    index: dict[str, dict[str, object]] = {}
    for network in chosen:
        name = network.document.id
        replace_file(folder / f"{name}.safetensors", network.path.read_bytes())
        write_text(folder / f"{name}.md", _card(network))
        index[name] = {
            "sha256": _sum(network.path),
            "variant": network.variant.name,
            "seed": network.run.seed,
            "data": network.data,
            **{metric: values[0] for metric, values in network.measured.items()},
        }
    write_text(folder / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _about(path: Path) -> tuple[str, int, tuple[int, ...]]:
    """The sum of a prepared data set, its number of test examples and the shape of an input."""
    dataset = load_data(path)
    shape = dataset.shape or (1, 28, 28)
    return f"SHA-256 of the prepared file `{_sum(path)}`", len(dataset.test.labels), shape


def _card(chosen: Chosen) -> str:
    """What a network is, how good it is, how it is loaded, and what it is not for."""
    document, spec = chosen.document, chosen.variant.spec
    name, layers = document.id, spec.model.num_params() if isinstance(spec, Network) else 0
    place = f", chapter {document.source.chapter} of the book" if document.source else ""
    has_file = chosen.data != "examples"
    about, num_tested, shape = _about(file_of(spec)) if has_file else ("", 0, ())
    whose = "book" if document.source else "document"
    caution = f"\nIts numbers say nothing about the {whose}'s: {chosen.foreign}.\n"
    lines = [
        f"# {name}\n",
        f"{document.title}{place}:",
        f"{layers:,} weights and biases, variant `{chosen.variant.name}` "
        f"of the document `{name}`.\n",
        f"Data: {chosen.data}{f'; {about}' if has_file else ''}.",
        f"Run: seed {chosen.run.seed}, the best of its variant by {chosen.by}.",
        _said_measured(chosen.measured, num_tested),
        caution if chosen.foreign else "",
        _loading(name, document, shape),
        _limits(chosen.data, shape),
    ]
    return "\n".join(line for line in lines if line)


def _said_measured(measured: dict[str, list[float]], num_tested: int) -> str:
    """The network's own numbers, with the interval that so many test examples leave."""
    message = [
        _said_accuracy(values, num_tested) if metric == "test_accuracy" else _said(metric, values)
        for metric, values in measured.items()
    ]
    return "\n".join(message) or "It classifies nothing, and has no accuracy.\n"


def _said(metric: str, values: list[float]) -> str:
    own = f"{quantity_name(metric)}: {show(metric, values[0])}"
    if len(values) < 2:
        return f"{own}.\n"
    mean, spread = np.mean(values), np.std(values, ddof=1)
    return f"{own}; of all runs {mean:.4g} on average, with a standard deviation of {spread:.2g}.\n"


def _said_accuracy(accuracies: list[float], num_images: int) -> str:
    """The network's own, with the interval that so many test images leave, and that of all runs."""
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


def _limits(data: str, shape: Sequence[int]) -> str:
    """What a network is not for."""
    if data in _DIGITS:
        return _DIGIT_LIMITS
    inputs = " x ".join(map(str, shape)) or "as many as its document says"
    known = f"Limits: it knows inputs like those of {data}, {inputs} each, in the same units"
    return f"{known} and order.\nTo what is unlike them it gives an answer all the same.\n"


def _loading(name: str, document: Network, shape: Sequence[int]) -> str:
    """How it is loaded: images are divided by 256 by whoever does without this package."""
    text = _LOADING.replace("NAME", name)
    if len(shape) == 3:
        return text
    output = "classes" if document.data.has_classes() else "outputs"
    return (
        text.replace("digits = ", f"{output} = ")
        .replace("images)  # bytes, 0 white to 255 black", "inputs)  # a row of numbers each")
        .replace("(out, in), and images are bytes / 256", "(out, in)")
        .replace("linear(images,", "linear(inputs,")
    )


_DIGITS = ("mnist", "digits", "emnist-digits")
_DIGIT_LIMITS = """\
Limits: it knows one digit of 28 x 28 pixels, dark on light, centred by mass as in MNIST.
What is no digit it takes for one all the same, and its outputs are no probabilities that
somebody has checked. It is for learning, not for reading forms.
"""
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
