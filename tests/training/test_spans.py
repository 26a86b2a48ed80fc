"""Measurements: of every so many epochs, of variants that have epochs of their own."""

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh

from nndl_jax import DivergenceError, train, variants

# Whatever is drawn or remembered from epoch to epoch: dropped neurons, orders, velocities.
SEVEN_EPOCHS = {
    "model.layers[1].dropout": 0.5,
    "optimizer.momentum": 0.5,
    "regularizer.l2": 5.0,
    "training.epochs": 7,
    "training.batch_size": 50,
    "monitors": ["test_accuracy", "test_cost"],
}
EPOCHS_OF_THEIR_OWN = {
    **SEVEN_EPOCHS,
    "vary": [{"training.epochs": [2, 5], "optimizer.learning_rate": [3.0, 3.0]}],
}
ONE_DEVICE = Mesh(np.asarray(jax.devices()[:1]), ("runs",))


def weights_of(result, index=0):
    leaves = jax.tree.leaves(nnx.state(result.model(index), nnx.Param))
    return [np.asarray(leaf).tobytes() for leaf in leaves]


def train_all(spec, dataset, **settings):
    """The results of a training, each with the weights of its runs."""
    results = train(spec, dataset, mesh=ONE_DEVICE, **settings)
    return [
        (result, [weights_of(result, i) for i in range(len(result.runs))]) for result in results
    ]


@pytest.fixture(scope="module")
def every_epoch(small_network, small_dataset):
    return train_all(small_network(SEVEN_EPOCHS), small_dataset, seeds=[0, 1])


@pytest.fixture(scope="module", params=[2, 3, 100])
def spans(request, small_network, small_dataset):
    """The same training, measured less often: how often, and its results."""
    spec = small_network(SEVEN_EPOCHS | {"training.evaluate_every": request.param})
    return request.param, train_all(spec, small_dataset, seeds=[0, 1])


def test_last_epoch_of_each_span_is_measured_and_the_last_of_all(spans):
    every, results = spans
    expected = {2: [1, 3, 5, 6], 3: [2, 5, 6], 100: [6]}[every]
    assert [result.epoch for result, _ in results] == expected
    assert [result.number for result, _ in results] == list(range(len(expected)))
    assert [result.is_last for result, _ in results].index(True) == len(expected) - 1


def test_weights_are_bit_for_bit_those_of_training_measured_every_epoch(spans, every_epoch):
    for result, weights in spans[1]:
        assert weights == every_epoch[result.epoch][1]


def test_measurements_are_those_of_their_epoch(spans, every_epoch):
    for result, _ in spans[1]:
        for name in ("test_accuracy", "test_cost"):
            expected = every_epoch[result.epoch][0].metrics[name]
            np.testing.assert_array_equal(result.metrics[name], expected)


def test_batch_cost_is_the_mean_over_the_span(spans, every_epoch):
    costs = np.array([result.metrics["batch_cost"] for result, _ in every_epoch])
    start = 0
    for result, _ in spans[1]:
        expected = costs[start : result.epoch + 1].mean(axis=0)
        np.testing.assert_allclose(result.metrics["batch_cost"], expected, rtol=1e-6)
        start = result.epoch + 1


def test_spans_are_resumed_with_the_bits_of_uninterrupted(small_network, small_dataset):
    spec = small_network(SEVEN_EPOCHS | {"training.evaluate_every": 3})
    whole = train_all(spec, small_dataset)
    first = next(train(spec, small_dataset, mesh=ONE_DEVICE)).snapshot()
    resumed = train_all(spec, small_dataset, resume=first)
    assert [result.epoch for result, _ in resumed] == [5, 6]
    assert [weights for _, weights in resumed] == [weights for _, weights in whole[1:]]


def test_divergence_is_found_in_the_middle_of_a_span(small_network, small_dataset):
    changes = {
        "model.layers[0].activation": "linear",
        "model.layers[1].activation": "linear",
        "optimizer.learning_rate": 1.0,
        "training.epochs": 40,
        "training.batch_size": 60,
    }
    messages = []
    for every in (1, 15):
        spec = small_network(changes | {"training.evaluate_every": every})
        with pytest.raises(DivergenceError) as caught:
            list(train(spec, small_dataset))
        messages.append(str(caught.value).partition(" became ")[2].partition(" at ")[2])
    # Steps 3 and 4 of all are the two of the second epoch.
    assert messages[0].startswith("epoch 1, step 1, with")
    assert messages[1] == messages[0]


def test_diverged_run_goes_on_where_the_document_allows_it(small_network, small_dataset):
    changes = {
        "model.layers[0].activation": "linear",
        "model.layers[1].activation": "linear",
        "training.epochs": 4,
        "training.allow_divergence": True,
        "vary": [{"optimizer.learning_rate": [1e-4, 10.0]}],
    }
    spec = small_network(changes)
    results = train_all(spec, small_dataset)
    alone = train_all(variants(spec)[0].spec, small_dataset)
    for number, ((result, weights), (_, own)) in enumerate(zip(results, alone, strict=True)):
        assert result.epochs.tolist() == [number, number]
        assert np.isfinite(result.metrics["test_cost"]).tolist() == [True, False]
        assert weights[0] == own[0]


@pytest.fixture(scope="module")
def own_epochs(small_network, small_dataset):
    """A variant of two epochs beside one of five: document, results, weights and snapshots."""
    spec = small_network(EPOCHS_OF_THEIR_OWN)
    results, weights, snapshots = [], [], []
    for result in train(spec, small_dataset, mesh=ONE_DEVICE):
        results.append(result)
        weights.append([weights_of(result, index) for index in range(2)])
        snapshots.append(result.snapshot())
    return spec, results, weights, snapshots


def test_variants_have_epochs_of_their_own(own_epochs):
    _, results, _, _ = own_epochs
    epochs = np.array([result.epochs for result in results]).T
    assert epochs.tolist() == [[0, 1, -1, -1, -1], [0, 1, 2, 3, 4]]
    for result in results:
        for values in result.metrics.values():
            np.testing.assert_array_equal(np.isnan(values), result.epochs < 0)


@pytest.mark.parametrize("index", [0, 1])
def test_variant_with_its_own_epochs_has_the_bits_of_the_run_alone(
    own_epochs, small_dataset, index
):
    spec, _, weights, _ = own_epochs
    alone = [networks[0] for _, networks in train_all(variants(spec)[index].spec, small_dataset)]
    assert len(alone) == [2, 5][index]
    assert alone == [networks[index] for networks in weights[: len(alone)]]
    assert weights[-1][index] == alone[-1]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_variants_with_epochs_of_their_own_are_resumed(own_epochs, small_dataset, number):
    spec, _, weights, snapshots = own_epochs
    resumed = train_all(spec, small_dataset, resume=snapshots[number])
    assert [networks for _, networks in resumed] == weights[number + 1 :]
