"""Quantities of gradient descent and of how fast weights learn (ch. 1, 2)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from nndl_jax.schema.base import Fraction, Record, fault

SMALLEST = 1e-6
STEEPEST = 10.0

Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Small = Annotated[float, Field(ge=-100, le=100)]
Smalls = Annotated[tuple[Small, ...], Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class GradientDescent(Record):
    """Gradient descent on the valley C = v_1^2 + v_2^2 (ch. 1)."""

    kind: Literal["gradient-descent"]
    start: tuple[Number, Number]
    """The v_1 and v_2 before the first step."""
    # 100 steps multiply C by up to 19^200, which a float still holds.
    learning_rate: Annotated[float, Field(ge=1e-6, le=10)]
    steps: Annotated[int, Field(ge=1, le=100)]

    def quantities(self) -> tuple[str, ...]:
        """C before and after, steps in which it rose, and the first change by that predicted."""
        return ("first_cost", "last_cost", "num_rises", "change_ratio")

    @model_validator(mode="after")
    def _start_is_not_the_minimum(self) -> Self:
        if _is_minimum(self.start):
            raise _at_minimum("start", self.start)
        return self


class SteepestDescent(Record):
    """Steps of a fixed length on C = sum_j v_j^2, in random directions and in the best (ch. 1)."""

    kind: Literal["steepest-descent"]
    point: Annotated[tuple[Number, ...], Field(min_length=1, max_length=16)]
    """The v_j before the step."""
    length: Annotated[float, Field(ge=1e-6, le=1e6)]
    """Of all steps."""
    directions: Annotated[int, Field(ge=1, le=100_000)]
    """Number of directions drawn."""

    def quantities(self) -> tuple[str, ...]:
        """First-order decreases of C: against the gradient, and the largest of those drawn."""
        return ("steepest_decrease", "best_decrease", "best_share", "num_better")

    @model_validator(mode="after")
    def _point_is_not_the_minimum(self) -> Self:
        if _is_minimum(self.point):
            raise _at_minimum("point", self.point)
        return self


class SmallChange(Record):
    """A sigmoid neuron's output before and after its weights and its bias change (ch. 1)."""

    kind: Literal["small-change"]
    inputs: Smalls
    weights: Smalls
    bias: Small
    weight_changes: Smalls
    """The changes of the weights where `factor` is 1."""
    bias_change: Small
    """The change of the bias where `factor` is 1."""
    factor: Annotated[float, Field(gt=0, le=100)] = 1.0
    """What all changes are multiplied with."""

    def quantities(self) -> tuple[str, ...]:
        """The output, its true change, that of first order, their ratio and its error."""
        return ("output", "change", "predicted_change", "ratio", "relative_error")

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        for field in ("weights", "weight_changes"):
            count = len(getattr(self, field))
            if count != len(self.inputs):
                said = f"must have an entry for each of the {len(self.inputs)} inputs, got {count}"
                raise fault((field,), said)
        return self

    @model_validator(mode="after")
    def _output_changes(self) -> Self:
        before, change = self.weighted_input(), self.weighted_input_change()
        if max(abs(before), abs(before + change)) > STEEPEST:
            raise fault(
                ("bias",),
                f"a weighted input beyond {STEEPEST:g} leaves no slope to speak of, got {before:g} "
                f"and a change of {change:g}",
            )
        if abs(change) < SMALLEST:
            raise fault(
                ("bias_change",),
                f"the changes must add up to {SMALLEST:g} or more in the weighted input, "
                f"got {change:g}",
            )
        return self

    def weighted_input(self) -> float:
        """The z = sum_j w_j x_j + b before the changes."""
        products = zip(self.weights, self.inputs, strict=True)
        return sum(weight * each for weight, each in products) + self.bias

    def weighted_input_change(self) -> float:
        """The change of z, sum_j x_j dw_j + db."""
        products = zip(self.weight_changes, self.inputs, strict=True)
        return self.factor * (sum(change * each for change, each in products) + self.bias_change)


class LearningSpeed(Record):
    """The gradient by a weight of a sigmoid output neuron, with the quadratic cost (ch. 2)."""

    kind: Literal["learning-speed"]
    input_activation: Fraction
    """Activation a of the neuron that the weight comes from."""
    weighted_input: Small
    """The z of the output neuron."""
    target: Fraction
    """The y that its activation s(z) ought to be."""

    def quantities(self) -> tuple[str, ...]:
        """The slope s'(z), the error (s(z) - y) s'(z), and its product with a, dC/dw; no signs."""
        return ("slope", "output_error", "gradient")


class GradientCost(Record):
    """What it costs to go downhill: second derivatives, and batches in place of all images."""

    kind: Literal["gradient-cost"]
    variables: Count
    """Number of weights and biases."""
    images: Count
    """Number of training images, n."""
    batch_size: Count
    """Images in a mini-batch, m."""

    def quantities(self) -> tuple[str, ...]:
        """Second derivatives, those left by symmetry, and n/m, by which estimates are faster."""
        return ("second_derivatives", "distinct_second_derivatives", "speed_up")

    @model_validator(mode="after")
    def _batch_is_a_part(self) -> Self:
        if self.batch_size > self.images:
            said = f"must be at most images = {self.images:,}, got {self.batch_size:,}"
            raise fault(("batch_size",), said)
        return self


Descent = GradientDescent | SteepestDescent | SmallChange | LearningSpeed | GradientCost


def _is_minimum(point: Sequence[float]) -> bool:
    return max(map(abs, point)) < SMALLEST


def _at_minimum(field: str, point: Sequence[float]) -> PydanticCustomError:
    return fault(
        (field,),
        f"must be {SMALLEST:g} or more away from 0 in some variable, as C has no slope at its "
        f"minimum, got {list(point)}",
    )
