"""Networks of data that are not MNIST: sizes, classes and scales are those of the data."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from nndl_jax import Dataset, SpecError, Split, build_model, evaluate, load, predict, save, train
from nndl_jax.documents.load import parse_spec
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.training.evaluation import read_evaluation
from nndl_jax.training.fingerprint import fingerprint

NETWORK = """
kind: network
id: flowers
title: A small network
data: {DATA}
model:
  inputs: [4]
  layers:
    - {kind: dense, units: 3, activation: OUTPUT}
  initializer: {weights: normal-fan-in, biases: zeros}
loss: LOSS
optimizer: {learning_rate: 0.1}
training: {epochs: 2, batch_size: 5}
monitors: [MONITOR]
"""
rng = np.random.default_rng(0)
INPUTS = rng.normal([10, -3, 0, 0.5], [5, 1, 0, 0.01], (20, 4))


def document(data, *, output="softmax", loss="log-likelihood", monitor="test_accuracy"):
    text = NETWORK.replace("DATA", data).replace("OUTPUT", output).replace("LOSS", loss)
    return parse_spec(text.replace("MONITOR", monitor), Path("flowers.yaml"))


def trained(spec, data):
    *_, last = train(spec, data, seeds=[3])
    return last


@pytest.fixture(scope="module")
def flowers() -> Dataset:
    return Dataset.from_arrays(INPUTS, ["a", "b", "c", "b"] * 5, name="flowers")


def test_a_network_learns_classes_of_a_table(flowers):
    result = trained(document("name: ./flowers.csv"), flowers)
    assert predict(result.model(0), flowers.test, result.spec(0)).shape == (4,)
    assert 0 <= result.metrics["test_accuracy"][0] <= 1


def test_each_class_of_a_table_has_an_accuracy(flowers):
    result = trained(document("name: iris", monitor="test_digit_accuracy"), flowers)
    labels = flowers.test.labels
    is_right = predict(result.model(0), flowers.test, result.spec(0)) == labels
    for label in range(3):
        found = result.metrics[f"test_digit_accuracy.{label}"][0]
        assert found == pytest.approx(is_right[labels == label].mean())


def test_standardized_inputs_are_scaled_by_those_it_is_trained_on(flowers):
    result = trained(document("name: iris, standardize: true"), flowers)
    scaling = result.spec(0).data.scaling
    train_images = flowers.train.images
    np.testing.assert_allclose(scaling.means, train_images.mean(axis=0), rtol=1e-12)
    expected = train_images.std(axis=0)
    # The third input is always 0, and stays so.
    np.testing.assert_allclose(scaling.deviations, [*expected[:2], 1.0, expected[3]], rtol=1e-12)


def test_a_saved_network_scales_as_it_was_trained(flowers, tmp_path):
    spec = document("name: iris, standardize: true")
    result = trained(spec, flowers)
    save(result.model(0), result.spec(0), tmp_path / "weights.safetensors")
    model, loaded = load(tmp_path / "weights.safetensors")
    found = evaluate(model, flowers.test, loaded)
    assert float(found.accuracy) == result.metrics["test_accuracy"][0]
    means, deviations = (np.array(numbers) for numbers in loaded.data.scaling.__dict__.values())
    scaled = ((flowers.test.images - means) / deviations).astype(np.float32)
    plain = document("name: iris")
    np.testing.assert_array_equal(
        predict(model, flowers.test, loaded), predict(model, scaled, plain)
    )


def test_a_network_whose_scale_is_not_known_is_not_measured(flowers):
    spec = document("name: iris, standardize: true")
    model = build_model(spec, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"flowers: data.standardize asks for .* result.spec\(i\)"):
        evaluate(model, flowers.test, spec)


def test_a_network_is_not_saved_without_the_scale_it_was_trained_with(flowers, tmp_path):
    spec = document("name: iris, standardize: true")
    model = build_model(spec, key=jax.random.key(0))
    with pytest.raises(
        SpecError, match=r"^flowers: data.scaling: is missing, .* result.spec\(i\)$"
    ):
        save(model, spec, tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())


def test_targets_of_real_numbers_are_come_near_to():
    spec = document(
        "name: ./own.csv, targets: real", output="linear", loss="quadratic", monitor="test_cost"
    )
    inputs = INPUTS / [20, 5, 1, 1]
    data = Dataset.from_arrays(inputs, inputs @ np.ones((4, 3)))
    result = trained(spec, data)
    outputs = predict(result.model(0), data.test, result.spec(0))
    assert outputs.shape == data.test.labels.shape
    cost = 0.5 * ((outputs - data.test.labels) ** 2).sum(axis=1).mean()
    assert result.metrics["test_cost"][0] == pytest.approx(cost, rel=1e-5)


def test_images_of_three_maps_are_learnt_in_any_layout():
    text = NETWORK.replace("inputs: [4]", "inputs: [3, 4, 4]").replace("DATA", "name: ./own.npz")
    text = text.replace("OUTPUT", "softmax").replace("LOSS", "log-likelihood")
    spec = parse_spec(text.replace("MONITOR", "test_accuracy"), Path("flowers.yaml"))
    pictures = rng.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    data = Dataset.from_arrays(pictures, [0, 1, 2] * 4)
    result = trained(spec, data)
    found = predict(result.model(0), pictures, spec)
    rows = np.moveaxis(pictures, -1, 1).reshape(12, -1)
    np.testing.assert_array_equal(found, predict(result.model(0), rows, spec))
    whole = predict(result.model(0), pictures.astype(np.int64), spec)  # Bytes as they were learnt.
    np.testing.assert_array_equal(found, whole)
    learnt = trained(
        spec, data._replace(train=Split(data.train.images.astype(int), data.train.labels))
    )
    assert learnt.metrics["batch_cost"] == result.metrics["batch_cost"]


def test_a_network_is_held_against_the_data_by_name(flowers, small_network):
    with pytest.raises(ValueError, match=re.escape("small wants 784 inputs, flowers has 4; give")):
        next(train(small_network(), flowers))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"] * 10, "flowers has 3 outputs, two has 2 classes; give other data, or a last"),
        (np.linspace(0, 1, 20), "flowers learns classes, and labels of two are real numbers; giv"),
    ],
)
def test_other_classes_are_refused_by_name(labels, message):
    data = Dataset.from_arrays(INPUTS, labels, name="two")
    with pytest.raises(ValueError, match=re.escape(message)):
        next(train(document("name: ./own.csv"), data))


def test_mean_squared_error_and_r2_are_those_of_the_predictions():
    data = Dataset.from_arrays(INPUTS, 1_000 + rng.normal(0, [1, 5, 9], (20, 3)))
    options = {"output": "linear", "loss": "quadratic"}
    spec = document("name: ./own.csv, targets: real", **options, monitor="test_mse, test_r2")
    model = build_model(spec, key=jax.random.key(0))
    found = evaluate(model, data.test, spec)
    outputs, targets = np.float64(predict(model, data.test, spec)), data.test.labels
    errors = (outputs - targets) ** 2
    expected = {"test_mse": errors.mean()}
    expected["test_r2"] = (1 - errors.sum(axis=0) / (targets.var(axis=0) * len(targets))).mean()
    for name, value in expected.items():
        metric = parse_metric(name)
        measured = read_evaluation(metric, metric.quantity, found)[name]
        assert measured == pytest.approx(value, rel=1e-4)


def test_r2_is_no_number_where_targets_do_not_vary():
    options = {"output": "linear", "loss": "quadratic", "monitor": "test_r2"}
    spec = document("name: ./own.csv, targets: real", **options)
    model = build_model(spec, key=jax.random.key(0))
    found = evaluate(model, Split(INPUTS, np.ones((20, 3))), spec)
    metric = parse_metric("test_r2")
    assert np.isnan(read_evaluation(metric, metric.quantity, found)["test_r2"])


@pytest.mark.parametrize(
    ("monitor", "sentence"),
    [
        ("test_r2", "takes targets of real numbers, and data.targets is 'one-hot'; monitor test_c"),
    ],
)
def test_a_monitor_of_other_data_is_refused(monitor, sentence):
    with pytest.raises(SpecError, match=re.escape(sentence)):
        document("name: iris", monitor=monitor)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("name: iriss", {}, "data.name: there is no data set 'iriss'; did you mean 'iris'?"),
        ("name: diabetes", {}, "data: diabetes has targets of real numbers, got 'one-hot'"),
        ("name: fashion-mnist", {}, "the last layer must have 10 outputs for one-hot targets of"),
        ("name: iris, targets: real", {}, "data.targets: iris has labels of classes, got 'real'; "),
        ("name: iris, target: x", {}, "data.target: is a column of a table, and iris is none; lea"),
        ("name: emnist-letters, targets: binary", {}, "four bits spell at most 16 classes, and em"),
        ("name: ./a.csv, targets: real", {}, "loss: must be quadratic for targets of real numbers"),
        (
            "name: ./a.csv, targets: real",
            {"loss": "quadratic", "output": "linear"},
            "monitors[0]: targets of real numbers are no classes to guess, got 'test_accuracy'; mo",
        ),
        (
            "name: ./a.npz, augmentation: {kind: shifts}",
            {},
            "data.augmentation: is of images of 28 x 28 pixels, and those of ./a.npz need not be",
        ),
        (
            "name: ./a.csv, scaling: {means: [0], deviations: [0]}",
            {},
            "data.scaling.deviations[0]: must be above 0, got 0",
        ),
        (
            "name: ./a.csv, scaling: {means: [0, 1], deviations: [1]}",
            {},
            "data.scaling.deviations: must be as many as means, 2, got 1",
        ),
        ("name: ./a.csv, targets: real, digits: [0, 1]", {}, "data.digits: are labels, and these"),
    ],
)
def test_a_document_that_does_not_fit_its_data_is_refused(data, options, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        document(data, **options)


def test_inputs_of_a_document_are_those_of_the_data_it_names():
    text = NETWORK.replace("inputs: [4]", "inputs: [784]").replace("DATA", "name: iris")
    text = text.replace("OUTPUT", "softmax").replace("LOSS", "log-likelihood")
    with pytest.raises(SpecError, match=re.escape("flowers wants 784 inputs, iris has 4; got inp")):
        parse_spec(text.replace("MONITOR", "test_accuracy"), Path("flowers.yaml"))


@pytest.mark.parametrize("data", ["name: iris", "name: iris, standardize: true", "name: ./a.csv"])
def test_a_document_of_other_data_has_a_fingerprint(data):
    assert fingerprint(document(data), [0])["programs"]


def test_labels_that_are_no_classes_are_refused(flowers):
    spec = document("name: ./own.csv")
    model = build_model(spec, key=jax.random.key(0))
    with pytest.raises(ValueError, match="labels go from 3 to 3; 3 classes are 0 to 2"):
        evaluate(model, Split(INPUTS[:1], [3]), spec)
    with pytest.raises(ValueError, match=r"images have the shape \(1, 5\); give \(inputs, 4\)"):
        predict(model, np.zeros((1, 5)), spec)


def test_variants_learn_the_same_data():
    text = NETWORK.replace("DATA", "name: iris") + "vary: [{data.name: [iris, ./flowers.csv]}]\n"
    text = text.replace("OUTPUT", "softmax").replace("LOSS", "log-likelihood")
    with pytest.raises(
        SpecError, match="cannot be varied, as a training reads one data set; write"
    ):
        parse_spec(text.replace("MONITOR", "test_accuracy"), Path("flowers.yaml"))
