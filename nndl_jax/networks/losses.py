"""Cost functions (ch. 1 eq. 6, ch. 3 eq. 57 and 80), per example and as functions of logits.

Taken from the weighted input of the output layer, they need no division by a (1 - a), and their
gradients stay finite where the activation saturates.
"""

from collections.abc import Callable
from typing import assert_never

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from nndl_jax.documents import Activation, Network
from nndl_jax.networks.activations import ACTIVATIONS

LossFn = Callable[[Float[Array, "batch out"], Float[Array, "batch out"]], Float[Array, " batch"]]


def build_loss(spec: Network) -> LossFn:
    """The cost per example, a function of logits and targets."""
    match spec.loss:
        case "quadratic":
            return quadratic(spec.model.layers[-1].activation or "linear")
        case "cross-entropy":
            return cross_entropy
        case "cross-entropy-by-activation":
            return cross_entropy_by_activation
        case "log-likelihood":
            return optax.losses.softmax_cross_entropy
        case _:
            assert_never(spec.loss)


def quadratic(activation: Activation) -> LossFn:
    """The quadratic cost, 1/2 |y - a|^2 with a = activation(z).

    References:
        Nielsen (2015), ch. 1, eq. 6.
    """

    def loss_fn(
        logits: Float[Array, "batch out"], targets: Float[Array, "batch out"]
    ) -> Float[Array, " batch"]:
        outputs = ACTIVATIONS[activation](logits)
        return 0.5 * jnp.sum((outputs - targets) ** 2, axis=-1)

    return loss_fn


def cross_entropy(
    logits: Float[Array, "batch out"], targets: Float[Array, "batch out"]
) -> Float[Array, " batch"]:
    """The cross-entropy of sigmoid outputs, -sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)], in nats.

    References:
        Nielsen (2015), ch. 3, eq. 63.
    """
    return jnp.sum(optax.losses.sigmoid_binary_cross_entropy(logits, targets), axis=-1)


def cross_entropy_by_activation(
    logits: Float[Array, "batch out"], targets: Float[Array, "batch out"]
) -> Float[Array, " batch"]:
    """The cross-entropy, with dC/da where its gradient by the weighted input belongs.

    Chapter 3's interactive figures compute this: for the target 0 they take 1/(1 - a), and leave
    out the factor sigma'(z) = a (1 - a) that would make it a.

    References:
        Nielsen (2015), ch. 3, the two figures on a neuron's learning with the cross-entropy.
    """
    cost = cross_entropy(logits, targets)
    outputs = jax.nn.sigmoid(logits)
    # Nothing over nothing, where an output has come to its target, is no slope.
    above = jnp.where(targets == 1, jnp.zeros_like(outputs), (1 - targets) / (1 - outputs))
    below = jnp.where(targets == 0, jnp.zeros_like(outputs), targets / outputs)
    slopes = jax.lax.stop_gradient(above - below)
    line = jnp.sum(slopes * (logits - jax.lax.stop_gradient(logits)), axis=-1)
    return jax.lax.stop_gradient(cost) + line
