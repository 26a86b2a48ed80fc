"""Panels of curves against epochs, with the book's numbers on them."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nndl_jax.documents import CurveClaim, FieldValue, NumberClaim
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.documents.variants import Variant, variants
from nndl_jax.reading.validation import parse_field_path
from pipeline.figures.frame import COLOURS, mark, mark_best, new_figure, percent
from pipeline.store.results import Results
from pipeline.tables.format import axis_label, quantity_name, variant_labels

_STYLES = ("-", "--", "-.", ":")
_SPLITS = ("test", "validation", "train")
_MAX_MARKS = 12


class Panel(NamedTuple):
    """A part of a picture: metrics of some variants against epochs."""

    metrics: Sequence[str]
    variant: Mapping[str, FieldValue] = {}
    """Only variants with these values."""
    epochs: tuple[int, int] | None = None
    """The first and last epoch shown; None for all."""
    limits: tuple[float, float] | None = None
    """Of the vertical axis, accuracies in per cent, if any run gets there; None for all values."""
    is_log: bool = False
    """Whether the vertical axis is logarithmic."""
    title: str = ""
    """Empty for the values that single out the panel's variants."""


class Line(NamedTuple):
    """A curve of a panel."""

    metric: str
    variant: Variant
    curves: Float[np.ndarray, "runs epochs"]
    colour: str
    style: str
    label: str


def draw_curves(results: Results, panels: Sequence[Panel], *, columns: int) -> Figure | None:
    """A picture of all panels for which anything was measured; None if there is none."""
    measured = [(panel, lines) for panel in panels if (lines := panel_lines(results, panel))]
    if not measured:
        return None
    figure, parts = new_figure(len(measured), columns=columns, title=results.document.title)
    # One legend tells of all panels, so that a colour means the same in each.
    labels = [line.label for _, lines in measured for line in lines]
    for axes, (panel, lines) in zip(parts, measured, strict=True):
        lines = _told_apart(lines, labels)
        for line in lines:
            _draw_line(axes, line, panel)
            _draw_claims(axes, line, panel, results, is_alone=len(lines) == 1)
        _set_axes(axes, panel, lines)
    return figure


def matches(variant: Variant, wanted: Mapping[str, FieldValue]) -> bool:
    """Whether a variant has these values, by its axes or as its document has it."""
    return all(_value(variant, field) == value for field, value in wanted.items())


def _value(variant: Variant, field: str) -> object:
    """The value of a field; None if there is no such field."""
    part: object = variant.values.get(field)
    if part is None:
        part = variant.spec.model_dump()
        for step in parse_field_path(field):
            match part:
                case dict() if isinstance(step, str) and step in part:
                    part = part[step]
                case tuple() if isinstance(step, int) and step < len(part):
                    part = part[step]
                case _:
                    return None
    return part


def panel_lines(results: Results, panel: Panel) -> list[Line]:
    """The curves of a panel: variants differ in colour and metrics in style, or else in colour.

    Beyond the last colour they begin anew, in another style where that tells no metrics apart.
    """
    found = [
        (metric, variant, curves)
        for variant in results.variants
        if matches(variant, panel.variant)
        for metric in sorted(panel.metrics, key=_rank)
        if (curves := results.curves(metric, variant.values)) is not None
    ]
    labelled = list(dict.fromkeys(variant.name for _, variant, _ in found))
    metrics = list(dict.fromkeys(metric for metric, _, _ in found))
    ours = "mean of our runs" if any(len(curves) > 1 for _, _, curves in found) else "our run"
    names, styles = {metric: quantity_name(metric) for metric in metrics}, cycle(["-"])
    if len(labelled) > 1:
        names, styles = dict(zip(labelled, variant_labels(labelled), strict=True)), cycle(_STYLES)
    elif len(metrics) == 1:
        names = {metrics[0]: ours}
    style_of = dict(zip(metrics, styles, strict=False))
    lines = []
    for metric, variant, curves in found:
        key = variant.name if len(labelled) > 1 else metric
        lines.append(Line(metric, variant, curves, COLOURS[0], style_of[metric], names[key]))
    return _told_apart(lines, list(names.values()))


def _told_apart(lines: Sequence[Line], labels: Sequence[str]) -> list[Line]:
    """The same with the colour, and the style if it is free, of their labels' places among all."""
    places = {label: divmod(at, len(COLOURS)) for at, label in enumerate(dict.fromkeys(labels))}
    is_style_free = len({line.metric for line in lines}) == 1
    told = []
    for line in lines:
        turn, place = places[line.label]
        style = _STYLES[turn % len(_STYLES)] if is_style_free else line.style
        told.append(line._replace(colour=COLOURS[place], style=style))
    return told


def _rank(metric: str) -> int:
    """Splits that say more of generalization come first."""
    split = parse_metric(metric).split
    return _SPLITS.index(split) if split in _SPLITS else len(_SPLITS)


def _draw_line(axes: Axes, line: Line, panel: Panel) -> None:
    """A thin line for each run and a thick one for their mean, as far as all runs go."""
    values = percent(line.metric) * line.curves
    for curve in values if len(values) > 1 else []:
        epochs = _measured(curve, panel)
        style = line.style
        axes.plot(epochs, curve[epochs], style, color=line.colour, alpha=0.3, linewidth=0.8)
    mean = values.mean(axis=0)  # NaN where one of the runs was not measured.
    epochs = _measured(mean, panel)
    style = line.style if len(epochs) > 1 else "o"
    axes.plot(epochs, mean[epochs], style, color=line.colour, linewidth=1.8, label=line.label)


def _measured(curve: Float[np.ndarray, " epochs"], panel: Panel) -> np.ndarray:
    """The epochs of a curve that a panel shows."""
    return np.flatnonzero(is_within(np.arange(len(curve)), panel) & ~np.isnan(curve))


def _draw_claims(axes: Axes, line: Line, panel: Panel, results: Results, *, is_alone: bool) -> None:
    """A cross for each number of an epoch, a dotted line for the best of all."""
    factor, marks = percent(line.metric), []
    colour = "black" if is_alone else line.colour
    for claim in results.document.claims:
        if not isinstance(claim, NumberClaim | CurveClaim) or claim.metric != line.metric:
            continue
        if not matches(line.variant, claim.variant or {}):
            continue
        if isinstance(claim, CurveClaim):
            marks += _thinned(claim.values, panel)
        elif claim.epoch in ("best", "best-validation"):
            mark_best(axes, factor * claim.value, colour)
        else:
            epoch = claim.epoch
            marks.append(
                (books_last_epoch(results, line) if epoch == "last" else epoch, claim.value)
            )
    inside = [
        (epoch, factor * value) for epoch, value in marks if is_within(np.array(epoch), panel)
    ]
    mark(axes, inside, colour)


def _thinned(values: Sequence[float], panel: Panel) -> list[tuple[int, float]]:
    """Some of the epochs of a curve that a panel shows, evenly spread, with its values."""
    epochs = np.flatnonzero(is_within(np.arange(len(values)), panel))
    if not len(epochs):
        return []
    chosen = np.linspace(0, len(epochs) - 1, min(_MAX_MARKS, len(epochs))).round().astype(int)
    return [(int(epoch), values[epoch]) for epoch in epochs[chosen]]


def is_within(epochs: np.ndarray, panel: Panel) -> np.ndarray:
    """Which epochs a panel shows."""
    first, last = panel.epochs or (0, np.inf)
    return (epochs >= first) & (epochs <= last)


def books_last_epoch(results: Results, line: Line) -> int:
    """The last epoch of a variant in the book, which a profile may not reach."""
    for variant in variants(results.document):
        training = variant.spec.learning()
        if variant.values == line.variant.values and training is not None:
            return training.epochs - 1
    return line.curves.shape[1] - 1


def _set_axes(axes: Axes, panel: Panel, lines: Sequence[Line]) -> None:
    styles = {line.metric: line.style for line in lines}
    metrics = list(styles)
    for metric, style in styles.items() if len(set(styles.values())) > 1 else ():
        axes.plot([], [], style, color="black", label=quantity_name(metric).split()[0])
    axes.set_ylabel(axis_label(metrics, lines[0].variant.spec))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    first, last = axes.dataLim.intervalx
    if first == last:  # Else there would be epochs of -0.04 and 0.04.
        axes.set_xticks([first])
    if panel.is_log:
        axes.set_yscale("log")
    highest = max(percent(line.metric) * np.nanmax(line.curves) for line in lines)
    if panel.limits is not None and highest > panel.limits[0]:  # A short run stays below.
        axes.set_ylim(*panel.limits)
    names = [f"{field.rsplit('.', 1)[-1]}={value}" for field, value in panel.variant.items()]
    axes.set_title(panel.title or ", ".join(variant_labels(names)), fontsize="medium")
