"""The author's draws, against his scripts written again with Python's and NumPy's generators."""

import random
from itertools import islice

import his_scripts
import jax
import numpy as np
import oracle
import pytest
from his_scripts import SEED

from nndl_jax import train
from nndl_jax.documents import Replay
from nndl_jax.training import replay
from nndl_jax.training.replay import epoch_orders, initial_layers

SIZES = [784, 8, 10]


@pytest.fixture(autouse=True)
def _global_generators():
    """Seeding NumPy's global generator, as his scripts do, must not reach other tests."""
    state = np.random.get_state()
    yield
    np.random.set_state(state)


def assert_drawn(network, spec, **replay):
    """The library draws what his network holds, bit for bit."""
    layers = initial_layers(spec, Replay(seed=SEED, **replay))
    for (weight, bias), w, b in zip(layers, network.weights, network.biases, strict=True):
        np.testing.assert_array_equal(weight, w, strict=True)
        np.testing.assert_array_equal(bias, b[:, 0], strict=True)


LARGE = {"model.initializer.weights": "normal"}


def test_default_weights_are_his(small_network):
    np.random.seed(SEED)
    assert_drawn(his_scripts.Network(SIZES), small_network())


def test_large_weights_are_drawn_after_the_default_ones_of_the_constructor(small_network):
    np.random.seed(SEED)
    network = his_scripts.Network(SIZES)
    network.large_weight_initializer()
    assert_drawn(network, small_network(LARGE), networks_before=1)


def test_networks_made_before_have_drawn_as_much(small_network):
    # As in his script of three learning rates: one network after another.
    np.random.seed(SEED)
    for networks_before in range(3):
        assert_drawn(his_scripts.Network(SIZES), small_network(), networks_before=networks_before)


# An odd count of numbers leaves half a pair of normal ones in the legacy generator.
@pytest.mark.parametrize("hidden", [7, 8])
def test_deep_networks_draw_all_biases_first(small_network, hidden):
    spec = small_network({"model.layers[0].repeat": 2, "model.layers[0].units": hidden})
    np.random.seed(SEED)
    his_scripts.Network([784, hidden, hidden, 10])
    assert_drawn(his_scripts.Network([784, hidden, hidden, 10]), spec, networks_before=1)


def test_another_seed_draws_other_weights(small_network):
    first, other = (initial_layers(small_network(), Replay(seed=seed)) for seed in (SEED, 1))
    assert not np.any(first[0][0] == other[0][0])


def orders(num_images, num_epochs, **replay):
    return [
        order.tolist() for order in islice(epoch_orders(Replay(**replay), num_images), num_epochs)
    ]


# 2^31 and more: Python seeds its generator with the 32-bit words of a number.
@pytest.mark.parametrize("seed", [SEED, 0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("num_images", [1, 2, 1000])
def test_orders_are_those_of_one_list_shuffled_in_place(seed, num_images):
    shuffle, images, expected = his_scripts.Shuffle(seed), list(range(num_images)), []
    for _ in range(3):
        shuffle(images)
        expected.append(list(images))
    assert orders(num_images, 3, seed=seed) == expected


def test_todays_shuffle_of_python_is_another():
    images = list(range(1000))
    random.Random(SEED).shuffle(images)
    assert orders(1000, 1) != [images]


def test_second_training_goes_on_with_the_list_as_the_first_left_it():
    # His script passes the whole list on, and SGD shuffles that itself.
    shuffle, images = his_scripts.Shuffle(SEED), list(range(100))
    for _ in range(30):
        shuffle(images)
    expected = []
    for _ in range(2):
        shuffle(images)
        expected.append(list(images))
    assert orders(100, 2, shuffles_before=30) == expected
    # A generator that has come as far, but a list in its first order, would give others.
    assert orders(100, 2, uniforms_before=30 * 99) != expected


def test_uniforms_before_are_drawn_in_parts(monkeypatch):
    whole = orders(20, 1, uniforms_before=100)
    monkeypatch.setattr(replay, "_NUM_AT_ONCE", 7)
    assert orders(20, 1, uniforms_before=100) == whole


def test_slices_are_shuffled_by_themselves():
    # His script of training sizes: each slice is a new list, but the generator goes on.
    shuffle = his_scripts.Shuffle(SEED)
    for _ in range(15):
        shuffle(list(range(10)))
    for _ in range(7):
        shuffle(list(range(20)))
    images = list(range(50))
    shuffle(images)
    # A shuffle of n images takes n - 1 uniforms.
    assert orders(50, 1, uniforms_before=15 * 9 + 7 * 19) == [images]


# His script of initialisations: the new one first, and the list goes on to the old one shuffled.
HIS_SCRIPT = {
    "regularizer.l2": 5.0,
    "training.batch_size": 50,
    "training.epochs": 2,
    "training.dtype": "float64",
    "vary": [
        {
            "model.initializer.weights": ["normal-fan-in", "normal"],
            "training.replay.networks_before": [0, 1],
            "training.replay.shuffles_before": [0, 2],
        }
    ],
}


def his_layers(dataset):
    """What his script trains, by the oracle: layers after each epoch of both networks."""
    np.random.seed(SEED)
    network, shuffle, images = (
        his_scripts.Network(SIZES),
        his_scripts.Shuffle(SEED),
        list(range(120)),
    )
    targets = [oracle.target(label, "one-hot") for label in dataset.train.labels]
    rule = oracle.Rule(3.0, 0.0, 0.0, 5.0, divisor=120)
    trained = []
    for _ in range(2):
        pairs = zip(network.weights, network.biases, strict=True)
        layers = [oracle.Layer(w, b[:, 0], "sigmoid") for w, b in pairs]
        trained.append([])
        for _ in range(2):
            shuffle(images)
            batches = np.split(np.array(images), [50, 100])
            layers, _ = oracle.train(
                layers, dataset.train.images / 256, targets, batches, "quadratic", rule
            )
            trained[-1].append(layers)
        network.large_weight_initializer()
    return trained


def assert_his(result, index, expected):
    for ours, theirs in zip(oracle.copy_layers(result.model(index)), expected, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, atol=1e-13)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-13)


@pytest.mark.parametrize("seed", [0, 7])
def test_training_is_his_whatever_the_seed_of_the_run(small_network, small_dataset, seed):
    expected = his_layers(small_dataset)
    with jax.enable_x64(True):
        for result in train(small_network(HIS_SCRIPT), small_dataset, seeds=[seed]):
            for index in range(2):
                assert_his(result, index, expected[index][result.epoch])


def test_training_is_his_where_epochs_are_measured_together(small_network, small_dataset):
    expected = his_layers(small_dataset)
    with jax.enable_x64(True):
        spec = small_network(HIS_SCRIPT | {"training.evaluate_every": 2})
        (result,) = train(spec, small_dataset)
        for index in range(2):
            assert_his(result, index, expected[index][-1])


def test_training_is_his_where_it_was_interrupted(small_network, small_dataset):
    expected = his_layers(small_dataset)
    with jax.enable_x64(True):
        spec = small_network(HIS_SCRIPT)
        snapshot = next(train(spec, small_dataset)).snapshot()
        (result,) = train(spec, small_dataset, resume=snapshot)
        for index in range(2):
            assert_his(result, index, expected[index][-1])


def test_engine_goes_back_to_the_first_epoch(small_network, small_dataset):
    with jax.enable_x64(True):
        spec = small_network(HIS_SCRIPT)
        result = next(train(spec, small_dataset))
        (again,) = result.engines
        state, _ = again.run(again.init(), 0)
    expected = his_layers(small_dataset)
    assert_his(result._replace(states=(state,)), 0, expected[0][0])
