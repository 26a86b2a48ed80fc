"""Early stopping (ch. 3): each run of a batch stops by itself, the others go on."""

from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh

from nndl_jax import train, variants
from nndl_jax.training import engine

NUM_EPOCHS, NUM_RUNS, SEEDS = 24, 6, (0, 1)
STOPPING = {
    "loss": "cross-entropy",
    "optimizer.learning_rate": 0.3,
    "optimizer.momentum": 0.5,
    "training.epochs": NUM_EPOCHS,
    "monitors": ["validation_accuracy", "validation_cost"],
}
PATIENCE = {
    "training.early_stopping.rule": ["no-improvement"] * 3,
    "training.early_stopping.patience": [1, 3, 5],
}
THRESHOLD = {
    "training.early_stopping.rule": ["generalization-loss"] * 3,
    "training.early_stopping.threshold": [0.001, 0.02, 0.1],
}
RULES = {"no improvement": PATIENCE, "generalization loss": THRESHOLD}


class Trained(NamedTuple):
    """Three variants of a rule and two seeds, trained together on one device."""

    spec: object
    results: list
    bits: list
    """Of each run, by epoch."""
    snapshots: list
    ends: list
    """The last epoch of each run."""


def mesh_of(num_devices):
    return Mesh(np.asarray(jax.devices()[:num_devices]), ("runs",))


def run_bits(result, index):
    """Weights and measurements of one run, bit for bit."""
    leaves = jax.tree.leaves(nnx.state(result.model(index), nnx.Param))
    metrics = {name: values[index].tobytes() for name, values in result.metrics.items()}
    return tuple(np.asarray(leaf).tobytes() for leaf in leaves), metrics


def bits_of(results):
    return [[run_bits(result, index) for index in range(len(result.runs))] for result in results]


@pytest.fixture(scope="module", params=RULES.values(), ids=RULES)
def trained(request, small_network, small_dataset):
    spec = small_network(STOPPING | {"vary": [request.param]})
    results, bits, snapshots = [], [], []
    for result in train(spec, small_dataset, seeds=SEEDS, mesh=mesh_of(1)):
        results.append(result)
        bits += bits_of([result])
        snapshots.append(result.snapshot())
    ends = np.max([result.epochs for result in results], axis=0).tolist()
    return Trained(spec, results, bits, snapshots, ends)


@pytest.fixture(scope="module")
def endless(small_network, small_dataset):
    """Validation accuracy and cost of each seed, epoch by epoch, where no rule ends training."""
    results = train(small_network(STOPPING), small_dataset, seeds=SEEDS, mesh=mesh_of(1))
    names = ("validation_accuracy", "validation_cost")
    return np.stack([[result.metrics[name] for name in names] for result in results], axis=-1)


def simulate(rule, accuracies, costs):
    """The epoch after which a rule ends training, or the last."""
    for epoch in range(len(costs)):
        if rule.rule == "no-improvement":
            # The first of the best epochs: a draw is no improvement.
            ends = epoch - np.argmax(accuracies[: epoch + 1]) >= rule.patience
        else:
            ends = costs[epoch] > (1 + rule.threshold) * min(costs[: epoch + 1])
        if ends:
            return epoch
    return len(costs) - 1


def test_runs_stop_where_a_simulation_does(trained, endless):
    expected = [
        simulate(variant.spec.training.early_stopping, *endless[:, seed])
        for variant in variants(trained.spec)
        for seed in SEEDS
    ]
    assert trained.ends == expected
    assert len(set(expected)) > 2


@pytest.mark.parametrize("index", [0, 3])
def test_run_in_a_batch_has_the_bits_of_the_run_alone(trained, small_dataset, index):
    spec = variants(trained.spec)[index // 2].spec
    alone = bits_of(train(spec, small_dataset, seeds=[index % 2], mesh=mesh_of(1)))
    assert alone == [[epoch[index]] for epoch in trained.bits[: trained.ends[index] + 1]]


def test_stopped_run_has_no_epoch_and_no_measurements(trained):
    for result in trained.results:
        is_going = np.array(trained.ends) >= result.number
        assert result.epochs.tolist() == np.where(is_going, result.number, -1).tolist()
        for values in result.metrics.values():
            np.testing.assert_array_equal(np.isfinite(values), is_going)


def test_stopped_run_keeps_the_weights_of_its_last_epoch(trained):
    for index, end in enumerate(trained.ends):
        weights = [epoch[index][0] for epoch in trained.bits]
        assert set(weights[end:]) == {weights[end]}
        assert len(set(weights[: end + 1])) == end + 1


def test_training_ends_when_all_runs_have_stopped(trained):
    assert len(trained.results) == max(trained.ends) + 1 > min(trained.ends) + 1
    assert [result.is_last for result in trained.results] == [False] * max(trained.ends) + [True]


def test_resumed_training_has_the_bits_of_uninterrupted(trained, small_dataset):
    # Where a first run has stopped, and one before: resting runs must rest, counters go on.
    for number in (min(trained.ends) - 1, min(trained.ends), max(trained.ends) - 1):
        resumed = train(
            trained.spec,
            small_dataset,
            seeds=SEEDS,
            mesh=mesh_of(1),
            resume=trained.snapshots[number],
        )
        assert bits_of(resumed) == trained.bits[number + 1 :]


def test_nothing_is_left_to_resume_when_all_have_stopped(trained, small_dataset):
    last = trained.snapshots[-1]
    assert not list(train(trained.spec, small_dataset, seeds=SEEDS, resume=last))


def test_runs_stop_alike_on_any_number_of_devices(trained, small_dataset):
    results = train(trained.spec, small_dataset, seeds=SEEDS, mesh=mesh_of(4))
    assert bits_of(results) == trained.bits


def test_runs_stop_alike_side_by_side(trained, small_dataset, monkeypatch):
    # What an accelerator does: the engine maps over runs with vmap, and a stopped run is computed
    # as the others are, and put back.
    lax = SimpleNamespace(map=lambda run_fn, runs: jax.vmap(run_fn)(runs))
    monkeypatch.setattr(engine, "jax", SimpleNamespace(**vars(jax) | {"lax": lax}))
    results = list(train(trained.spec, small_dataset, seeds=SEEDS, mesh=mesh_of(1)))
    assert np.max([result.epochs for result in results], axis=0).tolist() == trained.ends
    for ours, theirs in zip(results, trained.results, strict=True):
        for name, values in theirs.metrics.items():
            np.testing.assert_allclose(ours.metrics[name], values, rtol=1e-4)
