"""Chapter 6's networks in float64 NumPy, an image and a place at a time.

Written from the book's equations and from what is known of its program: biases and activations come
after the maximum of a window, and each pixel that has this maximum gets the whole gradient.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import oracle

from nndl_jax.networks.layers import AveragePoolLayer, ConvLayer, MaxPoolLayer
from nndl_jax.networks.network import FeedforwardNetwork

Place = tuple[int, int, tuple[slice, slice, slice]]
"""A row and a column, and what of an image belongs to it."""


class Conv(NamedTuple):
    """Kernels (filters, maps, height, width), a bias for each filter, and what follows."""

    weight: np.ndarray
    bias: np.ndarray
    window: tuple[int, int]
    activation: str
    padding: str = "valid"
    stride: tuple[int, int] = (1, 1)


class Pool(NamedTuple):
    """Max-pooling that follows no convolution."""

    window: tuple[int, int]


class AveragePool(NamedTuple):
    """Means of windows."""

    window: tuple[int, int]


Layer = Conv | Pool | AveragePool | oracle.Layer


def places(
    image: np.ndarray, size: Sequence[int], stride: Sequence[int] = (1, 1)
) -> Iterator[Place]:
    """Where a kernel or a window lies, whole, on an image."""
    _, rows, columns = image.shape
    for top in range(0, rows - size[0] + 1, stride[0]):
        for left in range(0, columns - size[1] + 1, stride[1]):
            covered = np.s_[:, top : top + size[0], left : left + size[1]]
            yield top // stride[0], left // stride[1], covered


def correlate(image: np.ndarray, kernels: np.ndarray, stride=(1, 1)) -> np.ndarray:
    """Weighted inputs of every filter without its bias (ch. 6 eq. 125)."""
    size = kernels.shape[2:]
    weighted = np.zeros(
        (len(kernels), *np.subtract(image.shape[1:], size) // np.asarray(stride) + 1)
    )
    for row, column, covered in places(image, size, stride):
        weighted[:, row, column] = (kernels * image[covered]).sum(axis=(1, 2, 3))
    return weighted


def margins(image: np.ndarray, layer: Conv) -> list[tuple[int, int]]:
    """Zeros before and after maps, rows and columns, so that every stride-th place has a kernel."""
    zeros = [(0, 0)]
    for extent, size, step in zip(
        image.shape[1:], layer.weight.shape[2:], layer.stride, strict=True
    ):
        num_places = -(-extent // step)
        missing = max((num_places - 1) * step + size - extent, 0)
        zeros.append((missing // 2, (missing + 1) // 2))
    return zeros if layer.padding == "same" else [(0, 0)] * 3


def correlate_gradient(
    image: np.ndarray, kernels: np.ndarray, delta: np.ndarray, stride=(1, 1)
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient by the image and by the kernels, of what has the gradient delta above them."""
    by_image, by_kernels = np.zeros(image.shape), np.zeros(kernels.shape)
    for row, column, covered in places(image, kernels.shape[2:], stride):
        error = delta[:, row, column, None, None, None]
        by_image[covered] += (error * kernels).sum(axis=0)
        by_kernels += error * image[covered]
    return by_image, by_kernels


def max_pool(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """The maxima of windows side by side; what does not fill one is left out."""
    maxima = np.zeros((len(image), *np.floor_divide(image.shape[1:], window)))
    for row, column, covered in places(image, window, window):
        maxima[:, row, column] = image[covered].max(axis=(1, 2))
    return maxima


def max_pool_gradient(image: np.ndarray, window: tuple[int, int], delta: np.ndarray) -> np.ndarray:
    """The gradient by the image, where pixels that share a maximum each get all of it."""
    by_image = np.zeros(image.shape)
    for row, column, covered in places(image, window, window):
        is_largest = image[covered] == image[covered].max(axis=(1, 2), keepdims=True)
        by_image[covered] = is_largest * delta[:, row, column, None, None]
    return by_image


def average_pool(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """The means of windows side by side; what does not fill one is left out."""
    means = np.zeros((len(image), *np.floor_divide(image.shape[1:], window)))
    for row, column, covered in places(image, window, window):
        means[:, row, column] = image[covered].sum(axis=(1, 2)) / (window[0] * window[1])
    return means


def average_pool_gradient(image, window: tuple[int, int], delta: np.ndarray) -> np.ndarray:
    """The gradient by the image, of which each pixel of a window gets an equal share."""
    by_image = np.zeros(image.shape)
    for row, column, covered in places(image, window, window):
        by_image[covered] = delta[:, row, column, None, None] / (window[0] * window[1])
    return by_image


def feedforward(layers: Sequence[Layer], image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each layer's z and a, from an image of maps, rows and columns."""
    passed, a = [], image
    for layer in layers:
        match layer:
            case Conv():
                maps = correlate(np.pad(a, margins(a, layer)), layer.weight, layer.stride)
                z = max_pool(maps, layer.window) + layer.bias[:, None, None]
            case Pool():
                z = max_pool(a, layer.window)
            case AveragePool():
                z = average_pool(a, layer.window)
            case oracle.Layer():
                z = layer.weight @ a.ravel() + layer.bias
        a = z if isinstance(layer, Pool | AveragePool) else oracle.activate(layer.activation, z)
        passed.append((z, a))
    return passed


def backpropagate(layers: Sequence[Layer], image: np.ndarray, y: np.ndarray) -> list[Layer]:
    """The gradient of the cost of one image whose output error is a - y; pooling has none."""
    passed = feedforward(layers, image)
    inputs = [image, *(a for _, a in passed[:-1])]
    delta, gradient = passed[-1][1] - y, []
    for at in range(len(layers) - 1, -1, -1):
        layer, a = layers[at], inputs[at]
        match layer:
            case Conv():
                padded, (_, rows, columns) = np.pad(a, margins(a, layer)), margins(a, layer)
                maps = correlate(padded, layer.weight, layer.stride)
                spread = max_pool_gradient(maps, layer.window, delta)
                by_inputs, by_kernels = correlate_gradient(
                    padded, layer.weight, spread, layer.stride
                )
                by_inputs = by_inputs[:, rows[0] :, columns[0] :][:, : a.shape[1], : a.shape[2]]
                own = layer._replace(weight=by_kernels, bias=delta.sum(axis=(1, 2)))
            case Pool():
                by_inputs, own = max_pool_gradient(a, layer.window, delta), layer
            case AveragePool():
                by_inputs, own = average_pool_gradient(a, layer.window, delta), layer
            case oracle.Layer():
                by_inputs = (layer.weight.T @ delta).reshape(a.shape)
                own = oracle.Layer(np.outer(delta, a), delta)
        gradient.insert(0, own)
        before = layers[at - 1] if at else Pool((1, 1))
        is_pool = isinstance(before, Pool | AveragePool)
        delta = (
            by_inputs if is_pool else by_inputs * oracle.slope(before.activation, passed[at - 1][0])
        )
    return gradient


def train(
    layers: Sequence[Layer],
    images: np.ndarray,
    targets: Sequence[np.ndarray],
    batches: Sequence[np.ndarray],
    loss: str,
    rule: oracle.Rule,
) -> tuple[list[Layer], list[float]]:
    """Layers after a step on each mini-batch, and the mean cost of each before its step.

    w <- w - eta (g + lambda w / n), and the same of biases without lambda (ch. 3 eq. 93).
    """
    layers, costs = list(layers), []
    for batch in batches:
        outputs = [feedforward(layers, images[i])[-1][1] for i in batch]
        of_images = [oracle.cost(loss, a, targets[i]) for a, i in zip(outputs, batch, strict=True)]
        costs.append(float(np.mean(of_images)))
        gradients = [backpropagate(layers, images[i], targets[i]) for i in batch]
        for at, gradient in enumerate(zip(*gradients, strict=True)):
            layers[at] = step(layers[at], gradient, rule)
    return layers, costs


def step(layer: Layer, gradients: Sequence[Layer], rule: oracle.Rule) -> Layer:
    """A layer after a step by the mean of the gradients of some images; pooling has none."""
    if isinstance(layer, Pool | AveragePool):
        return layer
    by_weight, by_bias = (
        np.mean([getattr(g, name) for g in gradients], axis=0) for name in ("weight", "bias")
    )
    pull = by_weight + rule.l2 / rule.divisor * layer.weight
    return layer._replace(
        weight=layer.weight - rule.learning_rate * pull,
        bias=layer.bias - rule.learning_rate * by_bias,
    )


def copy_layers(model: FeedforwardNetwork) -> list[Layer]:
    """The layers of one of the library's networks, in float64."""
    copies: list[Layer] = []
    for layer in model.layers:
        if isinstance(layer, MaxPoolLayer | AveragePoolLayer):
            pool = Pool if isinstance(layer, MaxPoolLayer) else AveragePool
            copies.append(pool(layer.window))
            continue
        params = np.asarray(layer.weight, float), np.asarray(layer.bias, float)
        if isinstance(layer, ConvLayer):
            # One that falls somewhere comes before the maximum.
            window = (1, 1) if layer.activation == "gelu" else layer.window
            copies.append(Conv(*params, window, layer.activation, layer.padding, layer.stride))
            copies += [Pool(layer.window)] * (window != layer.window)
        else:
            copies.append(oracle.Layer(*params, layer.activation))
    return copies
