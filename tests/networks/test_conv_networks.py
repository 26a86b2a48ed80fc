"""Convolutional networks as chapter 6's program trains them, against the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from conv_oracle import Pool, backpropagate, copy_layers, feedforward
from conv_oracle import train as train_oracle

from nndl_jax import build_model, evaluate, train
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.networks import layers
from nndl_jax.training.gradients import bias_gradients
from nndl_jax.training.state import RunKeys

SOFTMAX = {
    "kind": "dense",
    "units": 10,
    "activation": "softmax",
    "initializer": {"weights": "zeros", "biases": "zeros"},
}
SIGMOIDS = {"kind": "dense", "units": 10, "activation": "sigmoid"}


def conv(filters, kernel, activation, **others):
    layer = {"kind": "conv", "filters": filters, "kernel": kernel, "activation": activation}
    return layer | others


def pool(*window):
    return {"kind": "max-pool", "window": window}


def average(*window):
    return {"kind": "average-pool", "window": window}


# The book's program: images in their order, a short mini-batch left out, lambda by mini-batches.
NETWORK3 = {
    "model.inputs": [1, 28, 28],
    "model.layers": [
        conv(2, [5, 5], "sigmoid"),
        pool(2, 2),
        # A row of 10 is left over by windows of three.
        conv(3, [3, 3], "relu"),
        pool(3, 2),
        {"kind": "dense", "units": 6, "activation": "tanh"},
        SOFTMAX,
    ],
    "model.initializer": {"weights": "normal-fan-out", "biases": "normal"},
    "data.train_images": 25,
    "loss": "log-likelihood",
    "optimizer.learning_rate": 0.5,
    "regularizer": {"l2": 0.1, "per": "batch"},
    "training.epochs": 2,
    "training.shuffle": False,
    "training.drop_short_batch": True,
    "training.dtype": "float64",
}
DOCUMENTS = {
    "convolutions with pooling": {},
    "pooling before a convolution without": {
        "model.layers": [pool(4, 4), conv(3, [2, 3], "tanh"), SOFTMAX]
    },
    "four maps and pooling twice": {
        "model.inputs": [4, 14, 14],
        "model.layers": [conv(2, [3, 4], "relu"), pool(2, 2), pool(2, 3), SIGMOIDS],
        "loss": "cross-entropy",
    },
    # 28 rows and columns are 14 by strides of two, with one row of zeros before and one after, but
    # two columns after; then 14 x 5, with places for a kernel of 2 x 1 on every third column.
    "strides, and zeros around": {
        "model.layers": [
            conv(2, [4, 5], "sigmoid", padding="same", stride=[2, 2]),
            conv(3, [2, 1], "gelu", padding="same", stride=[1, 3]),
            pool(2, 2),
            conv(2, [3, 2], "relu", stride=[2, 1]),
            SOFTMAX,
        ],
    },
    # The last windows leave a row of five over.
    "averages after a convolution and before it, and after maxima": {
        "model.layers": [
            average(2, 2),
            conv(3, [3, 3], "tanh"),
            average(2, 2),
            conv(2, [2, 2], "relu"),
            pool(1, 2),
            average(2, 2),
            SOFTMAX,
        ],
    },
}
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def half_white(small_dataset):
    """The small data set with white right halves, where many pixels share a maximum."""

    def erase(split):
        square = split.images.reshape(-1, 28, 28).copy()
        square[:, :, 14:] = 0
        return Split(square.reshape(split.images.shape), split.labels)

    splits = (small_dataset.train, small_dataset.validation, small_dataset.test)
    return Dataset("half white", *map(erase, splits))


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def maps_of(split, spec):
    return (split.images / 256).reshape(-1, *spec.model.inputs)


def worst_deviation(spec, dataset):
    """The largest difference from the oracle in a parameter or a cost, after two epochs."""
    model = build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init)
    batches = [np.arange(0, 10), np.arange(10, 20)]
    rule = oracle.Rule(spec.optimizer.learning_rate, 0.0, 0.0, spec.regularizer.l2, len(batches))
    targets = [oracle.target(label, "one-hot") for label in dataset.train.labels]
    expected, costs = train_oracle(
        copy_layers(model), maps_of(dataset.train, spec), targets, 2 * batches, spec.loss, rule
    )
    *_, result = train(spec, dataset)
    differences = [result.metrics["batch_cost"][0] - np.mean(costs[2:])]
    for ours, theirs in zip(copy_layers(result.model(0)), expected, strict=True):
        differences += [np.subtract(a, b) for a, b in zip(ours[:2], theirs[:2], strict=True)]
    return max(np.max(np.abs(difference)) for difference in differences)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("changes", DOCUMENTS.values(), ids=DOCUMENTS)
def test_epochs_are_the_oracles(small_network, half_white, changes):
    assert worst_deviation(small_network(NETWORK3 | changes), half_white) < TOLERANCE


def one_of_equals(images, window):
    """What XLA makes of pooling: one of the pixels that share a maximum gets the gradient."""
    shape = (1, 1, *window)
    return jax.lax.reduce_window(images, -jnp.inf, jax.lax.max, shape, shape, "VALID")


CONVOLVE = layers.convolve
MUTATIONS = {
    "one of equal pixels gets the gradient": ("max_pool", one_of_equals),
    "kernels flipped": (
        "convolve",
        lambda images, kernels, **kw: CONVOLVE(images, kernels[..., ::-1], **kw),
    ),
    "rows for columns": (
        "convolve",
        lambda images, kernels, **kw: CONVOLVE(images, jnp.swapaxes(kernels, 2, 3), **kw),
    ),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_breaks_the_comparison(small_network, half_white, monkeypatch, mutation):
    monkeypatch.setattr(layers, *mutation)
    assert worst_deviation(small_network(NETWORK3), half_white) > 1e6 * TOLERANCE


def test_images_are_evaluated_as_the_oracle_does(small_network, small_dataset):
    # More images than are evaluated at once; kernels count among the weights of the penalty.
    drawn = {"model.layers[5].initializer": None, "training.dtype": "float32"}
    spec = small_network(NETWORK3 | drawn)
    model = build_model(spec, key=jax.random.key(0))
    ours, labels = copy_layers(model), small_dataset.train.labels
    outputs = [feedforward(ours, image)[-1][1] for image in maps_of(small_dataset.train, spec)]
    targets = [oracle.target(label, "one-hot") for label in labels]
    costs = [oracle.cost(spec.loss, a, y) for a, y in zip(outputs, targets, strict=True)]
    squares = sum(np.sum(layer.weight**2) for layer in ours if not isinstance(layer, Pool))
    # By the number of mini-batches, as its rule for training is.
    penalty = 0.05 * squares * spec.training.batch_size / 120
    found = evaluate(model, small_dataset.train, spec)
    assert int(found.num_correct) == sum(np.argmax(outputs, axis=1) == labels)
    assert float(found.cost) == pytest.approx(np.mean(costs) + penalty, rel=1e-5)


def test_gradient_norms_pass_over_pooling(small_network, small_dataset):
    # A layer of pooling, a convolution with pooling of its own, and a dense one: two have biases.
    changes = {"model.layers": [pool(4, 4), conv(3, [2, 3], "tanh"), pool(2, 2), SIGMOIDS]}
    spec = small_network(
        NETWORK3 | changes | {"loss": "cross-entropy", "training.dtype": "float32"}
    )
    model = build_model(spec, key=jax.random.key(0))
    images, labels = maps_of(small_dataset.train, spec)[:20], small_dataset.train.labels[:20]
    by_image = [
        backpropagate(copy_layers(model), image, oracle.target(label, "one-hot"))
        for image, label in zip(images, labels, strict=True)
    ]
    convolution, dense = list(zip(*by_image, strict=True))[1:]
    expected = [np.mean([g.bias for g in layers], axis=0) for layers in (convolution, dense)]
    found = bias_gradients(model, Split(*(array[:20] for array in small_dataset.train)), spec)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)
