"""Pictures of what the book derives: a valley, slopes of neurons, scaled ReLUs (ch. 1, 3, 5, 6)."""

from typing import TypeVar, assert_never, cast

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D

from nndl_jax.calculations.activations import sigmoid_slope
from nndl_jax.calculations.analysis import (
    PLOTTED,
    STEEP,
    Activations,
    Analysis,
    IdentityNeuron,
    ReluScaling,
    SteepInterval,
    best_identity_neuron,
    identity_neuron,
    steep_width,
)
from nndl_jax.calculations.descent import (
    GradientCost,
    GradientDescent,
    LearningSpeed,
    SmallChange,
    SteepestDescent,
    descend,
)
from nndl_jax.documents import NumberClaim
from pipeline.figures.curves import matches
from pipeline.figures.frame import COLOURS, GREY, mark, new_figure
from pipeline.store.results import Results
from pipeline.tables.format import variant_labels

_WIDEST = 40.0
"""Largest weight whose interval is drawn, unless the document has a larger one."""

Kind = TypeVar("Kind", GradientDescent, SmallChange, SteepInterval, IdentityNeuron)


def draw_analysis(results: Results, quantity: Analysis) -> Figure | None:
    """The picture that belongs to a quantity; None if it has none."""
    match quantity:
        case GradientDescent():
            return _draw_valley(results)
        case SmallChange():
            return _draw_tangent(results)
        case Activations():
            return _draw_activations(results, quantity)
        case SteepInterval():
            return _draw_widths(results)
        case IdentityNeuron():
            return _draw_identity(results)
        case ReluScaling():
            return _draw_ratios(results)
        case SteepestDescent() | LearningSpeed() | GradientCost():
            return None
        case _:
            assert_never(quantity)


def _draw_valley(results: Results) -> Figure:
    """The surface of `valley`, and for each variant a map of it with the way down."""
    descents, names = _quantities(results, GradientDescent), _names(results)
    figure, panels = new_figure(1 + len(names), columns=3, title=results.document.title)
    panels[0].remove()
    rows, columns = -(-len(panels) // 3), min(3, len(panels))
    _draw_surface(figure.subfigs[0].add_subplot(rows, columns, 1, projection="3d"))
    for index, (axes, descent, name) in enumerate(zip(panels[1:], descents, names, strict=True)):
        edge = max(1.0, *map(abs, descent.start))
        v = np.linspace(-edge, edge, 101)
        path = descend(descent.start, descent.learning_rate, descent.steps)
        axes.contour(v, v, v**2 + v[:, None] ** 2, levels=8, colors=GREY, linewidths=0.7)
        axes.plot(*path.T, "o-", color=_colour(index), ms=3, lw=1, label=f"steps, {name}")
        axes.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal")
        axes.set(xlabel="$v_1$", ylabel="$v_2$")
        axes.set_title(name, fontsize="medium")
    return figure


def _draw_surface(axes: Axes) -> None:
    """A chequered valley, as in the book."""
    surface = cast(Axes3D, axes)
    v = np.linspace(-1, 1, 21)
    light, dark = to_rgb("white"), to_rgb(COLOURS[0])
    squares = [[(light, dark)[(i + j) % 2] for j in range(20)] for i in range(20)]
    first, second = np.meshgrid(v, v)
    surface.plot_surface(
        first, second, first**2 + second**2, rstride=1, cstride=1, facecolors=np.array(squares)
    )
    surface.set(xlabel="$v_1$", ylabel="$v_2$", zlabel="$C$", zlim=(0, 2))
    surface.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), zticks=(0, 1, 2))


def _draw_tangent(results: Results) -> Figure:
    """The output against the weighted input, its tangent, and where the changes lead."""
    figure, (axes,) = new_figure(1, columns=1, title=results.document.title)
    neurons, names = _quantities(results, SmallChange), _names(results)
    z = neurons[0].weighted_input()
    around = z + np.linspace(-2, 2, 401)
    tangent = scipy.special.expit(z) + sigmoid_slope(np.array([z])) * (around - z)
    axes.plot(around, scipy.special.expit(around), color=COLOURS[0], label="sigmoid")
    axes.plot(around, tangent, "--", color="black", lw=1, label="first order (eq. 5)")
    axes.plot(z, scipy.special.expit(z), "o", color="black", label="before")
    for index, (neuron, name) in enumerate(zip(neurons, names, strict=True), start=1):
        after = z + neuron.weighted_input_change()
        axes.plot(
            after, scipy.special.expit(after), "o", color=_colour(index), label=f"after, {name}"
        )
    axes.set(xlabel="weighted input z", ylabel="output")
    return figure


def _draw_activations(results: Results, activations: Activations) -> Figure:
    """Each function in a panel; on the slope of the sigmoid, its largest as claimed."""
    title = results.document.title
    figure, panels = new_figure(len(PLOTTED), columns=3, title=title)
    z = np.linspace(-activations.limit, activations.limit, 1001)
    for axes, (name, activation) in zip(panels, PLOTTED.items(), strict=True):
        axes.plot(z, activation(z), color=COLOURS[0], label="function of z")
        axes.set_xlabel("weighted input z")
        axes.set_title(name, fontsize="medium")
    largest = _printed(results, "sigmoid_slope")
    mark(panels[-1], [] if largest is None else [(0, largest)], "black")
    return figure


def _draw_widths(results: Results) -> Figure:
    """Width against weight, with the variants and with the widest."""
    figure, (axes,) = new_figure(1, columns=1, title=results.document.title)
    weights = [abs(interval.weight) for interval in _quantities(results, SteepInterval)]
    around = np.linspace(0, max(_WIDEST, *weights), 2001)
    widths = [steep_width(weight) for weight in around]
    axes.plot(around, widths, color=COLOURS[0], label="by the formula")
    own = [steep_width(weight) for weight in weights]
    axes.plot(weights, own, "o", color=COLOURS[1], label="variants")
    axes.axvline(STEEP, color=GREY, linestyle="--", lw=1, label=f"|w| = {STEEP:g}")
    best, width = (_printed(results, name) for name in ("best_weight", "largest_width"))
    if best is not None and width is not None:
        mark(axes, [(best, width)], "black")
    axes.set(xlabel="weight |w|", ylabel="width of the interval of inputs", ylim=(0, None))
    return figure


def _draw_identity(results: Results) -> Figure:
    """Outputs less their constants, and how far they are from the input."""
    figure, (outputs, errors) = new_figure(2, columns=2, title=results.document.title)
    neurons, names = _quantities(results, IdentityNeuron), _names(results)
    x = np.linspace(0, 1, 501)
    curves = {
        f"{name}, less a constant": identity_neuron(x, neuron.weight) - 2 / neuron.weight + 0.5
        for name, neuron in zip(names, neurons, strict=True)
    }
    weight, bias, output_weight, _ = best_identity_neuron()
    curves["best without a constant"] = output_weight * scipy.special.expit(weight * x + bias)
    for index, (name, curve) in enumerate(curves.items()):
        outputs.plot(x, curve, color=_colour(index), label=name)
        errors.semilogy(x, np.abs(curve - x), color=_colour(index), label=name)
    outputs.plot(x, x, ":", color="black", label="x")
    outputs.set(xlabel="input x", ylabel="output")
    errors.set(xlabel="input x", ylabel="distance from x", ylim=(1e-8, 1))
    return figure


def _draw_ratios(results: Results) -> Figure:
    """For each variant how outputs grow, without biases and with them."""
    figure, (axes,) = new_figure(1, columns=1, title=results.document.title)
    places = np.arange(len(results.variants))
    bars = {"ratio": "without biases", "biases_ratio": "with biases"}
    for index, (metric, label) in enumerate(bars.items()):
        curves = [results.curves(metric, variant.values) for variant in results.variants]
        means = [np.nan if curve is None else curve.mean() for curve in curves]
        at = places + (index - 0.5) * 0.4
        axes.bar(at, means, 0.36, color=COLOURS[index], label=label)
    known = [
        (place - 0.2, claim.value)
        for place, variant in enumerate(results.variants)
        for claim in results.document.claims
        if isinstance(claim, NumberClaim)
        if claim.metric == "ratio" and matches(variant, claim.variant or {})
    ]
    mark(axes, known, "black")
    axes.set_yscale("log")
    labels = [name.replace(", ", "\n") for name in _names(results)]
    axes.set_xticks(places, labels, parse_math=False)
    axes.set_ylabel("outputs by those before")
    return figure


def _quantities(results: Results, kind: type[Kind]) -> list[Kind]:
    """What each variant calculates."""
    found = [variant.spec.content() for variant in results.variants]
    return [quantity for quantity in found if isinstance(quantity, kind)]


def _names(results: Results) -> list[str]:
    names = variant_labels([variant.name for variant in results.variants])
    return [name if len(names) > 1 else "ours" for name in names]


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _printed(results: Results, metric: str) -> float | None:
    """The number claimed of a metric, of whichever variant."""
    for claim in results.document.claims:
        if isinstance(claim, NumberClaim) and claim.metric == metric:
            return claim.value
    return None
