"""Activation functions by the names that documents give them, in NumPy (ch. 1, 3, 4, 6).

What is known of them beside their values stands here too, so that nobody else lists their names.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Literal, get_args

import numpy as np
import scipy
from jaxtyping import Float

NeuronActivation = Literal["sigmoid", "tanh", "relu", "linear", "leaky-relu", "softplus", "gelu"]
"""Of a single neuron in any layer, with a slope to learn by. `leaky-relu` is z, or z / 100 where z
is negative (Maas, Hannun and Ng, 2013); `softplus` is ln(1 + exp(z)), the sigmoid's integral;
`gelu` is z times the probability that a normal deviate is below z (Hendrycks and Gimpel, 2016)."""
Activation = Literal[NeuronActivation, "softmax", "step", "wavy"]
"""`step` is a perceptron's: 1 above 0, else 0 (ch. 1). `wavy` is the book's example of another
activation with two limits (ch. 4), sigma(z) + 0.2 sin(10 z) exp(-|z|)."""

Values = Float[np.ndarray, "*shape"]


def sigmoid(z: Values) -> Values:
    """1 / (1 + exp(-z)), without overflow and with all digits at either end."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))


def inverse_sigmoid(a: Values) -> Values:
    """The z at which the sigmoid is a, ln(a / (1 - a)); a is between 0 and 1."""
    return np.log(a) - np.log1p(-a)


def sigmoid_slope(z: Values) -> Values:
    """s'(z) = s(z) (1 - s(z)), 1/4 at most."""
    return np.asarray(scipy.special.expit(z) * scipy.special.expit(-z))


ACTIVATIONS: Mapping[Activation, Callable[[Values], Values]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "linear": lambda z: z,
    "leaky-relu": lambda z: np.where(z < 0, 0.01 * z, z),
    "softplus": lambda z: np.logaddexp(0, z),
    "gelu": lambda z: z * scipy.special.ndtr(z),
    "softmax": lambda z: scipy.special.softmax(z, axis=-1),
    "step": lambda z: (z > 0).astype(np.float64),
    "wavy": lambda z: sigmoid(z) + 0.2 * np.sin(10 * z) * np.exp(-np.abs(z)),
}
"""Of layers; a softmax along the last axis."""

EQUATIONS: Mapping[str, tuple[str, str]] = {
    "sigmoid": ("sigmoid neuron", r"\sigma(z) = \frac{1}{1 + e^{-z}}"),
    "tanh": ("tanh neuron", r"\tanh z = \frac{e^{z} - e^{-z}}{e^{z} + e^{-z}}"),
    "relu": ("rectified linear neuron", r"\mathrm{relu}(z) = \max(0, z)"),
    "softmax": ("softmax layer", r"a_j = \frac{e^{z_j}}{\sum_k e^{z_k}}"),
    "step": ("perceptron", r"a = 1 \text{ if } w \cdot x + b > 0, \text{ else } 0"),
    "linear": ("linear neuron", r"a = z"),
    "leaky-relu": ("leaky rectified neuron", r"a = \max(z, z / 100)"),
    "softplus": ("softplus neuron", r"a = \ln(1 + e^{z})"),
    "gelu": ("GELU neuron", r"a = z \, \Phi(z)"),
    "wavy": ("wavy neuron", r"s(z) = \sigma(z) + \frac{1}{5} \sin(10 z) \, e^{-|z|}"),
}
"""Of each, what it is called and its equation, in LaTeX."""

RANGES: Mapping[Activation, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "wavy": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, inf),
    "softplus": (0.0, inf),
    # At z = -0.7518.
    "gelu": (-0.16997120747990369, inf),
}
"""What targets of an output layer may be; any number if not here."""

_names = get_args(NeuronActivation)
NEURON_ACTIVATIONS = f"{', '.join(_names[:-1])} or {_names[-1]}"
"""Their names in a sentence."""
