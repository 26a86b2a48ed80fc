"""Activation functions by the names that documents give them (ch. 1, 3, 4, 6), or of one's own."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nndl_jax.documents import Activation

ActivationFn = Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]]

ACTIVATIONS: Mapping[Activation, ActivationFn] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "linear": lambda z: z,
    "leaky-relu": lambda z: jax.nn.leaky_relu(z, 0.01),
    "softplus": jax.nn.softplus,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "softmax": jax.nn.softmax,
    "step": lambda z: (z > 0).astype(z.dtype),
    "wavy": lambda z: jax.nn.sigmoid(z) + 0.2 * jnp.sin(10 * z) * jnp.exp(-jnp.abs(z)),
}

FALLING: frozenset[Activation] = frozenset({"gelu", "wavy"})
"""Those that fall somewhere: of two weighted inputs, the greater may give the less."""

AnyActivation = Activation | ActivationFn
"""The name of a function, or a function of one's own, which acts on each number by itself."""


def activation_fn(activation: AnyActivation) -> ActivationFn:
    """The function of a name; a function itself."""
    return activation if callable(activation) else ACTIVATIONS[activation]


def never_falls(activation: AnyActivation) -> bool:
    """Whether a greater weighted input is known to give no less."""
    return not callable(activation) and activation not in FALLING


def name_activation(activation: AnyActivation) -> str:
    """What it is called: no function of one's own is called like one of a document's."""
    if not callable(activation):
        return activation
    named = getattr(activation, "__qualname__", type(activation).__name__)
    return f"a function {named} of one's own"
