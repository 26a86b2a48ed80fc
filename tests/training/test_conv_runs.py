"""Runs with what chapter 6 adds have the same bits alone, in a batch, on more devices, resumed."""

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh

from nndl_jax import abstract_states, load_snapshot, save_snapshot, train, variants

EVERYTHING = {
    "model.inputs": [1, 28, 28],
    "model.layers": [
        {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"},
        {"kind": "max-pool", "window": [2, 2]},
        {"kind": "dense", "units": 10, "activation": "softmax", "dropout": 0.5},
    ],
    "model.initializer": {"weights": "normal-fan-out", "biases": "normal"},
    "data.train_images": 20,
    "data.augmentation": {"kind": "distortions", "rotation": 15.0, "elastic": 10.0},
    "loss": "log-likelihood",
    "optimizer.schedule": {"rule": "exponential", "half_life": 2.0},
    "regularizer": {"l2": 0.1, "per": "batch"},
    "training.epochs": 3,
    "training.keep_best": True,
    "monitors": ["validation_accuracy"],
    "vary": [{"optimizer.learning_rate": [0.05, 0.2]}],
}
SEEDS = (0, 1)


def mesh_of(num_devices):
    return Mesh(np.asarray(jax.devices()[:num_devices]), ("runs",))


def run_bits(result, index):
    """All that a result says of a run, with its best network, bit for bit."""
    models = [result.model(index, is_best=is_best) for is_best in (False, True)]
    leaves = jax.tree.leaves([nnx.state(model, nnx.Param) for model in models])
    metrics = {name: values[index].tobytes() for name, values in result.metrics.items()}
    return [np.asarray(leaf).tobytes() for leaf in leaves], metrics


def epochs_bits(results):
    return [[run_bits(result, i) for i in range(len(result.runs))] for result in results]


@pytest.fixture(scope="module")
def trained(small_network, small_dataset):
    """The document, the bits of four runs by epoch on one device, and a snapshot after each."""
    spec, bits, snapshots = small_network(EVERYTHING), [], []
    for result in train(spec, small_dataset, seeds=SEEDS, mesh=mesh_of(1)):
        bits += epochs_bits([result])
        snapshots.append(result.snapshot())
    return spec, bits, snapshots


def test_run_in_a_batch_has_the_bits_of_the_run_alone(trained, small_dataset):
    spec, bits, _ = trained
    alone = train(variants(spec)[1].spec, small_dataset, seeds=[0], mesh=mesh_of(1))
    assert epochs_bits(alone) == [[epoch[2]] for epoch in bits]


def test_runs_have_the_same_bits_on_any_number_of_devices(trained, small_dataset):
    spec, bits, _ = trained
    assert epochs_bits(train(spec, small_dataset, seeds=SEEDS, mesh=mesh_of(3))) == bits


def test_runs_of_all_seeds_and_variants_differ(trained):
    assert len({tuple(leaves) for leaves, _ in trained[1][0]}) == 4


def test_training_goes_on_from_a_file_with_the_best_networks(trained, small_dataset, tmp_path):
    spec, bits, snapshots = trained
    path, identity = tmp_path / "s.safetensors", {"document": "ours"}
    save_snapshot(snapshots[0], path, identity=identity)
    like = abstract_states(spec, SEEDS)
    snapshot, problems = load_snapshot(path, identity=identity, like=like)
    resumed = train(spec, small_dataset, seeds=SEEDS, mesh=mesh_of(1), resume=snapshot)
    assert problems == []
    assert epochs_bits(resumed) == bits[1:]
