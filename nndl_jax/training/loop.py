"""The parts of training for a loop of one's own: a cost, a step, an optimiser, activations.

Plain functions of a network, which is a pytree: they may be compiled, mapped and differentiated.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from nndl_jax.data.datasets import Split
from nndl_jax.data.selection import read_images, read_split
from nndl_jax.documents import Document, Network
from nndl_jax.documents.variants import single
from nndl_jax.networks.losses import LossFn, build_loss
from nndl_jax.networks.network import FeedforwardNetwork, document_of, fitting_network
from nndl_jax.networks.targets import encode, pixels
from nndl_jax.training.custom import check_loss
from nndl_jax.training.optimizer import build_optimizer, hyperparameters_of
from nndl_jax.training.step import penalty_divisor


class Step(NamedTuple):
    """What a step of training gives."""

    model: FeedforwardNetwork
    """The network after it; the one before is not changed."""
    opt_state: optax.OptState
    """The optimiser's state after it."""
    cost: Float[Array, ""]
    """The mean cost of the mini-batch before it, without penalties."""

    def __repr__(self) -> str:
        return f"<Step of {self.model!r}>"


def optimizer_of(spec: Document, *, num_images: int) -> optax.GradientTransformation:
    """The optimiser that a document asks for, with its penalties; schedules are left out.

    Examples:
        >>> optimizer = optimizer_of(spec, num_images=50_000)
        >>> opt_state = optimizer.init(nnx.state(model, nnx.Param))  # doctest: +SKIP

    Args:
        spec: the document of a network.
        num_images: of the training set, by which penalties are divided; at least 1.

    Raises:
        SpecError: the document has axes.
        TypeError: it is of another kind.
        ValueError: there are no images.
    """
    spec = single(spec, Network)
    if num_images < 1:
        raise ValueError(
            f"num_images must be that of the training set, at least 1; got {num_images}"
        )
    numbers = hyperparameters_of(spec)
    return build_optimizer(spec, numbers, divisor=penalty_divisor(spec, numbers, num_images))


def loss_fn(
    model: FeedforwardNetwork,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    spec: Document | None = None,
    loss: LossFn | None = None,
    dropout_keys: Key[Array, " layers"] | None = None,
) -> Float[Array, ""]:
    """The mean cost of a mini-batch, without penalties.

    Args:
        model: the network.
        images: as `evaluate` takes them. Inside a compiled program they cannot be looked at: only
            uint8 are bytes there, and labels are whole numbers.
        labels: a digit for each, or targets where the document has examples of its own.
        spec: the document that the network was built from; None for the one that it knows.
        loss: the cost of each example, of logits and targets; None for the document's.
        dropout_keys: drop neurons as in training, a key for each layer; None for what the network
            was set to, as `FeedforwardNetwork.logits` takes them.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network, or the loss not a cost for each example.
        ValueError: images are no pixels, labels no digits, or the network is of other inputs or
            outputs; says what was found.
    """
    spec = document_of(model, spec)
    network = fitting_network(model, spec)
    if isinstance(images, Tracer) or isinstance(labels, Tracer):
        inputs, given = jnp.asarray(images), jnp.asarray(labels)
    else:
        split = read_split(Split(np.asarray(images), np.asarray(labels)), spec)
        inputs, given = jnp.asarray(split.images), jnp.asarray(split.labels)
    if loss is not None:
        check_loss(loss, spec)
    logits = network.logits(pixels(inputs, spec), dropout_keys=dropout_keys)
    cost_fn = build_loss(spec) if loss is None else loss
    targets = encode(given, spec.data, logits.dtype, num_classes=spec.num_outputs())
    return jnp.mean(cost_fn(logits, targets))


def train_step(
    model: FeedforwardNetwork,
    opt_state: optax.OptState,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    optimizer: optax.GradientTransformation,
    spec: Document | None = None,
    loss: LossFn | None = None,
    dropout_keys: Key[Array, " layers"] | None = None,
) -> Step:
    """The network after a step on a mini-batch (ch. 1, eq. 20 and 21).

    Args:
        model: the network before it.
        opt_state: `optimizer.init(nnx.state(model, nnx.Param))` at first, then that of the step
            before.
        images: as `loss_fn` takes them, and so are all arguments with its names.
        labels: a digit for each.
        optimizer: of Optax, or that of a document, `optimizer_of(spec, num_images=...)`.
        spec: the document; None for the one that the network knows.
        loss: the cost of each example; None for the document's.
        dropout_keys: drop neurons as in training.

    Raises:
        SpecError: as `loss_fn`.
        TypeError: as `loss_fn`.
        ValueError: as `loss_fn`.
    """
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def mean_cost(params: nnx.State) -> Float[Array, ""]:
        network = nnx.merge(graph, params, rest)
        given = {"spec": spec, "loss": loss, "dropout_keys": dropout_keys}
        return loss_fn(network, images, labels, **given)

    cost, grads = jax.value_and_grad(mean_cost)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    params = jax.tree.map(jnp.add, params, updates)
    return Step(nnx.merge(graph, params, rest), opt_state, cost)


def activations(
    model: FeedforwardNetwork, images: Split | ArrayLike, spec: Document | None = None
) -> tuple[Float[Array, "..."], ...]:
    """What each layer of a network gives for images, the output last; no neuron is dropped.

    A convolution and the pooling after it are one layer: (images, filters, rows, columns).

    Args:
        model: the network.
        images: as `predict` takes them; all are passed through at once.
        spec: the document that the network was built from; None for the one that it knows.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network.
        ValueError: they are no images, or the network is of other inputs or outputs.
    """
    spec = document_of(model, spec)
    network = fitting_network(model, spec)
    is_traced = isinstance(images, Tracer)
    inputs = jnp.asarray(images if is_traced else read_images(images, spec))
    evaluating = FeedforwardNetwork(network.layers, network.inputs)
    return evaluating.activations(pixels(inputs, spec))
