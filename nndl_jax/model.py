"""Documents to networks (ch. 1, 3): feedforward layers as Flax NNX modules.

Weights are stored as the book writes them, (out, in), which is also what a CPU likes best.
"""

from typing import Literal, assert_never

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Key

from nndl_jax.activations import ACTIVATIONS
from nndl_jax.faults import SpecError
from nndl_jax.memory import check_memory
from nndl_jax.schema import Activation, Dense, Initializer, Network
from nndl_jax.schema.layers import Conv, LayerShape, MaxPool

DropoutMasks = Literal["image", "batch"]


class DenseLayer(nnx.Module):
    """A fully-connected layer.

    Attributes:
        weight: (out, in), the book's w.
        bias: (out,), the book's b.
        activation: name of the function applied to the weighted input.
        dropout: probability with which an input is dropped in training.
        dropout_masks: `image` for a mask of each image's own, `batch` for one in common.
    """

    def __init__(
        self,
        num_inputs: int,
        spec: Dense,
        initializer: Initializer,
        *,
        key: Key[Array, ""],
        dtype: DTypeLike,
        dropout_masks: DropoutMasks,
    ) -> None:
        weight_key, bias_key = jax.random.split(key)
        shape = (spec.units, num_inputs)
        self.weight = nnx.Param(_draw_weights(weight_key, shape, initializer, dtype))
        self.bias = nnx.Param(_draw(bias_key, (spec.units,), initializer.biases, 1.0, dtype))
        self.activation: Activation = spec.activation
        self.dropout = spec.dropout
        self.dropout_masks: DropoutMasks = dropout_masks

    def weighted_input(
        self, inputs: Float[Array, "*batch in"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """The book's z = w a + b.

        With dropout, a key drops inputs as in training; without one all stay, weakened to the mean
        of what training lets pass (ch. 3, section "Other techniques for regularization").
        """
        if self.dropout > 0:
            inputs = self._drop(inputs, dropout_key)
        weighted = inputs @ self.weight[...].T
        return weighted + jnp.broadcast_to(self.bias[...], weighted.shape)

    def __call__(
        self, inputs: Float[Array, "*batch in"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """The activations a = activation(z)."""
        weighted = self.weighted_input(inputs, dropout_key=dropout_key)
        return ACTIVATIONS[self.activation](weighted)

    def _drop(
        self, inputs: Float[Array, "*batch in"], key: Key[Array, ""] | None
    ) -> Float[Array, "*batch in"]:
        keep = 1 - self.dropout
        if key is None:
            return keep * inputs
        shape = inputs.shape if self.dropout_masks == "image" else inputs.shape[-1:]
        # A probability of unsaid type would draw other masks in JAX's 64-bit mode.
        mask = jax.random.bernoulli(key, jnp.float32(keep), shape)
        return jnp.where(jnp.broadcast_to(mask, inputs.shape), inputs, jnp.zeros_like(inputs))


class FeedforwardNetwork(nnx.Module):
    """A stack of layers from images to output activations.

    Attributes:
        layers: the layers in order of evaluation.
    """

    def __init__(self, spec: Network, *, key: Key[Array, ""]) -> None:
        stack, shapes = spec.model.stack(), spec.model.shapes()
        keys = jax.random.split(key, len(shapes))
        self.layers = nnx.List(
            [
                _build_layer(layer, shape, spec, at=at, key=each)
                for (at, layer), shape, each in zip(stack, shapes, keys, strict=True)
            ]
        )

    def logits(
        self, images: Float[Array, "*batch pixels"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """Weighted inputs of the output layer, from which losses are computed stably.

        Args:
            images: pixels in 0 .. 1.
            dropout_key: drops neurons as in training; None to let all work, as in evaluation.
        """
        activations, last = images, len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            key = None if dropout_key is None else jax.random.fold_in(dropout_key, index)
            if index == last:
                return layer.weighted_input(activations, dropout_key=key)
            activations = layer(activations, dropout_key=key)
        return activations

    def __call__(self, images: Float[Array, "*batch pixels"]) -> Float[Array, "*batch out"]:
        """Output activations of a batch of images with pixels in 0 .. 1."""
        return self.activate(self.logits(images))

    def activate(self, logits: Float[Array, "*batch out"]) -> Float[Array, "*batch out"]:
        """Output activations that belong to weighted inputs of the output layer."""
        return ACTIVATIONS[self.layers[-1].activation](logits)


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
    return FeedforwardNetwork(spec, key=key)


def drops(spec: Network) -> bool:
    """Whether a document asks for dropout anywhere."""
    return any(isinstance(layer, Dense) and layer.dropout > 0 for layer in spec.model.layers)


def check_supported(spec: Network) -> None:
    """Refuse what documents can say already and this version cannot train yet.

    Raises:
        SpecError: names the field.
    """
    dense = [layer for layer in spec.model.layers if isinstance(layer, Dense)]
    asked = {
        "model.layers": len(dense) < len(spec.model.layers),
        "data.augmentation": spec.data.augmentation != "none",
    }
    for field, is_asked in asked.items():
        if is_asked:
            said = "this version trains fully-connected layers on the images as they are"
            raise SpecError.at(spec.id, None, field, f"{said}; leave it out")
    if spec.training.dtype == "float64" and not jax.config.jax_enable_x64:  # pyright: ignore
        said = "float64 needs JAX's 64-bit mode; set JAX_ENABLE_X64=1 before Python starts"
        raise SpecError.at(spec.id, None, "training.dtype", said)


def _build_layer(
    layer: Dense | Conv | MaxPool,
    shape: LayerShape,
    spec: Network,
    *,
    at: int,
    key: Key[Array, ""],
) -> DenseLayer:
    match layer:
        case Dense():
            return DenseLayer(
                shape.num_weights // layer.units,
                layer,
                layer.initializer or spec.model.initializer,
                key=key,
                dtype=jnp.dtype(spec.training.dtype),
                dropout_masks=spec.training.dropout_masks,
            )
        case Conv() | MaxPool():
            field = f"model.layers[{at}]"
            raise SpecError.at(spec.id, None, field, f"{layer.kind} cannot be built yet")
        case _:
            assert_never(layer)


def _draw_weights(
    key: Key[Array, ""], shape: tuple[int, int], initializer: Initializer, dtype: DTypeLike
) -> Float[Array, "out in"]:
    fan_out, fan_in = shape
    match initializer.weights:
        case "normal-fan-in":
            return _draw(key, shape, "normal", fan_in**-0.5, dtype)
        case "normal-fan-out":
            return _draw(key, shape, "normal", fan_out**-0.5, dtype)
        case other:
            return _draw(key, shape, other, 1.0, dtype)


def _draw(
    key: Key[Array, ""],
    shape: tuple[int, ...],
    values: Literal["normal", "zeros"] | float,
    standard_deviation: float,
    dtype: DTypeLike,
) -> Float[Array, "..."]:
    match values:
        case "normal":
            return standard_deviation * jax.random.normal(key, shape, dtype)
        case "zeros":
            return jnp.zeros(shape, dtype)
        case constant:
            return jnp.full(shape, constant, dtype)
