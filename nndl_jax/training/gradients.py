"""How fast each layer learns: the gradient of the cost by its biases (ch. 5).

Chapter 5, section "What's causing the vanishing gradient problem?" and before, takes the length of
this gradient, averaged over training images, as the speed of learning of a layer.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from nndl_jax.data.datasets import Split
from nndl_jax.data.selection import read_split
from nndl_jax.documents import Document, Network
from nndl_jax.documents.metrics import Metric, OfGradients, parse_metric
from nndl_jax.networks.losses import LossFn, build_loss
from nndl_jax.networks.network import (
    FeedforwardNetwork,
    document_of,
    fitting_network,
    split_model,
)
from nndl_jax.networks.targets import Images, Labels, encode, pixels
from nndl_jax.training.measuring import CHUNK
from nndl_jax.training.optimizer import is_weight

_NUM_NEURONS = 6
"""Neurons of a layer whose gradients are kept, those that the book shows (ch. 5)."""


class Gradients(NamedTuple):
    """What is measured of the gradient of the mean cost over the training images, by layer."""

    biases: tuple[Shaped[Array | np.ndarray, "*runs _"], ...] = ()
    """By the biases of each layer."""
    weight_norms: tuple[Float[Array | np.ndarray, "*runs"], ...] = ()
    """Euclidean norms of those by the weights of each layer; empty if not monitored."""


def read_gradients(
    metric: Metric, quantity: OfGradients, gradients: Gradients, *, is_first: bool
) -> dict[str, Float[np.ndarray, " runs"]]:
    """The values of a monitor by the names of its metrics: a norm for each layer.

    Args:
        metric: the monitor.
        quantity: of the metric.
        gradients: of several runs.
        is_first: whether they are of networks before training, of which single neurons are told.
    """
    metrics = {}
    match quantity.kind:
        case "gradient-norm":
            one = parse_metric("gradient")
            for layer, found in enumerate(map(np.asarray, gradients.biases), start=1):
                metrics[metric.of(layer)] = np.linalg.norm(found, axis=1)
                for neuron in range(1, 1 + min(_NUM_NEURONS, found.shape[1])) if is_first else ():
                    metrics[one.of(layer, neuron)] = found[:, neuron - 1]
        case "weight-gradient-norm":
            for layer, norms in enumerate(gradients.weight_norms, start=1):
                metrics[metric.of(layer)] = np.asarray(norms)
        case "gradient":
            pass  # It comes with the norms, before the first epoch.
        case _:
            assert_never(quantity.kind)
    return metrics


def bias_gradients(
    model: FeedforwardNetwork, split: Split, spec: Document | None = None
) -> tuple[Float[Array, " units"], ...]:
    """The gradient of the mean cost over a split by the biases of each layer.

    By the biases it is the error delta of the layer (ch. 2, BP3). Penalties are left out: they do
    not touch biases. Dropout is off.

    Args:
        model: the network.
        split: images and labels as `evaluate` takes them, or inputs and targets.
        spec: the document that the network was built from, for its loss and its targets; None for
            the one that it knows.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network, or the split no `Split`.
        ValueError: images are no pixels, labels no digits, or the network is of other inputs or
            outputs; says what was found.
    """
    spec = document_of(model, spec)
    graph, params = split_model(fitting_network(model, spec))
    images, labels = read_split(split, spec)
    totals = [
        _sum_gradients(params, images[part], labels[part], graph=graph, spec=spec.bare())
        for part in _chunks(len(labels))
    ]
    return _means(totals, len(labels))[1]


def measure_gradients(
    model: FeedforwardNetwork, split: Split, spec: Network, *, loss: LossFn | None = None
) -> Gradients:
    """What a document monitors of the gradient, inside a compiled program."""
    weights, biases = _mean_gradients(model, split, spec, loss)
    if "weight_gradient_norms" not in spec.monitors:
        return Gradients(biases)
    return Gradients(biases, tuple(jnp.sqrt(jnp.sum(gradient**2)) for gradient in weights))


def _mean_gradients(
    model: FeedforwardNetwork, split: Split, spec: Network, loss: LossFn | None = None
) -> tuple[tuple[Float[Array, "..."], ...], tuple[Float[Array, " _"], ...]]:
    """Of the mean cost by the weights and by the biases of each layer."""
    graph, params = split_model(model)
    images, labels = jnp.asarray(split.images), jnp.asarray(split.labels)
    totals = [
        jax.grad(_total_cost)(params, images[part], labels[part], graph, spec, loss)
        for part in _chunks(len(labels))
    ]
    return _means(totals, len(labels))


def _chunks(num_images: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, num_images)) for start in range(0, num_images, CHUNK)]


def _total_cost(
    params: nnx.State,
    images: Images,
    labels: Labels,
    graph: nnx.GraphDef[FeedforwardNetwork],
    spec: Network,
    loss: LossFn | None = None,
) -> Float[Array, ""]:
    loss_fn = build_loss(spec) if loss is None else loss
    inputs = pixels(images, spec)
    targets = encode(labels, spec.data, inputs.dtype, num_classes=spec.num_outputs())
    return jnp.sum(loss_fn(nnx.merge(graph, params).logits(inputs), targets))


@partial(jax.jit, static_argnames=("graph", "spec"))
def _sum_gradients(
    params: nnx.State,
    images: Images,
    labels: Labels,
    *,
    graph: nnx.GraphDef[FeedforwardNetwork],
    spec: Network,
) -> nnx.State:
    with jax.default_matmul_precision(spec.training.matmul_precision):
        return jax.grad(_total_cost)(params, images, labels, graph, spec)


def _means(
    totals: Sequence[nnx.State], num_images: int
) -> tuple[tuple[Float[Array, "..."], ...], tuple[Float[Array, " _"], ...]]:
    """Of the gradients of parts, by the weights and by the biases of each layer."""
    mean = jax.tree.map(lambda *grads: sum(grads[1:], grads[0]) / num_images, *totals)
    leaves = jax.tree_util.tree_leaves_with_path(mean)
    weights = tuple(leaf for path, leaf in leaves if is_weight(path))
    return weights, tuple(leaf for path, leaf in leaves if not is_weight(path))
