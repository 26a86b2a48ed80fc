"""Convolution, max-pooling and their layers (ch. 6), against sums written out and against XLA."""

from math import prod
from typing import get_args

import conv_oracle
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from scipy import signal

from nndl_jax import build_model
from nndl_jax.calculations.activations import NeuronActivation
from nndl_jax.documents import Conv, Initializer
from nndl_jax.networks.convolution import average_pool, convolve, max_pool, pad_same
from nndl_jax.networks.layers import ConvLayer, L2PoolLayer

KEY = jax.random.key(0)
NETWORK3 = Initializer(weights="normal-fan-out", biases="normal")
# Images (number, maps, rows, columns) and kernels (filters, maps, height, width) of odd shapes.
SHAPES = [
    ((1, 1, 28, 28), (20, 1, 5, 5)),
    ((3, 2, 9, 7), (4, 2, 2, 5)),
    ((2, 3, 5, 8), (1, 3, 5, 1)),
    ((5, 1, 4, 6), (2, 1, 4, 6)),
    ((2, 3, 6, 4), (3, 3, 1, 1)),
]
# The same with strides, also beyond the kernel and the image, and with zeros around.
PLACED = [
    *((*shapes, (1, 1), "valid") for shapes in SHAPES),
    (*SHAPES[0], (1, 1), "same"),
    (*SHAPES[0], (2, 3), "valid"),
    (*SHAPES[1], (2, 2), "same"),
    (*SHAPES[1], (3, 1), "valid"),
    (*SHAPES[2], (4, 3), "same"),
    (*SHAPES[3], (1, 2), "same"),
    (*SHAPES[3], (9, 30), "valid"),
    (*SHAPES[4], (9, 2), "same"),
]
# Rows and columns, and windows that fit on them or leave some over.
POOLS = [((24, 24), (2, 2)), ((7, 9), (2, 2)), ((8, 7), (3, 2)), ((5, 6), (1, 4)), ((4, 3), (4, 3))]


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def through(function, *arguments, seed):
    """What a function gives, what is drawn to go back through it, and what comes out there.

    Compiled as one: eager, each of its many operations is a program of its own.
    """

    @jax.jit
    def there_and_back(*arguments):
        forward, backward = jax.vjp(function, *arguments)
        delta = jnp.asarray(drawn(forward.shape, seed), forward.dtype)
        return forward, delta, backward(delta)

    return there_and_back(*arguments)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("images", "kernels"), SHAPES)
def test_convolution_is_the_cross_correlation_of_scipy(float64, images, kernels):
    images, kernels = drawn(images), drawn(kernels, seed=1)
    expected = [
        [
            sum(signal.correlate2d(*pair, mode="valid") for pair in zip(image, kernel, strict=True))
            for kernel in kernels
        ]
        for image in images
    ]
    found = convolve(jnp.asarray(images), jnp.asarray(kernels), stride=(1, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_kernels_are_not_flipped():
    # Where the kernel lies before the pixel, its last number meets it.
    image = jnp.zeros((1, 1, 1, 5)).at[0, 0, 0, 2].set(1.0)
    kernel = jnp.array([[[[1.0, 2.0, 3.0]]]])
    assert convolve(image, kernel, stride=(1, 1))[0, 0, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize(("images", "kernels", "stride", "padding"), PLACED)
def test_convolution_and_its_gradient_are_those_of_xla(float64, images, kernels, stride, padding):
    def xla(images, kernels):
        return jax.lax.conv_general_dilated(images, kernels, stride, padding.upper())

    def own(images, kernels):
        if padding == "same":
            images = pad_same(images, kernels.shape[2:], stride=stride)
        return convolve(images, kernels, stride=stride)

    images, kernels = jnp.asarray(drawn(images)), jnp.asarray(drawn(kernels, seed=1))
    forward, _, gradients = through(own, images, kernels, seed=2)
    expected, _, expected_gradients = through(xla, images, kernels, seed=2)
    np.testing.assert_allclose(forward, expected, rtol=1e-11, atol=1e-11)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("size", "window"), POOLS)
def test_pooling_is_the_maximum_of_each_whole_window(size, window):
    images = drawn((2, 3, *size)).astype(np.float32)
    expected = [conv_oracle.max_pool(image, window) for image in images]
    np.testing.assert_array_equal(max_pool(jnp.asarray(images), window), expected)


@pytest.mark.parametrize(("size", "window"), POOLS)
def test_average_pooling_is_the_mean_of_each_whole_window_and_shares_its_gradient(
    float64, size, window
):
    def xla(images):
        shape = (1, 1, *window)
        return jax.lax.reduce_window(images, 0.0, jax.lax.add, shape, shape, "VALID") / prod(window)

    images = jnp.asarray(drawn((2, 3, *size)))
    forward, _, (ours,) = through(lambda images: average_pool(images, window), images, seed=1)
    expected, _, (theirs,) = through(xla, images, seed=1)
    np.testing.assert_allclose(forward, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("size", "window"), POOLS)
def test_l2_pooling_is_the_root_of_squares_of_each_whole_window(float64, size, window):
    def xla(images):
        shape = (1, 1, *window)
        squares = jax.lax.reduce_window(images**2, 0.0, jax.lax.add, shape, shape, "VALID")
        return jnp.sqrt(squares)

    images = jnp.asarray(drawn((2, 3, *size)))
    forward, _, (ours,) = through(L2PoolLayer(window), images, seed=1)
    expected, _, (theirs,) = through(xla, images, seed=1)
    np.testing.assert_allclose(forward, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_l2_pooling_of_nothing_is_zero_and_has_no_gradient():
    images = jnp.zeros((1, 1, 4, 4))
    forward, _, (gradient,) = through(L2PoolLayer((2, 2)), images, seed=1)
    np.testing.assert_array_equal(forward, np.zeros((1, 1, 2, 2)))
    np.testing.assert_array_equal(gradient, np.zeros_like(images))


def test_pooling_of_single_pixels_changes_nothing():
    images = jnp.asarray(drawn((2, 3, 4, 5)))
    np.testing.assert_array_equal(max_pool(images, (1, 1)), images)


@pytest.mark.parametrize(("size", "window"), POOLS)
def test_gradient_of_pooling_without_ties_is_that_of_xla(size, window):
    def xla(images):
        shape = (1, 1, *window)
        return jax.lax.reduce_window(images, -jnp.inf, jax.lax.max, shape, shape, "VALID")

    # Numbers that are all different.
    count = 6 * prod(size)
    images = jnp.asarray(np.random.default_rng(0).permutation(count).reshape(2, 3, *size) / count)
    ours = through(lambda images: max_pool(images, window), images, seed=1)
    jax.tree.map(np.testing.assert_array_equal, ours, through(xla, images, seed=1))


def test_pixels_that_share_a_maximum_each_get_its_whole_gradient():
    # XLA gives all of it to one of them.
    image = jnp.array([[[[5.0, 5.0, 1.0, 0.0], [0.0, 5.0, 2.0, 2.0]]]])
    (found,) = jax.vjp(lambda images: max_pool(images, (2, 2)), image)[1](
        jnp.array([[[[3.0, 7.0]]]])
    )
    assert found[0, 0].tolist() == [[3, 3, 0, 0], [0, 3, 7, 7]]


@pytest.mark.parametrize(("size", "window"), POOLS)
def test_forward_mode_through_pooling_is_the_backward_one_turned_round(float64, size, window):
    # <delta, J v> = <J^T delta, v>, also where pixels share a maximum: integers have many ties.
    images = jnp.asarray(np.random.default_rng(0).integers(0, 3, (2, 3, *size)), float)
    change = jnp.asarray(drawn(images.shape, seed=1))

    def pool(images):
        return max_pool(images, window)

    passed = jax.jit(lambda *at: jax.jvp(pool, at[:1], at[1:])[1])(images, change)
    _, delta, (gradient,) = through(pool, images, seed=2)
    assert np.vdot(delta, passed) == pytest.approx(np.vdot(gradient, change))


def test_forward_mode_through_a_convolutional_network_is_its_slope(float64, small_network):
    layers = [
        {"kind": "conv", "filters": 2, "kernel": [3, 3], "activation": "tanh"},
        {"kind": "max-pool", "window": [2, 2]},
        {"kind": "max-pool", "window": [2, 1]},
        {"kind": "dense", "units": 10, "activation": "sigmoid"},
    ]
    changes = {"model.inputs": [1, 28, 28], "model.layers": layers, "training.dtype": "float64"}
    network = build_model(small_network(changes), key=KEY)
    image, direction = drawn(784), drawn(784, seed=1)
    step = 1e-6 * direction
    model, gradient = (jax.jit(f) for f in (network.__call__, jax.grad(lambda x: network(x).sum())))

    @jax.jit
    def along(image, direction):
        # Forward alone, and forward over reverse, as Hessians are computed.
        return [jax.jvp(function, (image,), (direction,))[1] for function in (model, gradient)]

    slope, curvature = along(image, direction)
    expected = (model(image + step) - model(image - step)) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-9)
    differences = gradient(image + step) - gradient(image - step)
    np.testing.assert_allclose(curvature, differences / 2e-6, atol=1e-8)


@pytest.mark.parametrize("window", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("activation", get_args(NeuronActivation))
def test_layer_is_the_books_activation_then_maximum(float64, activation, window):
    # The layer takes the maximum first, which is the same for functions that never fall.
    spec = Conv(kind="conv", filters=3, kernel=(3, 2), activation=activation)
    layer = ConvLayer(2, spec, NETWORK3, window=window, key=KEY, dtype=jnp.float64)
    images = drawn((4, 2, 9, 8))
    weights, biases = np.asarray(layer.weight[...]), np.asarray(layer.bias[...])
    maps = [conv_oracle.correlate(image, weights) + biases[:, None, None] for image in images]
    expected = [conv_oracle.max_pool(oracle.activate(activation, z), window) for z in maps]
    np.testing.assert_allclose(layer(jnp.asarray(images)), expected, rtol=1e-12, atol=1e-12)


def test_layer_takes_one_image_or_batches_of_batches():
    spec = Conv(kind="conv", filters=3, kernel=(3, 3), activation="tanh")
    layer = ConvLayer(1, spec, NETWORK3, window=(2, 2), key=KEY, dtype=jnp.float32)
    images = jnp.asarray(drawn((2, 3, 1, 8, 8)), jnp.float32)
    found = layer(images)
    assert found.shape == (2, 3, 3, 3, 3)
    np.testing.assert_allclose(layer(images[1, 2]), found[1, 2], rtol=1e-6)


# The book's program counts the outputs of a filter: 20 * 25 / 4 = 125 in its first convolution and
# 40 * 25 / 4 = 250 in its second; 7 * 9 / 4 = 15 leaves a remainder. Inputs are maps * 25.
DEVIATIONS = [
    ("normal-fan-out", 20, 1, (5, 5), (2, 2), 125**-0.5),
    ("normal-fan-out", 40, 20, (5, 5), (2, 2), 250**-0.5),
    ("normal-fan-out", 7, 50, (3, 3), (2, 2), 15**-0.5),
    ("normal-fan-out", 20, 20, (5, 3), (1, 1), 300**-0.5),
    ("normal-fan-out", 3, 500, (1, 1), (2, 2), 1.0),
    ("normal-fan-in", 40, 20, (5, 5), (2, 2), 500**-0.5),
    ("normal", 40, 20, (5, 5), (2, 2), 1.0),
    ("he", 40, 20, (5, 5), (2, 2), (2 / 500) ** 0.5),
    # Evenly to 6 / (500 + 40 * 25) and 6 / (180 + 10 * 9) squared; the variance is a third of it.
    ("glorot", 40, 20, (5, 5), (2, 2), (2 / 1500) ** 0.5),
    ("glorot", 10, 20, (3, 3), (1, 1), (2 / 270) ** 0.5),
]


@pytest.mark.parametrize(
    ("weights", "filters", "maps", "kernel", "window", "deviation"), DEVIATIONS
)
def test_first_kernels_have_the_mean_and_deviation_of_their_law(
    weights, filters, maps, kernel, window, deviation
):
    spec = Conv(kind="conv", filters=filters, kernel=kernel, activation="relu")
    initializer = Initializer(weights=weights, biases="normal")
    layer = ConvLayer(maps, spec, initializer, window=window, key=KEY, dtype=jnp.float32)
    kernels = np.asarray(layer.weight[...])
    assert kernels.shape == (filters, maps, *kernel)
    assert layer.bias[...].shape == (filters,)
    # Standard errors: of the mean sd/sqrt(n), of the deviation sd/sqrt(2n); five of each.
    assert kernels.mean() == pytest.approx(0, abs=5 * deviation / kernels.size**0.5)
    assert kernels.std() == pytest.approx(deviation, abs=5 * deviation / (2 * kernels.size) ** 0.5)


def test_first_weights_are_those_of_the_books_program(small_network):
    # Convolutions and dense layers by what goes out of them, softmax of zeros (ch. 6).
    conv = {"kind": "conv", "filters": 20, "kernel": [5, 5], "activation": "sigmoid"}
    pool = {"kind": "max-pool", "window": [2, 2]}
    dense = {"kind": "dense", "units": 100, "activation": "sigmoid"}
    zeros = {"weights": "zeros", "biases": "zeros"}
    softmax = {"kind": "dense", "units": 10, "activation": "softmax", "initializer": zeros}
    spec = small_network(
        {
            "model.inputs": [1, 28, 28],
            "model.layers": [conv, pool, dense, softmax],
            "model.initializer": {"weights": "normal-fan-out", "biases": "normal"},
            "loss": "log-likelihood",
        }
    )
    first, second, last = build_model(spec, key=KEY).layers
    # Five standard errors of 500 and of 288,000 draws.
    assert float(first.weight[...].std()) == pytest.approx(125**-0.5, rel=5 / 1000**0.5)
    assert second.weight[...].shape == (100, 20 * 12 * 12)
    assert float(second.weight[...].std()) == pytest.approx(0.1, rel=5 / 576_000**0.5)
    assert not last.weight[...].any()
    assert not last.bias[...].any()
