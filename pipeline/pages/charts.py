"""Curves as Vega-Lite charts: every run, the book's numbers, and the author's recording.

A chart stands twice in the site: as a picture that needs no script, and as a specification that the
page's script draws in its place, where series can be put on and off and axes be made logarithmic.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import vl_convert
from altair.utils.schemapi import debug_mode
from jaxtyping import Float
from markupsafe import Markup

from nndl_jax.documents import Baseline, CurveClaim, Network, NumberClaim
from nndl_jax.documents.metrics import ACCURACY, parse_metric
from nndl_jax.judging.judge import last_epoch
from nndl_jax.reading.markup import Html
from pipeline.figures.curves import (
    Line,
    Panel,
    books_last_epoch,
    is_within,
    matches,
    panel_lines,
)
from pipeline.figures.frame import COLOURS, percent
from pipeline.figures.pictures import choose_pictures
from pipeline.figures.sizes import SIZE, varies_size
from pipeline.store.results import Results
from pipeline.tables.format import axis_label, quantity_name, variant_labels

WIDTH, HEIGHT = 640, 340
"""Of a chart in pixels; in the page it is as wide as there is room for."""
_MOST_PLACES, _MOST_PLACES_OF_RUNS = 400, 100
_ROWS = "rows"
_CROSS = "M-1,-1L1,1M-1,1L1,-1"
_TEXT = {"labelFontSize": 16, "titleFontSize": 16, "titleFontWeight": "normal"}
_FAINT = 0.16
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        **{f"{part}Color": "currentColor" for part in ("label", "title", "domain", "tick", "grid")},
        "labelOverlap": True,
        "titlePadding": 8,
        "tickCount": 6,
    },
}

Row = dict[str, Any]


class Series(NamedTuple):
    """A line of a chart, as its legend names it."""

    name: str
    colour: str
    """A variable of the style sheet."""
    dash: Sequence[int]
    """Lengths that are drawn and left out in turn."""


class Chart(NamedTuple):
    """A chart of an experiment."""

    name: str
    """In the site, such as `ch3-l2-chart-1`."""
    title: str
    series: Sequence[Series]
    marks: Sequence[str]
    """What of the book is on it, in words."""
    has_runs: bool
    """Whether there are single runs to show beside means."""
    summary: str
    """What it shows, for those who do not see it."""
    specification: str
    """Vega-Lite's, as JSON."""
    curves_of_book: Sequence[str]
    """Statements of the claims whose curves are on it."""
    picture: Html


def draw_charts(results: Results) -> Sequence[Chart]:
    """The charts of what was measured of an experiment by epoch or by number of images."""
    if results.history is None:
        return []
    match results.document:
        case Network() if not varies_size(results):
            drawn = _of_curves(results)
        case Network() | Baseline() if varies_size(results):
            drawn = _of_sizes(results)
        case _:
            drawn = iter(())
    name = results.document.id
    return [_finish(chart, f"{name}-chart-{place}") for place, chart in enumerate(drawn, 1)]


class _Drawn(NamedTuple):
    """What a chart is made of."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    rows: Sequence[Row]
    """Of each point x and y; s, its series; k, what it is; and r, its run, or t, its text."""
    limits: tuple[float, float] | None = None
    is_log: bool = False
    is_log_along: bool = False


def _of_curves(results: Results) -> Iterator[_Drawn]:
    for panel in (panel for shown in choose_pictures(results) for panel in shown.panels):
        lines = panel_lines(results, panel)
        if not lines:
            continue
        names = _names(lines)
        series = [
            Series(name, _colour(line.colour), _DASHES[line.style])
            for name, line in zip(names, lines, strict=True)
        ]
        rows: list[Row] = []
        for name, line in zip(names, lines, strict=True):
            rows += _rows_of_line(name, line, panel)
            rows += _rows_of_book(name, line, panel, results)
        metrics = list(dict.fromkeys(line.metric for line in lines))
        highest = max(percent(line.metric) * np.nanmax(line.curves) for line in lines)
        limits = panel.limits if panel.limits and highest > panel.limits[0] else None
        label = axis_label(metrics, lines[0].variant.spec)
        yield _Drawn(_title(panel), "epoch", label, series, rows, limits, panel.is_log)


def _names(lines: Sequence[Line]) -> list[str]:
    """Labels of lines, with the quantity where several lines have one label."""
    labels = [line.label for line in lines]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{line.label}, {quantity_name(line.metric)}" for line in lines]


def _title(panel: Panel) -> str:
    names = [f"{field.rsplit('.', 1)[-1]}={value}" for field, value in panel.variant.items()]
    return panel.title or ", ".join(variant_labels(names))


def _rows_of_line(name: str, line: Line, panel: Panel) -> Iterator[Row]:
    """The mean of the runs, as far as all go, and each of them."""
    values = percent(line.metric) * line.curves
    mean = values.mean(axis=0)
    epochs = _measured(mean, panel, _MOST_PLACES)
    kind = "mean" if len(epochs) > 1 else "dot"
    for epoch in epochs:
        yield {"x": epoch, "y": _short(mean[epoch]), "s": name, "k": kind}
    for run, curve in enumerate(values) if len(values) > 1 else ():
        for epoch in _measured(curve, panel, _MOST_PLACES_OF_RUNS):
            yield {"x": epoch, "y": _short(curve[epoch]), "s": name, "k": "run", "r": run}


def _rows_of_book(name: str, line: Line, panel: Panel, results: Results) -> Iterator[Row]:
    factor = percent(line.metric)
    for claim in results.document.claims:
        if not isinstance(claim, NumberClaim | CurveClaim) or claim.metric != line.metric:
            continue
        if not matches(line.variant, claim.variant or {}):
            continue
        about = {"s": name, "t": claim.statement}
        if isinstance(claim, CurveClaim):
            curve = factor * np.array(claim.values)
            for epoch in _measured(curve, panel, _MOST_PLACES):
                yield {"x": epoch, "y": _short(curve[epoch]), "k": "book", **about}
        elif claim.epoch in ("best", "best-validation"):
            yield {"y": _short(factor * claim.value), "k": "best", **about}
        else:
            last = claim.epoch == "last"
            epoch = books_last_epoch(results, line) if last else int(claim.epoch)
            if is_within(np.array(epoch), panel):
                yield {"x": epoch, "y": _short(factor * claim.value), "k": "mark", **about}


def _of_sizes(results: Results) -> Iterator[_Drawn]:
    """Values after the last epoch by the number of training images."""
    metrics = [name for name in results.metrics() if parse_metric(name).quantity is ACCURACY]
    rows: list[Row] = []
    for metric in metrics:
        factor, name = percent(metric), quantity_name(metric)
        for variant in results.variants:
            curves = results.curves(metric, variant.values)
            if curves is None:
                continue
            x, values = int(variant.values[SIZE]), factor * last_epoch(curves)
            rows.append({"x": x, "y": _short(values.mean()), "s": name, "k": "mean"})
            for run, value in enumerate(values) if len(values) > 1 else ():
                rows.append({"x": x, "y": _short(value), "s": name, "k": "point", "r": run})
        for claim in results.document.claims:
            if isinstance(claim, NumberClaim) and claim.metric == metric and claim.variant:
                x, y = int(claim.variant[SIZE]), _short(factor * claim.value)
                rows.append({"x": x, "y": y, "s": name, "k": "mark", "t": claim.statement})
    series = [
        Series(quantity_name(metric), f"var(--c{place})", _DASHES["-"])
        for place, metric in enumerate(metrics)
    ]
    label = axis_label(metrics, results.document)
    if rows:
        yield _Drawn("", "training images", label, series, rows, is_log_along=True)


def _measured(curve: Float[np.ndarray, " epochs"], panel: Panel, most: int) -> list[int]:
    """Epochs of a curve that a panel shows, thinned out evenly if they are many."""
    inside = is_within(np.arange(len(curve)), panel) & ~np.isnan(curve)
    epochs = np.flatnonzero(inside)
    if len(epochs) > most:
        epochs = epochs[np.linspace(0, len(epochs) - 1, most).round().astype(int)]
    return epochs.tolist()


def _short(value: float) -> float:
    """A number with the digits that can be seen."""
    return float(f"{value:.6g}")


def _colour(colour: str) -> str:
    return f"var(--c{COLOURS.index(colour)})"


_MARKS = {
    "book": "the author's recording (dotted)",
    "mark": "numbers of the book (crosses)",
    "best": "the book's best epoch (line across)",
}


def _finish(drawn: _Drawn, name: str) -> Chart:
    kinds = {row["k"] for row in drawn.rows}
    specification = _specify(drawn, kinds)
    layers = [layer for layer in specification["layer"] if layer["name"] not in ("run", "hover")]
    still = {**specification, "layer": layers, "width": WIDTH, "datasets": {_ROWS: _thin(drawn)}}
    return Chart(
        name,
        drawn.title,
        drawn.series,
        [text for kind, text in _MARKS.items() if kind in kinds],
        bool({"run", "point"} & kinds),
        _summarize(drawn),
        json.dumps({**specification, "datasets": {_ROWS: drawn.rows}}, separators=(",", ":")),
        list(dict.fromkeys(row["t"] for row in drawn.rows if row["k"] == "book")),
        Markup(_name_clips(vl_convert.vegalite_to_svg(still), name)),  # noqa: S704 - escaped there.
    )


def _name_clips(picture: str, name: str) -> str:
    """Have the names of clipping paths be the same each time, and each once on a page."""
    found = dict.fromkeys(re.findall(r'id="(clip\d+)"', picture))
    for number, clip in enumerate(found):
        picture = re.sub(rf"\b{clip}\b", f"{name}-clip-{number}", picture)
    return picture


def _thin(drawn: _Drawn) -> Sequence[Row]:
    """Its rows without those of single runs, as many as can be told apart."""
    rows: list[Row] = []
    for kind, of_kind in groupby(sorted(drawn.rows, key=_kind_and_series), key=_kind_and_series):
        members = list(of_kind)
        if len(members) > _MOST_PLACES_OF_RUNS and kind[0] != "run":
            places = np.linspace(0, len(members) - 1, _MOST_PLACES_OF_RUNS).round().astype(int)
            members = [members[place] for place in places]
        rows += members if kind[0] != "run" else []
    return rows


def _kind_and_series(row: Row) -> tuple[str, str]:
    return row["k"], row["s"]


def _summarize(drawn: _Drawn) -> str:
    """First and last values of each series."""
    parts = []
    for series in drawn.series:
        rows = [row for row in drawn.rows if row["s"] == series.name and row["k"] in _OURS]
        if rows:
            first, last = rows[0], rows[-1]
            parts.append(
                f"{series.name}: {first['y']:.4g} at {first['x']:,}, "
                f"{last['y']:.4g} at {last['x']:,}"
            )
    return f"{drawn.y} by {drawn.x}. {'; '.join(parts)}."


_OURS = ("mean", "dot")


def _specify(drawn: _Drawn, kinds: Collection[str]) -> dict[str, Any]:
    """The chart in Vega-Lite without its rows, as wide as its place.

    Args:
        drawn: what it is made of.
        kinds: of its rows.
    """
    with debug_mode(False):  # Altair would hold each part against its schema, for seconds.
        layers = _layer(drawn, kinds).to_dict(validate=False)
    return {**layers, "config": _CONFIG, "usermeta": {"log": _grid(True), "linear": _grid(False)}}


def _grid(is_log: bool) -> dict[str, Any]:
    """How an axis draws its grid: where it is logarithmic, at powers of ten."""
    if not is_log:
        return {"gridOpacity": _FAINT}
    power = "log(datum.value) / LN10"
    is_whole = f"abs({power} - round({power})) < 1e-9"
    return {"gridOpacity": {"condition": {"test": is_whole, "value": _FAINT}, "value": 0}}


def _layer(drawn: _Drawn, kinds: Collection[str]) -> alt.LayerChart | alt.FacetChart:
    names = [series.name for series in drawn.series]
    scale = alt.Scale(domain=names, range=[series.colour for series in drawn.series])
    colour = alt.Color("s:N", scale=scale, legend=None)
    x = alt.X(
        "x:Q",
        title=drawn.x,
        axis=alt.Axis(
            tickMinStep=1, **_grid(drawn.is_log_along), format="~s" if drawn.is_log_along else "d"
        ),
        scale=alt.Scale(type="log" if drawn.is_log_along else "linear", nice=False),
    )
    y_scale = alt.Scale(type="log") if drawn.is_log else alt.Scale(type="linear", zero=False)
    if drawn.limits is not None:
        y_scale = alt.Scale(domain=list(drawn.limits))
    y = alt.Y("y:Q", title=drawn.y, scale=y_scale, axis=alt.Axis(**_grid(drawn.is_log)))
    shown = alt.param(name="shown", value=names)
    runs = alt.param(name="runs", value=True)
    base = alt.Chart(alt.NamedData(_ROWS)).transform_filter("indexof(shown, datum.s) >= 0")

    def of(*kinds: str) -> alt.Chart:
        return base.transform_filter(alt.FieldOneOfPredicate(field="k", oneOf=list(kinds)))

    dash = alt.StrokeDash(
        "s:N",
        legend=None,
        scale=alt.Scale(domain=names, range=[series.dash for series in drawn.series]),
    )
    told = [
        alt.Tooltip("s:N", title="series"),
        alt.Tooltip("x:Q", title=drawn.x, format=","),
        alt.Tooltip("y:Q", title=drawn.y, format=".5~g"),
    ]
    message = [alt.Tooltip("t:N", title="the book"), *told[1:]]
    text, is_cut = alt.value("currentColor"), drawn.limits is not None
    thin = {"x": x, "y": y, "color": colour}
    layers = {
        "run": of("run")
        .transform_filter("runs")
        .mark_line(strokeWidth=1, opacity=0.35, clip=True)
        .encode(detail="r:N", **thin),
        "point": of("point")
        .transform_filter("runs")
        .mark_point(size=22, opacity=0.5, filled=True, clip=True)
        .encode(**thin),
        "mean": of("mean").mark_line(strokeWidth=2.2, clip=True).encode(strokeDash=dash, **thin),
        "dot": of("dot").mark_point(size=60, filled=True).encode(**thin),
        "best": of("best").mark_rule(strokeWidth=1.6, strokeDash=[2, 3]).encode(y=y, color=colour),
        "book": of("book")
        .mark_line(strokeWidth=1.6, strokeDash=[2, 4], clip=True)
        .encode(x=x, y=y, color=text, detail="s:N"),
        "mark": of("mark")
        .mark_point(shape=_CROSS, size=70, strokeWidth=2.2, opacity=1, clip=is_cut)
        .encode(x=x, y=y, stroke=text, tooltip=message),
        "hover": of("mean", "dot")
        .mark_point(size=160, opacity=0, filled=True, clip=True)
        .encode(tooltip=told, **thin),
    }
    kept = [
        layer.properties(name=name)
        for name, layer in layers.items()
        if name == "hover" or name in kinds
    ]
    return (
        alt.layer(*kept)
        .add_params(shown, runs)
        .properties(
            width="container",
            height=HEIGHT,
            autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        )
    )


_DASHES = {"-": (1, 0), "--": (7, 4), "-.": (9, 3, 2, 3), ":": (2, 3)}
"""By the style of a line in the pictures of the report."""
