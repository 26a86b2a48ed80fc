"""Speed of learning by layer, at the beginning and during training (ch. 5)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from nndl_jax.documents import Network
from nndl_jax.documents.metrics import GRADIENT, parse_metric
from nndl_jax.documents.variants import Variant
from pipeline.figures.curves import Panel
from pipeline.figures.frame import COLOURS, GREY, PRINTED, new_figure
from pipeline.store.results import Results
from pipeline.tables.format import variant_labels

_BARS = {
    1: (-0.00397, -0.00317, 0.00810, 0.01260, -0.02647, 0.00176),
    2: (0.04153, 0.04403, -0.00967, 0.04674, 0.03877, 0.01234),
}
"""Gradients that the author recorded for the bars of the book's figure, by hidden layer."""


def speed_panels(results: Results) -> Sequence[Panel]:
    """For each variant the norms of its hidden layers' gradients, as `training_speed_*_layers`."""
    panels, norm = [], parse_metric("gradient_norms")
    for variant in results.variants:
        norms = [norm.of(layer) for layer in range(1, _num_hidden(variant) + 1)]
        name = "".join(variant_labels([variant.name])).removeprefix("base")
        panels.append(Panel(norms, variant.values, is_log=True, title=name))
    return panels


def draw_bars(results: Results) -> Figure | None:
    """The gradient by each bias of some neurons before training; None if it was not measured.

    A bar is of our first run: in another run the neurons are others. All layers have one scale.
    """
    found = [
        (*map(int, metric.part.split(".")), metric.name)
        for metric in map(parse_metric, results.metrics())
        if metric.quantity is GRADIENT
    ]
    layers = sorted({layer for layer, _, _ in found if layer in _BARS})
    if not layers:
        return None
    figure, panels = new_figure(len(layers), columns=2, title="Gradients before training")
    for axes, layer in zip(panels, layers, strict=True):
        neurons = sorted((neuron, metric) for at, neuron, metric in found if at == layer)
        ours = [_first_run(results, metric) for _, metric in neurons]
        places = np.array([neuron for neuron, _ in neurons])
        book = 1 + np.arange(len(_BARS[layer]))
        axes.bar(places - 0.2, ours, 0.4, color=COLOURS[0], label="our first run")
        axes.bar(book + 0.2, _BARS[layer], 0.4, color=GREY, label=PRINTED)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_title(f"hidden layer {layer}", fontsize="medium")
        axes.set_xlabel("neuron")
        axes.set_ylabel("gradient by the bias (nats)")
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    return figure


def _first_run(results: Results, metric: str) -> float:
    """The first value of a metric that only some variants have."""
    values = (results.curves(metric, variant.values) for variant in results.variants)
    return next(float(curves[0, 0]) for curves in values if curves is not None)


def _num_hidden(variant: Variant) -> int:
    return len(variant.spec.model.stack()) - 1 if isinstance(variant.spec, Network) else 0
