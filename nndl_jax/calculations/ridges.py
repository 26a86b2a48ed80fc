"""Networks of several inputs with one hidden layer: steps and bumps along directions (ch. 4).

A hidden neuron with large weights is a step at the plane where w.x + b is 0, two of them are a
bump along the direction of w: a ridge. Ridges that cross add up, and many ridges through one place
are a round tower. What documents describe is evaluated here in NumPy as well: pictures are drawn
without JAX.
"""

from collections.abc import Sequence
from math import inf
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from nndl_jax.calculations.activations import sigmoid
from nndl_jax.calculations.bumps import FLATTEST, Bump, Height, Place, Slope, check_slope
from nndl_jax.calculations.dense import DenseValues, Outputs, Points, Run, map_batches
from nndl_jax.calculations.quantity import Form
from nndl_jax.reading.record import Number, Record, fault

MAX_DIRECTIONS = 1000

Vector = Annotated[tuple[Number, ...], Field(min_length=1, max_length=8)]
Point = Annotated[tuple[Place, ...], Field(min_length=1, max_length=8)]


class Plane(Record):
    """A hidden neuron by its weights and bias; large weights make it a step at a plane."""

    weights: Vector
    """One for each input."""
    bias: Number
    height: Height = 1.0
    """The weight to the output."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Plane":
        if max(map(abs, self.weights)) < FLATTEST:
            message = (
                f"one must be {FLATTEST:g} or more away from 0, for the step is where w.x + b is"
            )
            raise fault(("weights",), f"{message} 0, got {list(self.weights)}")
        return self


class Ridge(Bump):
    """A height between two planes, and 0 elsewhere; its places are distances along a direction."""

    direction: Vector
    """Across the ridge; how long it is does not count."""

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "Ridge":
        if max(map(abs, self.direction)) < FLATTEST:
            message = f"must be {FLATTEST:g} or more away from 0 along some input"
            raise fault(("direction",), f"{message}, got {list(self.direction)}")
        return self


class Circle(Record):
    """A round tower of two inputs: equal ridges through one place, evenly turned about it.

    They add up to `height` on a disc. At distance d from its middle, beyond the radius r, a share
    of (2/pi) asin(r/d) is left if there are many of them.
    """

    middle: tuple[Place, Place]
    radius: Annotated[float, Field(gt=0, le=1)]
    directions: Annotated[int, Field(ge=1, le=MAX_DIRECTIONS)]
    """Number of ridges."""
    height: Height = 1.0
    """Of all of them together."""


class Ridges(Form):
    """One hidden layer of steps along directions of several inputs.

    One of three: given steps, given ridges, or a circle.
    """

    equations = (
        ("hidden neuron", r"a_j = \sigma(w_j \cdot x + b_j)"),
        ("output", r"z(x) = \sum_j h_j \, a_j(x) + b"),
    )
    form: Literal["ridges"]
    inputs: Annotated[int, Field(ge=1, le=8)]
    """Number of inputs."""
    steps: Annotated[tuple[Plane, ...], Field(max_length=64)] = ()
    """Given hidden neurons."""
    bumps: Annotated[tuple[Ridge, ...], Field(max_length=64)] = ()
    """Given ridges, pairs of steps, in place of `steps`."""
    circle: Circle | None = None
    """A round tower, in place of `steps` and `bumps`."""
    slope: Slope = 1000.0
    """Length of the first-layer weights of ridges."""
    output: Literal["sigmoid", "linear"]
    """Activation of the output neuron."""
    bias: Annotated[float, Field(ge=-10_000, le=10_000)] = 0.0
    """Of the output neuron."""
    at: Annotated[tuple[Point, ...], Field(max_length=16)] = ()
    """The points at which the output is measured."""

    def metrics(self) -> tuple[str, ...]:
        """Distances of the steps' planes from 0, and outputs at the points, counted from 1."""
        positions = tuple(f"position.{number}" for number in range(1, 1 + len(self.steps)))
        return positions + tuple(f"value.{number}" for number in range(1, 1 + len(self.at)))

    def layers(self) -> Sequence[DenseValues]:
        """The layers of the network: steps, and the output neuron."""
        weights, biases, heights = neurons(self)
        return [
            DenseValues(weights, biases, "sigmoid"),
            DenseValues(heights[None, :], np.array([self.bias]), self.output),
        ]

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics."""
        values = [-step.bias / float(np.linalg.norm(step.weights)) for step in self.steps]
        if self.at:
            values += run(np.array(self.at)).activations[:, 0].tolist()
        return np.array(values)

    @model_validator(mode="after")
    def _is_one_network(self) -> "Ridges":
        given = {"steps": self.steps, "bumps": self.bumps, "circle": self.circle is not None}
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            message = f"needs one of steps, bumps and circle, got {' and '.join(named) or 'none'}"
            raise fault(tuple(named[1:2]), message)
        if not (self.at or self.steps):
            raise fault(("at",), "nothing is measured; give points with at")
        return self

    @model_validator(mode="after")
    def _vectors_have_all_inputs(self) -> "Ridges":
        vectors = [(("at", index), point) for index, point in enumerate(self.at)]
        vectors += [(("steps", index, "weights"), s.weights) for index, s in enumerate(self.steps)]
        vectors += [
            (("bumps", index, "direction"), ridge.direction)
            for index, ridge in enumerate(self.bumps)
        ]
        for place, vector in vectors:
            if len(vector) != self.inputs:
                message = f"must have a number for each of {self.inputs} inputs, got {len(vector)}"
                raise fault(place, message)
        if self.circle is not None and self.inputs != 2:
            raise fault(("inputs",), f"must be 2 for a circle, got {self.inputs}")
        return self

    @model_validator(mode="after")
    def _steps_are_steep(self) -> "Ridges":
        widths = [ridge.end - ridge.start for ridge in self.bumps]
        if self.circle is not None:
            widths.append(2 * self.circle.radius)
        check_slope(self.slope, "ridge", min(widths, default=inf))
        return self


class Bands(NamedTuple):
    """Ridges, in order, each between two distances along a direction of length 1."""

    directions: Float[np.ndarray, "ridges inputs"]
    starts: Float[np.ndarray, " ridges"]
    ends: Float[np.ndarray, " ridges"]
    heights: Float[np.ndarray, " ridges"]


class Neurons(NamedTuple):
    """The hidden neurons."""

    weights: Float[np.ndarray, "hidden inputs"]
    biases: Float[np.ndarray, " hidden"]
    heights: Float[np.ndarray, " hidden"]
    """Weights to the output neuron."""


def neurons(spec: Ridges) -> Neurons:
    """The hidden neurons of a document, the two of each ridge side by side."""
    if spec.steps:
        weights, biases, heights = zip(
            *((step.weights, step.bias, step.height) for step in spec.steps), strict=True
        )
        return Neurons(np.array(weights), np.array(biases), np.array(heights))
    directions, starts, ends, heights = bands(spec)
    return Neurons(
        spec.slope * np.repeat(directions, 2, axis=0),
        -spec.slope * np.stack([starts, ends], axis=1).ravel(),
        np.stack([heights, -heights], axis=1).ravel(),
    )


def bands(spec: Ridges) -> Bands:
    """The ridges of a document, given or those of its circle; none of steps."""
    if spec.circle is not None:
        return _around(spec.circle)
    given = [(ridge.start, ridge.end, ridge.height) for ridge in spec.bumps]
    starts, ends, heights = np.array(given, float).reshape(-1, 3).T
    directions = np.array([ridge.direction for ridge in spec.bumps]).reshape(-1, spec.inputs)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return Bands(directions / lengths, starts, ends, heights)


def _around(circle: Circle) -> Bands:
    """Ridges of the circle's width through its middle, turned by equal angles over half a turn."""
    angles = np.pi * np.arange(circle.directions) / circle.directions
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    middles = directions @ np.array(circle.middle)
    heights = np.full(circle.directions, circle.height / circle.directions)
    return Bands(directions, middles - circle.radius, middles + circle.radius, heights)


def evaluate(spec: Ridges, points: Points) -> Outputs:
    """The outputs, by the same formulas as the network's and in float64."""
    weights, biases, heights = neurons(spec)
    weighted = map_batches(lambda part: sigmoid(part @ weights.T + biases) @ heights, points)
    return _activate(spec, weighted)


def ideal(spec: Ridges, points: Points) -> Outputs:
    """The outputs if all steps were ideal, 1 from their planes on."""
    weights, biases, heights = neurons(spec)
    return _activate(spec, (points @ weights.T + biases >= 0) @ heights)


def _activate(spec: Ridges, weighted: Float[np.ndarray, " points"]) -> Outputs:
    weighted = weighted[:, None] + spec.bias
    return sigmoid(weighted) if spec.output == "sigmoid" else weighted
