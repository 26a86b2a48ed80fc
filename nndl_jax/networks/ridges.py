"""Networks of several inputs with one hidden layer: steps and bumps along directions (ch. 4).

A hidden neuron with large weights is a step at the plane where w.x + b is 0, two of them are a
bump along the direction of w: a ridge. Ridges that cross add up, and many ridges through one place
are a round tower. What documents describe is evaluated here in NumPy as well: pictures are drawn
without JAX.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.batches import Outputs, Points, map_batches
from nndl_jax.formula import sigmoid
from nndl_jax.schema import Ridges
from nndl_jax.schema.ridges import Circle

if TYPE_CHECKING:
    from nndl_jax.layer_values import DenseValues
    from nndl_jax.model import FeedforwardNetwork
else:
    # JAX takes seconds to import, and pictures do without it.
    DenseValues, FeedforwardNetwork = tuple, object


class Bands(NamedTuple):
    """Ridges, in order, each between two distances along a direction of length 1."""

    directions: Float[np.ndarray, "ridges inputs"]
    starts: Float[np.ndarray, " ridges"]
    ends: Float[np.ndarray, " ridges"]
    heights: Float[np.ndarray, " ridges"]


class Neurons(NamedTuple):
    """The hidden neurons."""

    weights: Float[np.ndarray, "hidden inputs"]
    biases: Float[np.ndarray, " hidden"]
    heights: Float[np.ndarray, " hidden"]
    """Weights to the output neuron."""


def build(spec: Ridges) -> Sequence[DenseValues]:
    """The layers of the network: steps, and the output neuron."""
    from nndl_jax.layer_values import DenseValues

    weights, biases, heights = neurons(spec)
    return [
        DenseValues(weights, biases, "sigmoid"),
        DenseValues(heights[None, :], np.array([spec.bias]), spec.output),
    ]


def neurons(spec: Ridges) -> Neurons:
    """The hidden neurons of a document, the two of each ridge side by side."""
    if spec.steps:
        weights, biases, heights = zip(
            *((each.weights, each.bias, each.height) for each in spec.steps), strict=True
        )
        return Neurons(np.array(weights), np.array(biases), np.array(heights))
    directions, starts, ends, heights = bands(spec)
    return Neurons(
        spec.slope * np.repeat(directions, 2, axis=0),
        -spec.slope * np.stack([starts, ends], axis=1).ravel(),
        np.stack([heights, -heights], axis=1).ravel(),
    )


def bands(spec: Ridges) -> Bands:
    """The ridges of a document, given or those of its circle; none of steps."""
    if spec.circle is not None:
        return _around(spec.circle)
    given = [(ridge.start, ridge.end, ridge.height) for ridge in spec.bumps]
    starts, ends, heights = np.array(given, float).reshape(-1, 3).T
    directions = np.array([ridge.direction for ridge in spec.bumps]).reshape(-1, spec.inputs)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return Bands(directions / lengths, starts, ends, heights)


def _around(circle: Circle) -> Bands:
    """Ridges of the circle's width through its middle, turned by equal angles over half a turn."""
    angles = np.pi * np.arange(circle.directions) / circle.directions
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    middles = directions @ np.array(circle.middle)
    heights = np.full(circle.directions, circle.height / circle.directions)
    return Bands(directions, middles - circle.radius, middles + circle.radius, heights)


def evaluate(spec: Ridges, points: Points) -> Outputs:
    """The outputs, by the same formulas as the network's and in float64."""
    weights, biases, heights = neurons(spec)
    weighted = map_batches(lambda part: sigmoid(part @ weights.T + biases) @ heights, points)
    return _activate(spec, weighted)


def ideal(spec: Ridges, points: Points) -> Outputs:
    """The outputs if all steps were ideal, 1 from their planes on."""
    weights, biases, heights = neurons(spec)
    return _activate(spec, (points @ weights.T + biases >= 0) @ heights)


def measure(spec: Ridges, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    from nndl_jax.layer_values import run_network

    values = [-each.bias / float(np.linalg.norm(each.weights)) for each in spec.steps]
    if spec.at:
        values += run_network(model, np.array(spec.at))[1][:, 0].tolist()
    return dict(zip(spec.quantities(), values, strict=True))


def _activate(spec: Ridges, weighted: Float[np.ndarray, " points"]) -> Outputs:
    weighted = weighted[:, None] + spec.bias
    return sigmoid(weighted) if spec.output == "sigmoid" else weighted
