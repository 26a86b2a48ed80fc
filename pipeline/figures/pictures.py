"""Which pictures an experiment has: those of the book where it has any, else all it measures."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nndl_jax.documents.metrics import GRADIENT_NORM, QUANTITIES, Metric, parse_metric
from pipeline.figures.curves import Panel
from pipeline.figures.gradients import speed_panels
from pipeline.store.results import Results
from pipeline.tables.format import variant_labels

_MAX_LINES = 7


class Picture(NamedTuple):
    """Panels of one file."""

    panels: Sequence[Panel]
    suffix: str = ""
    """Of the file's name."""
    columns: int = 2


def choose_pictures(results: Results) -> Sequence[Picture]:
    """The pictures of a network's curves; a replay has those of the experiment that it replays."""
    match results.document.id.removesuffix("-replay"):
        case "ch3-neuron":
            return _neuron(results)
        case "ch3-overfitting":
            return _OVERFITTING
        case "ch3-overfitting-full":
            return _OVERFITTING_FULL
        case "ch3-initialization":
            return _INITIALIZATION
        case "ch3-learning-rates":
            return [Picture([Panel(["train_cost"])])]
        case "ch5-depth":
            return [Picture([Panel(["validation_accuracy"], limits=(90, 100))])]
        case "ch5-gradients":
            return [Picture(speed_panels(results), columns=3)]
        case _:
            return [_everything(results)]


def _everything(results: Results) -> Picture:
    """Accuracies, costs and outputs, each kind in a panel of its own if it has not too many."""
    panels = []
    found = list(map(parse_metric, results.metrics()))
    for quantity in QUANTITIES:
        own = [metric for metric in found if metric.quantity is quantity]
        metrics = [metric.name for metric in own]
        if quantity is GRADIENT_NORM and metrics:
            panels += speed_panels(results)
        elif quantity.by in ("layer", "digit"):
            panels += _by_part(results, own)
        elif quantity.by is not None:
            continue
        elif len(metrics) * len(results.variants) > _MAX_LINES:
            panels += [Panel([metric]) for metric in metrics]
        elif metrics:
            panels.append(Panel(metrics))
    return Picture(panels)


def _by_part(results: Results, metrics: Sequence[Metric]) -> Iterator[Panel]:
    """A panel with all layers or digits for each variant and split."""
    for split in dict.fromkeys(metric.split for metric in metrics):
        own = [metric for metric in metrics if metric.split == split]
        is_log = own[0].quantity.scale == "logarithmic"
        for variant in results.variants:
            name = "".join(variant_labels([variant.name])).removeprefix("base")
            title = ", ".join(filter(None, [split, name]))
            names = [metric.name for metric in own]
            yield Panel(names, variant.values, is_log=is_log, title=title)


def _neuron(results: Results) -> Sequence[Picture]:
    """The costs of the pages `saturation1` to `saturation4`, and all outputs, which are claimed."""
    start, loss = "model.initializer.weights", "loss"
    costs = [
        Panel(["train_cost"], {start: weight, loss: name}, title=f"{name}, start at {weight}")
        for name in ("quadratic", "cross-entropy-by-activation")
        for weight in (0.6, 2.0)
    ]
    outputs = [
        Panel(["train_output"], {start: weight}, title=f"start at {weight}")
        for weight in (0.6, 2.0)
    ]
    return [Picture(costs), Picture(outputs, "-output")]


_LATE = (200, 399)
_OVERFITTING = [
    Picture(
        [
            Panel(["train_cost"], {"regularizer.l2": 0.0}, _LATE, title="overfitting1, λ = 0"),
            Panel(["test_accuracy"], {"regularizer.l2": 0.0}, _LATE, title="overfitting2, λ = 0"),
            Panel(["test_cost"], {"regularizer.l2": 0.0}, title="overfitting3, λ = 0"),
            Panel(["train_accuracy"], {"regularizer.l2": 0.0}, title="overfitting4, λ = 0"),
        ]
    ),
    Picture(
        [
            Panel(["train_cost"], {"regularizer.l2": 0.1}, _LATE, title="regularized1, λ = 0.1"),
            Panel(["test_accuracy"], {"regularizer.l2": 0.1}, _LATE, title="regularized2, λ = 0.1"),
        ],
        "-regularized",
    ),
]
"""Figures of 1,000 images, by their names in the book."""

_BOTH = ("train_accuracy", "test_accuracy")
_OVERFITTING_FULL = [
    Picture(
        [
            Panel(
                _BOTH, {"regularizer.l2": 0.0}, limits=(90, 100), title="overfitting_full, λ = 0"
            ),
            Panel(
                _BOTH, {"regularizer.l2": 5.0}, limits=(90, 100), title="regularized_full, λ = 5"
            ),
        ]
    )
]
_INITIALIZATION = [
    Picture(
        [
            Panel(["validation_accuracy"], {"model.layers[0].units": units}, limits=(85, 100))
            for units in (30, 100)
        ]
    )
]
