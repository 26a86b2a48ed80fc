"""Layers as Flax NNX modules: fully-connected ones, convolutions, pooling (ch. 1, 3, 6).

Weights are stored as the book writes them, (out, in), which is also what a CPU likes best.
"""

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Key

from nndl_jax.documents import Conv, Dense, Initializer, MaxPool
from nndl_jax.documents.layers import AveragePool, L2Pool
from nndl_jax.networks.activations import (
    AnyActivation,
    activation_fn,
    name_activation,
    never_falls,
)
from nndl_jax.networks.convolution import (
    Maps,
    average_pool,
    convolve,
    gradient_apart,
    max_pool,
    pad_same,
)
from nndl_jax.networks.products import times_transposed

DropoutMasks = Literal["image", "batch"]
Padding = Literal["valid", "same"]
PooledMaps = Float[Array, "batch maps rows_out columns_out"]


class DenseLayer(nnx.Module):
    """A fully-connected layer.

    Attributes:
        weight: (out, in), the book's w.
        bias: (out,), the book's b.
        activation: name of the function applied to the weighted input, or a function of one's own.
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
        self.weight = nnx.Param(draw_weights(weight_key, shape, spec.units, initializer, dtype))
        self.bias = nnx.Param(_draw(bias_key, (spec.units,), initializer.biases, 1.0, dtype))
        self.activation: AnyActivation = spec.activation
        self.dropout = spec.dropout
        self.dropout_masks: DropoutMasks = dropout_masks

    @property
    def num_outputs(self) -> int:
        """Number of neurons."""
        return self.bias.shape[-1]

    def weighted_input(
        self, inputs: Float[Array, "*batch in"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """The book's z = w a + b.

        With dropout, a key drops inputs as in training; without one all stay, weakened to the mean
        of what training lets pass (ch. 3, section "Other techniques for regularization").
        """
        if self.dropout > 0:
            inputs = self._drop(inputs, dropout_key)
        weighted = times_transposed(inputs.reshape(-1, inputs.shape[-1]), self.weight[...])
        weighted = weighted.reshape(*inputs.shape[:-1], -1)
        return weighted + jnp.broadcast_to(self.bias[...], weighted.shape)

    def __call__(
        self, inputs: Float[Array, "*batch in"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """The activations a = activation(z)."""
        weighted = self.weighted_input(inputs, dropout_key=dropout_key)
        return activation_fn(self.activation)(weighted)

    def describe(self) -> str:
        """What it does beside its weights."""
        dropped = f", dropping {float(self.dropout)} by {self.dropout_masks}"
        return f"dense, {name_activation(self.activation)}{dropped if self.dropout else ''}"

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


class ConvLayer(nnx.Module):
    """A convolution, and the max-pooling that follows it: max-pool(activation(w * a + b)) (ch. 6).

    The bias and the activation come after the maximum, on a quarter of the numbers, where the
    activation never falls: the order makes no difference then.

    Attributes:
        weight: (filters, maps, height, width), the kernels.
        bias: (filters,), one for each filter.
        activation: name of the function applied to the weighted input, or a function of one's own.
        window: rows and columns of a pooling window, (1, 1) for none.
        padding: `same` for zeros around the images, `valid` for none.
        stride: rows and columns from one place of a kernel to the next.
    """

    def __init__(
        self,
        num_maps: int,
        spec: Conv,
        initializer: Initializer,
        *,
        window: tuple[int, int],
        key: Key[Array, ""],
        dtype: DTypeLike,
    ) -> None:
        weight_key, bias_key = jax.random.split(key)
        shape = (spec.filters, num_maps, *spec.kernel)
        # The book's program counts the outputs of a filter by its kernel and the pooling. With few
        # filters and a window larger than the kernel that gives zero, and an endless deviation.
        fan_out = max(1, spec.filters * prod(spec.kernel) // prod(window))
        self.weight = nnx.Param(draw_weights(weight_key, shape, fan_out, initializer, dtype))
        self.bias = nnx.Param(_draw(bias_key, (spec.filters,), initializer.biases, 1.0, dtype))
        self.activation: AnyActivation = spec.activation
        self.window = window
        self.padding: Padding = spec.padding
        self.stride = spec.stride

    def __call__(
        self, inputs: Float[Array, "*batch maps rows columns"]
    ) -> Float[Array, "*batch filters rows_out columns_out"]:
        """The activations of every filter."""
        leading = inputs.shape[:-3]
        is_pooled_first = never_falls(self.activation)
        maps = self._convolve(inputs)
        maps = max_pool(maps, self.window) if is_pooled_first else maps
        weighted = maps + self.bias[...][None, :, None, None]
        activations = gradient_apart(activation_fn(self.activation)(weighted))
        activations = activations if is_pooled_first else max_pool(activations, self.window)
        return activations.reshape(*leading, *activations.shape[1:])

    def weighted_input(
        self, inputs: Float[Array, "*batch maps rows columns"]
    ) -> Float[Array, "*batch filters rows_before columns_before"]:
        """The book's z = w * a + b of every neuron, before pooling."""
        weighted = self._convolve(inputs) + self.bias[...][None, :, None, None]
        return weighted.reshape(*inputs.shape[:-3], *weighted.shape[1:])

    def _convolve(
        self, inputs: Float[Array, "*batch maps rows columns"]
    ) -> Float[Array, "images filters rows_before columns_before"]:
        images, kernels = _flat(inputs), self.weight[...]
        if self.padding == "same":
            height, width = kernels.shape[2:]
            images = pad_same(images, (height, width), stride=self.stride)
        return convolve(images, kernels, stride=self.stride)

    def describe(self) -> str:
        """What it does beside its weights."""
        zeros = ", zeros around the image" if self.padding == "same" else ""
        stride = f", a stride of {self.stride}" if self.stride != (1, 1) else ""
        name = name_activation(self.activation)
        return f"a convolution, {name}, windows of {self.window}{zeros}{stride}"


class PoolLayer(nnx.Module):
    """One number of each window of a map; windows lie side by side, those cut off are left out.

    Attributes:
        window: rows and columns of a window.
    """

    called: ClassVar[str]

    def __init__(self, window: tuple[int, int]) -> None:
        self.window = window

    def __call__(
        self, inputs: Float[Array, "*batch maps rows columns"]
    ) -> Float[Array, "*batch maps rows_out columns_out"]:
        """The numbers of all windows."""
        maps = self.pool(_flat(inputs))
        return maps.reshape(*inputs.shape[:-3], *maps.shape[1:])

    def pool(self, maps: Maps) -> PooledMaps:
        """The numbers of all windows of a batch."""
        raise NotImplementedError

    def describe(self) -> str:
        """What it does."""
        return f"{self.called}, windows of {self.window}"


class MaxPoolLayer(PoolLayer):
    """Max-pooling that follows no convolution (ch. 6)."""

    called = MaxPool.called

    def pool(self, maps: Maps) -> PooledMaps:
        """The maxima of all windows."""
        return max_pool(maps, self.window)


class AveragePoolLayer(PoolLayer):
    """Average-pooling."""

    called = AveragePool.called

    def pool(self, maps: Maps) -> PooledMaps:
        """The means of all windows."""
        return average_pool(maps, self.window)


class L2PoolLayer(PoolLayer):
    """L2-pooling (ch. 6)."""

    called = L2Pool.called

    def pool(self, maps: Maps) -> PooledMaps:
        """The roots of the sums of squares; at zero, where the root has no slope, of slope 0."""
        squares = prod(self.window) * average_pool(maps * maps, self.window)
        is_zero = squares == 0
        return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, squares)))


POOLS: Mapping[str, type[PoolLayer]] = {
    "max-pool": MaxPoolLayer,
    "average-pool": AveragePoolLayer,
    "l2-pool": L2PoolLayer,
}
"""By the kind of a document's layer."""


class OwnLayer(nnx.Module):
    """A module of one's own in the place of all layers, or of the last.

    Attributes:
        module: from a batch of inputs, of the shape that the document gives them, to as many
            weighted inputs of output neurons as the document has.
        activation: what is applied to these where activations are asked for.
        num_outputs: how many there are.
    """

    def __init__(self, module: nnx.Module, activation: AnyActivation, num_outputs: int) -> None:
        self.module = module
        self.activation: AnyActivation = activation
        self.num_outputs = num_outputs

    def weighted_input(
        self, inputs: Float[Array, "*batch _"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """What the module gives; it drops nothing of itself."""
        return self.module(inputs)

    def __call__(
        self, inputs: Float[Array, "*batch _"], *, dropout_key: Key[Array, ""] | None = None
    ) -> Float[Array, "*batch out"]:
        """The activations of the output neurons."""
        return activation_fn(self.activation)(self.weighted_input(inputs))

    def describe(self) -> str:
        """What it is."""
        return f"a module {type(self.module).__name__} of one's own"


AnyLayer = DenseLayer | ConvLayer | PoolLayer | OwnLayer


def _flat(
    inputs: Float[Array, "*batch maps rows columns"],
) -> Float[Array, "images maps rows columns"]:
    return inputs.reshape(-1, *inputs.shape[-3:])


def draw_weights(
    key: Key[Array, ""],
    shape: tuple[int, ...],
    fan_out: int,
    initializer: Initializer,
    dtype: DTypeLike,
) -> Float[Array, "out *in"]:
    """First weights: (out, in), or (filters, maps, height, width).

    Args:
        key: used up here.
        shape: outputs first; all others are inputs of an output.
        fan_out: outputs that an input goes to, as the document's initialiser counts them.
        initializer: the document's.
        dtype: of the weights.

    References:
        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural
        networks, eq. 16, with the outputs of a convolution as many as a pixel takes part in.
        He, Zhang, Ren and Sun (2015), Delving deep into rectifiers, eq. 10.
    """
    fan_in = prod(shape[1:])
    match initializer.weights:
        case "normal-fan-in":
            return _draw(key, shape, "normal", fan_in**-0.5, dtype)
        case "normal-fan-out":
            return _draw(key, shape, "normal", fan_out**-0.5, dtype)
        case "he":
            return _draw(key, shape, "normal", (2 / fan_in) ** 0.5, dtype)
        case "glorot":
            bound = (6 / (fan_in + shape[0] * prod(shape[2:]))) ** 0.5
            return jax.random.uniform(key, shape, dtype, -bound, bound)
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
