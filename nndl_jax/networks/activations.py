"""Activation functions by the names that documents give them (ch. 1, 3, 4, 6), or of one's own."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

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

LARGEST_SLOPES: Mapping[Activation, float] = {
    "sigmoid": 0.25,
    "tanh": 1.0,
    "relu": 1.0,
    "linear": 1.0,
    "leaky-relu": 1.0,
    "softplus": 1.0,
    # At z = sqrt(2), where its second derivative, (2 - z^2) times the normal density, is 0.
    "gelu": 1.128904145,
    "softmax": 0.25,
    "wavy": 2.25,
}
"""The largest |activation'(z)|, or what it comes up to as z grows. Of a softmax it is of an output
by its own weighted input, a (1 - a)."""

AnyActivation = Activation | ActivationFn
"""The name of a function, or a function of one's own, which acts on each number by itself."""


def activation_fn(activation: AnyActivation) -> ActivationFn:
    """The function of a name; a function itself."""
    return activation if callable(activation) else ACTIVATIONS[activation]


def never_falls(activation: AnyActivation) -> bool:
    """Whether a greater weighted input is known to give no less."""
    return not callable(activation) and activation not in FALLING


def is_saturated(
    activation: AnyActivation, weighted: Float[Array, "*shape"]
) -> Bool[Array, "*shape"]:
    """Where a neuron hardly learns: |activation'(z)| is below a tenth of the activation's largest.

    Of a softmax, the slope is that of an output by its own weighted input, a (1 - a). A rectifier
    is saturated where it gives 0, a linear neuron nowhere.

    Args:
        activation: the name of a document's.
        weighted: z; of a softmax, along the last axis.

    Raises:
        ValueError: it is a function of one's own, whose largest slope nobody knows.

    References:
        Nielsen (2015), ch. 2 and 3, where a neuron has saturated if its output is close to a limit.
    """
    if callable(activation):
        message = "saturation is known of activations that documents name, got"
        raise ValueError(f"{message} {name_activation(activation)}; leave its monitor out")
    if activation == "softmax":
        outputs = jax.nn.softmax(weighted)
        slopes = outputs * (1 - outputs)
    else:
        slopes = jax.jvp(ACTIVATIONS[activation], (weighted,), (jnp.ones_like(weighted),))[1]
    return jnp.abs(slopes) < LARGEST_SLOPES[activation] / 10


def name_activation(activation: AnyActivation) -> str:
    """What it is called: no function of one's own is called like one of a document's."""
    if not callable(activation):
        return activation
    named = getattr(activation, "__qualname__", type(activation).__name__)
    return f"a function {named} of one's own"
