"""Networks as operations in a row, as other programs know them, and what these give in NumPy.

Dropout is a part of the weights here: the book weakens the inputs of a layer with dropout by the
share that is kept (ch. 3, section "Other techniques for regularization"), and other programs do
not. That a weakened input is multiplied by a weight, or the input by a weakened weight, is the
same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple, assert_never

import numpy as np
from jaxtyping import Float

from nndl_jax.calculations.activations import ACTIVATIONS, Activation
from nndl_jax.networks.layers import (
    AveragePoolLayer,
    ConvLayer,
    DenseLayer,
    L2PoolLayer,
    MaxPoolLayer,
    OwnLayer,
    PoolLayer,
)
from nndl_jax.networks.network import FeedforwardNetwork

Values = Float[np.ndarray, "images ..."]
Windows = Float[np.ndarray, "images maps rows height columns width"]
Pair = tuple[int, int]


class Reshape(NamedTuple):
    """Other extents for each image, its numbers in the same order."""

    shape: tuple[int, ...]


class Linear(NamedTuple):
    """w a + b."""

    weight: Float[np.ndarray, "out in"]
    bias: Float[np.ndarray, " out"]
    dropout: float
    """Probability with which training drops an input; the weights are weakened for it."""


class Convolve(NamedTuple):
    """w * a + b, kernels not flipped."""

    weight: Float[np.ndarray, "filters maps height width"]
    bias: Float[np.ndarray, " filters"]
    stride: Pair
    before: Pair
    """Rows of zeros above and columns of them to the left."""
    after: Pair
    """Below, and to the right."""


class Activate(NamedTuple):
    """An activation function; a softmax along the last axis."""

    name: Activation


class Pooling(NamedTuple):
    """What is made of a window, in NumPy and as other programs call it."""

    reduce_fn: Callable[[Windows], Values]
    onnx: str
    """The operator."""
    torch: str
    """The module, in whose place the window stands as `{}`."""


POOLINGS: Mapping[type[PoolLayer], Pooling] = {
    MaxPoolLayer: Pooling(lambda windows: windows.max(axis=(3, 5)), "MaxPool", "nn.MaxPool2d({})"),
    AveragePoolLayer: Pooling(
        lambda windows: windows.mean(axis=(3, 5)), "AveragePool", "nn.AvgPool2d({})"
    ),
    L2PoolLayer: Pooling(
        lambda windows: np.sqrt(np.sum(windows * windows, axis=(3, 5))),
        "LpPool",  # Its p is 2 if nothing is said.
        "nn.LPPool2d(2, {})",
    ),
}


class Pool(NamedTuple):
    """One number of each window; windows lie side by side, those cut off are left out."""

    window: Pair
    pooling: Pooling


Operation = Reshape | Linear | Convolve | Activate | Pool


def operations_of(model: FeedforwardNetwork) -> list[Operation]:
    """What a network does with images of (images, pixels), in order.

    Raises:
        ValueError: it has layers or activations of one's own, which have no name elsewhere.
    """
    return list(_walk(model))


def _walk(model: FeedforwardNetwork) -> Iterator[Operation]:
    shape: tuple[int, ...] = model.inputs
    if isinstance(model.layers[0], DenseLayer):
        shape = (prod(shape),)
    elif len(shape) > 1:
        yield Reshape(shape)
    for layer in model.layers:
        match layer:
            case DenseLayer():
                if len(shape) > 1:
                    yield Reshape((prod(shape),))
                weight = np.asarray(layer.weight[...])
                keep = weight.dtype.type(1 - layer.dropout)
                yield Linear(keep * weight, np.asarray(layer.bias[...]), layer.dropout)
                yield Activate(_name_of(layer))
                shape = (layer.num_outputs,)
            case ConvLayer():
                convolution = _convolve(layer, shape)
                yield convolution
                yield Activate(_name_of(layer))
                shape = _convolved(convolution, shape)
                if layer.window != (1, 1):
                    yield Pool(layer.window, POOLINGS[MaxPoolLayer])
                    shape = _pooled(shape, layer.window)
            case PoolLayer():
                yield Pool(layer.window, POOLINGS[type(layer)])
                shape = _pooled(shape, layer.window)
            case _:
                raise ValueError(f"{_OWN}; got {type(layer).__name__}")


_OWN = "only networks of a document's layers and activations can be written so; use --to stablehlo"


def _name_of(layer: DenseLayer | ConvLayer | OwnLayer) -> Activation:
    if callable(layer.activation):
        raise ValueError(f"{_OWN}; got {layer.describe()}")
    return layer.activation


def _convolve(layer: ConvLayer, shape: tuple[int, ...]) -> Convolve:
    weight = np.asarray(layer.weight[...])
    missing = [0, 0]
    if layer.padding == "same":
        sizes = zip(shape[1:], weight.shape[2:], layer.stride, strict=True)
        missing = [
            max((size - 1) // step * step + kernel - size, 0) for size, kernel, step in sizes
        ]
    rows, columns = missing
    before = rows // 2, columns // 2
    after = rows - before[0], columns - before[1]
    return Convolve(weight, np.asarray(layer.bias[...]), layer.stride, before, after)


def _convolved(convolution: Convolve, shape: tuple[int, ...]) -> tuple[int, ...]:
    filters, _, *kernel = convolution.weight.shape
    padded = np.add(shape[1:], np.add(convolution.before, convolution.after))
    return (filters, *((padded - kernel) // convolution.stride + 1).tolist())


def _pooled(shape: tuple[int, ...], window: Pair) -> tuple[int, ...]:
    return (shape[0], shape[1] // window[0], shape[2] // window[1])


def run_operations(operations: Sequence[Operation], images: Values) -> Values:
    """What operations give, in NumPy."""
    for operation in operations:
        images = _run(operation, images)
    return images


def _run(operation: Operation, values: Values) -> Values:
    match operation:
        case Reshape(shape):
            return values.reshape(-1, *shape)
        case Linear(weight, bias):
            return values @ weight.T + bias[None]
        case Convolve(weight, bias, (down, right), before, after):
            around = ((0, 0), (0, 0), *zip(before, after, strict=True))
            places = np.lib.stride_tricks.sliding_window_view(
                np.pad(values, around), weight.shape[2:], axis=(2, 3)
            )[:, :, ::down, ::right]
            maps = np.tensordot(places, weight, axes=((1, 4, 5), (1, 2, 3)))
            return np.moveaxis(maps, -1, 1) + bias[None, :, None, None]
        case Activate(name):
            return ACTIVATIONS[name](values)
        case Pool(window, pooling):
            return pooling.reduce_fn(_windows(values, window))
        case unknown:
            assert_never(unknown)


def _windows(values: Values, window: Pair) -> Windows:
    (height, width), (num_images, maps, *extents) = window, values.shape
    rows, columns = extents[0] // height, extents[1] // width
    inside = values[:, :, : rows * height, : columns * width]
    return inside.reshape(num_images, maps, rows, height, columns, width)
