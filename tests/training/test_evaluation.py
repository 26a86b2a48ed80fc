"""Accuracy and cost of a network on a split, against the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from nndl_jax import (
    build_model,
    confusion_matrix,
    evaluate,
    misclassified,
    predict,
    train,
)
from nndl_jax.data.datasets import Split
from nndl_jax.networks.targets import pixels
from nndl_jax.training import measuring, prediction
from nndl_jax.training.measuring import CHUNK

KEY = jax.random.key(0)
PENALTIES = {
    "none": {},
    "L1 and L2": {"regularizer.l2": 5.0, "regularizer.l1": 0.5},
}
LOSSES = {
    "quadratic": {},
    "cross-entropy": {"loss": "cross-entropy"},
    "log-likelihood": {"loss": "log-likelihood", "model.layers[1].activation": "softmax"},
}


def expected(model, split, spec):
    """The oracle's evaluation; penalties are divided by the number of images of this split."""
    l1, l2, n = spec.regularizer.l1, spec.regularizer.l2, len(split.labels)
    return oracle.evaluate(
        oracle.copy_layers(model),
        split.images / 256,
        split.labels,
        spec.loss,
        oracle.Rule(learning_rate=0, momentum=0, l1=l1, l2=l2, divisor=n),
    )


@pytest.mark.parametrize("penalties", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_count_and_cost_are_the_oracles(small_network, small_dataset, loss, penalties):
    spec = small_network({**loss, **penalties})
    model = build_model(spec, key=KEY)
    found = evaluate(model, small_dataset.test, spec)
    count, cost = expected(model, small_dataset.test, spec)
    assert int(found.num_correct) == count
    assert float(found.cost) == pytest.approx(cost, rel=1e-5)


def test_penalties_per_mini_batch_are_divided_by_mini_batches(small_network, small_dataset):
    # As many mini-batches as images by their size: the penalty is that many times larger.
    changes = {"regularizer.l2": 5.0, "training.batch_size": 4, "regularizer.per": "batch"}
    spec = small_network(changes)
    model = build_model(spec, key=KEY)
    by_image = small_network({"regularizer.l2": 20.0})
    found = evaluate(model, small_dataset.test, spec)
    assert float(found.cost) == pytest.approx(
        expected(model, small_dataset.test, by_image)[1], rel=1e-5
    )


@pytest.mark.parametrize("num_images", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_splits_of_any_size_are_evaluated_whole(small_network, num_images):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (num_images, 784), dtype=np.uint8)
    split = Split(images, rng.integers(0, 10, num_images).astype(np.int32))
    spec = small_network({"regularizer.l2": 5.0})
    model = build_model(spec, key=KEY)
    found = evaluate(model, split, spec)
    count, cost = expected(model, split, spec)
    assert (int(found.num_correct), int(found.num_images)) == (count, num_images)
    assert float(found.cost) == pytest.approx(cost, rel=1e-5)


def test_accuracy_is_an_exact_fraction(small_network, small_dataset):
    spec = small_network()
    found = evaluate(build_model(spec, key=KEY), small_dataset.test, spec)
    # In float32 a count of 70 images would be off by up to 3e-8.
    assert found.accuracy == int(found.num_correct) / 70
    assert found.accuracy.dtype == np.float64


@pytest.mark.parametrize(("ask_fn", "module"), [(evaluate, measuring), (predict, prediction)])
def test_matrices_are_multiplied_as_precisely_as_the_document_says(
    small_network, small_dataset, monkeypatch, ask_fn, module
):
    seen = []

    def spy(images, spec):
        seen.append(jax.config.jax_default_matmul_precision)  # pyright: ignore
        return pixels(images, spec)

    monkeypatch.setattr(module, "pixels", spy)
    spec = small_network({"training.matmul_precision": "high"})
    ask_fn(build_model(spec, key=KEY), small_dataset.test, spec)
    assert set(seen) == {"high"}


def test_numbers_that_are_no_digits_are_wrong(small_network, small_dataset):
    # Large biases set all four bits: the number 15.
    four_bits = {"data.targets": "binary", "model.layers[1].units": 4}
    initializer = {"weights": "zeros", "biases": 9.0}
    spec = small_network({**four_bits, "model.initializer": initializer})
    found = evaluate(build_model(spec, key=KEY), small_dataset.test, spec)
    assert int(found.num_correct) == 0


def test_what_is_misclassified_comes_with_the_output_for_what_was_guessed(
    small_network, small_dataset
):
    spec = small_network()
    model, split = build_model(spec, key=KEY), small_dataset.test
    found = misclassified(model, split, spec)
    guesses = predict(model, split, spec)
    assert sorted(found.images) == np.flatnonzero(guesses != split.labels).tolist()
    np.testing.assert_array_equal(found.labels, split.labels[found.images])
    np.testing.assert_array_equal(found.guesses, guesses[found.images])
    outputs = np.asarray(model(pixels(jnp.asarray(split.images), spec)))[found.images]
    np.testing.assert_allclose(found.certainties, outputs.max(axis=1), rtol=1e-6)
    assert (np.diff(found.certainties) <= 0).all()


def test_outputs_that_stand_for_no_class_say_nothing_of_certainty(small_network, small_dataset):
    spec = small_network({"data.targets": "binary", "model.layers[1].units": 4})
    with pytest.raises(ValueError, match="has no output for each class"):
        misclassified(build_model(spec, key=KEY), small_dataset.test, spec)


def test_pixels_are_bytes_divided_by_256(small_network):
    images = jnp.array([0, 1, 128, 255], jnp.uint8)
    assert pixels(images, small_network()).tolist() == [0, 1 / 256, 0.5, 255 / 256]


def test_monitors_are_evaluations_of_the_images_asked_for(small_network, small_dataset):
    first = {"data.train_images": 35, "data.validation_images": 7, "regularizer.l2": 5.0}
    monitors = ["train_accuracy", "train_cost", "validation_cost", "test_accuracy", "test_cost"]
    spec = small_network({"monitors": monitors, **first})
    (result,) = train(spec, small_dataset)
    sizes = {"train": 35, "validation": 7, "test": 70}
    for monitor in monitors:
        name, quantity = monitor.split("_")
        part = Split(*(array[: sizes[name]] for array in getattr(small_dataset, name)))
        found = float(getattr(evaluate(result.model(0), part, spec), quantity))
        assert result.metrics[monitor][0] == pytest.approx(found, rel=1e-6)


def test_images_are_counted_by_digit_and_by_what_the_network_takes_them_for(
    small_network, small_dataset
):
    model = build_model(small_network(), key=KEY)
    found = confusion_matrix(model, small_dataset.test)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (small_dataset.test.labels, predict(model, small_dataset.test)), 1)
    assert found.tolist() == expected.tolist()


def test_four_bits_can_spell_what_is_no_digit(small_network, small_dataset):
    spec = small_network({"model.layers[1].units": 4, "data.targets": "binary"})
    found = confusion_matrix(build_model(spec, key=KEY), small_dataset.test)
    assert found.shape == (10, 16)
    assert found.sum() == len(small_dataset.test.labels)


def test_real_numbers_are_taken_for_no_class(small_network, small_dataset):
    output = {"kind": "dense", "units": 1, "activation": "linear"}
    spec = small_network(
        {
            "data": {"name": "diabetes", "targets": "real"},
            "model.inputs": [10],
            "model.layers": [output],
            "monitors": ["test_cost"],
        }
    )
    with pytest.raises(ValueError, match="has outputs of real numbers, which take nothing for a"):
        confusion_matrix(build_model(spec, key=KEY), small_dataset.test)
