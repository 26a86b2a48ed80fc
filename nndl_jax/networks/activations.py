"""Activation functions by the names that documents give them (ch. 1, 3, 4, 6)."""

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
