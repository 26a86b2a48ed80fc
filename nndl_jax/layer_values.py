"""Layers with given weights: the stuff of constructions."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import DTypeLike, Float

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


def _layer(values: DenseValues, dtype: DTypeLike) -> DenseLayer:
    units, num_inputs = values.weight.shape
    spec = Dense(kind="dense", units=units, activation=values.activation)
    nothing = Initializer(weights="zeros", biases="zeros")
    key = jax.random.key(0)
    layer = DenseLayer(num_inputs, spec, nothing, key=key, dtype=dtype, dropout_masks="image")
    layer.weight = nnx.Param(jnp.asarray(values.weight, dtype))
    layer.bias = nnx.Param(jnp.asarray(values.bias, dtype))
    return layer
