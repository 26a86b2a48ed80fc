"""Networks of several inputs that approximate functions by towers (ch. 4).

Steps in one direction make a wall, walls in every direction cross, and a second hidden layer keeps
only what is as high as all of them together: a tower. The output neuron adds towers up. What
documents describe is evaluated here in NumPy as well: pictures are drawn without JAX.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from nndl_jax.batches import Outputs, Points, map_batches
from nndl_jax.formula import inverse_sigmoid, parse_formula, sigmoid
from nndl_jax.schema import Towers
from nndl_jax.schema.bumps import RESOLUTION

if TYPE_CHECKING:
    from nndl_jax.layer_values import DenseValues
    from nndl_jax.model import FeedforwardNetwork
else:
    # JAX takes seconds to import, and pictures do without it.
    DenseValues, FeedforwardNetwork = tuple, object


class Boxes(NamedTuple):
    """Towers, in order."""

    lows: Float[np.ndarray, "towers inputs"]
    highs: Float[np.ndarray, "towers inputs"]
    weights: Float[np.ndarray, "outputs towers"]


class Layers(NamedTuple):
    """Weights and biases, (out, in) and (out,), of steps, towers and outputs."""

    step_weights: Float[np.ndarray, "steps inputs"]
    step_biases: Float[np.ndarray, " steps"]
    tower_weights: Float[np.ndarray, "towers steps"]
    tower_biases: Float[np.ndarray, " towers"]
    weights: Float[np.ndarray, "outputs towers"]


def build(spec: Towers) -> Sequence[DenseValues]:
    """The layers of the network: steps, towers, and the output neurons, whose biases are 0."""
    from nndl_jax.layer_values import DenseValues

    steps, step_biases, towers, tower_biases, weights = layers(spec)
    return [
        DenseValues(steps, step_biases, "sigmoid"),
        DenseValues(towers, tower_biases, "sigmoid"),
        DenseValues(weights, np.zeros(len(weights)), spec.output),
    ]


def layers(spec: Towers) -> Layers:
    """The weights of a document: 2m steps for each tower, up and down along each input in turn."""
    lows, highs, weights = boxes(spec)
    num_towers, num_inputs = lows.shape
    edges = np.stack([lows, highs], axis=2).ravel()
    directions = np.tile(np.repeat(np.eye(num_inputs), 2, axis=0), (num_towers, 1))
    signs = np.tile([spec.height, -spec.height], num_inputs)
    bias = (0.5 - num_inputs) * spec.height if spec.bias is None else spec.bias
    return Layers(
        spec.slope * directions,
        -spec.slope * edges,
        np.kron(np.eye(num_towers), signs),
        np.full(num_towers, bias),
        weights,
    )


def boxes(spec: Towers) -> Boxes:
    """The towers of a document, given or those of its grid."""
    if spec.count is None:
        lows, highs = ([getattr(box, end) for box in spec.boxes] for end in ("low", "high"))
        return Boxes(np.array(lows), np.array(highs), np.array([b.weights() for b in spec.boxes]).T)
    middles = np.stack(spec.middles(), axis=1)
    # Edges in whole numbers of towers, so that neighbours have the same.
    corners = np.floor(middles * spec.count)
    weights = functions(spec, middles).T
    if spec.output == "sigmoid":
        weights = inverse_sigmoid(weights)
    return Boxes(corners / spec.count, (corners + 1) / spec.count, weights)


def functions(spec: Towers, points: Points) -> Outputs:
    """The functions that a document asks for."""
    names = [f"x{number}" for number in range(1, 1 + spec.inputs)]
    return np.stack([parse_formula(text, names)(*points.T) for text in spec.functions], axis=1)


def evaluate(spec: Towers, points: Points) -> Outputs:
    """The outputs, by the same formulas as the network's and in float64."""
    steps, step_biases, towers, tower_biases, weights = layers(spec)

    def raise_towers(part: Points) -> Outputs:
        hidden = sigmoid(part @ steps.T + step_biases)
        return sigmoid(hidden @ towers.T + tower_biases)

    return _activate(spec, map_batches(raise_towers, points) @ weights.T)


def ideal(spec: Towers, points: Points) -> Outputs:
    """The outputs if towers were ideal: 1 from their low corners on, 0 elsewhere."""
    lows, highs, weights = boxes(spec)

    def is_inside(part: Points) -> Bool[np.ndarray, "points towers"]:
        inside = (lows <= part[:, None]) & (part[:, None] < highs)
        return np.logical_and.reduce(inside, axis=2)

    return _activate(spec, map_batches(is_inside, points) @ weights.T)


def cells(spec: Towers) -> Points:
    """The middles of the boxes into which the edges of towers divide [0, 1]^m.

    An interval in which steps would not be over, narrower than any tower may be, is left out.
    """
    lows, highs, _ = boxes(spec)
    axes = []
    for low, high in zip(lows.T, highs.T, strict=True):
        edges = np.unique(np.clip([*low, *high, 0, 1], 0, 1))
        is_wide = np.diff(edges) * spec.slope >= RESOLUTION
        axes.append(((edges[:-1] + edges[1:]) / 2)[is_wide])
    return _grid(axes)


def places(spec: Towers) -> Points:
    """Places evenly spread over [0, 1]^m, at most 8192.

    Their number along an input is a power of two, so large that none is on an edge of the grid's
    towers, where outputs are halfway from one to the next.
    """
    along = 2 ** (13 // spec.inputs)
    return _grid([(np.arange(along) + 0.5) / along] * spec.inputs)


def measure(spec: Towers, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    from nndl_jax.layer_values import run_network

    values = _measure_tower(spec, model)
    points = cells(spec)
    errors = run_network(model, points)[1] - ideal(spec, points)
    values.append(float(np.abs(errors).max(initial=0)))
    if spec.functions:
        errors = run_network(model, places(spec))[1] - functions(spec, places(spec))
        values.append(float(np.abs(errors).mean()))
    lows, highs, _ = boxes(spec)
    centres = (lows + highs) / 2 if spec.boxes else lows[:0]
    shown = np.concatenate([centres, np.array(spec.at).reshape(-1, spec.inputs)])
    values += run_network(model, shown)[1].ravel().tolist() if len(shown) else []
    return dict(zip(spec.quantities(), values, strict=True))


def _measure_tower(spec: Towers, model: FeedforwardNetwork) -> list[float]:
    """The first tower outside, on its plateau and inside, and what its steps add up to there."""
    import jax.numpy as jnp

    from nndl_jax.layers import DenseLayer

    steps, towers, _ = (layer for layer in model.layers if isinstance(layer, DenseLayer))
    lows, highs, _ = boxes(spec)
    inside = (lows[0] + highs[0]) / 2
    outside = lows[0] - 1
    plateau = np.append(inside[:-1], outside[-1])
    points = jnp.asarray(np.stack([outside, plateau, inside]), steps.weight[...].dtype)
    raised = np.array(towers(steps(points))[:, 0], float)
    sums = np.array(towers.weighted_input(steps(points))[:, 0] - towers.bias[...][:1], float)
    return [*raised.tolist(), *sums[1:].tolist()]


def _activate(spec: Towers, weighted: Outputs) -> Outputs:
    return sigmoid(weighted) if spec.output == "sigmoid" else weighted


def _grid(axes: Sequence[Float[np.ndarray, " places"]]) -> Points:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
