"""Epochs of mini-batches against the oracle, and the bugs of other ports, which it must see."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import oracle
import pytest
from scipy import stats

from nndl_jax import build_model, train
from nndl_jax.data.selection import select
from nndl_jax.training import optimizer, state, step
from nndl_jax.training.shuffle import permutation
from nndl_jax.training.state import RunKeys

SLOWLY = {"optimizer.learning_rate": 0.5}
SOFTMAX = {"loss": "log-likelihood", "model.layers[1].activation": "softmax"}
BINARY = {"data.targets": "binary", "model.layers[1].units": 4}
TANH = {"model.layers[0].activation": "tanh"}
PENALTIES = {"regularizer.l2": 5.0, "regularizer.l1": 1.0, "optimizer.momentum": 0.5}
PER_BATCH = {"regularizer.l2": 0.5, "regularizer.per": "batch"}
# 120 images in mini-batches of 50 leave a short one of 20.
SHORT = {"training.batch_size": 50}
DROPPED = {**SHORT, "training.drop_short_batch": True}

DOCUMENTS = {
    "plain": {},
    "short batch": {**SHORT, **SLOWLY, **PENALTIES, "loss": "cross-entropy"},
    "full batch": {"training.batch_size": 120, **PENALTIES},
    "full batch, lambda per batch": {"training.batch_size": 120, **PER_BATCH, **SLOWLY},
    "lambda per batch": {**SHORT, **PER_BATCH},
    "lambda per batch, short batch dropped": {**DROPPED, **PER_BATCH},
    "order of the file": {"training.shuffle": False, **SLOWLY, **SOFTMAX},
    "binary targets of 35 images": {"data.train_images": 35, **SLOWLY, **BINARY},
    "two digits": {"data.digits": [3, 7], **PENALTIES, **SLOWLY},
    "repeated layer": {"model.layers[0].repeat": 3, **SLOWLY},
    "batch larger than the set": {"training.batch_size": 500, **TANH},
}
NUM_ORDERS = 4
ONE_KEY = jax.random.key(0)


def mini_batches(spec, num_images, num_before):
    """Places of the images of each mini-batch, with seed 0 and so many epochs before."""
    order = np.arange(num_images)
    if spec.training.shuffle:
        key = jax.random.fold_in(RunKeys.from_seed(jnp.uint32(0)).shuffle, num_before)
        order = np.asarray(permutation(key, num_images))
    size = spec.training.batch_size
    batches = [order[at : at + size] for at in range(0, num_images, size)]
    return [b for b in batches if len(b) == size or not spec.training.drop_short_batch]


def by_the_oracle(spec, dataset, *, dtype=np.float64, order=slice(None)):
    """Layers after two epochs, and the mean cost of the second.

    Args:
        spec: the document.
        dataset: its data.
        dtype: what is computed in.
        order: of the inputs, which decides how their sum is rounded.
    """
    layers = oracle.copy_layers(build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init))
    layers[0] = layers[0]._replace(weight=layers[0].weight[:, order])
    layers = [
        layer._replace(weight=layer.weight.astype(dtype), bias=layer.bias.astype(dtype))
        for layer in layers
    ]
    split = select(dataset, spec)["train"]
    labels, num_images = split.labels, len(split.labels)
    images = (split.images[:, order] / 256).astype(dtype)
    targets = [oracle.target(label, spec.data.targets).astype(dtype) for label in labels]
    first, second = (mini_batches(spec, num_images, num_before) for num_before in (0, 1))
    rule = oracle.Rule(
        spec.optimizer.learning_rate,
        spec.optimizer.momentum,
        spec.regularizer.l1,
        spec.regularizer.l2,
        divisor=num_images if spec.regularizer.per == "image" else len(first),
    )
    layers, costs = oracle.train(layers, images, targets, first + second, spec.loss, rule)
    assert all(array.dtype == dtype for layer in layers for array in (layer.weight, layer.bias))
    layers[0] = layers[0]._replace(weight=layers[0].weight[:, np.argsort(np.arange(784)[order])])
    return layers, np.mean(costs[len(first) :], dtype=float)


def largest_difference(some, others):
    """In a parameter or in the cost."""
    differences = [some[1] - others[1]]
    for ours, theirs in zip(some[0], others[0], strict=True):
        differences += [ours.weight - theirs.weight, ours.bias - theirs.bias]
    return max(np.max(np.abs(difference)) for difference in differences)


def worst_deviation(spec, dataset):
    """The largest difference from the oracle after two epochs."""
    *_, result = train(spec, dataset)
    ours = oracle.copy_layers(result.model(0)), result.metrics["batch_cost"][0]
    return largest_difference(ours, by_the_oracle(spec, dataset))


def tolerance(spec, dataset):
    """How far float32 may lead from the oracle, whatever the order in which a processor adds.

    The oracle itself computes in float32, one product added after another, with the inputs in
    several orders. An order changes the roundings alone; training amplifies them, in some documents
    a hundredfold, mostly in one direction. How far that leads is taken for a normal deviate, with a
    variance estimated from the orders: so many standard deviations are exceeded once in 10,000
    processors by Student's law, and more rarely by those that add in several lanes, for which
    partial sums are smaller.
    """
    exact, rng = by_the_oracle(spec, dataset), np.random.default_rng(0)
    deviations = [
        largest_difference(
            by_the_oracle(spec, dataset, dtype=np.float32, order=rng.permutation(784)), exact
        )
        for _ in range(NUM_ORDERS)
    ]
    return stats.t.isf(1e-4 / 2, NUM_ORDERS) * np.sqrt(np.mean(np.square(deviations)))


@pytest.mark.parametrize("changes", DOCUMENTS.values(), ids=DOCUMENTS)
def test_epochs_are_the_oracles_in_float32(small_network, small_dataset, changes):
    spec = small_network({"training.epochs": 2, **changes})
    assert worst_deviation(spec, small_dataset) < tolerance(spec, small_dataset)


def test_epochs_are_the_oracles_in_float64(small_network, small_dataset):
    double = {"training.dtype": "float64", "training.epochs": 2}
    with jax.enable_x64(True):
        spec = small_network(double | DOCUMENTS["short batch"])
        assert worst_deviation(spec, small_dataset) < 1e-12


def mutant_optimizer(change_fn, divided_by=1):
    """The library's `build_optimizer` with a bug: changed steps, or a smaller divisor."""
    build = optimizer.build_optimizer

    def build_optimizer(spec, numbers, *, divisor, **others):
        divisor = jnp.maximum(1, divisor // divided_by)
        return change_fn(build(spec, numbers, divisor=divisor, **others))

    return build_optimizer


ACCUMULATE = mutant_optimizer(lambda steps: optax.chain(optax.trace(1.0), steps))
L2_PER_SAMPLE = mutant_optimizer(lambda steps: steps, divided_by=10)
MUTATIONS = {
    "gradients accumulated over an epoch": ("build_optimizer", ACCUMULATE),
    "L2 added once per sample": ("build_optimizer", L2_PER_SAMPLE),
    "pixels / 255": ("pixels", lambda x, spec: x.astype(spec.training.dtype) / 255),
    "one order for all epochs": ("permutation", lambda _, n: permutation(ONE_KEY, n)),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_breaks_the_comparison(small_network, small_dataset, monkeypatch, mutation):
    name, mutant = mutation
    for module in (step, state):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, mutant)
    spec = small_network({"training.epochs": 2, **PENALTIES})
    assert worst_deviation(spec, small_dataset) > 100 * tolerance(spec, small_dataset)
