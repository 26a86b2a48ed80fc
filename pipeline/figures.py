"""Figures of the report: learning curves of every network, with the book's numbers on them."""

from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nndl_jax.schema import Baseline, NumberClaim
from pipeline.evaluate import Experiment, select
from pipeline.runs import History

mpl.use("agg")

# Colours that remain apart for colour-blind readers and in print (Okabe and Ito, 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def draw(experiment: Experiment, path: Path, *, footnote: str) -> bool:
    """Draw what was measured of an experiment; False if there is no curve in it.

    Args:
        experiment: a document with what was run of it.
        path: of the picture, a PNG.
        footnote: what the numbers come from.
    """
    history = experiment.history
    if history is None:
        return False
    by_size = isinstance(experiment.document, Baseline)
    if by_size and len(experiment.points) < 2:
        return False
    figure, axes = plt.subplots(figsize=(8.5, 4.2), layout="constrained")
    (_draw_sizes if by_size else _draw_epochs)(axes, experiment, history)
    axes.set_title(experiment.document.title)
    axes.set_ylabel("accuracy (%)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    _save(figure, path, footnote)
    return True


def _draw_epochs(axes: Axes, experiment: Experiment, history: History) -> None:
    """A thin line for each run, a thick one for their mean, a cross for each number printed."""
    metric = experiment.document.monitors[0]
    epochs = np.arange(history.metrics[metric].shape[1])
    for point, colour in zip(experiment.points, cycle(_COLOURS), strict=False):
        curves = select(history, experiment.points, metric, point.values)
        if curves is None:
            continue
        for curve in curves:
            axes.plot(epochs, 100 * curve, color=colour, alpha=0.3, linewidth=0.8)
        label = "mean of our runs" if point.name == "base" else point.name
        axes.plot(epochs, 100 * curves.mean(axis=0), color=colour, linewidth=2, label=label)
    marks = [
        (claim.epoch if isinstance(claim.epoch, int) else epochs[-1], 100 * claim.value)
        for claim in experiment.document.claims
        if isinstance(claim, NumberClaim) and claim.metric == metric and claim.epoch != "best"
    ]
    if marks:
        axes.plot(*zip(*marks, strict=True), "x", color="black", label="printed in the book")
    best = [
        claim.value
        for claim in experiment.document.claims
        if isinstance(claim, NumberClaim) and claim.epoch == "best"
    ]
    for value in best:
        axes.axhline(
            100 * value, color="black", linestyle=":", linewidth=1, label="the book's best"
        )
    axes.set_xlabel("epoch")


def _draw_sizes(axes: Axes, experiment: Experiment, history: History) -> None:
    """Accuracy against the number of training images."""
    field = "data.train_images"
    sizes = [int(point.values[field]) for point in experiment.points]
    for metric, colour in zip(experiment.document.monitors, _COLOURS, strict=False):
        accuracies = [
            100 * float(curves[:, -1].mean())
            for point in experiment.points
            if (curves := select(history, experiment.points, metric, point.values)) is not None
        ]
        axes.plot(sizes, accuracies, "o-", color=colour, label=metric.replace("_", " "))
        marks = [
            (int(claim.variant[field]), 100 * claim.value)
            for claim in experiment.document.claims
            if isinstance(claim, NumberClaim) and claim.metric == metric and claim.variant
        ]
        label = f"{metric.replace('_', ' ')} printed in the book"
        axes.plot(*zip(*marks, strict=True), "x", color=colour, markersize=9, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("training images")


def _save(figure: Figure, path: Path, footnote: str) -> None:
    figure.supxlabel(footnote, fontsize="x-small", color="0.4")
    # Without the library's version the same curves give the same bytes.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
