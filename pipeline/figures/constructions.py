"""Pictures of networks that are built by hand: bumps and their errors (ch. 4)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nndl_jax.calculations import bumps
from nndl_jax.calculations.activations import ACTIVATIONS
from nndl_jax.documents import Bumps, Construction, NumberClaim, Ridges, Towers
from nndl_jax.documents.variants import Variant
from pipeline.figures.curves import matches
from pipeline.figures.frame import COLOURS, GREY, mark, new_figure
from pipeline.figures.surfaces import draw_surfaces
from pipeline.store.results import Results
from pipeline.tables.format import quantity_name, variant_labels

_MAX_PANELS = 6
_MAX_OUTLINED = 50
_SHADE: Mapping[str, Any] = {"color": GREY, "alpha": 0.35, "linewidth": 0}
_COUNTS = {"network.count": "bumps", "network.overlaps": "overlapping approximations"}
"""Fields that errors are drawn against."""
_ERRORS = ("mean_error", "largest_error")


def draw_construction(
    results: Results, construction: Construction
) -> Iterator[tuple[str, Figure | None]]:
    """Each picture of a construction with the end of its file's name; only chapter 4 has any.

    Curves are evaluated anew from the documents; errors are those that were measured.
    """
    match construction.network:
        case Bumps() as network:
            yield "", _draw_weighted(results)
            if network.function is not None and network.output == "sigmoid":
                yield "-output", _draw_outputs(results)
            yield "-error", _draw_errors(results)
            yield "-neurons", _draw_neurons(results)
        case Towers() | Ridges():
            yield "", draw_surfaces(results)
        case _:
            return


def _draw_weighted(results: Results) -> Figure:
    """What hidden neurons add up to, the bumps that it is made of, and what it shall be."""
    x = np.linspace(-0.05, 1.05, 1101)
    inside = np.linspace(0, 1, 1001)
    figure, panels, shown = _panels_of_bumps(results)
    for axes, (variant, network) in zip(panels, shown, strict=True):
        if 0 < len(bumps.intervals(network).heights) <= _MAX_OUTLINED:
            _outline_bumps(axes, network)
        if network.function is not None:
            label = "inverse sigmoid of f" if network.output == "sigmoid" else "f"
            axes.plot(inside, bumps.target(network, inside), color=COLOURS[0], label=label)
        weighted = bumps.weighted_output(network, x)
        axes.plot(x, weighted, color=COLOURS[1], linewidth=1.2, label="weighted output")
        marked = [
            (place, value)
            for number, place in enumerate(network.at, start=1)
            if (value := _printed(results, variant, f"value.{number}")) is not None
        ]
        mark(axes, marked, "black")
        axes.set(xlabel="x", ylabel="weighted output")
    return figure


def _draw_outputs(results: Results) -> Figure:
    """The function, the network's output, and where it fails to be near."""
    x = np.linspace(0, 1, 1001)
    limits = (-0.05, 1.05)
    figure, panels, shown = _panels_of_bumps(results)
    for axes, (_, network) in zip(panels, shown, strict=True):
        wanted, output = bumps.function(network, x), bumps.evaluate(network, x)
        fails = np.abs(output - wanted) >= network.epsilon
        label = f"further than {network.epsilon:g} from f"
        axes.fill_between(x, *limits, where=fails, label=label, **_SHADE)
        axes.plot(x, wanted, color=COLOURS[0], label="f")
        axes.plot(x, output, color=COLOURS[1], linewidth=1.2, label="output of the network")
        axes.set(xlabel="x", ylabel="output", ylim=limits)
    return figure


def _draw_neurons(results: Results) -> Figure | None:
    """The hidden neurons that a document compares, near 0; None if it has but one kind."""
    kinds = {str(variant.values.get("network.activation")) for variant in results.variants}
    if len(kinds) < 2:
        return None
    figure, (axes,) = new_figure(1, columns=1, title=results.document.title)
    z = np.linspace(-3, 3, 1001)
    drawn = [(name, fn) for name, fn in sorted(ACTIVATIONS.items()) if name in kinds]
    for colour, (name, activation) in zip(COLOURS, drawn, strict=False):
        axes.plot(z, activation(z), color=colour, label=name)
    axes.set(xlabel="weighted input z", ylabel="output of a hidden neuron")
    return figure


def _panels_of_bumps(
    results: Results,
) -> tuple[Figure, Sequence[Axes], Sequence[tuple[Variant, Bumps]]]:
    """A figure with a panel for each of the first variants."""
    shown = [
        (variant, network)
        for variant in results.variants
        if isinstance(network := variant.spec.content(), Bumps)
    ][:_MAX_PANELS]
    columns = 2 if len(shown) in (2, 4) else 3
    figure, panels = new_figure(len(shown), columns=columns, title=results.document.title)
    for axes, label in zip(
        panels, variant_labels([variant.name for variant, _ in shown]), strict=True
    ):
        axes.set_title(label.removeprefix("base"), fontsize="medium")
    return figure, panels, shown


def _outline_bumps(axes: Axes, network: Bumps) -> None:
    """The ideal bumps, each as a grey area; where they overlap, each approximation's heights."""
    approximations = _approximations(network)
    for number, (starts, ends, heights) in enumerate(approximations, start=1):
        for start, end, height in zip(starts, ends, heights, strict=True):
            axes.fill_between([start, end], [height, height], **_SHADE)
        if len(approximations) > 1:
            colour = COLOURS[(1 + number) % len(COLOURS)]
            axes.hlines(heights, starts, ends, color=colour, label=f"approximation {number}")
    axes.fill_between([], [], label="bumps", **_SHADE)


def _approximations(network: Bumps) -> Sequence[bumps.Intervals]:
    """The bumps in rows: one that overlaps a bump of its row begins a new one."""
    all_bumps = bumps.intervals(network)
    rows: list[list[int]] = [[]]
    for index, (start, end, _) in enumerate(zip(*all_bumps, strict=True)):
        row = rows[-1]
        if ((start < all_bumps.ends[row]) & (all_bumps.starts[row] < end)).any():
            rows.append(row := [])
        row.append(index)
    return [bumps.Intervals(*(values[row] for values in all_bumps)) for row in rows]


def _draw_errors(results: Results) -> Figure | None:
    """Errors against a count that is varied, with crosses at the document's numbers; or None."""
    field = next((f for f in _COUNTS if _num_values(results, f) > 2), None)
    measured = [metric for metric in _ERRORS if metric in results.metrics()]
    if field is None or not measured:
        return None
    figure, panels = new_figure(len(measured), columns=2, title=results.document.title)
    for axes, metric in zip(panels, measured, strict=True):
        for colour, (label, variants) in zip(COLOURS, _lines(results, field), strict=False):
            counts = [float(variant.values[field]) for variant in variants]
            ours = [_value(results, variant, metric) for variant in variants]
            axes.plot(counts, ours, "o-", color=colour, markersize=4, label=label)
            printed = [_printed(results, variant, metric) for variant in variants]
            known = [(n, value) for n, value in zip(counts, printed, strict=True) if value]
            mark(axes, known, colour)
        axes.set(xscale="log", yscale="log", xlabel=_COUNTS[field], ylabel=quantity_name(metric))
        shown = sorted({float(variant.values[field]) for variant in results.variants})
        axes.set_xticks(shown, [f"{count:g}" for count in shown])
        axes.set_xticks([], minor=True)  # Their numbers run into each other.
    return figure


def _num_values(results: Results, field: str) -> int:
    return len({variant.values[field] for variant in results.variants if field in variant.values})


def _lines(results: Results, field: str) -> Sequence[tuple[str, Sequence[Variant]]]:
    """The variants that differ in a field only, with what they have in common."""
    found: dict[str, list[Variant]] = {}
    for variant in results.variants:
        others = [str(value) for name, value in variant.values.items() if name != field]
        found.setdefault(", ".join(others) or "ours", []).append(variant)
    return list(found.items())


def _value(results: Results, variant: Variant, metric: str) -> float:
    curves = results.curves(metric, variant.values)
    return float("nan") if curves is None else float(curves[:, 0].mean())


def _printed(results: Results, variant: Variant, metric: str) -> float | None:
    """The number that the document has, if any."""
    for claim in results.document.claims:
        if isinstance(claim, NumberClaim) and claim.metric == metric:
            chosen: Mapping = claim.variant or {}
            if matches(variant, chosen):
                return claim.value
    return None
