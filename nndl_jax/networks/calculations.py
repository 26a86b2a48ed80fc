"""What the book computes without training: softmax, a polynomial, the spread of z (ch. 3).

What it derives by analysis, in the other chapters, is in `analysis.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Chebyshev
from numpy.polynomial import Polynomial as PowerSeries
from scipy import special

from nndl_jax.analysis import analyse
from nndl_jax.schema import (
    Backpropagation,
    Calculation,
    Document,
    Polynomial,
    Softmax,
    WeightedInput,
)
from nndl_jax.variants import check_seeds, single


def run_calculation(spec: Document, *, seed: int) -> Mapping[str, float]:
    """The document's quantities by name.

    Args:
        spec: a document without `vary`.
        seed: of whatever is random: weights, biases, inputs and directions that are drawn.
            From 0 to 2^32 - 1.

    Raises:
        SpecError: the document has axes, or a quantity is not a finite number.
        ValueError: the seed is no such number.
    """
    spec = single(spec, Calculation)
    (seed,) = check_seeds((seed,))
    return spec.check_finite(_calculate(spec, seed))


def _calculate(spec: Calculation, seed: int) -> Mapping[str, float]:
    rng = np.random.default_rng(seed)
    match spec.quantity:
        case Softmax() as quantity:
            values = softmax(quantity.weighted_inputs, quantity.scale)
        case Polynomial() as quantity:
            values = _compare_with_line(quantity)
        case WeightedInput() as quantity:
            deviation = weighted_input_deviation(quantity.inputs, quantity.active, quantity.weights)
            sample = sample_weighted_inputs(quantity, rng)
            tail = tail_probability(deviation, quantity.beyond)
            values = np.array([deviation, tail, sample.std(ddof=1)])
        case Backpropagation() as quantity:
            # The one calculation with JAX, which the others do without.
            from nndl_jax.backpropagation_forms import check_backpropagation

            return check_backpropagation(quantity, seed=seed)
        case quantity:
            values = analyse(quantity, rng)
    return dict(zip(spec.quantities(), values.tolist(), strict=True))


def softmax(weighted_inputs: Sequence[float], scale: float) -> Float[np.ndarray, " neurons"]:
    """Activations of a softmax layer, a_j = exp(c z_j) / sum_k exp(c z_k).

    >>> softmax([2.5, -1.0, 3.2, 0.5], 1.0).round(3).tolist()
    [0.315, 0.009, 0.633, 0.043]

    Args:
        weighted_inputs: the z_j.
        scale: the c of the exercise, above 0; 1 is the softmax itself, and the larger c, the nearer
            it is to the maximum.

    References:
        Nielsen, 2015, ch. 3, section "Softmax", eq. 78.
    """
    z = np.asarray(weighted_inputs, dtype=np.float64)
    # exp of a large number would overflow; a common shift of all z changes no activation.
    powers = np.exp(scale * (z - z.max()))
    return powers / powers.sum()


def fit_polynomial(
    points: Sequence[tuple[float, float]], degree: int
) -> Float[np.ndarray, " coefficients"]:
    """Coefficients of x^0, x^1, ..., x^degree of the polynomial nearest to points.

    It has the least sum of squared differences in y, and goes through all points if `degree` is one
    less than their number.

    >>> fit_polynomial([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)], 1).round(9).tolist()
    [1.0, 2.0]

    Args:
        points: pairs of x and y, more of them than `degree`.
        degree: of the polynomial.

    Raises:
        ValueError: the x are too few or too close together to determine the polynomial.

    References:
        Nielsen, 2015, ch. 3, section "Why does regularization help reduce overfitting?".
    """
    x, y = np.transpose(points)
    # Powers of x are nearly dependent, and a fit of them loses half of a float's digits, the last
    # ones that the book prints among them. Chebyshev polynomials on the range of x are not.
    fitted, (_, rank, _, _) = Chebyshev.fit(x, y, degree, full=True)
    if rank <= degree:
        raise ValueError(
            f"{len(points)} points whose x are as close as these determine no polynomial of degree "
            f"{degree}; lower the degree or move the points apart"
        )
    coefficients = fitted.convert(kind=PowerSeries).coef
    # NumPy leaves out leading zeros.
    return np.pad(coefficients, (0, degree + 1 - len(coefficients)))


def weighted_input_deviation(
    inputs: int, active: int, weights: Literal["normal", "normal-fan-in"]
) -> float:
    """Standard deviation of z = sum_j w_j x_j + b, sqrt(active s^2 + 1) with s that of a weight.

    >>> round(weighted_input_deviation(1000, 500, "normal"), 2)
    22.38

    Args:
        inputs: number of the x_j.
        active: number of the x_j that are 1; the others are 0.
        weights: `normal` for s = 1, `normal-fan-in` for s = 1/sqrt(inputs).

    References:
        Nielsen, 2015, ch. 3, section "Weight initialization".
    """
    return float(np.sqrt(active * _weight_deviation(inputs, weights) ** 2 + 1))


def tail_probability(deviation: float, beyond: float) -> float:
    """Probability that a normal number of mean 0 is above `beyond` or below -`beyond`."""
    return float(special.erfc(beyond / (deviation * np.sqrt(2))))


def sample_weighted_inputs(
    quantity: WeightedInput, rng: np.random.Generator
) -> Float[np.ndarray, " draws"]:
    """Weighted inputs z of a neuron, each with weights and a bias of its own."""
    deviation = _weight_deviation(quantity.inputs, quantity.weights)
    # One set of weights at a time: all of them could exceed the memory.
    sums = [rng.normal(0, deviation, quantity.active).sum() for _ in range(quantity.draws)]
    return np.array(sums) + rng.standard_normal(quantity.draws)


def _weight_deviation(inputs: int, weights: Literal["normal", "normal-fan-in"]) -> float:
    match weights:
        case "normal":
            return 1.0
        case "normal-fan-in":
            return float(1 / np.sqrt(inputs))
        case _:
            assert_never(weights)


def _compare_with_line(quantity: Polynomial) -> Float[np.ndarray, " quantities"]:
    """Everything that is measured of a polynomial, in the order of its quantities."""
    coefficients = fit_polynomial(quantity.points, quantity.degree)
    intercept, slope = fit_polynomial(quantity.points, 1)
    x, y = np.transpose(quantity.points)
    at = np.array(quantity.at)
    residual = np.sqrt(np.mean((y - quantity.line * x) ** 2))
    values = PowerSeries(coefficients)(at), quantity.line * at
    return np.concatenate([coefficients, *values, [residual, slope, intercept]])
