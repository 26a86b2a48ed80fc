"""Layers of one neuron each: why gradients vanish or explode (ch. 5).

The gradient is a product along the chain,

    dC/db_k = s'(z_k) w_(k+1) s'(z_(k+1)) ... w_L s'(z_L) dC/da_L,

so that of an early layer has more factors w s'(z) than that of a late one.

>>> from nndl_jax import load_spec, measure_construction
>>> measured = measure_construction(load_spec("ch5-exploding"))
>>> measured["factor.2"], measured["ratio.3"]
(25.0, 625.0)
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nndl_jax.activations import ACTIVATIONS
from nndl_jax.layer_values import DenseValues
from nndl_jax.layers import DenseLayer
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Activation, Chain

PLOTTED = np.linspace(-5, 5, 1001)
"""Where the book plots the slope of the sigmoid function, at distances of 0.01."""


def build(spec: Chain) -> Sequence[DenseValues]:
    """The layers of the network.

    References:
        Nielsen, 2015, ch. 5, section "What's causing the vanishing gradient problem? Unstable
        gradients in deep neural nets", eq. 122.
    """
    return [
        DenseValues(np.array([[weight]]), np.array([bias]), spec.activation)
        for weight, bias in zip(spec.weights, _biases(spec), strict=True)
    ]


def measure(spec: Chain, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    layers = [layer for layer in model.layers if isinstance(layer, DenseLayer)]
    weights = jnp.concatenate([layer.weight[...][0] for layer in layers])
    biases = jnp.concatenate([layer.bias[...] for layer in layers])
    weighted_inputs = _weighted_inputs(layers, jnp.full((1,), spec.input, weights.dtype))
    slopes = _slopes(weighted_inputs, spec.activation)
    curve = _slopes(jnp.asarray(PLOTTED, weights.dtype), spec.activation)
    values = [
        *biases,
        *ACTIVATIONS[spec.activation](weighted_inputs),
        *jnp.abs(weights * slopes),
        *_ratios(weights, slopes),
        curve.max(),
        PLOTTED[curve.argmax()],
    ]
    return dict(zip(spec.quantities(), map(float, values), strict=True))


def _biases(spec: Chain) -> Sequence[float]:
    if spec.biases != "balanced":
        return spec.biases
    # Where weighted inputs are zero, activations are equal.
    activation = float(ACTIVATIONS[spec.activation](jnp.zeros(())))
    sources = [spec.input] + [activation] * (len(spec.weights) - 1)
    return [-weight * source for weight, source in zip(spec.weights, sources, strict=True)]


def _weighted_inputs(
    layers: Sequence[DenseLayer], activations: Float[Array, " 1"]
) -> Float[Array, " layers"]:
    weighted_inputs = []
    for layer in layers:
        weighted_inputs.append(layer.weighted_input(activations))
        activations = layer(activations)
    return jnp.concatenate(weighted_inputs)


def _slopes(weighted_inputs: Float[Array, " n"], activation: Activation) -> Float[Array, " n"]:
    return jax.vmap(jax.grad(ACTIVATIONS[activation]))(weighted_inputs)


def _ratios(
    weights: Float[Array, " layers"], slopes: Float[Array, " layers"]
) -> Float[Array, " layers"]:
    """Of each layer k, |dC/db_1| / |dC/db_k| = |s'(z_1) w_2 s'(z_2) ... s'(z_(k-1)) w_k|.

    What the two gradients have in common is left out, not divided by: it may be zero.
    """
    steps = jnp.abs(slopes[:-1] * weights[1:])
    return jnp.concatenate([jnp.ones_like(steps[:1]), jnp.cumprod(steps)])
