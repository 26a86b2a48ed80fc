"""Functions of several inputs by one hidden layer: steps and bumps along directions (ch. 4)."""

from math import inf
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.schema.base import Record, fault
from nndl_jax.schema.bumps import FLATTEST, Bump, Height, Place, Slope, check_slope

MAX_DIRECTIONS = 1000

Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
Vector = Annotated[tuple[Weight, ...], Field(min_length=1, max_length=8)]
Point = Annotated[tuple[Place, ...], Field(min_length=1, max_length=8)]


class Plane(Record):
    """A hidden neuron by its weights and bias; large weights make it a step at a plane."""

    weights: Vector
    """One for each input."""
    bias: Weight
    height: Height = 1.0
    """The weight to the output."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if max(map(abs, self.weights)) < FLATTEST:
            said = f"one must be {FLATTEST:g} or more away from 0, for the step is where w.x + b is"
            raise fault(("weights",), f"{said} 0, got {list(self.weights)}")
        return self


class Ridge(Bump):
    """A height between two planes, and 0 elsewhere; its places are distances along a direction."""

    direction: Vector
    """Across the ridge; how long it is does not count."""

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if max(map(abs, self.direction)) < FLATTEST:
            said = f"must be {FLATTEST:g} or more away from 0 along some input"
            raise fault(("direction",), f"{said}, got {list(self.direction)}")
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


class Ridges(Record):
    """One hidden layer of steps along directions of several inputs.

    One of three: given steps, given ridges, or a circle.
    """

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

    def quantities(self) -> tuple[str, ...]:
        """Distances of the steps' planes from 0, and outputs at the points, counted from 1."""
        positions = tuple(f"position.{number}" for number in range(1, 1 + len(self.steps)))
        return positions + tuple(f"value.{number}" for number in range(1, 1 + len(self.at)))

    @model_validator(mode="after")
    def _is_one_network(self) -> Self:
        given = {"steps": self.steps, "bumps": self.bumps, "circle": self.circle is not None}
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            said = f"needs one of steps, bumps and circle, got {' and '.join(named) or 'none'}"
            raise fault(tuple(named[1:2]), said)
        if not (self.at or self.steps):
            raise fault(("at",), "nothing is measured; give points with at")
        return self

    @model_validator(mode="after")
    def _vectors_have_all_inputs(self) -> Self:
        vectors = [(("at", index), point) for index, point in enumerate(self.at)]
        vectors += [(("steps", index, "weights"), s.weights) for index, s in enumerate(self.steps)]
        vectors += [
            (("bumps", index, "direction"), ridge.direction)
            for index, ridge in enumerate(self.bumps)
        ]
        for place, vector in vectors:
            if len(vector) != self.inputs:
                said = f"must have a number for each of {self.inputs} inputs, got {len(vector)}"
                raise fault(place, said)
        if self.circle is not None and self.inputs != 2:
            raise fault(("inputs",), f"must be 2 for a circle, got {self.inputs}")
        return self

    @model_validator(mode="after")
    def _steps_are_steep(self) -> Self:
        widths = [ridge.end - ridge.start for ridge in self.bumps]
        if self.circle is not None:
            widths.append(2 * self.circle.radius)
        check_slope(self.slope, "ridge", min(widths, default=inf))
        return self
