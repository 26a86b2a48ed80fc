"""What an epoch goes through: shifted copies in their order, random streams, distorted images."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from flax import nnx

from nndl_jax import build_model, train
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.networks.losses import build_loss
from nndl_jax.networks.targets import encode
from nndl_jax.training import engine
from nndl_jax.training.augmentation import SHIFTS, distort
from nndl_jax.training.optimizer import hyperparameters_of
from nndl_jax.training.shuffle import permutation
from nndl_jax.training.state import RunInputs, RunKeys, init_state
from nndl_jax.training.step import StepKeys, build_step, train_epoch

NUM_IMAGES = 12
SHIFTED = {"data.augmentation": {"kind": "shifts"}}
IN_ORDER = {**SHIFTED, "training.shuffle": False}
DISTORTED = {"data.augmentation": {"kind": "distortions", "rotation": 30.0}}
PIXELS = np.arange(784).reshape(28, 28)
# One black pixel for each image, three rows from the next: the copies of all images differ.
BLACK = PIXELS[2:26:4, [9, 18]].ravel()
DOTS = Split(
    np.stack([np.where(PIXELS.ravel() == place, 255, 0) for place in BLACK]).astype(np.uint8),
    np.arange(NUM_IMAGES, dtype=np.int32) % 10,
)
# Where the pixel is in the image and in its copies: a row is 28 places.
EXAMPLES = [place + 28 * down + right for place in BLACK for down, right in SHIFTS]


def place_of_the_dot(state, batch, keys):
    """A step that learns nothing and costs what its images show."""
    return state, jnp.mean(jnp.argmax(batch[0], axis=1).astype(jnp.float32))


def first_uniform(stream):
    """A step that costs a number drawn from a stream."""

    def step_fn(state, batch, keys):
        return state, jax.random.uniform(getattr(keys, stream))

    return step_fn


def costs_of(spec, step_fn, seed=0, epoch=0):
    """What each step of an epoch costs."""
    run = RunInputs(jnp.uint32(seed), hyperparameters_of(spec), None)
    state = init_state(spec, run.seed)
    _, costs = train_epoch(spec, step_fn, run, jnp.uint32(epoch), None, DOTS, state)
    return costs.tolist()


@pytest.fixture
def one_by_one(small_network):
    """A function from changed fields to a document of mini-batches of one image."""
    return lambda changes: small_network({"training.batch_size": 1, **changes})


@pytest.mark.parametrize("changes", [SHIFTED, IN_ORDER], ids=["shuffled", "in one order"])
def test_every_image_and_copy_is_seen_once_in_an_epoch(one_by_one, changes):
    for epoch in (0, 1):
        assert sorted(costs_of(one_by_one(changes), place_of_the_dot, epoch=epoch)) == sorted(
            EXAMPLES
        )


def test_copies_keep_one_order_without_shuffling(one_by_one):
    first, second = (costs_of(one_by_one(IN_ORDER), place_of_the_dot, epoch=e) for e in (0, 1))
    assert first == second


def test_copies_are_mixed_once_without_shuffling(one_by_one):
    found = costs_of(one_by_one(IN_ORDER), place_of_the_dot)
    images = [EXAMPLES.index(place) // 5 for place in found]
    # In a random order of 60, an example is followed by one of its four siblings 4 times; image by
    # image, 48 times.
    assert sum(a == b for a, b in pairwise(images)) < 16


def test_each_run_mixes_copies_in_its_own_way(one_by_one):
    first, second = (costs_of(one_by_one(IN_ORDER), place_of_the_dot, seed=s) for s in (0, 1))
    assert first != second


def test_copies_are_shuffled_anew_in_each_epoch(one_by_one):
    first, second = (costs_of(one_by_one(SHIFTED), place_of_the_dot, epoch=e) for e in (0, 1))
    assert first != second


def test_images_without_copies_keep_the_order_of_the_file(one_by_one):
    found = costs_of(one_by_one({"training.shuffle": False}), place_of_the_dot)
    assert found == BLACK.tolist()


@pytest.mark.parametrize(
    ("changes", "num_steps"), [({}, 9), ({"training.drop_short_batch": True}, 8)]
)
def test_copies_make_five_times_as_many_steps(one_by_one, changes, num_steps):
    # 60 examples in mini-batches of 7.
    spec = one_by_one(IN_ORDER | {"training.batch_size": 7} | changes)
    assert len(costs_of(spec, place_of_the_dot)) == num_steps


STREAMS = {
    "dropout": {"model.layers[1].dropout": 0.5},
    "common dropout": {"model.layers[1].dropout": 0.5, "training.dropout_streams": "common"},
    "distortion": DISTORTED,
}


@pytest.mark.parametrize("stream", STREAMS)
def test_streams_differ_from_step_to_step_and_epoch_to_epoch(one_by_one, stream):
    spec, step_fn = one_by_one(STREAMS[stream]), first_uniform(stream.split()[-1])
    drawn = [cost for epoch in (0, 1) for cost in costs_of(spec, step_fn, epoch=epoch)]
    assert len(set(drawn)) == 2 * NUM_IMAGES


@pytest.mark.parametrize("stream", STREAMS)
def test_streams_of_a_seed_are_its_own_unless_common(one_by_one, stream):
    spec, step_fn = one_by_one(STREAMS[stream]), first_uniform(stream.split()[-1])
    first, again, other = (costs_of(spec, step_fn, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert (first == other) == (stream == "common dropout")


def test_nothing_is_drawn_that_is_not_asked_for(one_by_one):
    seen = []

    def step_fn(state, batch, keys):
        seen.append(keys)
        return place_of_the_dot(state, batch, keys)

    costs_of(one_by_one(SHIFTED), step_fn)
    assert set(seen) == {StepKeys(None, None)}


def test_a_step_learns_from_distorted_images(small_network, small_dataset):
    spec = small_network(DISTORTED)
    graph = nnx.split(build_model(spec, key=jax.random.key(0)))[0]
    state, key = init_state(spec, jnp.uint32(0)), jax.random.key(5)
    images, labels = (jnp.asarray(array[:10]) for array in small_dataset.train)
    step_fn = build_step(spec, graph, hyperparameters_of(spec), 120)
    _, cost = step_fn(state, (images, labels), StepKeys(None, key))
    seen = distort(images.astype(jnp.float32) / 256, spec.data.augmentation, key=key)
    logits = nnx.merge(graph, state.params).logits(seen)
    costs = build_loss(spec)(logits, encode(labels, spec.data, logits.dtype))
    assert float(cost) == pytest.approx(float(costs.mean()), rel=1e-6)


def expanded(split):
    """Every image followed by its copies."""
    square = np.pad(split.images.reshape(-1, 28, 28), ((0, 0), (1, 1), (1, 1)))
    copies = [np.roll(square, by, axis=(1, 2))[:, 1:29, 1:29] for by in SHIFTS]
    return np.stack(copies, axis=1).reshape(-1, 784) / 256, np.repeat(split.labels, 5)


@pytest.mark.parametrize("per", ["image", "batch"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_epochs_of_copies_are_the_oracles(small_network, small_dataset, shuffle, per):
    # 150 examples of 30 images, in four mini-batches of which the last is short: what penalties are
    # divided by.
    changes = {
        **SHIFTED,
        "data.train_images": 30,
        "optimizer.learning_rate": 0.5,
        "regularizer": {"l2": 5.0 if per == "image" else 0.2, "per": per},
        "training": {"epochs": 2, "batch_size": 40, "shuffle": shuffle},
    }
    spec = small_network(changes)
    keys = RunKeys.from_seed(jnp.uint32(0))
    layers = oracle.copy_layers(build_model(spec, key=keys.init))
    images, labels = expanded(Split(*(array[:30] for array in small_dataset.train)))
    batches = []
    for epoch in (0, 1):
        key = jax.random.fold_in(keys.shuffle, epoch) if shuffle else keys.shuffle
        batches += np.split(np.asarray(permutation(key, 150)), [40, 80, 120])
    targets = np.array([oracle.target(label, "one-hot") for label in labels])
    rule = oracle.Rule(0.5, 0.0, 0.0, spec.regularizer.l2, 150 if per == "image" else 4)
    layers, _ = oracle.train(layers, images, targets, batches, spec.loss, rule)
    *_, result = train(spec, small_dataset)
    for ours, theirs in zip(oracle.copy_layers(result.model(0)), layers, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, atol=1e-5)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-5)


@pytest.mark.parametrize("precision", ["default", "high", "highest"])
def test_matrices_are_multiplied_as_precisely_as_the_document_says(
    small_network, monkeypatch, precision
):
    seen, train_epochs = [], engine.train_epochs

    def spy(*args, **kwargs):
        seen.append(jax.config.jax_default_matmul_precision)  # pyright: ignore
        return train_epochs(*args, **kwargs)

    monkeypatch.setattr(engine, "train_epochs", spy)
    spec = small_network({"training.matmul_precision": precision, "monitors": ["train_cost"]})
    next(train(spec, Dataset("dots", DOTS, DOTS, DOTS)))
    assert set(seen) == {precision}
