"""Gradient descent in a valley, and how fast weights learn (ch. 1, 2)."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import scipy
from jaxtyping import Float
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from nndl_jax.calculations.activations import sigmoid_slope
from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import Fraction, Number, fault

SMALLEST = 1e-6
STEEPEST = 10.0
_ROUNDING = 1e-12

Small = Annotated[float, Field(ge=-100, le=100)]
Smalls = Annotated[tuple[Small, ...], Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class GradientDescent(Quantity):
    """Gradient descent on the valley C = v_1^2 + v_2^2 (ch. 1)."""

    equations = (
        ("valley", r"C(v) = v_1^2 + v_2^2"),
        ("step", r"v \to v - \eta \nabla C"),
        ("change", r"\Delta C \approx -\eta \, \| \nabla C \|^2"),
    )
    kind: Literal["gradient-descent"]
    start: tuple[Number, Number]
    """The v_1 and v_2 before the first step."""
    # 100 steps multiply C by up to 19^200, which a float still holds.
    learning_rate: Annotated[float, Field(ge=1e-6, le=10)]
    steps: Annotated[int, Field(ge=1, le=100)]

    def metrics(self) -> tuple[str, ...]:
        """C before and after, steps in which it rose, and the first change by that predicted."""
        return ("first_cost", "last_cost", "num_rises", "change_ratio")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """The first change of C is held against -eta |grad C|^2, with |grad C|^2 = 4 C."""
        path = descend(self.start, self.learning_rate, self.steps)
        costs = (path**2).sum(axis=1)
        changes = np.diff(costs)
        ratio = changes[0] / (-self.learning_rate * 4 * costs[0])
        return np.array([costs[0], costs[-1], np.sum(changes > 0), ratio])

    @model_validator(mode="after")
    def _start_is_not_the_minimum(self) -> "GradientDescent":
        if _is_minimum(self.start):
            raise _at_minimum("start", self.start)
        return self


class SteepestDescent(Quantity):
    """Steps of a fixed length on C = sum_j v_j^2, in random directions and in the best (ch. 1)."""

    is_random: ClassVar[bool] = True
    equations = (
        ("step of a fixed length", r"\| \Delta v \| = \epsilon"),
        ("decrease", r"-\nabla C \cdot \Delta v \le \epsilon \, \| \nabla C \|"),
    )
    kind: Literal["steepest-descent"]
    point: Annotated[tuple[Number, ...], Field(min_length=1, max_length=16)]
    """The v_j before the step."""
    length: Annotated[float, Field(ge=1e-6, le=1e6)]
    """Of all steps."""
    directions: Annotated[int, Field(ge=1, le=100_000)]
    """Number of directions drawn."""

    def metrics(self) -> tuple[str, ...]:
        """First-order decreases of C: against the gradient, and the largest of those drawn."""
        return ("steepest_decrease", "best_decrease", "best_share", "num_better")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """Directions are drawn by `rng`."""
        decreases = sample_decreases(self.point, self.length, self.directions, rng=rng)
        steepest, best = self.length * 2 * np.linalg.norm(self.point), decreases.max()
        num_better = np.sum(decreases > steepest * (1 + _ROUNDING))
        return np.array([steepest, best, best / steepest, num_better])

    @model_validator(mode="after")
    def _point_is_not_the_minimum(self) -> "SteepestDescent":
        if _is_minimum(self.point):
            raise _at_minimum("point", self.point)
        return self


class SmallChange(Quantity):
    """A sigmoid neuron's output before and after its weights and its bias change (ch. 1)."""

    equations = (
        ("neuron", r"a = \sigma\left( \sum_j w_j x_j + b \right)"),
        (
            "first order",
            r"\Delta a \approx \sum_j \frac{\partial a}{\partial w_j} \Delta w_j "
            r"+ \frac{\partial a}{\partial b} \Delta b",
        ),
    )
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

    def metrics(self) -> tuple[str, ...]:
        """The output, its true change, that of first order, their ratio and its error."""
        return ("output", "change", "predicted_change", "ratio", "relative_error")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """Eq. 5 of chapter 1: the sum of s'(z) x_j dw_j and s'(z) db, that is s'(z) dz."""
        z, dz = self.weighted_input(), self.weighted_input_change()
        before, after = scipy.special.expit([z, z + dz])
        change, predicted = after - before, sigmoid_slope(np.array([z]))[0] * dz
        ratio = change / predicted
        return np.array([before, change, predicted, ratio, abs(ratio - 1)])

    @model_validator(mode="after")
    def _lengths_agree(self) -> "SmallChange":
        for field in ("weights", "weight_changes"):
            count = len(getattr(self, field))
            if count != len(self.inputs):
                message = (
                    f"must have an entry for each of the {len(self.inputs)} inputs, got {count}"
                )
                raise fault((field,), message)
        return self

    @model_validator(mode="after")
    def _output_changes(self) -> "SmallChange":
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
        return sum(weight * value for weight, value in products) + self.bias

    def weighted_input_change(self) -> float:
        """The change of z, sum_j x_j dw_j + db."""
        products = zip(self.weight_changes, self.inputs, strict=True)
        return self.factor * (sum(change * value for change, value in products) + self.bias_change)


class LearningSpeed(Quantity):
    """The gradient by a weight of a sigmoid output neuron, with the quadratic cost (ch. 2)."""

    equations = (
        (
            "gradient",
            r"\frac{\partial C}{\partial w} = a_{\mathrm{in}} \, (\sigma(z) - y) \, \sigma'(z)",
        ),
    )
    kind: Literal["learning-speed"]
    input_activation: Fraction
    """Activation a of the neuron that the weight comes from."""
    weighted_input: Small
    """The z of the output neuron."""
    target: Fraction
    """The y that its activation s(z) ought to be."""

    def metrics(self) -> tuple[str, ...]:
        """The slope s'(z), the error (s(z) - y) s'(z), and its product with a, dC/dw; no signs."""
        return ("slope", "output_error", "gradient")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """Without signs."""
        z, target = self.weighted_input, self.target
        gradient = learning_speed(self.input_activation, z, target)
        return np.abs([float(sigmoid_slope(np.asarray(z))), _error(z, target), gradient])


class GradientCost(Quantity):
    """What it costs to go downhill: second derivatives, and batches in place of all images."""

    equations = (
        ("second derivatives", r"n^2, \quad \frac{n (n + 1)}{2} \text{ of them distinct}"),
        ("estimate", r"\nabla C \approx \frac{1}{m} \sum_{j=1}^{m} \nabla C_{X_j}"),
    )
    kind: Literal["gradient-cost"]
    variables: Count
    """Number of weights and biases."""
    images: Count
    """Number of training images, n."""
    batch_size: Count
    """Images in a mini-batch, m."""

    def metrics(self) -> tuple[str, ...]:
        """Second derivatives, those left by symmetry, and n/m, by which estimates are faster."""
        return ("second_derivatives", "distinct_second_derivatives", "speed_up")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """A second derivative for each pair of variables; half of them are the others'."""
        count = self.variables
        values = count**2, count * (count + 1) // 2, self.images / self.batch_size
        return np.array(values, dtype=np.float64)

    @model_validator(mode="after")
    def _batch_is_a_part(self) -> "GradientCost":
        if self.batch_size > self.images:
            message = f"must be at most images = {self.images:,}, got {self.batch_size:,}"
            raise fault(("batch_size",), message)
        return self


Descent = GradientDescent | SteepestDescent | SmallChange | LearningSpeed | GradientCost


def descend(
    start: Sequence[float], learning_rate: float, steps: int
) -> Float[np.ndarray, "points variables"]:
    """Points of gradient descent on C = sum_j v_j^2, v' = v - eta grad C with grad C = 2 v.

    >>> descend([1.0, -0.5], 0.25, 2).tolist()
    [[1.0, -0.5], [0.5, -0.25], [0.25, -0.125]]

    References:
        Nielsen, 2015, ch. 1, section "Learning with gradient descent", eq. 11.
    """
    path = [np.asarray(start, dtype=np.float64)]
    for _ in range(steps):
        path.append(path[-1] - learning_rate * 2 * path[-1])
    return np.array(path)


def sample_decreases(
    point: Sequence[float], length: float, directions: int, *, rng: np.random.Generator
) -> Float[np.ndarray, " directions"]:
    """First-order decreases -grad C . dv of C = sum_j v_j^2 by random steps of a fixed length.

    By the inequality of Cauchy and Schwarz none exceeds length |grad C|, that of the step
    dv = -length grad C / |grad C|.

    References:
        Nielsen, 2015, ch. 1, section "Learning with gradient descent", exercise.
    """
    drawn = rng.standard_normal((directions, len(point)))
    steps = length * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return -steps @ (2 * np.asarray(point, dtype=np.float64))


def learning_speed(input_activation: float, weighted_input: float, target: float) -> float:
    """The gradient dC/dw = a (s(z) - y) s'(z) by a weight of a sigmoid output neuron.

    It is small if the input neuron is of low activation, and if the output neuron has saturated,
    however wrong it is.

    >>> learning_speed(1.0, 0.0, 1.0), round(learning_speed(1.0, -5.0, 1.0), 4)
    (-0.125, -0.0066)

    Args:
        input_activation: the a, from 0 to 1.
        weighted_input: the z.
        target: the y, from 0 to 1.

    References:
        Nielsen, 2015, ch. 2, section "The four fundamental equations behind backpropagation".
    """
    return input_activation * _error(weighted_input, target)


def _error(weighted_input: float, target: float) -> float:
    """(s(z) - y) s'(z), the error of an output neuron with the quadratic cost."""
    slope = sigmoid_slope(np.asarray(weighted_input))
    return float((scipy.special.expit(weighted_input) - target) * slope)


def _is_minimum(point: Sequence[float]) -> bool:
    return max(map(abs, point)) < SMALLEST


def _at_minimum(field: str, point: Sequence[float]) -> PydanticCustomError:
    return fault(
        (field,),
        f"must be {SMALLEST:g} or more away from 0 in some variable, as C has no slope at its "
        f"minimum, got {list(point)}",
    )
