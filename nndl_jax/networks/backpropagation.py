"""Backpropagation written out, for readers and to hold JAX's gradients against (ch. 2).

Training lets JAX differentiate. Here are the chapter's four equations: with the weighted inputs
z^l = w^l a^(l-1) + b^l and the activations a^l = sigma(z^l) of layer l (eq. 25), and its error
delta^l = dC/dz^l (eq. 29),

    delta^L = grad_a C (.) sigma'(z^L)                     (BP1) `output_error`
    delta^l = ((w^(l+1))^T delta^(l+1)) (.) sigma'(z^l)    (BP2) `hidden_error`
    dC/db^l = delta^l                                      (BP3) `bias_gradient`
    dC/dw^l = delta^l (a^(l-1))^T                          (BP4) `weight_gradient`

where (.) multiplies number by number. The chapter writes z, a and delta of an image as columns; in
a mini-batch here they are rows, an image in each, and products stand the other way round.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, assert_never

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.tree_util import Partial
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from nndl_jax.calculations.backpropagation import Loss
from nndl_jax.data.arrays import as_numbers
from nndl_jax.data.selection import read_images
from nndl_jax.documents import Document, Network
from nndl_jax.networks.activations import ACTIVATIONS, ActivationFn, activation_fn
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.networks.network import FeedforwardNetwork, document_of, fitting_network
from nndl_jax.networks.targets import pixels
from nndl_jax.reading.faults import SpecError

_CANCELS = {
    "cross-entropy": ACTIVATIONS["sigmoid"],
    "log-likelihood": ACTIVATIONS["softmax"],
}
"""Activations of the output layer whose slope cancels that of a loss."""


class Layer(NamedTuple):
    """A fully-connected layer, or a gradient by its weights and biases."""

    weight: Float[Array, "out in"]
    """The book's w."""
    bias: Float[Array, " out"]
    """The book's b."""
    activation_fn: Partial
    """The book's sigma, which takes each neuron's activation from its own weighted input; only that
    of the last layer may be the softmax. Wrapped in JAX's `Partial`, it is no leaf of the pytree,
    and so `jax.grad` by layers gives layers."""


class Backpropagated(NamedTuple):
    """What the two passes through a network have computed of a mini-batch."""

    weighted_inputs: tuple[Float[Array, "batch neurons"], ...]
    """z of each layer after the inputs."""
    activations: tuple[Float[Array, "batch neurons"], ...]
    """a of each layer, the inputs first."""
    errors: tuple[Float[Array, "batch neurons"], ...]
    """delta of each layer after the inputs: each image's own gradient by the biases."""
    gradients: tuple[Layer, ...]
    """Of the mean cost, by each layer's weights and biases."""

    def __repr__(self) -> str:
        shapes = ", ".join(str(error.shape) for error in self.errors)
        return f"<Backpropagated: errors of the shapes {shapes}>"

    def image_weight_gradients(self) -> Iterator[Float[Array, "batch out in"]]:
        """Each image's own gradient by the weights, layer by layer."""
        for error, inputs in zip(self.errors, self.activations[:-1], strict=True):
            yield jnp.einsum("xj,xk->xjk", error, inputs)


def backpropagate(
    model: FeedforwardNetwork,
    images: ArrayLike,
    targets: ArrayLike,
    spec: Document | None = None,
) -> Backpropagated:
    """The gradient of a network's mean cost over a mini-batch; penalties are left out.

    Args:
        model: the network.
        images: as `evaluate` takes them: whole bytes of any type, or pixels in 0 .. 1. Inside a
            compiled program they cannot be looked at: only uint8 are bytes there.
        targets: the book's y, an image to a row, a number for each output;
            `nndl_jax.networks.targets.encode` makes them of labels.
        spec: the document that the network was built from; None for the one that it knows.

    Raises:
        SpecError: the document has axes, or the chapter does not know one of the layers, or the
            loss.
        TypeError: the model is no network.
        ValueError: images are no pixels, targets not as many numbers, or the network is of other
            inputs or outputs; says what was found.
    """
    spec = document_of(model, spec)
    layers = layers_of(fitting_network(model, spec), spec)
    is_traced = isinstance(images, Tracer)
    inputs = jnp.asarray(images if is_traced else read_images(images, spec))
    inputs = pixels(inputs, spec)
    shape = (len(inputs), spec.num_outputs())
    ideal = _read_targets(targets, shape).astype(inputs.dtype)
    return backpropagate_layers(layers, inputs, ideal, _loss_of(spec))


def _read_targets(targets: object, shape: tuple[int, int]) -> Float[Array, "batch out"]:
    name = "targets (nndl_jax.networks.targets.encode makes them of labels)"
    is_traced = isinstance(targets, Tracer)
    rows = targets if is_traced else as_numbers(targets, width=shape[1], name=name)
    if rows.shape != shape:
        raise ValueError(f"{name} have the shape {rows.shape}; give {shape}, as of the images")
    return jnp.asarray(rows)


def backpropagate_layers(
    layers: Sequence[Layer],
    inputs: Float[Array, "batch in"],
    targets: Float[Array, "batch out"],
    loss: Loss,
) -> Backpropagated:
    """The same through layers, which need not be those of a document (ch. 2, the algorithm)."""
    weighted_inputs, activations = feedforward(layers, inputs)
    errors = [output_error(layers[-1], weighted_inputs[-1], targets, loss)]
    pairs = list(zip(layers[:-1], layers[1:], weighted_inputs[:-1], strict=True))
    for layer, following, z in reversed(pairs):
        errors.insert(0, hidden_error(layer, z, following, errors[0]))
    gradients = gradients_of(layers, activations, errors)
    return Backpropagated(weighted_inputs, activations, tuple(errors), gradients)


def feedforward(
    layers: Sequence[Layer], inputs: Float[Array, "*batch in"]
) -> tuple[tuple[Float[Array, "*batch _"], ...], tuple[Float[Array, "*batch _"], ...]]:
    """Weighted inputs of all layers, and activations of all, the inputs first (eq. 25)."""
    weighted_inputs, activations = [], [inputs]
    for layer in layers:
        z = activations[-1] @ layer.weight.T
        weighted_inputs.append(z + jnp.broadcast_to(layer.bias, z.shape))
        activations.append(layer.activation_fn(weighted_inputs[-1]))
    return tuple(weighted_inputs), tuple(activations)


def output_error(
    layer: Layer, z: Float[Array, "*batch out"], targets: Float[Array, "*batch out"], loss: Loss
) -> Float[Array, "*batch out"]:
    """BP1: how the cost changes with the weighted inputs of the last layer.

    Where the slope of the cost cancels that of the activation, a - y is left (ch. 3, eq. 66 and
    84); it stays finite where a neuron saturates. A softmax activation depends on all weighted
    inputs, and so the sum over them remains that is one product for other neurons (eq. 37).
    """
    activations = layer.activation_fn(z)
    if _is(layer, _CANCELS.get(loss)):
        return activations - targets
    if _is(layer, ACTIVATIONS["softmax"]):
        _, pull_back_fn = jax.vjp(layer.activation_fn, z)
        return pull_back_fn(cost_slope(loss, activations, targets))[0]
    return cost_slope(loss, activations, targets) * activation_slope(layer, z)


def hidden_error(
    layer: Layer,
    z: Float[Array, "*batch out"],
    following: Layer,
    following_error: Float[Array, "*batch following"],
) -> Float[Array, "*batch out"]:
    """BP2: how the cost changes with the weighted inputs of a layer, from the layer after it."""
    return (following_error @ following.weight) * activation_slope(layer, z)


def bias_gradient(error: Float[Array, "batch out"]) -> Float[Array, " out"]:
    """BP3, mean over the mini-batch."""
    return jnp.mean(error, axis=0)


def weight_gradient(
    error: Float[Array, "batch out"], inputs: Float[Array, "batch in"]
) -> Float[Array, "out in"]:
    """BP4, mean over the mini-batch.

    Args:
        error: of the layer that the weights belong to.
        inputs: activations of the layer before it.
    """
    return error.T @ inputs / error.shape[0]


def gradients_of(
    layers: Sequence[Layer],
    activations: Sequence[Float[Array, "batch _"]],
    errors: Sequence[Float[Array, "batch _"]],
) -> tuple[Layer, ...]:
    """The gradient of each layer from the errors (BP3, BP4)."""
    return tuple(
        layer._replace(weight=weight_gradient(error, inputs), bias=bias_gradient(error))
        for layer, error, inputs in zip(layers, errors, activations[:-1], strict=True)
    )


def cost_slope(
    loss: Loss, activations: Float[Array, "*batch out"], targets: Float[Array, "*batch out"]
) -> Float[Array, "*batch out"]:
    """Each image's grad_a C, of the costs that ch. 1 eq. 6 and ch. 3 eq. 63 and 80 define."""
    match loss:
        case "quadratic":
            return activations - targets
        case "cross-entropy":
            return (activations - targets) / (activations * (1 - activations))
        case "log-likelihood":
            return -targets / activations
        case _:
            assert_never(loss)


def activation_slope(layer: Layer, z: Float[Array, "*batch out"]) -> Float[Array, "*batch out"]:
    """Each neuron's sigma'(z)."""
    _, slope = jax.jvp(layer.activation_fn, (z,), (jnp.ones_like(z),))
    return slope


def with_neuron(layer: Layer, index: int, activation_fn: ActivationFn) -> Layer:
    """The layer with another activation function for one of its neurons (ch. 2, exercises).

    Args:
        layer: is not changed.
        index: of the neuron, from 0.
        activation_fn: the exercise's f.
    """

    def own_or_others(z: Float[Array, "*batch out"]) -> Float[Array, "*batch out"]:
        is_own = jnp.broadcast_to(jnp.arange(z.shape[-1]) == index, z.shape)
        return jnp.where(is_own, activation_fn(z), layer.activation_fn(z))

    return layer._replace(activation_fn=Partial(own_or_others))


def layers_of(model: FeedforwardNetwork, spec: Network) -> tuple[Layer, ...]:
    """The layers of a network as this chapter writes them.

    Raises:
        SpecError: a layer is not fully connected, or drops inputs.
        ValueError: a layer was replaced by one that is not.
    """
    for index, layer in spec.model.stack():
        at = f"model.layers[{index}]"
        if layer.kind != "dense":
            message = (
                f"chapter 2 knows dense layers only, got {layer.kind!r}; let JAX differentiate"
            )
            raise SpecError.at(spec.id, None, f"{at}.kind", message)
        if layer.dropout:
            message = f"chapter 2 knows no dropout, got {layer.dropout}; let JAX differentiate"
            raise SpecError.at(spec.id, None, f"{at}.dropout", message)
    dense = [layer for layer in model.layers if isinstance(layer, DenseLayer)]
    if len(dense) < len(model.layers):
        (other, *_) = [layer for layer in model.layers if not isinstance(layer, DenseLayer)]
        message = f"chapter 2 knows dense layers only, and the network has {type(other).__name__}"
        raise ValueError(f"{message}; let JAX differentiate")
    return tuple(
        Layer(layer.weight[...], layer.bias[...], Partial(activation_fn(layer.activation)))
        for layer in dense
    )


def _loss_of(spec: Network) -> Loss:
    if spec.loss == "cross-entropy-by-activation":
        message = "is no gradient of a cost, got 'cross-entropy-by-activation'; use cross-entropy"
        raise SpecError.at(spec.id, None, "loss", message)
    return spec.loss


def _is(layer: Layer, activation_fn: ActivationFn | None) -> bool:
    return layer.activation_fn.func is activation_fn
