"""The documents of chapter 1 say what the book says; sizes of the networks of chapters 1 and 6."""

import json

import pytest

from nndl_jax.documents import SVM, Model, Network, NumberClaim
from nndl_jax.documents.load import load_spec

# Sizes, learning rate; all of section 1.5 with batches of 10, 30 epochs, quadratic cost, sigmoids.
NETWORKS = {
    "ch1-30-hidden": ([784, 30, 10], 3.0),
    "ch1-100-hidden": ([784, 100, 10], 3.0),
    "ch1-learning-rates": ([784, 100, 10], 0.001),
    "ch1-learning-rate-too-high": ([784, 30, 10], 100.0),
}
# Correct test images of 10,000 that the book prints, by epoch and by how many runs it chose from.
PRINTED = {
    "ch1-30-hidden": {
        ("best", 3): 9542,
        (0, 1): 9129,
        (1, 1): 9295,
        (2, 1): 9348,
        (27, 1): 9528,
        ("last", 1): 9534,
    },
    "ch1-100-hidden": {("best", 3): 9659},
    "ch1-learning-rates": {
        (0, 1): 1139,
        (1, 1): 1136,
        (2, 1): 1135,
        (27, 1): 2101,
        (28, 1): 2123,
        ("last", 1): 2142,
    },
    "ch1-learning-rate-too-high": {
        **{(epoch, 1): 1009 for epoch in range(4)},
        **{(epoch, 1): 982 for epoch in (27, 28, "last")},
    },
    "ch1-no-hidden-layer": {},
    "ch1-random-guess": {("last", 1): 1000},
    "ch1-average-darkness": {("last", 1): 2225},
    "ch1-svm": {("last", 1): 9435},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network_of_chapter_1_is_the_books(name):
    sizes, learning_rate = NETWORKS[name]
    spec = load_spec(name)
    assert isinstance(spec, Network)
    assert [*spec.model.inputs, *(layer.units for layer in spec.model.layers)] == sizes
    assert {(layer.activation, layer.dropout) for layer in spec.model.layers} == {("sigmoid", 0.0)}
    assert (spec.model.initializer.weights, spec.model.initializer.biases) == ("normal", "normal")
    assert spec.loss == "quadratic"
    assert (spec.optimizer.learning_rate, spec.optimizer.momentum) == (learning_rate, 0.0)
    assert (spec.regularizer.l1, spec.regularizer.l2) == (0.0, 0.0)
    assert (spec.training.epochs, spec.training.batch_size, spec.training.shuffle) == (30, 10, True)
    assert (spec.data.train_images, spec.monitors) == (None, ("test_accuracy",))


@pytest.mark.parametrize("name", PRINTED)
def test_claims_of_chapter_1_are_the_numbers_printed(name):
    claims = [claim for claim in load_spec(name).claims if isinstance(claim, NumberClaim)]
    on_test = [claim for claim in claims if claim.metric == "test_accuracy"]
    message = {(claim.epoch, claim.best_of): round(claim.value * 10_000, 6) for claim in on_test}
    assert message == PRINTED[name]
    assert len(on_test) == len(message)


def test_learning_rates_begin_at_the_too_small_one_and_end_at_1():
    (axis,) = load_spec("ch1-learning-rates").vary
    assert axis == {"optimizer.learning_rate": (0.001, 0.01, 0.1, 1.0)}


def test_network_of_the_exercise_has_no_hidden_layer():
    spec = load_spec("ch1-no-hidden-layer")
    assert [shape.outputs for shape in spec.model.shapes()] == [(10,)]


def test_support_vector_machine_is_that_of_2013():
    # scikit-learn's default gamma was 1/784, which is called `auto` today.
    spec = load_spec("ch1-svm")
    assert spec.method == SVM(kind="svm", C=1.0, gamma="auto")
    assert {claim.exact for claim in spec.claims} == {True}


_FULLY_CONNECTED = {"kind": "dense", "units": 100, "activation": "relu"}
_OUTPUT = {"kind": "dense", "units": 10, "activation": "softmax"}
_POOL = {"kind": "max-pool", "window": [2, 2]}
_CONV_1 = [{"kind": "conv", "filters": 20, "kernel": [5, 5], "activation": "relu"}, _POOL]
_CONV_2 = [{"kind": "conv", "filters": 40, "kernel": [5, 5], "activation": "relu"}, _POOL]


# Chapters 1, 3 and 6; the sums are (inputs + 1) x outputs of each layer, and for the convolutions
# 20 (25 + 1) = 520 and 40 (20 x 25 + 1) = 20,040.
@pytest.mark.parametrize(
    ("layers", "num_params"),
    [
        ([{**_FULLY_CONNECTED, "units": 30}, _OUTPUT], 23_860),
        ([_FULLY_CONNECTED, _OUTPUT], 79_510),
        ([*_CONV_1, _OUTPUT], 29_330),
        ([*_CONV_1, _FULLY_CONNECTED, _OUTPUT], 289_630),
        ([*_CONV_1, *_CONV_2, _FULLY_CONNECTED, _OUTPUT], 85_670),
        ([*_CONV_1, *_CONV_2, *[{**_FULLY_CONNECTED, "units": 1000}] * 2, _OUTPUT], 1_672_570),
    ],
)
def test_number_of_parameters_is_the_books(layers, num_params):
    assert _model(layers).num_params() == num_params


def test_shapes_of_the_convolutional_network_are_the_books():
    shapes = _model([*_CONV_1, *_CONV_2, _OUTPUT]).shapes()
    maps = [(20, 24, 24), (20, 12, 12), (40, 8, 8), (40, 4, 4)]
    assert [shape.outputs for shape in shapes] == [*maps, (10,)]


def _model(layers: list[dict[str, object]]) -> Model:
    initializer = {"weights": "normal-fan-out", "biases": "normal"}
    plain = {"inputs": [1, 28, 28], "layers": layers, "initializer": initializer}
    return Model.model_validate_json(json.dumps(plain))
