"""Documents to networks (ch. 1, 3, 6): layers in a row."""

from collections.abc import Iterable, Iterator
from math import prod
from typing import assert_never

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from nndl_jax.activations import ACTIVATIONS
from nndl_jax.faults import SpecError
from nndl_jax.layers import ConvLayer, DenseLayer, MaxPoolLayer
from nndl_jax.memory import check_memory
from nndl_jax.schema import Activation, Conv, Dense, MaxPool, Network


class FeedforwardNetwork(nnx.Module):
    """A stack of layers from images to output activations.

    Attributes:
        layers: the layers in order of evaluation, the last a `DenseLayer`.
        inputs: shape of one input.
    """

    def __init__(
        self,
        layers: Iterable[DenseLayer | ConvLayer | MaxPoolLayer],
        inputs: tuple[int, ...],
    ) -> None:
        self.layers = nnx.List(list(layers))
        self.inputs = inputs
        output = self.layers[-1]
        if not isinstance(output, DenseLayer):
            raise TypeError(f"the last layer must be a DenseLayer, got {type(output).__name__}")
        self.output_activation: Activation = output.activation

    def logits(
        self,
        images: Float[Array, "*batch pixels"],
        *,
        dropout_keys: Key[Array, " layers"] | None = None,
    ) -> Float[Array, "*batch out"]:
        """Weighted inputs of the output layer, from which losses are computed stably.

        Args:
            images: pixels in 0 .. 1.
            dropout_keys: drop neurons as in training, one for each layer, such as
                `jax.random.split(key, len(model.layers))`; layers that have equal ones, and equally
                many inputs, drop the same of them. None to let all work, as in evaluation.
        """
        batch = images.shape[:-1]
        activations = images.reshape(*batch, *self.inputs)
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, DenseLayer):
                activations = layer(activations)
                continue
            activations = activations.reshape(*batch, -1)
            key = None if dropout_keys is None else dropout_keys[index]
            if index == last:
                return layer.weighted_input(activations, dropout_key=key)
            activations = layer(activations, dropout_key=key)
        return activations

    def __call__(self, images: Float[Array, "*batch pixels"]) -> Float[Array, "*batch out"]:
        """Output activations of a batch of images with pixels in 0 .. 1.

        They are what is computed with: neither looked at nor scaled. Networks are trained on bytes
        / 256, which `predict` and `evaluate` make of bytes themselves; or on a document's own
        examples, taken as they are.
        """
        return self.activate(self.logits(images))

    def activate(self, logits: Float[Array, "*batch out"]) -> Float[Array, "*batch out"]:
        """Output activations that belong to weighted inputs of the output layer."""
        return ACTIVATIONS[self.output_activation](logits)


def build_model(spec: Network, *, key: Key[Array, ""]) -> FeedforwardNetwork:
    """The network of a document with freshly drawn weights.

    Args:
        spec: a document without `vary`; `nndl_jax.variants` gives those of one with it.
        key: a typed key, `jax.random.key(seed)`.

    Raises:
        SpecError: the document has axes, asks for what is not built yet, or does not fit in memory.
    """
    if spec.vary:
        said = "a model is built of one variant; take one of variants(spec) and build its spec"
        raise SpecError.at(spec.id, None, "vary", said)
    check_supported(spec)
    check_memory(spec)
    return draw_network(spec, key=key)


def draw_network(spec: Network, *, key: Key[Array, ""]) -> FeedforwardNetwork:
    """The same without asking whether it can be built: for programs that are compiled."""
    return FeedforwardNetwork(_build_layers(spec, key), spec.model.inputs)


def drops(spec: Network) -> bool:
    """Whether a document asks for dropout anywhere."""
    return any(isinstance(layer, Dense) and layer.dropout > 0 for layer in spec.model.layers)


def check_supported(spec: Network) -> None:
    """Refuse what JAX, as it was started, cannot train.

    Raises:
        SpecError: names the field.
    """
    if spec.training.dtype == "float64" and not jax.config.jax_enable_x64:  # pyright: ignore
        said = "float64 needs JAX's 64-bit mode; set JAX_ENABLE_X64=1 before Python starts"
        raise SpecError.at(spec.id, None, "training.dtype", said)


def _build_layers(
    spec: Network, key: Key[Array, ""]
) -> Iterator[DenseLayer | ConvLayer | MaxPoolLayer]:
    """A module for each layer; max-pooling is a part of the convolution that it follows."""
    stack, shapes = [layer for _, layer in spec.model.stack()], spec.model.shapes()
    keys, dtype = jax.random.split(key, len(stack)), jnp.dtype(spec.training.dtype)
    is_pooled = False
    for index, layer in enumerate(stack):
        inputs, layer_key = shapes[index].inputs, keys[index]
        match layer:
            case Dense():
                yield DenseLayer(
                    prod(inputs),
                    layer,
                    layer.initializer or spec.model.initializer,
                    key=layer_key,
                    dtype=dtype,
                    dropout_masks=spec.training.dropout_masks,
                )
            case Conv():
                pool = stack[index + 1]
                is_pooled = isinstance(pool, MaxPool)
                yield ConvLayer(
                    inputs[0],
                    layer,
                    layer.initializer or spec.model.initializer,
                    window=pool.window if isinstance(pool, MaxPool) else (1, 1),
                    key=layer_key,
                    dtype=dtype,
                )
            case MaxPool():
                if not is_pooled:
                    yield MaxPoolLayer(layer.window)
                is_pooled = False
            case _:
                assert_never(layer)
