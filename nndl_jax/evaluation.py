"""Accuracy and cost of a network on a set of images."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

from nndl_jax.datasets import Split
from nndl_jax.losses import build_loss, decode, encode
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.optimizer import Hyperparameters, hyperparameters_of, is_weight
from nndl_jax.schema import Conv, Network

Images = UInt8[Array, "*batch pixels"] | Float[Array, "*batch inputs"]
"""Bytes of images, or inputs of examples written out in a document."""
Labels = Int[Array, "*batch"] | Float[Array, "*batch out"]
"""Digits, or targets of examples written out."""

CHUNK = 1000
"""Images evaluated at once: bounds the memory that activations take."""
_CONV_CHUNK = 100
"""The same where there are convolutions, whose patches are many times larger than images."""


class Evaluation(NamedTuple):
    """Measurements on one split."""

    num_correct: Int[Array | np.ndarray, "*runs"]
    """Images classified rightly."""
    num_images: Int[Array | np.ndarray, "*runs"] | int
    """Images in the split."""
    cost: Float[Array | np.ndarray, "*runs"]
    """Mean cost per image in nats (quadratic: squared activation), with the penalties."""
    output: Float[Array | np.ndarray, "*runs"]
    """Mean activation of the first output neuron."""

    @property
    def accuracy(self) -> Float[np.ndarray, "*runs"] | np.float64:
        """Fraction of images classified rightly, exact in float64."""
        return np.asarray(self.num_correct) / np.asarray(self.num_images)


def pixels(images: Images, spec: Network) -> Float[Array, "*batch pixels"]:
    """Images as the book's program sees them: byte / 256, from 0 (white) to 255/256 (black).

    Inputs of examples are numbers already and stay as they are.
    """
    inputs = images.astype(spec.training.dtype)
    return inputs / 256 if images.dtype == jnp.uint8 else inputs


def evaluate(model: FeedforwardNetwork, split: Split, spec: Network) -> Evaluation:
    """Accuracy and cost of a network on the images of a split.

    The penalties are divided by the number of images in this split, as the book's program for
    chapter 3 does, or of mini-batches in it where the document's are `per: batch`.

    Args:
        model: the network.
        split: images of 784 bytes, labels 0 .. 9.
        spec: the document that the network was built from, for its targets, loss and penalties.
    """
    graph, params = nnx.split(model)
    numbers = hyperparameters_of(spec)
    return _evaluate(params, numbers, split, graph=graph, spec=spec.bare())


def predict(model: FeedforwardNetwork, split: Split, spec: Network) -> Int[np.ndarray, " images"]:
    """The digit that a network takes each image of a split for.

    Args:
        model: the network.
        split: images of 784 bytes; labels are not looked at.
        spec: the document that the network was built from.
    """
    graph, params = nnx.split(model)
    size = _chunk_size(spec)
    starts = range(0, len(split.labels), size)
    return np.concatenate(
        [
            np.asarray(
                _predict(params, split.images[start : start + size], graph=graph, spec=spec.bare())
            )
            for start in starts
        ]
    )


def measure(
    model: FeedforwardNetwork,
    split: Split,
    spec: Network,
    numbers: Hyperparameters,
) -> Evaluation:
    """The same, from arrays and inside a compiled program."""
    loss_fn = build_loss(spec)
    images, labels = jnp.asarray(split.images), jnp.asarray(split.labels)

    def measure_chunk(
        chunk: tuple[Images, Labels],
    ) -> tuple[Int[Array, ""], Float[Array, ""], Float[Array, ""]]:
        logits = model.logits(pixels(chunk[0], spec))
        outputs = model.activate(logits)
        targets = encode(chunk[1], spec.data, logits.dtype)
        count = jnp.array(0, jnp.int32)
        if spec.data.examples is None:
            count = jnp.sum(decode(outputs, spec.data) == chunk[1], dtype=jnp.int32)
        return count, jnp.sum(loss_fn(logits, targets)), jnp.sum(outputs[:, 0])

    num_images = images.shape[0]
    size = _chunk_size(spec)
    whole = num_images - num_images % size
    chunks = [array[:whole].reshape(-1, size, *array.shape[1:]) for array in (images, labels)]
    sums = jax.tree.map(
        lambda each: jnp.sum(each, axis=0, dtype=each.dtype),
        jax.lax.map(measure_chunk, tuple(chunks)),
    )
    if whole < num_images:
        sums = jax.tree.map(jnp.add, sums, measure_chunk((images[whole:], labels[whole:])))
    count, cost, output = sums
    penalty = _penalty(model, numbers)
    penalty *= jnp.where(numbers.per_batch, spec.training.batch_size, 1)
    return Evaluation(count, num_images, (cost + penalty) / num_images, output / num_images)


def _chunk_size(spec: Network) -> int:
    has_conv = any(isinstance(layer, Conv) for layer in spec.model.layers)
    return _CONV_CHUNK if has_conv else CHUNK


def _penalty(model: FeedforwardNetwork, numbers: Hyperparameters) -> Float[Array, ""]:
    """lambda/2 times the squared weights plus lambda times the absolute ones (ch. 3)."""
    weights = [
        w
        for path, w in jax.tree_util.tree_leaves_with_path(nnx.state(model, nnx.Param))
        if is_weight(path)
    ]
    squared = jnp.stack([jnp.sum(w**2) for w in weights])
    absolute = jnp.stack([jnp.sum(jnp.abs(w)) for w in weights])
    l1, l2 = jnp.asarray(numbers.l1), jnp.asarray(numbers.l2)
    return l2 / 2 * jnp.sum(squared) + l1 * jnp.sum(absolute)


@partial(jax.jit, static_argnames=("graph", "spec"))
def _evaluate(
    params: nnx.State,
    numbers: Hyperparameters,
    split: Split,
    *,
    graph: nnx.GraphDef[FeedforwardNetwork],
    spec: Network,
) -> Evaluation:
    with jax.default_matmul_precision(spec.training.matmul_precision):
        return measure(nnx.merge(graph, params), split, spec, numbers)


@partial(jax.jit, static_argnames=("graph", "spec"))
def _predict(
    params: nnx.State,
    images: Images,
    *,
    graph: nnx.GraphDef[FeedforwardNetwork],
    spec: Network,
) -> Int[Array, " images"]:
    model = nnx.merge(graph, params)
    with jax.default_matmul_precision(spec.training.matmul_precision):
        return decode(model(pixels(images, spec)), spec.data)
