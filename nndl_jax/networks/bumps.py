"""Networks of one input that approximate a function by bumps, pairs of steps (ch. 4).

A hidden neuron of weight w and bias -w s is a step at s if w is large. Two of them, with weights +h
and -h to the output, are a bump of height h between their steps, and enough bumps are any function.
What documents describe is evaluated here in NumPy as well: pictures are drawn without JAX.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.batches import map_batches
from nndl_jax.formula import inverse_sigmoid, parse_formula, sigmoid
from nndl_jax.schema import Bumps
from nndl_jax.schema.bumps import NUM_PLACES

if TYPE_CHECKING:
    from nndl_jax.layer_values import DenseValues
    from nndl_jax.model import FeedforwardNetwork
else:
    # JAX takes seconds to import, and pictures do without it.
    DenseValues, FeedforwardNetwork = tuple, object

NUM_SAMPLES = 20
"""Places of a bump that its median and its mean are taken over, and its part of the score."""

Values = Float[np.ndarray, " places"]


class Intervals(NamedTuple):
    """Bumps, in order."""

    starts: Float[np.ndarray, " bumps"]
    ends: Float[np.ndarray, " bumps"]
    heights: Float[np.ndarray, " bumps"]


class Neurons(NamedTuple):
    """The hidden neurons: a neuron is activation(weight x + bias)."""

    weights: Float[np.ndarray, " hidden"]
    biases: Float[np.ndarray, " hidden"]
    heights: Float[np.ndarray, " hidden"]
    """Weights to the output neuron, whose bias is 0."""


def build(spec: Bumps) -> Sequence[DenseValues]:
    """The layers of the network: hidden neurons, and the output neuron."""
    from nndl_jax.layer_values import DenseValues

    weights, biases, heights = neurons(spec)
    hidden = DenseValues(weights[:, None], biases, spec.activation)
    return [hidden, DenseValues(heights[None, :], np.zeros(1), spec.output)]


def neurons(spec: Bumps) -> Neurons:
    """The hidden neurons of a document, the two of each bump side by side.

    Rectified linear neurons are no steps, but the difference of two is one, a ramp of width 1/w:

        relu(w (x - s) + 1/2) - relu(w (x - s) - 1/2)
    """
    if spec.steps:
        return Neurons(
            *np.transpose([(each.weight, each.bias, each.height) for each in spec.steps])
        )
    starts, ends, heights = intervals(spec)
    biases = -spec.slope * np.stack([starts, ends], axis=1).ravel()
    heights = np.stack([heights, -heights], axis=1).ravel()
    if spec.activation == "relu":
        biases = (biases[:, None] + [0.5, -0.5]).ravel()
        heights = (heights[:, None] * [1.0, -1.0]).ravel()
    return Neurons(np.full_like(biases, spec.slope), biases, heights)


def intervals(spec: Bumps) -> Intervals:
    """The bumps of a document, those of each overlapping approximation in a row; none of steps.

    Shifted bumps go beyond [0, 1] at either end, and what the function is there does not count.
    """
    if spec.count is None:
        given = [(each.start, each.end, each.height) for each in spec.pairs]
        return Intervals(*np.array(given, float).reshape(-1, 3).T)
    count, overlaps = spec.count, spec.overlaps
    # Edges in parts of a bump, which are whole numbers, so that each is rounded but once.
    firsts = (0, *range(1 - overlaps, 0))
    parts = np.concatenate([np.arange(first, overlaps * count, overlaps) for first in firsts])
    starts, ends = (edge / (overlaps * count) for edge in (parts, parts + overlaps))
    if isinstance(spec.heights, tuple):
        return Intervals(starts, ends, np.array(spec.heights))
    inside = np.maximum(starts, 0), np.minimum(ends, 1)
    return Intervals(starts, ends, _heights(spec, *inside) / overlaps)


def _heights(
    spec: Bumps, starts: Float[np.ndarray, " bumps"], ends: Float[np.ndarray, " bumps"]
) -> Float[np.ndarray, " bumps"]:
    """What the weighted output shall be between places, in one number each."""
    if spec.heights == "midpoints":
        return target(spec, (starts + ends) / 2)
    places = starts + np.arange(NUM_SAMPLES)[:, None] / NUM_SAMPLES * (ends - starts)
    values = target(spec, places.ravel()).reshape(places.shape)
    return np.median(values, axis=0) if spec.heights == "medians" else values.mean(axis=0)


def function(spec: Bumps, x: Values) -> Values:
    """The function that a document asks for, at some places."""
    return parse_formula(spec.function or "", ("x",))(x)


def target(spec: Bumps, x: Values) -> Values:
    """What the weighted output shall be: sigma^-1(f(x)) with a sigmoid output, else f(x)."""
    values = function(spec, x)
    return inverse_sigmoid(values) if spec.output == "sigmoid" else values


def weighted_output(spec: Bumps, x: Values) -> Values:
    """The weighted input of the output neuron."""
    weights, biases, heights = neurons(spec)
    activation = ACTIVATIONS[spec.activation]
    return map_batches(lambda part: activation(np.outer(part, weights) + biases) @ heights, x)


def evaluate(spec: Bumps, x: Values) -> Values:
    """The output, by the same formulas as the network's and in float64."""
    return ACTIVATIONS[spec.output](weighted_output(spec, x))


def ideal(spec: Bumps, x: Values) -> Values:
    """The weighted output if the steps of bumps were ideal, 1 from their places on."""
    starts, ends, heights = intervals(spec)
    return ((starts <= x[:, None]) & (x[:, None] < ends)) @ heights


def score(spec: Bumps) -> float:
    """The average deviation of the book's design challenge.

        mean |target(x) - h(x)|

    over 20 places for each of the `count` bumps from 0 on, where h(x) is the height of the bump at
    x: it is measured before the output's sigmoid, and below 0.405 the challenge is met. Given bumps
    are measured at 100 places.

    References:
        Nielsen, 2015, ch. 4, section "Universality with one input and one output".
    """
    num_places = NUM_SAMPLES * (spec.count or 5)
    x = np.arange(num_places) / num_places
    return float(np.abs(target(spec, x) - ideal(spec, x)).mean())


def measure(spec: Bumps, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    from nndl_jax.layer_values import run_network

    x = np.array(spec.at, float)
    values = [-each.bias / each.weight for each in spec.steps]
    if spec.function is not None:
        values += _measure_function(spec, model)
    if spec.at:
        values += run_network(model, x[:, None])[1][:, 0].tolist()
    return dict(zip(spec.quantities(), values, strict=True))


def _measure_function(spec: Bumps, model: FeedforwardNetwork) -> list[float]:
    """What is measured of a network that approximates a function, in the quantities' order."""
    from nndl_jax.layer_values import run_network

    x = np.linspace(0, 1, NUM_PLACES)
    wanted = function(spec, x)
    weighted, outputs = (each[:, 0] for each in run_network(model, x[:, None]))
    errors = np.abs(outputs - wanted)
    line = weighted[0] + (weighted[-1] - weighted[0]) * x
    low, high = wanted.argmin(), wanted.argmax()
    targets = target(spec, x[[low, high]])
    values = [
        *(errors.mean(), errors.max(), (errors < spec.epsilon).mean(), score(spec)),
        *(np.abs(weighted - line).max(), wanted[low], x[low], wanted[high], x[high], *targets),
    ]
    return [float(value) for value in values]


def _wavy(z: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return sigmoid(z) + 0.2 * np.sin(10 * z) * np.exp(-np.abs(z))


ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": sigmoid,
    "wavy": _wavy,
    "relu": lambda z: np.maximum(z, 0),
    "linear": lambda z: z,
    "step": lambda z: (z > 0).astype(np.float64),
}
"""Of hidden neurons and outputs, by name."""
