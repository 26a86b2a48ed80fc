"""Networks of one input that approximate a function by bumps, pairs of steps (ch. 4).

A hidden neuron of weight w and bias -w s is a step at s if w is large. Two of them, with weights +h
and -h to the output, are a bump of height h between their steps, and enough bumps are any function.
What documents describe is evaluated here in NumPy as well: pictures are drawn without JAX.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import ConfigDict, Field, model_validator

from nndl_jax.calculations.activations import ACTIVATIONS, inverse_sigmoid
from nndl_jax.calculations.dense import DenseValues, Run, map_batches
from nndl_jax.calculations.formula import FormulaError, parse_formula
from nndl_jax.calculations.quantity import Form
from nndl_jax.reading.record import Number, Record, Text, fault

RESOLUTION = 10.0
"""Least slope times width of a bump: a step rises from 1 % to 99 % over 9.2/slope."""
FLATTEST = 1e-6
"""Least absolute weight of a neuron that counts as a step."""
NUM_PLACES = 10_001
"""Places in [0, 1], evenly spaced with both ends, at which functions and networks are compared."""
MAX_BUMPS = 1000
NUM_SAMPLES = 20
"""Places of a bump that its median and its mean are taken over, and its part of the score."""

Place = Annotated[float, Field(ge=-1, le=2)]
Height = Annotated[float, Field(ge=-1000, le=1000)]
Slope = Annotated[float, Field(gt=0, le=1e6)]
Values = Float[np.ndarray, " places"]


def check_slope(slope: float, what: str, width: float) -> None:
    """Refuse a slope with which something of this width would fall before it has risen.

    Args:
        slope: of its steps.
        what: a bump, a ridge or a tower.
        width: of the narrowest of them.
    """
    # A width such as 0.3 - 0.2 is not exact.
    if slope * width < RESOLUTION * (1 - 1e-9):
        least = f"{RESOLUTION:g} / width = {RESOLUTION / width:.4g}"
        raise fault(
            ("slope",),
            f"a {what} of width {width:.4g} needs a slope of at least {least}, or it falls before "
            f"it has risen; got {slope:g}",
        )


class Bump(Record):
    """A height between two places and 0 elsewhere."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: Annotated[Place, Field(alias="from")]
    """Where the bump begins."""
    end: Annotated[Place, Field(alias="to")]
    """Where it ends, beyond its beginning."""
    height: Height
    """The weight to the output of the neuron that steps up; the other's is its negative."""

    @model_validator(mode="after")
    def _has_a_width(self) -> "Bump":
        if self.start >= self.end:
            raise fault(("to",), f"must be above from = {self.start:g}, got {self.end:g}")
        return self


class Step(Record):
    """A hidden neuron by its weight and bias; with a large weight it steps at -bias/weight."""

    weight: Number
    bias: Number
    height: Height = 1.0
    """The weight to the output."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Step":
        if abs(self.weight) < FLATTEST:
            message = f"must be {FLATTEST:g} or more away from 0, for the step is at -bias/weight"
            raise fault(("weight",), f"{message}, got {self.weight:g}")
        return self


class Bumps(Form):
    """A hidden layer of steps, whose weighted sum is the weighted input of the output neuron.

    One of three: bumps that together are a given function, given bumps, or given steps.
    """

    equations = (
        ("step", r"s = -\frac{b}{w}"),
        ("weighted output", r"z(x) = \sum_j h_j \, a_j(x)"),
    )
    form: Literal["bumps"]
    function: Text | None = None
    """What the output is compared with: a formula in x, such as `0.2 + 0.4*x**2`."""
    count: Annotated[int, Field(ge=1, le=MAX_BUMPS)] | None = None
    """Number of bumps of equal width on [0, 1] that together are the function."""
    heights: (
        Literal["midpoints", "medians", "means"]
        | Annotated[tuple[Height, ...], Field(min_length=1, max_length=MAX_BUMPS)]
        | None
    ) = None
    """Heights of the `count` bumps: what the weighted output shall be at their midpoints, or its
    median or mean over 20 places of each from its beginning on; or one for each."""
    overlaps: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of approximations of a fraction of the function that are added up, each shifted from
    the one before by this fraction of a bump: a fault at an edge of one is a fraction of itself."""
    pairs: Annotated[tuple[Bump, ...], Field(max_length=MAX_BUMPS)] = ()
    """Given bumps, pairs of steps, in place of `count`."""
    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_BUMPS)] = ()
    """Given hidden neurons, in place of `count` and `pairs`."""
    slope: Slope = 1000.0
    """First-layer weight of all steps of bumps."""
    activation: Literal["sigmoid", "wavy", "relu", "linear", "step"] = "sigmoid"
    """Of the hidden neurons. A bump of relu has four of them, two for each of its steps."""
    output: Literal["sigmoid", "linear"]
    """Activation of the output neuron. With sigmoid, bumps approximate its inverse of the function,
    which is then between 0 and 1; with linear the function itself."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Distance from the function below which an output counts as a good approximation."""
    at: Annotated[tuple[Place, ...], Field(max_length=16)] = ()
    """The x at which the output is measured."""

    def metrics(self) -> tuple[str, ...]:
        """What is measured of the network, the step positions and outputs counted from 1."""
        positions = tuple(f"position.{number}" for number in range(1, 1 + len(self.steps)))
        values = tuple(f"value.{number}" for number in range(1, 1 + len(self.at)))
        return positions + (() if self.function is None else _OF_A_FUNCTION) + values

    def layers(self) -> Sequence[DenseValues]:
        """The layers of the network: hidden neurons, and the output neuron."""
        weights, biases, heights = neurons(self)
        hidden = DenseValues(weights[:, None], biases, self.activation)
        return [hidden, DenseValues(heights[None, :], np.zeros(1), self.output)]

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics."""
        values = [-step.bias / step.weight for step in self.steps]
        if self.function is not None:
            values += _compare(self, run)
        if self.at:
            values += run(np.array(self.at)[:, None]).activations[:, 0].tolist()
        return np.array(values)

    @model_validator(mode="after")
    def _is_one_network(self) -> "Bumps":
        given = {"count": self.count is not None, "pairs": self.pairs, "steps": self.steps}
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            message = f"needs one of count, pairs and steps, got {' and '.join(named) or 'none'}"
            raise fault(tuple(named[1:2]), message)
        if self.count is not None:
            for name in ("function", "heights"):
                if getattr(self, name) is None:
                    raise fault(("count",), f"needs {name}, which is missing; add it")
            return self
        if self.heights is not None:
            raise fault(("heights",), f"belongs to count; {named[0]} have heights of their own")
        if self.overlaps != 1:
            raise fault(("overlaps",), f"belongs to count; write {named[0]} that overlap")
        if self.function is None and not (self.at or self.steps):
            raise fault(("at",), "nothing is measured; give places with at, or a function")
        return self

    @model_validator(mode="after")
    def _heights_fit(self) -> "Bumps":
        if isinstance(self.heights, tuple):
            if len(self.heights) != self.count:
                message = (
                    f"must have as many entries as count = {self.count}, got {len(self.heights)}"
                )
                raise fault(("heights",), message)
            if self.overlaps != 1:
                raise fault(
                    ("overlaps",),
                    "needs heights for the shifted bumps as well; use midpoints, medians or means",
                )
        if (self.count or 0) * self.overlaps > MAX_BUMPS:
            message = (
                f"asks for {self.count} x {self.overlaps} bumps; at most {MAX_BUMPS:,} are built"
            )
            raise fault(("overlaps",), message)
        return self

    @model_validator(mode="after")
    def _steps_are_steep(self) -> "Bumps":
        if self.activation in ("step", "linear"):
            return self
        widths = [bump.end - bump.start for bump in self.pairs]
        narrowest = 1 / self.count if self.count is not None else min(widths, default=np.inf)
        check_slope(self.slope, "bump", narrowest)
        return self

    @model_validator(mode="after")
    def _function_fits_output(self) -> "Bumps":
        if self.function is None:
            return self
        x = np.linspace(0, 1, NUM_PLACES)
        try:
            values = parse_formula(self.function, ("x",))(x)
        except FormulaError as error:
            raise fault(("function",), str(error)) from None
        if not np.isfinite(values).all():
            place = x[~np.isfinite(values)][0]
            raise fault(("function",), f"has no finite value at x = {place:g}")
        for place, is_low in ((values.argmin(), True), (values.argmax(), False)):
            if self.output == "sigmoid" and not 0 < values[place] < 1:
                raise fault(
                    ("function",),
                    f"must stay between 0 and 1, where sigma^-1 exists, but "
                    f"{'falls' if is_low else 'rises'} to {values[place]:.4g} at "
                    f"x = {x[place]:.4g}; scale it, or make the output linear",
                )
        return self


_OF_A_FUNCTION = (
    "mean_error",
    "largest_error",
    "share_within",
    "score",
    "bend",
    "lowest",
    "lowest_at",
    "highest",
    "highest_at",
    "target_lowest",
    "target_highest",
)
"""How far the output is from the function: on average, at most, and on which share of [0, 1] by
less than epsilon. The average distance of bumps with ideal steps from what the weighted output
shall be (the target), which is the book's score. The largest distance of the weighted output from
the line through its ends. Where function and target have their extremes."""


class Intervals(NamedTuple):
    """Bumps, in order."""

    starts: Float[np.ndarray, " bumps"]
    ends: Float[np.ndarray, " bumps"]
    heights: Float[np.ndarray, " bumps"]


class Neurons(NamedTuple):
    """The hidden neurons: a neuron is activation(weight x + bias)."""

    weights: Float[np.ndarray, " hidden"]
    biases: Float[np.ndarray, " hidden"]
    heights: Float[np.ndarray, " hidden"]
    """Weights to the output neuron, whose bias is 0."""


def neurons(spec: Bumps) -> Neurons:
    """The hidden neurons of a document, the two of each bump side by side.

    Rectified linear neurons are no steps, but the difference of two is one, a ramp of width 1/w:

        relu(w (x - s) + 1/2) - relu(w (x - s) - 1/2)
    """
    if spec.steps:
        return Neurons(
            *np.transpose([(step.weight, step.bias, step.height) for step in spec.steps])
        )
    starts, ends, heights = intervals(spec)
    biases = -spec.slope * np.stack([starts, ends], axis=1).ravel()
    heights = np.stack([heights, -heights], axis=1).ravel()
    if spec.activation == "relu":
        biases = (biases[:, None] + [0.5, -0.5]).ravel()
        heights = (heights[:, None] * [1.0, -1.0]).ravel()
    return Neurons(np.full_like(biases, spec.slope), biases, heights)


def intervals(spec: Bumps) -> Intervals:
    """The bumps of a document, those of each overlapping approximation in a row; none of steps.

    Shifted bumps go beyond [0, 1] at either end, and what the function is there does not count.
    """
    if spec.count is None:
        given = [(bump.start, bump.end, bump.height) for bump in spec.pairs]
        return Intervals(*np.array(given, float).reshape(-1, 3).T)
    count, overlaps = spec.count, spec.overlaps
    # Edges in parts of a bump, which are whole numbers, so that each is rounded but once.
    firsts = (0, *range(1 - overlaps, 0))
    parts = np.concatenate([np.arange(first, overlaps * count, overlaps) for first in firsts])
    starts, ends = (edge / (overlaps * count) for edge in (parts, parts + overlaps))
    if isinstance(spec.heights, tuple):
        return Intervals(starts, ends, np.array(spec.heights))
    inside = np.maximum(starts, 0), np.minimum(ends, 1)
    return Intervals(starts, ends, _heights(spec, *inside) / overlaps)


def _heights(
    spec: Bumps, starts: Float[np.ndarray, " bumps"], ends: Float[np.ndarray, " bumps"]
) -> Float[np.ndarray, " bumps"]:
    """What the weighted output shall be between places, in one number each."""
    if spec.heights == "midpoints":
        return target(spec, (starts + ends) / 2)
    places = starts + np.arange(NUM_SAMPLES)[:, None] / NUM_SAMPLES * (ends - starts)
    values = target(spec, places.ravel()).reshape(places.shape)
    return np.median(values, axis=0) if spec.heights == "medians" else values.mean(axis=0)


def function(spec: Bumps, x: Values) -> Values:
    """The function that a document asks for, at some places."""
    return parse_formula(spec.function or "", ("x",))(x)


def target(spec: Bumps, x: Values) -> Values:
    """What the weighted output shall be: sigma^-1(f(x)) with a sigmoid output, else f(x)."""
    values = function(spec, x)
    return inverse_sigmoid(values) if spec.output == "sigmoid" else values


def weighted_output(spec: Bumps, x: Values) -> Values:
    """The weighted input of the output neuron."""
    weights, biases, heights = neurons(spec)
    activation = ACTIVATIONS[spec.activation]
    return map_batches(lambda part: activation(np.outer(part, weights) + biases) @ heights, x)


def evaluate(spec: Bumps, x: Values) -> Values:
    """The output, by the same formulas as the network's and in float64."""
    return ACTIVATIONS[spec.output](weighted_output(spec, x))


def ideal(spec: Bumps, x: Values) -> Values:
    """The weighted output if the steps of bumps were ideal, 1 from their places on."""
    starts, ends, heights = intervals(spec)
    return ((starts <= x[:, None]) & (x[:, None] < ends)) @ heights


def score(spec: Bumps) -> float:
    """The average deviation of the book's design challenge.

        mean |target(x) - h(x)|

    over 20 places for each of the `count` bumps from 0 on, where h(x) is the height of the bump at
    x: it is measured before the output's sigmoid, and below 0.405 the challenge is met. Given bumps
    are measured at 100 places.

    References:
        Nielsen, 2015, ch. 4, section "Universality with one input and one output".
    """
    num_places = NUM_SAMPLES * (spec.count or 5)
    x = np.arange(num_places) / num_places
    return float(np.abs(target(spec, x) - ideal(spec, x)).mean())


def _compare(spec: Bumps, run: Run) -> list[float]:
    """What is measured of a network that approximates a function, in order."""
    x = np.linspace(0, 1, NUM_PLACES)
    wanted = function(spec, x)
    weighted, outputs = (array[:, 0].astype(np.float64) for array in run(x[:, None]))
    errors = np.abs(outputs - wanted)
    line = weighted[0] + (weighted[-1] - weighted[0]) * x
    low, high = wanted.argmin(), wanted.argmax()
    targets = target(spec, x[[low, high]])
    values = [
        *(errors.mean(), errors.max(), (errors < spec.epsilon).mean(), score(spec)),
        *(np.abs(weighted - line).max(), wanted[low], x[low], wanted[high], x[high], *targets),
    ]
    return [float(value) for value in values]
