"""What the book derives: slopes of neurons, scaled ReLUs (ch. 1, 3, 5, 6)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import scipy
from jaxtyping import Float
from pydantic import Field

from nndl_jax.calculations.activations import EQUATIONS, Values, sigmoid_slope
from nndl_jax.calculations.descent import Descent
from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import Number

Outputs = Float[np.ndarray, "examples width"]

STEEP = 4.0
"""Least absolute weight w with |w s'(z)| >= 1 anywhere, as s' is 1/4 at most."""
_NUM_EXAMPLES = 100

PLOTTED: Mapping[str, Callable[[Values], Values]] = {
    "sigmoid": lambda z: scipy.special.expit(z),
    "step": lambda z: np.heaviside(z, 1.0),
    "tanh": np.tanh,
    "rectified linear": lambda z: np.maximum(z, 0.0),
    "slope of the sigmoid": sigmoid_slope,
}
"""The functions that the book plots; its plot of the step is 1 at 0, where a perceptron gives 0."""


class Activations(Quantity):
    """The sigmoid, the step, tanh and the rectifier beside each other (ch. 1, 3, 5)."""

    equations = (
        EQUATIONS["sigmoid"],
        EQUATIONS["tanh"],
        EQUATIONS["relu"],
        ("sigmoid by tanh", r"\sigma(z) = \frac{1 + \tanh(z / 2)}{2}"),
    )
    kind: Literal["activations"]
    limit: Annotated[float, Field(gt=0, le=100)] = 5.0
    """Largest absolute weighted input looked at."""

    def metrics(self) -> tuple[str, ...]:
        """The steepest slopes, and the difference of the sigmoid from a tanh moved and scaled."""
        return ("sigmoid_slope", "tanh_slope", "relu_slope", "tanh_difference")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """The steepest slopes, and the largest difference of s(z) from (1 + tanh(z/2)) / 2."""
        z = np.linspace(-self.limit, self.limit, 1001)
        difference = scipy.special.expit(z) - (1 + np.tanh(z / 2)) / 2
        slopes = sigmoid_slope(z), 1 - np.tanh(z) ** 2, np.heaviside(z, 0.0)
        return np.array([*(slope.max() for slope in slopes), np.abs(difference).max()])


class SteepInterval(Quantity):
    """The input activations a with |w s'(w a + b)| >= 1, which keep gradients alive (ch. 5)."""

    equations = (
        ("where gradients stay alive", r"|w \, \sigma'(w a + b)| \ge 1"),
        (
            "width",
            r"\frac{2}{|w|} \ln \left( \frac{|w| (1 + \sqrt{1 - 4 / |w|})}{2} - 1 \right)",
        ),
    )
    kind: Literal["steep-interval"]
    weight: Number
    """The w above; how wide the interval is does not depend on b."""

    def metrics(self) -> tuple[str, ...]:
        """How wide the interval is, how wide the widest, and the weight that has it."""
        return ("width", "largest_width", "best_weight")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """In the order of `metrics`."""
        best = widest_weight()
        return np.array([steep_width(self.weight), steep_width(best), best])


class IdentityNeuron(Quantity):
    """A hidden sigmoid neuron as identity: w_2 s(w_1 x + b) near x on [0, 1] (ch. 5)."""

    equations = (
        ("neuron", r"w_2 \, \sigma(w_1 x + b) \approx x"),
        ("its weights", r"b = -\frac{w_1}{2}, \quad w_2 = \frac{4}{w_1}"),
    )
    kind: Literal["identity-neuron"]
    weight: Annotated[float, Field(ge=0.001, le=1000)]
    """The w_1; it goes with b = -w_1 / 2 and w_2 = 4 / w_1."""

    def metrics(self) -> tuple[str, ...]:
        """Largest errors: up to a constant, and of the neuron that is best without one."""
        best = ("best_error", "best_weight", "best_bias", "best_output_weight")
        return ("largest_error", "constant", *best)

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """At 1,001 places from 0 to 1."""
        x, constant = np.linspace(0, 1, 1001), 2 / self.weight - 0.5
        error = np.abs(identity_neuron(x, self.weight) - constant - x).max()
        best_weight, bias, output_weight, best_error = best_identity_neuron()
        return np.array([error, constant, best_error, best_weight, bias, output_weight])


class ReluScaling(Quantity):
    """A network of rectified linear neurons whose weights are all multiplied by a factor (ch. 6).

    Its weights are normal with standard deviation 1/sqrt(width), its biases and inputs with 1.
    """

    is_random: ClassVar[bool] = True
    equations = (
        ("scaled weights", r"w \to c w"),
        ("outputs without biases", r"a^L \to c^L a^L"),
    )
    kind: Literal["relu-scaling"]
    layers: Annotated[int, Field(ge=1, le=16)]
    """Layers of weights, one fewer than layers of neurons with the input."""
    # In a narrower one all neurons of a layer could be inactive for all inputs.
    width: Annotated[int, Field(ge=32, le=1000)] = 100
    """Neurons in each layer, and inputs."""
    factor: Annotated[float, Field(ge=0.01, le=100)]
    """What all weights are multiplied with."""

    def metrics(self) -> tuple[str, ...]:
        """Ratios of outputs, deviations from factor^layers, and activations of a softmax on top."""
        deviations = ("deviation", "biases_deviation", "scaled_biases_deviation")
        softmax = ("softmax_deviation", "largest_activation", "scaled_largest_activation")
        return ("ratio", "biases_ratio", *deviations, *softmax)

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """A network and its copy with scaled weights: without, with equal, and with scaled biases.

        Without biases the weighted inputs grow by factor^layers, and so do rectified outputs. A
        softmax in their place becomes one with that factor in the exponent, as in an exercise of
        chapter 3. With biases it needs those of layer l to grow by factor^l.
        """
        width, layers, factor = self.width, range(1, self.layers + 1), self.factor
        inputs = rng.standard_normal((_NUM_EXAMPLES, width))
        weights = [rng.normal(0, 1 / np.sqrt(width), (width, width)) for _ in layers]
        biases = [rng.standard_normal(width) for _ in layers]
        scaled, none = [factor * weight for weight in weights], [0 * bias for bias in biases]
        grown = [factor**layer * bias for layer, bias in zip(layers, biases, strict=True)]
        power = factor**self.layers
        cases = (
            (weights, none),
            (scaled, none),
            (weights, biases),
            (scaled, biases),
            (scaled, grown),
        )
        plain, copy, biased, biased_copy, grown_copy = (
            weighted_inputs(own_weights, own_biases, inputs) for own_weights, own_biases in cases
        )
        softmax, scaled_softmax = (
            scipy.special.softmax(plain, axis=1),
            scipy.special.softmax(copy, axis=1),
        )
        return np.array(
            [
                _norm(copy) / _norm(plain),
                _norm(biased_copy) / _norm(biased),
                _deviation(plain, copy, power),
                _deviation(biased, biased_copy, power),
                _deviation(biased, grown_copy, power),
                np.abs(scaled_softmax - scipy.special.softmax(power * plain, axis=1)).max(),
                softmax.max(axis=1).mean(),
                scaled_softmax.max(axis=1).mean(),
            ]
        )


Analysis = Descent | Activations | SteepInterval | IdentityNeuron | ReluScaling


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
    return scipy.optimize.minimize_scalar(
        lambda weight: -steep_width(weight), bounds=(STEEP, 100.0), method="bounded"
    ).x


def identity_neuron(x: Values, weight: float) -> Values:
    """w_2 s(w_1 x + b) with b = -w_1/2 and w_2 = 4/w_1, near x + 2/w_1 - 1/2 for small w_1.

    That constant cannot vanish for small w_1, but the bias of the next neuron takes it up.

    References:
        Nielsen, 2015, ch. 5, section "What's causing the vanishing gradient problem?", problem.
    """
    return 4 / weight * scipy.special.expit(weight * (x - 0.5))


def best_identity_neuron() -> Float[np.ndarray, "4"]:
    """The w_1, b and w_2 with the least largest error |w_2 s(w_1 x + b) - x| on [0, 1], and it.

    The error e is minimized under -e <= w_2 s(w_1 x + b) - x <= e at 1,001 places x.
    """
    x = np.linspace(0, 1, 1001)

    def room(values: Float[np.ndarray, "4"]) -> Float[np.ndarray, " bounds"]:
        weight, bias, output_weight, error = values
        deviation = output_weight * scipy.special.expit(weight * x + bias) - x
        return np.concatenate([error - deviation, error + deviation])

    start, bounds = (4.0, -2.0, 1.0, 0.5), {"type": "ineq", "fun": room}
    return scipy.optimize.minimize(
        lambda values: values[3], start, constraints=bounds, method="SLSQP", options={"ftol": 1e-12}
    ).x


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


def _norm(z: Outputs) -> float:
    """Of rectified outputs."""
    return float(np.linalg.norm(np.maximum(z, 0)))


def _deviation(z: Outputs, copy: Outputs, power: float) -> float:
    """How far the outputs of a copy are from those of the network times a power, relatively."""
    outputs, copies = np.maximum(z, 0), np.maximum(copy, 0)
    return float(np.linalg.norm(copies / power - outputs) / np.linalg.norm(outputs))
