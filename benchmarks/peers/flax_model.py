"""The two networks in Flax NNX, and their costs, for the loops that train them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from benchmarks.peers.task import NUM_CLASSES, NUM_HIDDEN, Kind

Outputs = Float[Array, "batch out"]
_NORMAL = nnx.initializers.normal(1.0)


class DenseNetwork(nnx.Module):
    """784-30-10 of sigmoids; gives weighted inputs of the output."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        build = partial(nnx.Linear, kernel_init=_NORMAL, bias_init=_NORMAL, rngs=rngs)
        self.hidden, self.output = build(784, NUM_HIDDEN), build(NUM_HIDDEN, NUM_CLASSES)

    def __call__(self, x: Float[Array, "batch 784"]) -> Outputs:
        """Weighted inputs of the output."""
        return self.output(nnx.sigmoid(self.hidden(x)))


class ConvolutionalNetwork(nnx.Module):
    """Two convolutions and pools, and two dense layers; gives logits."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(1, 20, (5, 5), padding="VALID", rngs=rngs)
        self.second = nnx.Conv(20, 40, (5, 5), padding="VALID", rngs=rngs)
        self.hidden = nnx.Linear(640, 100, rngs=rngs)
        self.output = nnx.Linear(100, NUM_CLASSES, rngs=rngs)
        self.pool = partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))

    def __call__(self, x: Float[Array, "batch 784"]) -> Outputs:
        """Logits."""
        x = self.pool(nnx.sigmoid(self.first(x.reshape(-1, 28, 28, 1))))
        x = self.pool(nnx.sigmoid(self.second(x)))
        x = nnx.sigmoid(self.hidden(x.reshape(len(x), -1)))
        return self.output(x)


def build(kind: Kind) -> nnx.Module:
    """A network with weights drawn."""
    return (DenseNetwork if kind == "dense" else ConvolutionalNetwork)(nnx.Rngs(0))


def cost(kind: Kind, logits: Outputs, labels: Int[Array, " batch"]) -> Float[Array, ""]:
    """The mean cost of a batch."""
    if kind == "dense":
        targets = jax.nn.one_hot(labels, NUM_CLASSES)
        return 0.5 * jnp.mean(jnp.sum((nnx.sigmoid(logits) - targets) ** 2, axis=-1))
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))


def as_floats(images: np.ndarray) -> Float[np.ndarray, "images 784"]:
    """Images of bytes as numbers from 0 to below 1."""
    return images.astype(np.float32) / 256
