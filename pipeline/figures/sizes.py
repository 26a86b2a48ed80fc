"""Accuracy against the number of training images (ch. 3, "Other techniques for regularization")."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from nndl_jax.documents import NumberClaim
from nndl_jax.judging.judge import last_epoch
from pipeline.figures.frame import COLOURS, mark, new_figure, percent
from pipeline.store.results import Results
from pipeline.tables.format import axis_label, quantity_name

SIZE = "data.train_images"


def draw_sizes(results: Results, experiments: Mapping[str, Results]) -> Figure:
    """A network's accuracies by size as the book shows them: linear, logarithmic, beside the SVM's.

    Args:
        results: a network that varies the number of training images.
        experiments: all of them; the support vector machine is `ch1-svm`.
    """
    metric = results.metrics()[0]
    title = results.document.title
    figure, (linear, log, both) = new_figure(3, columns=3, title=title)
    names = ("more_data", "more_data_log", "more_data_comparison")
    for axes, name in zip((linear, log, both), names, strict=True):
        axes.set_title(name, fontsize="medium")
        _draw_line(axes, results, metric, COLOURS[0], "network")
        _set_axes(axes, axis_label([metric], results.document), is_log=axes is not linear)
    machine = experiments.get("ch1-svm")
    if machine is not None:
        message = ", recorded" if machine.origin else ""
        _draw_line(both, machine, metric, COLOURS[1], f"support vector machine{message}")
    both.set_ylim(24, 100)
    return figure


def draw_baseline_sizes(results: Results) -> Figure:
    """A baseline's accuracies by size, on all splits that are measured."""
    figure, (axes,) = new_figure(1, columns=1, title=results.document.title)
    for metric, colour in zip(results.metrics(), COLOURS, strict=False):
        _draw_line(axes, results, metric, colour, quantity_name(metric))
    label = axis_label(results.metrics(), results.document)
    _set_axes(axes, label, is_log=True)
    return figure


def _draw_line(axes: Axes, results: Results, metric: str, colour: str, label: str) -> None:
    """A point for each run, a line through their means, crosses at the book's numbers."""
    factor, sizes, means = percent(metric), [], []
    for variant in results.variants:
        curves = results.curves(metric, variant.values)
        if curves is None:
            continue
        size, values = int(variant.values[SIZE]), factor * last_epoch(curves)
        sizes.append(size)
        means.append(float(np.mean(values)))
        if len(values) > 1:
            axes.plot([size] * len(values), values, ".", color=colour, alpha=0.4)
    axes.plot(sizes, means, "o-", color=colour, label=label, markersize=4)
    printed = [
        (int(claim.variant[SIZE]), factor * claim.value)
        for claim in results.document.claims
        if isinstance(claim, NumberClaim) and claim.metric == metric
        if claim.variant and SIZE in claim.variant
    ]
    mark(axes, printed, colour)


def _set_axes(axes: Axes, label: str, *, is_log: bool) -> None:
    axes.set_xlabel("training images")
    axes.set_ylabel(label)
    if is_log:
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def varies_size(results: Results) -> bool:
    """Whether the number of training images is what the variants differ in."""
    variants: Sequence = results.variants
    return len(variants) > 1 and all(SIZE in variant.values for variant in variants)
