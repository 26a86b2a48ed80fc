"""How fast layers learn (ch. 5): the gradient by biases, against backpropagation."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from nndl_jax import build_model, train
from nndl_jax.data.selection import select
from nndl_jax.training import gradients
from nndl_jax.training.gradients import bias_gradients
from nndl_jax.training.state import RunKeys

KEY = jax.random.key(0)
DEEP = {"model.layers[0].repeat": 3, "loss": "cross-entropy"}
MONITORED = {
    **DEEP,
    "data.train_images": 30,
    "monitors": ["gradient_norms", "test_accuracy"],
    "regularizer.l2": 5.0,
    "training.epochs": 3,
}


def errors_of(layers, split, loss):
    """The error delta of each layer, an image to a row."""
    by_image = [
        oracle.backpropagate(layers, image / 256, oracle.target(label, "one-hot"), loss)
        for image, label in zip(*split, strict=True)
    ]
    return [np.array([g.bias for g in layers]) for layers in zip(*by_image, strict=True)]


@pytest.mark.parametrize("loss", ["quadratic", "cross-entropy"])
def test_gradients_are_the_oracles_mean_errors(small_network, small_dataset, loss):
    # By its biases, the gradient of a layer is its error (ch. 2, BP3).
    with jax.enable_x64(True):
        spec = small_network(DEEP | {"loss": loss, "training.dtype": "float64"})
        model = build_model(spec, key=KEY)
        found = bias_gradients(model, small_dataset.train, spec)
        expected = errors_of(oracle.copy_layers(model), small_dataset.train, loss)
    assert [gradient.shape for gradient in found] == [(8,), (8,), (8,), (10,)]
    for ours, errors in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, errors.mean(axis=0), rtol=1e-10, atol=1e-16)


def test_penalties_leave_bias_gradients_alone(small_network, small_dataset):
    plain, penalized = small_network(DEEP), small_network(DEEP | {"regularizer.l2": 1000.0})
    model = build_model(plain, key=KEY)
    for ours, theirs in zip(
        bias_gradients(model, small_dataset.train, plain),
        bias_gradients(model, small_dataset.train, penalized),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_dropout_is_off_where_gradients_are_measured(small_network, small_dataset):
    spec = small_network({"model.layers[1].dropout": 0.5})
    model = build_model(spec, key=KEY)
    weakened = oracle.copy_layers(model)
    weakened[1] = weakened[1]._replace(weight=0.5 * weakened[1].weight)
    expected = errors_of(weakened, small_dataset.train, spec.loss)[1].mean(axis=0)
    found = bias_gradients(model, small_dataset.train, spec)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("chunk", [50, 119, 120, 121])
def test_gradients_do_not_depend_on_chunks(small_network, small_dataset, monkeypatch, chunk):
    spec = small_network(DEEP)
    model = build_model(spec, key=KEY)
    whole = bias_gradients(model, small_dataset.train, spec)
    monkeypatch.setattr(gradients, "CHUNK", chunk)
    found = bias_gradients(model, small_dataset.train, spec)
    for ours, theirs in zip(found, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-8)


@pytest.fixture(scope="module")
def monitored(small_network, small_dataset):
    """Three epochs with their norms, the layers before each, and the images."""
    spec = small_network(MONITORED)
    first = build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init)
    results, layers = [], [oracle.copy_layers(first)]
    for result in train(spec, small_dataset):
        results.append(result)
        layers.append(oracle.copy_layers(result.model(0)))
    return results, layers, select(small_dataset, spec)["train"]


def norms_of(result):
    return [result.metrics[f"gradient_norm.{layer}"][0] for layer in range(1, 5)]


def test_norm_is_of_the_mean_before_the_epoch(monitored):
    results, layers, images = monitored
    for result, before in zip(results, layers[:-1], strict=True):
        errors = errors_of(before, images, "cross-entropy")
        expected = [np.linalg.norm(error.mean(axis=0)) for error in errors]
        np.testing.assert_allclose(norms_of(result), expected, rtol=1e-4)


def test_mean_of_norms_would_be_seen(monitored):
    results, layers, images = monitored
    errors = errors_of(layers[0], images, "cross-entropy")
    mean_of_norms = [np.linalg.norm(error, axis=1).mean() for error in errors]
    assert np.all(np.array(mean_of_norms) > 1.05 * np.array(norms_of(results[0])))


def test_norms_after_the_epoch_would_be_seen(monitored):
    results, layers, images = monitored
    errors = errors_of(layers[1], images, "cross-entropy")
    after = [np.linalg.norm(error.mean(axis=0)) for error in errors]
    assert not np.isclose(after, norms_of(results[0]), rtol=0.05).any()


def test_first_neurons_are_kept_of_the_first_measurement(monitored):
    # The book's bars: the first six neurons of a layer, before any training.
    results, layers, images = monitored
    for layer, error in enumerate(errors_of(layers[0], images, "cross-entropy"), start=1):
        found = [results[0].metrics[f"gradient.{layer}.{neuron}"][0] for neuron in range(1, 7)]
        np.testing.assert_allclose(found, error.mean(axis=0)[:6], rtol=1e-3, atol=1e-8)
        assert f"gradient.{layer}.7" not in results[0].metrics
    assert not any(name.startswith("gradient.") for name in results[1].metrics)


def test_measuring_gradients_changes_nothing(monitored, small_network, small_dataset):
    _, layers, _ = monitored
    *_, last = train(small_network(MONITORED | {"monitors": ["test_accuracy"]}), small_dataset)
    for ours, theirs in zip(oracle.copy_layers(last.model(0)), layers[-1], strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, atol=1e-6)
