"""Networks that vote: what each takes an image for, and which digit has most votes."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax import build_model, evaluate, predict, vote
from nndl_jax.data.datasets import Split
from nndl_jax.training.measuring import CHUNK
from nndl_jax.training.vote import plurality

DIGITS = st.lists(st.integers(0, 9), min_size=3, max_size=3)
CONVOLUTION = {
    "model.inputs": [1, 28, 28],
    "model.layers": [
        {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "tanh"},
        {"kind": "dense", "units": 10, "activation": "sigmoid"},
    ],
}
# Evaluated a hundred images at once, for the memory of their patches.
CONV_CHUNK = 100


# Together with few dark pixels, networks that take images for different digits without training.
UNTRAINED = {
    "model.initializer": {"weights": "normal", "biases": "zeros"},
    "model.layers[0].activation": "tanh",
}


@pytest.fixture
def spec(small_network):
    return small_network(UNTRAINED)


@pytest.fixture
def models(spec):
    return [build_model(spec, key=jax.random.key(seed)) for seed in range(3)]


def sparse(num_images):
    rng = np.random.default_rng(0)
    is_dark = rng.random((num_images, 784)) < 0.05
    images = np.where(is_dark, rng.integers(0, 256, is_dark.shape), 0).astype(np.uint8)
    return Split(images, rng.integers(0, 10, num_images).astype(np.int32))


def by_the_oracle(model, split):
    """The digit whose output is largest."""
    outputs = [
        oracle.feedforward(oracle.copy_layers(model), image)[-1][1] for image in split.images / 256
    ]
    return np.argmax(outputs, axis=1)


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        ((4,), 4),
        ((1, 0, 0), 0),
        ((0, 0, 1), 0),
        ((9, 3, 3, 9, 9), 9),
        # Draws: the smallest digit would be 2, 2, 1 and 2, the latest vote 5, 7, 1 and 2.
        ((7, 2, 2, 7, 5), 7),
        ((5, 7, 2, 2, 7), 7),
        ((9, 3, 1), 9),
        ((3, 2), 3),
    ],
)
def test_most_votes_win_and_of_draws_the_earliest_network(votes, winner):
    assert plurality(np.array(votes)[:, None]).tolist() == [winner]


@given(st.lists(DIGITS, min_size=1, max_size=6))
@settings(deadline=None, derandomize=True, database=None)
def test_each_image_is_voted_on_by_itself(votes):
    # Counter keeps the order in which it meets what is equally frequent.
    expected = [Counter(column).most_common(1)[0][0] for column in zip(*votes, strict=True)]
    assert plurality(np.array(votes)).tolist() == expected


def test_votes_are_what_each_network_takes_images_for(models, spec):
    split = sparse(70)
    found = vote(models, split, spec)
    expected = np.array([by_the_oracle(model, split) for model in models])
    np.testing.assert_array_equal(found.votes, expected)
    np.testing.assert_array_equal(found.digits, plurality(expected))
    assert min(len(set(guesses.tolist())) for guesses in expected) > 5


def test_a_single_network_has_its_way(models, spec):
    found = vote(models[:1], sparse(70), spec)
    np.testing.assert_array_equal(found.digits, by_the_oracle(models[0], sparse(70)))


def test_votes_agree_with_the_count_of_an_evaluation(models, spec):
    split = sparse(70)
    counts = (vote(models, split, spec).votes == split.labels).sum(axis=1)
    expected = [int(evaluate(model, split, spec).num_correct) for model in models]
    assert counts.tolist() == expected
    assert max(expected) > 0


@pytest.mark.parametrize("num_images", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 70])
def test_all_images_are_predicted_in_their_order(models, spec, num_images):
    split = sparse(num_images)
    found = predict(models[0], split, spec)
    np.testing.assert_array_equal(found, by_the_oracle(models[0], split))


@pytest.mark.parametrize("num_images", [1, CONV_CHUNK, CONV_CHUNK + 1, 2 * CONV_CHUNK + 50])
def test_convolutions_predict_all_images_in_their_order(small_network, num_images):
    split, spec = sparse(num_images), small_network(UNTRAINED | CONVOLUTION)
    model = build_model(spec, key=jax.random.key(0))
    outputs = model(jnp.asarray(split.images, jnp.float32) / 256)
    found = predict(model, split, spec)
    np.testing.assert_array_equal(found, np.argmax(outputs, axis=1))
    assert num_images == 1 or len(set(found.tolist())) > 3


def test_four_outputs_predict_the_number_of_their_bits(small_network, small_dataset):
    # Large biases set all four bits: the number 15, which is no digit.
    four_bits = {"data.targets": "binary", "model.layers[1].units": 4}
    initializer = {"weights": "zeros", "biases": 9.0}
    spec = small_network({**four_bits, "model.initializer": initializer})
    model = build_model(spec, key=jax.random.key(0))
    assert set(predict(model, small_dataset.test, spec).tolist()) == {15}
