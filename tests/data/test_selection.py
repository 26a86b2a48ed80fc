"""What a document reads of a data set: digits, first images, and examples of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from nndl_jax import build_model, load_mnist, train
from nndl_jax.data.datasets import SPLITS
from nndl_jax.data.selection import select
from nndl_jax.training.state import RunKeys

# Exclusive or, with a second target that is no digit.
INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
TARGETS = [[0.0, 0.5], [1.0, 0.25], [1.0, 0.75], [0.0, 1.0]]
EXAMPLES = {
    "data.examples": [{"inputs": x, "targets": y} for x, y in zip(INPUTS, TARGETS, strict=True)],
    "model.inputs": [2],
    "model.layers[1].units": 2,
    "loss": "cross-entropy",
    "regularizer.l2": 0.5,
    "training.epochs": 3,
    "training.batch_size": 3,
    "training.shuffle": False,
    "training.dtype": "float64",
    "monitors": ["train_cost", "train_output"],
}


MEASURED = ["train_cost", "validation_cost", "test_cost"]


@pytest.fixture
def choose(small_network):
    """A function from a data set and fields of `data` to the splits that a document reads of it."""

    def build(dataset, **data):
        changes = {f"data.{field}": value for field, value in data.items()}
        return select(dataset, small_network({"monitors": MEASURED, **changes}))

    return build


def contents(split):
    return [(image.tobytes(), int(label)) for image, label in zip(*split, strict=True)]


def test_everything_is_read_unless_a_document_says_otherwise(small_dataset, choose):
    for name, split in choose(small_dataset).items():
        assert contents(split) == contents(getattr(small_dataset, name))


@pytest.mark.parametrize("digits", [(0, 1), (1, 0), (7, 3, 5)])
def test_digits_are_kept_in_every_split_with_their_images(small_dataset, choose, digits):
    for name, split in choose(small_dataset, digits=digits).items():
        whole = contents(getattr(small_dataset, name))
        assert contents(split) == [(image, label) for image, label in whole if label in digits]
        assert set(split.labels) == set(digits)


def test_first_images_are_counted_after_digits_are_chosen(small_dataset, choose):
    chosen = choose(small_dataset, digits=(0, 1))
    found = choose(small_dataset, digits=(0, 1), train_images=5, validation_images=3)
    assert contents(found["train"]) == contents(chosen["train"])[:5]
    assert contents(found["validation"]) == contents(chosen["validation"])[:3]
    assert contents(found["test"]) == contents(chosen["test"])


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        ({"train_images": 7}, [7, 60, 70]),
        ({"validation_images": 5}, [120, 5, 70]),
        ({"train_images": 120, "validation_images": 60}, [120, 60, 70]),
    ],
)
def test_each_split_has_a_limit_of_its_own(small_dataset, choose, limits, sizes):
    found = choose(small_dataset, **limits)
    assert [len(found[name].labels) for name in SPLITS] == sizes
    assert contents(found["train"]) == contents(small_dataset.train)[: sizes[0]]


def test_more_images_than_there_are_is_all_of_them_and_said(small_dataset, choose):
    message = "1,000,000 train images are asked for, and the data set has 120: all 120 are taken"
    with pytest.warns(UserWarning, match=message):
        found = choose(small_dataset, train_images=1_000_000)
    assert contents(found["train"]) == contents(small_dataset.train)


def test_a_fifth_of_mnist_is_zeros_and_ones(mnist_folder, choose):
    # The book says that the data fall by about 80 %: 4,932 zeros and 5,678 ones to train on.
    found = choose(load_mnist(mnist_folder), digits=(0, 1))
    counts = {name: np.bincount(split.labels).tolist() for name, split in found.items()}
    assert counts == {"train": [4932, 5678], "validation": [991, 1064], "test": [980, 1135]}
    assert sum(counts["train"]) == 10_610


def test_monitors_are_measured_on_the_digits_chosen(small_network, small_dataset):
    spec = small_network({"data.digits": [0, 1], "loss": "cross-entropy"})
    (result,) = train(spec, small_dataset)
    kept = [label in (0, 1) for label in small_dataset.test.labels]
    images, labels = small_dataset.test.images[kept] / 256, small_dataset.test.labels[kept]
    nothing = oracle.Rule(0.0, 0.0, 0.0, 0.0, 1)
    layers = oracle.copy_layers(result.model(0))
    count, cost = oracle.evaluate(layers, images, labels, spec.loss, nothing)
    assert result.metrics["test_accuracy"][0] == count / sum(kept)
    assert result.metrics["test_cost"][0] == pytest.approx(cost, rel=1e-5)


def test_examples_take_the_place_of_images(small_dataset, small_network):
    ((name, split),) = select(small_dataset, small_network(EXAMPLES)).items()
    assert (name, split.images.tolist(), split.labels.tolist()) == ("train", INPUTS, TARGETS)
    assert split.images.dtype == np.float64


def oracle_training(spec):
    """The oracle's layers after three epochs of mini-batches of three examples and of one."""
    layers = oracle.copy_layers(build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init))
    batches = [np.array([0, 1, 2]), np.array([3])] * 3
    rule = oracle.Rule(spec.optimizer.learning_rate, 0.0, 0.0, 0.5, divisor=4)
    return oracle.train(layers, np.array(INPUTS), np.array(TARGETS), batches, spec.loss, rule)[0]


def test_examples_are_learnt_as_the_oracle_learns_them(small_network, small_dataset):
    with jax.enable_x64(True):
        spec = small_network(EXAMPLES)
        *_, result = train(spec, small_dataset)
        expected = oracle_training(spec)
        found = oracle.copy_layers(result.model(0))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-12)
        np.testing.assert_allclose(ours.bias, theirs.bias, rtol=1e-12)


def test_examples_are_measured_by_cost_and_first_output(small_network, small_dataset):
    with jax.enable_x64(True):
        spec = small_network(EXAMPLES)
        *_, result = train(spec, small_dataset)
        layers = oracle.copy_layers(result.model(0))
    outputs = [oracle.feedforward(layers, np.array(x))[-1][1] for x in INPUTS]
    costs = [oracle.cost(spec.loss, a, np.array(y)) for a, y in zip(outputs, TARGETS, strict=True)]
    penalty = 0.5 / 2 * sum(np.sum(layer.weight**2) for layer in layers) / 4
    assert result.metrics["train_cost"][0] == pytest.approx(np.mean(costs) + penalty, rel=1e-12)
    first = np.mean([a[0] for a in outputs])
    assert result.metrics["train_output"][0] == pytest.approx(first, rel=1e-12)


def test_output_is_the_mean_over_images_as_well(small_network, small_dataset):
    (result,) = train(small_network({"monitors": ["train_output"]}), small_dataset)
    layers = oracle.copy_layers(result.model(0))
    images = small_dataset.train.images / 256
    first = np.mean([oracle.feedforward(layers, image)[-1][1][0] for image in images])
    assert result.metrics["train_output"][0] == pytest.approx(first, rel=1e-5)
