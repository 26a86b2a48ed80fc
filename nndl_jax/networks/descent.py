"""Gradient descent in a valley, and how fast weights learn (ch. 1, 2)."""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from jaxtyping import Float
from scipy import special

from nndl_jax.schema.descent import (
    Descent,
    GradientCost,
    GradientDescent,
    LearningSpeed,
    SmallChange,
    SteepestDescent,
)

Values = Float[np.ndarray, "*shape"]

_ROUNDING = 1e-12


def sigmoid_slope(z: Values) -> Values:
    """s'(z) = s(z) (1 - s(z)), 1/4 at most."""
    return special.expit(z) * special.expit(-z)


def measure_descent(
    quantity: Descent, rng: np.random.Generator
) -> Float[np.ndarray, " quantities"]:
    """What is measured of a quantity, in the order of its names; `rng` draws what is random."""
    match quantity:
        case GradientDescent():
            return _measure_descent(quantity)
        case SteepestDescent():
            return _measure_directions(quantity, rng)
        case SmallChange():
            return _measure_change(quantity)
        case LearningSpeed():
            return _measure_speed(quantity)
        case GradientCost():
            return _count(quantity)
        case _:
            assert_never(quantity)


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


def _measure_descent(quantity: GradientDescent) -> Float[np.ndarray, " quantities"]:
    """The first change of C is held against -eta |grad C|^2, with |grad C|^2 = 4 C."""
    path = descend(quantity.start, quantity.learning_rate, quantity.steps)
    costs = (path**2).sum(axis=1)
    changes = np.diff(costs)
    ratio = changes[0] / (-quantity.learning_rate * 4 * costs[0])
    return np.array([costs[0], costs[-1], np.sum(changes > 0), ratio])


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


def _measure_directions(
    quantity: SteepestDescent, rng: np.random.Generator
) -> Float[np.ndarray, " quantities"]:
    point, length = quantity.point, quantity.length
    decreases = sample_decreases(point, length, quantity.directions, rng=rng)
    steepest, best = length * 2 * np.linalg.norm(point), decreases.max()
    num_better = np.sum(decreases > steepest * (1 + _ROUNDING))
    return np.array([steepest, best, best / steepest, num_better])


def _measure_change(quantity: SmallChange) -> Float[np.ndarray, " quantities"]:
    """Eq. 5 of chapter 1: the sum of s'(z) x_j dw_j and s'(z) db, that is s'(z) dz."""
    z, dz = quantity.weighted_input(), quantity.weighted_input_change()
    before, after = special.expit([z, z + dz])
    change, predicted = after - before, sigmoid_slope(np.array([z]))[0] * dz
    return np.array([before, change, predicted, change / predicted, abs(change / predicted - 1)])


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
    return float((special.expit(weighted_input) - target) * slope)


def _measure_speed(quantity: LearningSpeed) -> Float[np.ndarray, " quantities"]:
    z, target = quantity.weighted_input, quantity.target
    gradient = learning_speed(quantity.input_activation, z, target)
    return np.abs([float(sigmoid_slope(np.asarray(z))), _error(z, target), gradient])


def _count(quantity: GradientCost) -> Float[np.ndarray, " quantities"]:
    """A number of second derivatives for each pair of variables; half of them are the others'."""
    count = quantity.variables
    values = count**2, count * (count + 1) // 2, quantity.images / quantity.batch_size
    return np.array(values, dtype=np.float64)
