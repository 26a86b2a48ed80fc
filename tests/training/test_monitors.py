"""What documents may monitor beside accuracies and costs, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from scipy import special

from nndl_jax import build_model, evaluate, predict, train
from nndl_jax.documents.metrics import OfImages, parse_metric
from nndl_jax.reading.faults import SpecError
from nndl_jax.training.evaluation import read_evaluation
from nndl_jax.training.measuring import num_in_top_two
from nndl_jax.training.state import RunKeys

KEY = jax.random.key(0)


@pytest.fixture
def measured(small_network, small_dataset):
    """Values of a monitor on the test images by name, and the network that they are of."""

    def measure(monitor, changes=None):
        spec = small_network({"monitors": [monitor], **(changes or {})})
        model = build_model(spec, key=KEY)
        metric = parse_metric(monitor)
        assert isinstance(metric.quantity, OfImages)
        found = evaluate(model, small_dataset.test, spec)
        return read_evaluation(metric, metric.quantity, found), model

    return measure


def test_errors_are_counted(measured, small_dataset):
    found, model = measured("test_errors")
    wrong = predict(model, small_dataset.test) != small_dataset.test.labels
    assert 0 < found["test_errors"] == wrong.sum()


def test_of_two_guesses_one_is_the_digit(measured, small_dataset):
    found, model = measured("test_top2_accuracy")
    images, labels = small_dataset.test
    outputs = np.asarray(model(jnp.asarray(images / 256, jnp.float32)))
    guesses = np.argsort(-outputs, axis=1, kind="stable")[:, :2]
    share = np.mean((guesses == labels[:, None]).any(axis=1))
    assert 0 < share < 1
    assert found["test_top2_accuracy"] == pytest.approx(share)


def test_of_equal_outputs_the_first_are_guessed():
    outputs = jnp.array([[0.5, 0.5, 0.5, 0.1]] * 4)
    assert int(num_in_top_two(outputs, jnp.arange(4))) == 2


def test_what_is_no_number_is_no_guess():
    outputs = jnp.full((1, 4), jnp.nan)
    assert int(num_in_top_two(outputs, jnp.array([0]))) == 0


def test_binary_targets_have_no_second_guess(small_network):
    changes = {"model.layers[1].units": 4, "data.targets": "binary"}
    with pytest.raises(SpecError, match=r"monitors\[0\]: takes an output for each digit, .*binary"):
        small_network({"monitors": ["test_top2_accuracy"], **changes})


def test_each_digit_has_an_accuracy(measured, small_dataset):
    found, model = measured("test_digit_accuracy")
    images, labels = small_dataset.test
    is_right = predict(model, images) == labels
    expected = {f"test_digit_accuracy.{digit}": is_right[labels == digit].mean()
                for digit in np.unique(labels)}  # fmt: skip
    assert found == pytest.approx(expected)
    assert len(set(expected.values())) > 1


def test_a_digit_is_unlearned_where_less_than_half_of_its_images_are_right(measured, small_dataset):
    found, model = measured("test_unlearned")
    images, labels = small_dataset.test
    is_right = predict(model, images) == labels
    shares = [is_right[labels == digit].mean() for digit in np.unique(labels)]
    assert found == {"test_unlearned": sum(share < 0.5 for share in shares)}
    assert 0 < found["test_unlearned"] < 10


def test_digits_that_are_left_out_are_not_unlearned(small_network, small_dataset):
    changes = {"data.digits": [0, 1], "monitors": ["test_unlearned", "test_digit_accuracy"]}
    (result,) = train(small_network(changes), small_dataset)
    shares = [result.metrics[f"test_digit_accuracy.{digit}"][0] for digit in (0, 1)]
    assert result.metrics["test_unlearned"] == sum(share < 0.5 for share in shares)


def test_digits_that_are_left_out_have_no_accuracy(measured, small_network):
    changes = {"data.digits": [0, 1]}
    metrics = small_network({"monitors": ["test_digit_accuracy"], **changes}).metrics()
    assert metrics == ("test_digit_accuracy.0", "test_digit_accuracy.1")


def test_norms_by_weights_are_of_the_mean_over_the_training_images(small_network, small_dataset):
    spec = small_network({"monitors": ["weight_gradient_norms"], "loss": "cross-entropy"})
    (result,) = train(spec, small_dataset)
    layers = oracle.copy_layers(build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init))
    inputs = small_dataset.train.images / 256
    hidden = special.expit(inputs @ layers[0].weight.T + layers[0].bias)
    outputs = special.expit(hidden @ layers[1].weight.T + layers[1].bias)
    # BP1 of the cross-entropy, BP2 and BP4 (ch. 2): delta = a - y, and the mean of delta a^T.
    delta = outputs - np.eye(10)[small_dataset.train.labels]
    before = (delta @ layers[1].weight) * hidden * (1 - hidden)
    gradients = before.T @ inputs, delta.T @ hidden
    expected = [np.linalg.norm(gradient / len(inputs)) for gradient in gradients]
    found = [result.metrics[f"weight_gradient_norm.{layer}"][0] for layer in (1, 2)]
    assert found == pytest.approx(expected, rel=1e-4)
    assert not [name for name in result.metrics if name.startswith("gradient")]


def test_saturation_is_the_share_of_neurons_and_images_of_small_slope(measured, small_dataset):
    found, model = measured("test_saturation", {"model.initializer.weights": "normal"})
    layers = oracle.copy_layers(model)
    hidden = special.expit(small_dataset.test.images / 256 @ layers[0].weight.T + layers[0].bias)
    outputs = special.expit(hidden @ layers[1].weight.T + layers[1].bias)
    expected = [
        np.mean(activations * (1 - activations) < 0.025) for activations in (hidden, outputs)
    ]
    assert 0 < expected[1] < expected[0] < 1
    assert found == pytest.approx({f"test_saturation.{at}": expected[at - 1] for at in (1, 2)})


def test_neurons_of_a_convolution_are_those_before_pooling(measured, small_dataset):
    conv = {"kind": "conv", "filters": 2, "kernel": [1, 1], "activation": "relu"}
    layers = [conv, {"kind": "max-pool", "window": [2, 2]},
              {"kind": "dense", "units": 10, "activation": "sigmoid"}]  # fmt: skip
    found, model = measured(
        "test_saturation", {"model.inputs": [1, 28, 28], "model.layers": layers}
    )
    kernels, biases = (
        np.asarray(variable[...]) for variable in (model.layers[0].weight, model.layers[0].bias)
    )
    # A kernel of one pixel makes z = w x + b of each pixel; a rectifier is saturated at z <= 0.
    pixels = small_dataset.test.images[:, :, None] / 256
    share = np.mean(pixels * kernels.reshape(-1) + biases <= 0)
    assert set(found) == {"test_saturation.1", "test_saturation.2"}
    assert found["test_saturation.1"] == pytest.approx(share)
    assert 0 < share < 1


def test_training_tells_of_saturation_by_run(small_network, small_dataset):
    changes = {"monitors": ["test_saturation"], "vary": [{"optimizer.learning_rate": [0.5, 3.0]}]}
    spec = small_network(changes)
    *_, last = train(spec, small_dataset)
    names = [name for name in last.metrics if name.startswith("test_saturation")]
    assert names == list(spec.metrics()) == ["test_saturation.1", "test_saturation.2"]
    for run in (0, 1):
        alone = evaluate(last.model(run), small_dataset.test, last.spec(run))
        metric = parse_metric("test_saturation")
        assert isinstance(metric.quantity, OfImages)
        expected = read_evaluation(metric, metric.quantity, alone)
        for name in names:
            assert last.metrics[name][run] == pytest.approx(float(expected[name]))


def test_no_value_of_saturation_is_better(small_network):
    stop = {"rule": "no-improvement", "patience": 3, "metric": "test_saturation.1"}
    changes = {"monitors": ["test_saturation"], "training.early_stopping": stop}
    with pytest.raises(SpecError, match=r"watches test_saturation\.1, of which no value is better"):
        small_network(changes)
