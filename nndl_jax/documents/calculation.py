"""Documents of kind `calculation`: what the book computes without training anything."""

from itertools import combinations
from typing import Annotated, Literal, Self, assert_never

from pydantic import Field, model_validator

from nndl_jax.schema.analysis import (
    Activations,
    Analysis,
    IdentityNeuron,
    ReluScaling,
    SteepInterval,
)
from nndl_jax.schema.backpropagation import Backpropagation
from nndl_jax.schema.base import Record, fault
from nndl_jax.schema.calculated import Calculated
from nndl_jax.schema.descent import (
    GradientCost,
    GradientDescent,
    LearningSpeed,
    SmallChange,
    SteepestDescent,
)

MAX_DRAWN = 1_000_000_000
CLOSEST = 1e-6

Number = Annotated[float, Field(ge=-1e6, le=1e6)]


class Softmax(Record):
    """Activations of a softmax layer: a_j = exp(c z_j) / sum_k exp(c z_k)."""

    kind: Literal["softmax"]
    weighted_inputs: Annotated[tuple[Number, ...], Field(min_length=1, max_length=64)]
    """The z_j, one for each neuron of the layer."""
    scale: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """The c above; the larger it is, the nearer is the softmax to the maximum."""

    def quantities(self) -> tuple[str, ...]:
        """The activations, counted from 1."""
        return _numbered("activation", len(self.weighted_inputs))


class Polynomial(Record):
    """A polynomial through points by least squares, and its rival, a line through the origin."""

    kind: Literal["polynomial"]
    points: Annotated[tuple[tuple[Number, Number], ...], Field(min_length=2, max_length=64)]
    """Pairs of x and y."""
    degree: Annotated[int, Field(ge=1, le=20)]
    """Of the polynomial; it goes through all points if that is one less than their number."""
    line: Number
    """Slope of the rival line."""
    at: Annotated[tuple[Number, ...], Field(max_length=16)] = ()
    """The x at which polynomial and line are compared."""

    def quantities(self) -> tuple[str, ...]:
        """Coefficients of x^0 and up, values at the given x, and how well lines fit."""
        coefficients = tuple(f"coefficient.{power}" for power in range(self.degree + 1))
        values = _numbered("value", len(self.at)) + _numbered("line_value", len(self.at))
        return (*coefficients, *values, "line_residual", "slope", "intercept")

    @model_validator(mode="after")
    def _points_suffice(self) -> Self:
        if self.degree >= len(self.points):
            raise fault(
                ("degree",),
                f"must be below the number of points, {len(self.points)}, got {self.degree}",
            )
        for (first, (x, _)), (second, (other, _)) in combinations(enumerate(self.points), 2):
            if abs(x - other) < CLOSEST:
                raise fault(
                    ("points", second, 0),
                    f"must be at least {CLOSEST:g} away from the x of points[{first}], {x}, "
                    f"got {other}",
                )
        return self


class WeightedInput(Record):
    """The spread of a neuron's weighted input z = sum_j w_j x_j + b before any training.

    Some of the inputs x_j are 1 and the others 0; weights and bias are normal with mean 0, the bias
    with standard deviation 1.
    """

    kind: Literal["weighted-input"]
    inputs: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of inputs."""
    active: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of inputs that are 1."""
    weights: Literal["normal", "normal-fan-in"]
    """Standard deviation of the weights: 1, or 1/sqrt(inputs)."""
    beyond: Annotated[float, Field(ge=0, le=1e6)] = 5.0
    """Absolute weighted input from which the neuron counts as saturated."""
    draws: Annotated[int, Field(ge=2, le=1_000_000)] = 10_000
    """Sets of weights drawn, to see the spread in a sample."""

    def quantities(self) -> tuple[str, ...]:
        """The spread by its formula, the probability to be saturated, and a sample's spread."""
        return ("standard_deviation", "tail_probability", "sampled_standard_deviation")

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        if self.active > self.inputs:
            raise fault(
                ("active",), f"must be at most inputs = {self.inputs:,}, got {self.active:,}"
            )
        if self.active * self.draws > MAX_DRAWN:
            raise fault(
                ("draws",),
                f"asks for {self.active:,} x {self.draws:,} weights; at most {MAX_DRAWN:,} are "
                "drawn",
            )
        return self


Quantity = Annotated[
    Softmax | Polynomial | WeightedInput | Analysis | Backpropagation, Field(discriminator="kind")
]


class Calculation(Calculated):
    """Numbers that follow from a formula, and what the book reports of them."""

    fixed = frozenset({"kind", "degree", "against", "rounds"})
    kind: Literal["calculation"]
    quantity: Quantity
    """What is calculated."""

    def quantities(self) -> tuple[str, ...]:
        """The numbers that the calculation gives."""
        return self.quantity.quantities()

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        match self.quantity:
            case Softmax() | Polynomial() | GradientDescent() | SmallChange():
                return False
            case LearningSpeed() | GradientCost():
                return False
            case Activations() | SteepInterval() | IdentityNeuron():
                return False
            case WeightedInput() | SteepestDescent() | ReluScaling() | Backpropagation():
                return True
            case _:
                assert_never(self.quantity)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}.{number}" for number in range(1, count + 1))
