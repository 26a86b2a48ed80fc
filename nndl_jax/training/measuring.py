"""Measures a network on a set of images: accuracy, cost and whatever else a document monitors."""

from collections.abc import Iterable
from functools import partial
from typing import assert_never

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Shaped

from nndl_jax.data.datasets import Split
from nndl_jax.data.selection import read_split
from nndl_jax.documents import Document, Network
from nndl_jax.documents.metrics import OfImages
from nndl_jax.networks.losses import LossFn, build_loss
from nndl_jax.networks.network import (
    FeedforwardNetwork,
    document_of,
    fitting_network,
    split_model,
)
from nndl_jax.networks.targets import Images, Labels, decode, encode, pixels
from nndl_jax.training.evaluation import Evaluation, monitored
from nndl_jax.training.optimizer import Hyperparameters, hyperparameters_of, is_weight

CHUNK = 1000
"""Images evaluated at once: bounds the memory that activations take."""
_PATCHES_CHUNK = 100
"""The same where layers multiply patches, which are many times larger than images."""
_MOST_GUESSES = 16
"""That four binary outputs can spell, whatever the classes."""


def evaluate(
    model: FeedforwardNetwork,
    split: Split,
    spec: Document | None = None,
    *,
    loss: LossFn | None = None,
) -> Evaluation:
    """Accuracy and cost of a network on the images of a split; no neuron is dropped.

    The penalties are divided by the number of images in this split, as the book's program for
    chapter 3 does, or of mini-batches in it where the document's are `per: batch`.

    Args:
        model: the network.
        split: at least one image, as whole bytes 0 .. 255 of any type or floats 0 .. 1, of the
            shape (images, 784) or (images, 28, 28); with a digit each, 0 .. 9, also one-hot. Where
            the document has examples of its own, inputs and targets like theirs.
        spec: the document that the network was built from, for its targets, loss and penalties;
            None for the one that it knows.
        loss: the cost per example of logits and targets, in the place of the document's.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network, or the split no `Split`.
        ValueError: images are no pixels, labels no digits, or the network is of other inputs or
            outputs; says what was found.
    """
    spec = document_of(model, spec)
    split = read_split(split, spec)
    graph, params = split_model(fitting_network(model, spec))
    numbers = hyperparameters_of(spec)
    found = _evaluate(params, numbers, split, graph=graph, spec=spec.bare(), loss=loss)
    return found if spec.data.has_classes() else found._replace(num_correct=None)


def measure(
    model: FeedforwardNetwork,
    split: Split,
    spec: Network,
    numbers: Hyperparameters,
    quantities: Iterable[OfImages],
    *,
    loss: LossFn | None = None,
) -> Evaluation:
    """The same, from arrays and inside a compiled program; beside the cost what is asked for."""
    loss_fn = build_loss(spec) if loss is None else loss
    images, labels = jnp.asarray(split.images), jnp.asarray(split.labels)

    # Squares of what is far from 0 would lose what they differ in.
    mean = (
        jnp.mean(labels, axis=0) if any(quantity.needs_numbers for quantity in quantities) else None
    )

    def measure_chunk(
        chunk: tuple[Images, Labels],
    ) -> tuple[Int[Array, ""], Float[Array, ""], Float[Array, ""], dict[str, Array]]:
        inputs = pixels(chunk[0], spec)
        logits = model.logits(inputs)
        outputs = model.activate(logits)
        targets = encode(chunk[1], spec.data, logits.dtype, num_classes=spec.num_outputs())
        count = jnp.array(0, jnp.int32)
        if spec.data.has_classes():
            count = jnp.sum(decode(outputs, spec.data) == chunk[1], dtype=jnp.int32)
        own = {
            quantity.kind: _sum(quantity, chunk[1], outputs, spec, mean) for quantity in quantities
        }
        sums = {kind: total for kind, total in own.items() if total is not None}
        if any(quantity.kind == "saturation" for quantity in quantities):
            sums["saturation"] = jnp.sum(model.saturation(inputs), axis=0)
        return count, jnp.sum(loss_fn(logits, targets)), jnp.sum(outputs[:, 0]), sums

    num_images = images.shape[0]
    size = chunk_size(spec)
    whole = num_images - num_images % size
    chunks = [array[:whole].reshape(-1, size, *array.shape[1:]) for array in (images, labels)]
    sums = jax.tree.map(
        lambda array: jnp.sum(array, axis=0, dtype=array.dtype),
        jax.lax.map(measure_chunk, tuple(chunks)),
    )
    if whole < num_images:
        sums = jax.tree.map(jnp.add, sums, measure_chunk((images[whole:], labels[whole:])))
    count, cost, output, others = sums
    penalty = _penalty(model, numbers)
    penalty *= jnp.where(numbers.per_batch, spec.training.batch_size, 1)
    mean_cost, mean_output = (cost + penalty) / num_images, output / num_images
    return Evaluation(count, num_images, mean_cost, mean_output, others)


def _sum(
    quantity: OfImages,
    labels: Labels,
    outputs: Float[Array, "images out"],
    spec: Network,
    mean: Float[Array, " out"] | None,
) -> Shaped[Array, "..."] | None:
    """What outputs for images add to `Evaluation.sums`; None for what is not of outputs.

    Args:
        quantity: what is measured.
        labels: of the images.
        outputs: of the network.
        spec: the document.
        mean: of the targets of all images; None where nothing asks for it.
    """
    match quantity.kind:
        case "accuracy" | "cost" | "output" | "errors" | "saturation":
            return None
        case "top2-accuracy":
            return num_in_top_two(outputs, labels)
        case "digit-accuracy" | "unlearned":
            size = spec.num_classes(), max(spec.num_classes(), _MOST_GUESSES)
            return confusion(decode(outputs, spec.data), labels, size)
        case "mse" | "r2":
            targets = labels.astype(outputs.dtype)
            spreads = targets if mean is None else targets - mean.astype(outputs.dtype)[None]
            errors = (outputs - targets) ** 2
            return jnp.stack([jnp.sum(errors, axis=0), jnp.sum(spreads**2, axis=0)])
        case _:
            assert_never(quantity.kind)


def confusion(
    guesses: Int[Array | np.ndarray, " images"],
    labels: Int[Array | np.ndarray, " images"],
    size: tuple[int, int],
) -> Int[Array, "classes guesses"]:
    """How many images of each class are taken for each.

    Args:
        guesses: what the network says; four binary outputs can spell up to 15.
        labels: the classes.
        size: numbers of classes and of guesses that there can be.
    """
    return jnp.zeros(size, jnp.int32).at[labels, guesses].add(1)


def num_in_top_two(
    outputs: Float[Array, "images out"], labels: Int[Array, " images"]
) -> Int[Array, ""]:
    """Images whose digit has at most one output ahead; of equal outputs the earlier is ahead."""
    own = jnp.take_along_axis(outputs, labels[:, None], axis=1)
    digit, place = labels[:, None], jnp.arange(outputs.shape[1])[None]
    # Put as what is not behind, so that what is no number counts as ahead.
    is_behind = (outputs < own) | ((outputs == own) & (place > digit))
    return jnp.sum(jnp.sum((place != digit) & ~is_behind, axis=1) < 2, dtype=jnp.int32)


def chunk_size(spec: Network) -> int:
    """Images that are evaluated at once for a document."""
    has_patches = any(shape.num_patches > 0 for shape in spec.model.shapes())
    return _PATCHES_CHUNK if has_patches else CHUNK


def _penalty(model: FeedforwardNetwork, numbers: Hyperparameters) -> Float[Array, ""]:
    """lambda/2 times the squared weights plus lambda times the absolute ones (ch. 3)."""
    weights = [
        w
        for path, w in jax.tree_util.tree_leaves_with_path(nnx.state(model, nnx.Param))
        if is_weight(path)
    ]
    if not weights:
        return jnp.zeros((), jnp.asarray(numbers.l2).dtype)
    squared = jnp.stack([jnp.sum(w**2) for w in weights])
    absolute = jnp.stack([jnp.sum(jnp.abs(w)) for w in weights])
    l1, l2 = jnp.asarray(numbers.l1), jnp.asarray(numbers.l2)
    return l2 / 2 * jnp.sum(squared) + l1 * jnp.sum(absolute)


@partial(jax.jit, static_argnames=("graph", "spec", "loss"))
def _evaluate(
    params: nnx.State,
    numbers: Hyperparameters,
    split: Split,
    *,
    graph: nnx.GraphDef[FeedforwardNetwork],
    spec: Network,
    loss: LossFn | None,
) -> Evaluation:
    with jax.default_matmul_precision(spec.training.matmul_precision):
        model = nnx.merge(graph, params)
        return measure(model, split, spec, numbers, monitored(spec), loss=loss)
