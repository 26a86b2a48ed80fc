"""Layers with given weights, the stuff of constructions, and what their networks give."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

from nndl_jax.batches import BATCH, Outputs, Points
from nndl_jax.layers import DenseLayer
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Activation, Dense, Initializer


class DenseValues(NamedTuple):
    """A fully-connected layer written out."""

    weight: Float[np.ndarray, "out in"]
    bias: Float[np.ndarray, " out"]
    activation: Activation


def network_of(layers: Sequence[DenseValues], dtype: DTypeLike) -> FeedforwardNetwork:
    """A network of layers whose weights and biases are given.

    >>> import numpy as np
    >>> nand = DenseValues(np.array([[-2.0, -2.0]]), np.array([3.0]), "step")
    >>> network_of([nand], np.float32)(np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)).tolist()
    [[1.0], [0.0]]

    Args:
        layers: in order of evaluation.
        dtype: of weights and activations; float64 needs JAX's 64-bit mode.
    """
    return FeedforwardNetwork([_layer(each, dtype) for each in layers], layers[0].weight.shape[1:])


def run_network(model: FeedforwardNetwork, points: Points) -> tuple[Outputs, Outputs]:
    """A network's weighted outputs and outputs at some points."""
    (dtype,) = {each.weight[...].dtype for each in model.layers if isinstance(each, DenseLayer)}
    # Batches of one size, the last filled up, are compiled but once.
    parts = np.resize(points, (-(-len(points) // BATCH), BATCH, points.shape[1]))
    weighted = [model.logits(jnp.asarray(part, dtype)) for part in parts]
    outputs = [model.activate(each) for each in weighted]
    return _join(weighted, len(points)), _join(outputs, len(points))


def _join(parts: Sequence[Float[Array, "batch outputs"]], num_points: int) -> Outputs:
    return np.concatenate([np.array(part, np.float64) for part in parts])[:num_points]


def _layer(values: DenseValues, dtype: DTypeLike) -> DenseLayer:
    units, num_inputs = values.weight.shape
    spec = Dense(kind="dense", units=units, activation=values.activation)
    nothing = Initializer(weights="zeros", biases="zeros")
    key = jax.random.key(0)
    layer = DenseLayer(num_inputs, spec, nothing, key=key, dtype=dtype, dropout_masks="image")
    layer.weight = nnx.Param(jnp.asarray(values.weight, dtype))
    layer.bias = nnx.Param(jnp.asarray(values.bias, dtype))
    return layer
