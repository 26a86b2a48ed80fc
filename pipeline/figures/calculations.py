"""Pictures of what is calculated in chapter 3: softmax, a polynomial, z, the Hessian; analyses."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nndl_jax.calculations.hessian import HessianStep, local_cost
from nndl_jax.documents import (
    Backpropagation,
    Calculation,
    FieldValue,
    NumberClaim,
    Polynomial,
    Softmax,
    WeightedInput,
)
from nndl_jax.documents.variants import Variant
from pipeline.figures.analyses import draw_analysis
from pipeline.figures.curves import matches
from pipeline.figures.frame import COLOURS, GREY, PRINTED, mark, new_figure
from pipeline.store.results import Results
from pipeline.tables.format import variant_labels


def draw_calculation(results: Results, calculation: Calculation) -> Figure | None:
    """The picture that belongs to a calculation, as it was run; None if it has none."""
    match calculation.quantity:
        case Softmax() as quantity:
            return _draw_softmax(results, quantity)
        case Polynomial() as quantity:
            return _draw_polynomial(results, quantity)
        case WeightedInput():
            return _draw_gaussians(results)
        case HessianStep():
            return _draw_steps(results)
        case Backpropagation():
            return None
        case quantity:
            return draw_analysis(results, quantity)


def _draw_softmax(results: Results, softmax: Softmax) -> Figure:
    """A bar for each activation, side by side for each variant."""
    figure, (axes,) = new_figure(1, columns=1, title=results.document.title)
    names = variant_labels([variant.name for variant in results.variants])
    count, places = len(results.variants), np.arange(len(softmax.weighted_inputs))
    width = 0.8 / count
    for index, (variant, name) in enumerate(zip(results.variants, names, strict=True)):
        metrics = [f"activation.{1 + place}" for place in places]
        values = [_mean(results, variant, metric) for metric in metrics]
        at = places + (index - (count - 1) / 2) * width
        label = name if count > 1 else "ours"
        axes.bar(at, values, 0.9 * width, color=COLOURS[index % len(COLOURS)], label=label)
        printed = [_printed(results, variant, metric) for metric in metrics]
        known = [(x, y) for x, y in zip(at, printed, strict=True) if y is not None]
        mark(axes, known, "black")
    inputs = enumerate(softmax.weighted_inputs, start=1)
    axes.set_xticks(places, [f"{number}\n(z = {z:g})" for number, z in inputs])
    axes.set_xlabel("neuron")
    axes.set_ylabel("activation")
    return figure


def _draw_polynomial(results: Results, polynomial: Polynomial) -> Figure:
    """The points, a polynomial through them, and a line nearly through them."""
    figure, panels = new_figure(3, columns=3, title=results.document.title)
    variant = results.variants[0]
    powers = [f"coefficient.{power}" for power in range(polynomial.degree + 1)]
    ours = [_mean(results, variant, power) for power in powers]
    book = [_printed(results, variant, power) for power in powers]
    x = np.linspace(0, 5, 501)
    degree = f"polynomial of degree {polynomial.degree}"
    panels[1].plot(x, np.polynomial.Polynomial(ours)(x), color=COLOURS[0], label=degree)
    if all(coefficient is not None for coefficient in book):
        y = np.polynomial.Polynomial(np.array(book, float))(x)
        panels[1].plot(x, y, ":", color="black", label=PRINTED)
    line = f"y = {polynomial.line:g}x"
    panels[2].plot(x, polynomial.line * x, color=COLOURS[1], label=line)
    for axes, title in zip(panels, ("points", degree, line), strict=True):
        _draw_points(axes, polynomial)
        axes.set_title(title, fontsize="medium")
    return figure


def _draw_points(axes: Axes, polynomial: Polynomial) -> None:
    points = np.transpose(polynomial.points)
    label = "the book's points"
    axes.plot(*points, "o", color="black", markersize=4, clip_on=False, label=label)
    axes.set(xlim=(0, 5), ylim=(0, 10), xlabel="x", ylabel="y")


def _draw_gaussians(results: Results) -> Figure:
    """Densities of z by the formula, by each sample, and by the standard deviation printed."""
    count, z = len(results.variants), np.linspace(-30, 30, 1201)
    figure, panels = new_figure(count, columns=2, title=results.document.title)
    names = variant_labels([variant.name for variant in results.variants])
    for axes, variant, name in zip(panels, results.variants, names, strict=True):
        for sampled in _values(results, variant, "sampled_standard_deviation"):
            y, label = _density(z, sampled), "by weights drawn, each run"
            axes.plot(z, y, color=COLOURS[1], linewidth=0.8, alpha=0.6, label=label)
        ours = _mean(results, variant, "standard_deviation")
        axes.plot(z, _density(z, ours), color=COLOURS[0], linewidth=1.8, label="by the formula")
        printed = _printed(results, variant, "standard_deviation")
        if printed is not None:
            at = np.linspace(-1, 1, 15) * min(30, 3.5 * printed)
            mark(axes, list(zip(at, _density(at, printed), strict=True)), "black")
        axes.set(xlim=(-30, 30), ylim=(0, 0.02 if ours > 5 else 0.4))
        axes.set(xlabel="weighted input z", ylabel="probability density")
        axes.set_title(f"{name}: standard deviation {ours:.4g}".lstrip(": "), fontsize="medium")
    return figure


def _draw_steps(results: Results) -> Figure:
    """For each variant the cost by weight and bias, and both ways down from the start."""
    figure, panels = new_figure(len(results.variants), columns=3, title=results.document.title)
    names = variant_labels([variant.name for variant in results.variants])
    for axes, variant, name in zip(panels, results.variants, names, strict=True):
        step = variant.spec.content()
        if not isinstance(step, HessianStep):
            continue
        ways = step.paths()
        low, high = (bound(np.concatenate(ways), axis=0) for bound in (np.min, np.max))
        low, high = low - 0.15 * (high - low), high + 0.15 * (high - low)
        w, b = (np.linspace(*ends, 61) for ends in zip(low, high, strict=True))
        costs = [[local_cost(step.examples, x, y).cost for x in w] for y in b]
        axes.contour(w, b, costs, levels=12, colors=GREY, linewidths=0.7)
        for way, colour, label in zip(ways, COLOURS, _WAYS, strict=False):
            axes.plot(*way.T, "o-", color=colour, ms=3, lw=1, label=label)
        axes.set(xlabel="weight w", ylabel="bias b")
        axes.set_title(name, fontsize="medium")
    return figure


_WAYS = ("by the Hessian", "along the gradient")


def _density(z: np.ndarray, deviation: float) -> np.ndarray:
    """Of a normal distribution with mean 0."""
    return np.exp(-0.5 * (z / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))


def _values(results: Results, variant: Variant, metric: str) -> np.ndarray:
    """The values of all runs."""
    curves = results.curves(metric, variant.values)
    return np.array([]) if curves is None else curves[:, 0]


def _mean(results: Results, variant: Variant, metric: str) -> float:
    return float(_values(results, variant, metric).mean())


def _printed(results: Results, variant: Variant, metric: str) -> float | None:
    """The book's number, if it gives one."""
    for claim in results.document.claims:
        if isinstance(claim, NumberClaim) and claim.metric == metric:
            chosen: dict[str, FieldValue] = claim.variant or {}
            if matches(variant, chosen):
                return claim.value
    return None
