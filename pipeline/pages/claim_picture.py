"""A claim as a picture: the book's number as a mark on the distribution of ours."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from nndl_jax.documents import ComparisonClaim, CurveClaim, NumberClaim, Side
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.judging.statistics import Values, to_scale
from nndl_jax.reading.markup import picture, tag
from pipeline.pages.inputs import JudgedClaim, SiteInputs
from pipeline.store.results import Results, mean_curve
from pipeline.tables.format import show, show_mean, show_range

_WIDTH, _HEIGHT, _MARGIN = 240.0, 56.0, 10.0
_MIDDLE = _HEIGHT / 2
_MOST_DOTS = 200
_MOST_PLACES = 120


def draw_claim(site: SiteInputs, judged: JudgedClaim) -> Markup:
    """The picture of a claim; empty if nothing was run for it."""
    experiments = site.judging(judged.entry)
    name = judged.entry["document"]
    if judged.entry["verdict"] == "not run" or name not in experiments:
        return Markup("")
    results = experiments[name]
    match judged.claim:
        case NumberClaim() as claim:
            return _draw_number(claim, judged, results)
        case CurveClaim() as claim:
            return _draw_curve(claim, results)
        case ComparisonClaim() as claim:
            return _draw_comparison(claim, results, experiments)
        case unknown:
            assert_never(unknown)


def _draw_number(claim: NumberClaim, judged: JudgedClaim, results: Results) -> Markup:
    values = results.at_epoch(claim.epoch, claim.metric, claim.variant)
    if values is None:
        return Markup("")
    expected, metric = judged.entry["expected"], claim.metric
    ends = [claim.value, *(expected or ())]
    axis = _Axis(metric, np.append(values, ends))
    parts = [tag("line", x1=_MARGIN, x2=_WIDTH - _MARGIN, y1=_MIDDLE, y2=_MIDDLE, class_="axis")]
    message = f"Ours: {show_mean(metric, float(values.mean()), None)}. Book: "
    message += f"{show(metric, claim.value)}."
    if expected is not None:
        low, high = (axis.place(end) for end in expected)
        box = {"x": low, "width": max(high - low, 1.0), "y": _MIDDLE - 9, "height": 18.0}
        parts.append(tag("rect", class_="range", rx=3.0, **box))
        message += f" Range of the protocol: {show_range(metric, *expected)}."
    parts += _dots(axis, values, _MIDDLE, "dot")
    place = axis.place(claim.value)
    parts.append(tag("path", d=_mark(place), class_="book"))
    return picture(_WIDTH, _HEIGHT, *parts, message=message, class_="claim-picture")


def _draw_comparison(
    claim: ComparisonClaim, results: Results, experiments: Mapping[str, Results]
) -> Markup:
    sides = [_side(claim, side, results, experiments) for side in (claim.better, claim.worse)]
    found = [values for values in sides if values is not None]
    if len(found) < 2:
        return Markup("")
    axis = _Axis(claim.metric, np.concatenate(found))
    parts, told = [], []
    rows = ((found[0], 0.28, "better"), (found[1], 0.72, "worse"))
    for values, share, class_ in rows:
        y = share * _HEIGHT
        parts.append(tag("line", x1=_MARGIN, x2=_WIDTH - _MARGIN, y1=y, y2=y, class_="axis"))
        parts += _dots(axis, values, y, f"dot {class_}")
        place = axis.place(float(values.mean()))
        parts.append(tag("path", d=f"M{place:.2f} {y - 8:.2f}V{y + 8:.2f}", class_="mean"))
        told.append(show_mean(claim.metric, float(values.mean()), None))
    message = f"Said to be better, above: {told[0]}. Said to be worse, below: {told[1]}."
    return picture(_WIDTH, _HEIGHT, *parts, message=message, class_="claim-picture")


def _side(
    claim: ComparisonClaim, side: Side, results: Results, experiments: Mapping[str, Results]
) -> Values | None:
    own = experiments.get(side.document) if side.document else results
    if own is None:
        return None
    return own.at_epoch(claim.epoch, side.metric or claim.metric, side.variant)


def _draw_curve(claim: CurveClaim, results: Results) -> Markup:
    curves = results.curves(claim.metric, claim.variant)
    if curves is None:
        return Markup("")
    ours, book = mean_curve(curves)[: len(claim.values)], np.array(claim.values)
    low, high = float(min(np.nanmin(ours), book.min())), float(max(np.nanmax(ours), book.max()))
    parts = [
        tag("path", d=_path(values, low, high, len(book)), class_=class_)
        for values, class_ in ((book, "book-curve"), (ours, "our-curve"))
    ]
    message = f"The author's {len(book)} epochs and ours, on top of each other."
    return picture(_WIDTH, _HEIGHT, *parts, message=message, class_="claim-picture")


def _path(values: Float[np.ndarray, " epochs"], low: float, high: float, length: int) -> str:
    epochs = np.linspace(0, len(values) - 1, min(_MOST_PLACES, len(values))).round().astype(int)
    x = _MARGIN + (_WIDTH - 2 * _MARGIN) * epochs / max(1, length - 1)
    y = _HEIGHT - _MARGIN / 2 - (_HEIGHT - _MARGIN) * (values[epochs] - low) / (high - low or 1)
    places = [f"{at:.1f} {up:.1f}" for at, up in zip(x, y, strict=True) if np.isfinite(up)]
    return "M" + "L".join(places) if places else ""


def _dots(axis: "_Axis", values: Values, y: float, class_: str) -> Sequence[Markup]:
    shown = values[:_MOST_DOTS]
    return [tag("circle", cx=axis.place(float(v)), cy=y, r=4.0, class_=class_) for v in shown]


def _mark(x: float) -> str:
    """A line across all, with a head at either end."""
    top, bottom = _MIDDLE - 20, _MIDDLE + 20
    return (
        f"M{x:.2f} {top + 6:.2f}L{x - 5:.2f} {top:.2f}H{x + 5:.2f}ZV{bottom - 6:.2f}"
        f"L{x - 5:.2f} {bottom:.2f}H{x + 5:.2f}L{x:.2f} {bottom - 6:.2f}"
    )


class _Axis:
    """Places along a picture; logarithmic where values are compared by their logarithms."""

    def __init__(self, metric: str, values: Values) -> None:
        self._quantity = parse_metric(metric).quantity
        scaled = to_scale(self._quantity, values)
        self._low, self._high = float(scaled.min()), float(scaled.max())

    def place(self, value: float) -> float:
        (scaled,) = to_scale(self._quantity, value)
        width = self._high - self._low
        # What differs by less than the last digits of floats is drawn at one place.
        share = (scaled - self._low) / width if width > 1e-9 * abs(self._high) else 0.5
        inner = _WIDTH - 4 * _MARGIN
        return 2 * _MARGIN + inner * float(share)
