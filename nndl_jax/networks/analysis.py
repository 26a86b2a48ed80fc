"""What the book derives: slopes of neurons, scaled ReLUs (ch. 1, 3, 5, 6)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy import optimize, special

from nndl_jax.descent import Values, measure_descent, sigmoid_slope
from nndl_jax.schema.analysis import (
    Activations,
    Analysis,
    IdentityNeuron,
    ReluScaling,
    SteepInterval,
)

Outputs = Float[np.ndarray, "examples width"]

STEEP = 4.0
"""Least absolute weight w with |w s'(z)| >= 1 anywhere, as s' is 1/4 at most."""
_NUM_EXAMPLES = 100


ACTIVATIONS: Mapping[str, Callable[[Values], Values]] = {
    "sigmoid": special.expit,
    "step": lambda z: np.heaviside(z, 1.0),
    "tanh": np.tanh,
    "rectified linear": lambda z: np.maximum(z, 0.0),
    "slope of the sigmoid": sigmoid_slope,
}
"""The functions that the book plots; its plot of the step is 1 at 0, where a perceptron gives 0."""


def analyse(quantity: Analysis, rng: np.random.Generator) -> Float[np.ndarray, " quantities"]:
    """What is measured of a quantity, in the order of its names; `rng` draws what is random."""
    match quantity:
        case Activations():
            return _measure_slopes(quantity.limit)
        case SteepInterval():
            weight = widest_weight()
            return np.array([steep_width(quantity.weight), steep_width(weight), weight])
        case IdentityNeuron():
            return _measure_identity(quantity.weight)
        case ReluScaling():
            return _measure_scaling(quantity, rng)
        case quantity:
            return measure_descent(quantity, rng)


def _measure_slopes(limit: float) -> Float[np.ndarray, " quantities"]:
    """The steepest slopes, and the largest difference of s(z) from (1 + tanh(z/2)) / 2."""
    z = np.linspace(-limit, limit, 1001)
    difference = special.expit(z) - (1 + np.tanh(z / 2)) / 2
    slopes = sigmoid_slope(z), 1 - np.tanh(z) ** 2, np.heaviside(z, 0.0)
    return np.array([*(slope.max() for slope in slopes), np.abs(difference).max()])


def steep_width(weight: float) -> float:
    """Width of the interval of inputs a with |w s'(w a + b)| >= 1; 0 for |w| <= 4.

        (2 / |w|) ln(|w| (1 + sqrt(1 - 4 / |w|)) / 2 - 1)

    >>> round(steep_width(6.9), 2), steep_width(3.9)
    (0.45, 0.0)

    References:
        Nielsen, 2015, ch. 5, section "What's causing the vanishing gradient problem?", problem.
    """
    size = abs(weight)
    if size <= STEEP:
        return 0.0
    return float(2 / size * np.log(size * (1 + np.sqrt(1 - STEEP / size)) / 2 - 1))


def widest_weight() -> float:
    """The weight w > 0 with the widest interval in which |w s'(w a + b)| >= 1."""
    return optimize.minimize_scalar(
        lambda weight: -steep_width(weight), bounds=(STEEP, 100.0), method="bounded"
    ).x


def identity_neuron(x: Values, weight: float) -> Values:
    """w_2 s(w_1 x + b) with b = -w_1/2 and w_2 = 4/w_1, near x + 2/w_1 - 1/2 for small w_1.

    That constant cannot vanish for small w_1, but the bias of the next neuron takes it up.

    References:
        Nielsen, 2015, ch. 5, section "What's causing the vanishing gradient problem?", problem.
    """
    return 4 / weight * special.expit(weight * (x - 0.5))


def best_identity_neuron() -> Float[np.ndarray, "4"]:
    """The w_1, b and w_2 with the least largest error |w_2 s(w_1 x + b) - x| on [0, 1], and it.

    The error e is minimized under -e <= w_2 s(w_1 x + b) - x <= e at 1,001 places x.
    """
    x = np.linspace(0, 1, 1001)

    def room(values: Float[np.ndarray, "4"]) -> Float[np.ndarray, " bounds"]:
        weight, bias, output_weight, error = values
        deviation = output_weight * special.expit(weight * x + bias) - x
        return np.concatenate([error - deviation, error + deviation])

    start, bounds = (4.0, -2.0, 1.0, 0.5), {"type": "ineq", "fun": room}
    return optimize.minimize(
        lambda values: values[3], start, constraints=bounds, method="SLSQP", options={"ftol": 1e-12}
    ).x


def _measure_identity(weight: float) -> Float[np.ndarray, " quantities"]:
    x, constant = np.linspace(0, 1, 1001), 2 / weight - 0.5
    error = np.abs(identity_neuron(x, weight) - constant - x).max()
    best_weight, bias, output_weight, best_error = best_identity_neuron()
    return np.array([error, constant, best_error, best_weight, bias, output_weight])


def weighted_inputs(
    weights: Sequence[Float[np.ndarray, "width width"]],
    biases: Sequence[Float[np.ndarray, " width"]],
    inputs: Outputs,
) -> Outputs:
    """Weighted inputs z of the last of several layers, a = max(z, 0) in all before it."""
    z = inputs @ weights[0].T + biases[0]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        z = np.maximum(z, 0) @ weight.T + bias
    return z


def _measure_scaling(
    quantity: ReluScaling, rng: np.random.Generator
) -> Float[np.ndarray, " quantities"]:
    """A network and its copy with scaled weights: without, with equal, and with scaled biases.

    Without biases the weighted inputs grow by factor^layers, and so do rectified outputs. A softmax
    in their place becomes one with that factor in the exponent, as in an exercise of chapter 3.
    With biases it needs those of layer l to grow by factor^l.
    """
    width, layers, factor = quantity.width, range(1, quantity.layers + 1), quantity.factor
    inputs = rng.standard_normal((_NUM_EXAMPLES, width))
    weights = [rng.normal(0, 1 / np.sqrt(width), (width, width)) for _ in layers]
    biases = [rng.standard_normal(width) for _ in layers]
    scaled, none = [factor * weight for weight in weights], [0 * bias for bias in biases]
    grown = [factor**layer * bias for layer, bias in zip(layers, biases, strict=True)]
    power = factor**quantity.layers
    cases = ((weights, none), (scaled, none), (weights, biases), (scaled, biases), (scaled, grown))
    plain, copy, biased, biased_copy, grown_copy = (
        weighted_inputs(own_weights, own_biases, inputs) for own_weights, own_biases in cases
    )
    softmax, scaled_softmax = special.softmax(plain, axis=1), special.softmax(copy, axis=1)
    return np.array(
        [
            _norm(copy) / _norm(plain),
            _norm(biased_copy) / _norm(biased),
            _deviation(plain, copy, power),
            _deviation(biased, biased_copy, power),
            _deviation(biased, grown_copy, power),
            np.abs(scaled_softmax - special.softmax(power * plain, axis=1)).max(),
            softmax.max(axis=1).mean(),
            scaled_softmax.max(axis=1).mean(),
        ]
    )


def _norm(z: Outputs) -> float:
    """Of rectified outputs."""
    return float(np.linalg.norm(np.maximum(z, 0)))


def _deviation(z: Outputs, copy: Outputs, power: float) -> float:
    """How far the outputs of a copy are from those of the network times a power, relatively."""
    outputs, copies = np.maximum(z, 0), np.maximum(copy, 0)
    return float(np.linalg.norm(copies / power - outputs) / np.linalg.norm(outputs))
