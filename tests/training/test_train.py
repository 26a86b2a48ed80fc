"""Training: batches of runs, devices, resuming, metrics, divergence, and pins of one step."""

import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh

from nndl_jax import DivergenceError, train, variants
from nndl_jax.documents.variants import list_runs
from nndl_jax.training import engine
from nndl_jax.training.shuffle import permutation
from nndl_jax.training.state import RunKeys

# 120 images in mini-batches of 50 leave a short one; so few images are evaluated without a loop.
NINE_RUNS = {
    "vary": [{"optimizer.learning_rate": [0.5, 1.5, 3.0]}],
    "data.validation_images": 20,
    "optimizer.momentum": 0.5,
    "training.batch_size": 50,
    "training.epochs": 3,
    "monitors": ["validation_cost", "test_accuracy", "test_cost"],
}
# Alone, the first of a pair is compiled without the term.
SHARED = {
    "L1": {"regularizer.l1": [0.0, 1.0]},
    "L2": {"regularizer.l2": [0.0, 5.0]},
    "momentum": {"optimizer.momentum": [0.0, 0.5]},
    "penalties": {"regularizer.per": ["image", "batch"], "regularizer.l2": [5.0, 0.5]},
    "orders": {"training.shuffle": [True, False]},
    "streams": {
        "training.dropout_streams": ["common", "separate"],
        "model.layers[1].dropout": [0.5, 0.5],
    },
    "first weights": {"model.initializer.weights": ["normal", 0.1]},
    "first weights of a layer": {
        "model.layers[0].initializer.weights": ["zeros", "normal"],
        "model.layers[0].initializer.biases": [0.5, "normal"],
    },
}
TWO_SHAPES = {
    "vary": [{"data.targets": ["one-hot", "binary"], "model.layers[1].units": [10, 4]}],
    "optimizer.momentum": 0.5,
}


def mesh_of(num_devices):
    return Mesh(np.asarray(jax.devices()[:num_devices]), ("runs",))


def run_bits(result, index):
    """Everything that a result says of one run, bit for bit."""
    leaves = jax.tree.leaves(nnx.state(result.model(index), nnx.Param))
    metrics = {name: values[index].tobytes() for name, values in result.metrics.items()}
    return [np.asarray(leaf).tobytes() for leaf in leaves], metrics


def epochs_bits(results):
    return [[run_bits(result, i) for i in range(len(result.runs))] for result in results]


@pytest.fixture(scope="module")
def nine_runs(small_network, small_dataset):
    """Bits of three epochs of nine runs on one device, and a snapshot after each."""
    bits, snapshots = [], []
    for result in train(small_network(NINE_RUNS), small_dataset, seeds=range(3), mesh=mesh_of(1)):
        bits += epochs_bits([result])
        snapshots.append(result.snapshot())
    return bits, snapshots


# Nine runs leave places over on two devices and on eight, which the last run fills.
@pytest.mark.parametrize("num_devices", [2, 8])
def test_runs_have_the_same_bits_on_any_number_of_devices(
    small_network, small_dataset, nine_runs, num_devices
):
    spec = small_network(NINE_RUNS)
    results = train(spec, small_dataset, seeds=range(3), mesh=mesh_of(num_devices))
    assert epochs_bits(results) == nine_runs[0]


@pytest.mark.parametrize("index", [0, 4, 8])
def test_run_in_a_batch_has_the_bits_of_the_run_alone(
    small_network, small_dataset, nine_runs, index
):
    spec = variants(small_network(NINE_RUNS))[index // 3].spec
    results = train(spec, small_dataset, seeds=[index % 3], mesh=mesh_of(1))
    assert epochs_bits(results) == [[epoch[index]] for epoch in nine_runs[0]]


def test_runs_of_two_structures_have_the_bits_of_the_runs_alone(small_network, small_dataset):
    spec = small_network(TWO_SHAPES)
    together = epochs_bits(train(spec, small_dataset, seeds=[0, 1]))
    alone = [
        epochs_bits(train(variant.spec, small_dataset, seeds=[seed], mesh=mesh_of(1)))[0][0]
        for variant in variants(spec)
        for seed in (0, 1)
    ]
    assert together == [alone]


@pytest.mark.parametrize(
    ("num_runs", "expected"),
    [
        ([1, 1], [[0], [1]]),
        ([1, 1, 1], [[0], [1], [0]]),
        ([3, 1], [[0, 1], [0]]),
        ([1, 2, 1], [[0], [1, 0], [1]]),
    ],
)
def test_groups_go_to_the_devices_with_the_fewest_runs(num_runs, expected):
    devices = jax.devices()
    meshes = engine.spread(num_runs, mesh_of(2))
    assert [[devices.index(device) for device in mesh.devices] for mesh in meshes] == expected


@pytest.mark.parametrize("axis", SHARED.values(), ids=SHARED)
def test_runs_that_share_a_program_have_the_bits_of_the_runs_alone(
    small_network, small_dataset, axis
):
    spec = small_network({"vary": [axis], "training.epochs": 2})
    together = epochs_bits(train(spec, small_dataset, mesh=mesh_of(1)))
    for index, variant in enumerate(variants(spec)):
        alone = epochs_bits(train(variant.spec, small_dataset, mesh=mesh_of(1)))
        assert alone == [[epoch[index]] for epoch in together]


def test_runs_are_listed_variant_by_variant(small_network, small_dataset):
    spec = small_network(TWO_SHAPES)
    (result,) = train(spec, small_dataset, seeds=[0, 1])
    assert [run.name for run in result.runs] == [
        "targets=one-hot,seed=0",
        "targets=one-hot,seed=1",
        "targets=binary,seed=0",
        "targets=binary,seed=1",
    ]
    assert result.runs == list_runs(spec, [0, 1])


def test_runs_of_all_seeds_and_variants_differ(nine_runs):
    assert len({tuple(leaves) for leaves, _ in nine_runs[0][0]}) == 9


@pytest.mark.parametrize("num_devices", [1, 2])
@pytest.mark.parametrize("epoch", [0, 1])
def test_resumed_training_has_the_bits_of_uninterrupted(
    small_network, small_dataset, nine_runs, epoch, num_devices
):
    bits, snapshots = nine_runs
    spec, mesh = small_network(NINE_RUNS), mesh_of(num_devices)
    results = train(spec, small_dataset, seeds=range(3), mesh=mesh, resume=snapshots[epoch])
    assert epochs_bits(results) == bits[epoch + 1 :]


def test_nothing_is_left_to_resume_after_the_last_epoch(small_network, small_dataset, nine_runs):
    spec = small_network(NINE_RUNS)
    assert not list(train(spec, small_dataset, seeds=range(3), resume=nine_runs[1][-1]))


def test_runs_side_by_side_agree_with_runs_in_turn(
    small_network, small_dataset, nine_runs, monkeypatch
):
    mapped = []

    def side_by_side(run_fn, runs):
        mapped.append(run_fn)
        return jax.vmap(run_fn)(runs)

    # What an accelerator does: the engine maps over runs with vmap.
    lax = SimpleNamespace(map=side_by_side)
    monkeypatch.setattr(engine, "jax", SimpleNamespace(**vars(jax) | {"lax": lax}))
    spec = small_network(NINE_RUNS)
    result = next(train(spec, small_dataset, seeds=range(3), mesh=mesh_of(1)))
    ours, theirs = (jax.tree.leaves(s.states) for s in (result.snapshot(), nine_runs[1][0]))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert mapped


def test_accuracies_are_exact_fractions(small_network, small_dataset):
    spec = small_network(NINE_RUNS | {"training.epochs": 1})
    (result,) = train(spec, small_dataset, seeds=range(3), mesh=mesh_of(1))
    assert set(result.metrics["test_accuracy"]) <= {count / 70 for count in range(71)}


def test_metrics_are_the_monitors_and_the_batch_cost(nine_runs):
    _, metrics = nine_runs[0][0][0]
    assert list(metrics) == ["batch_cost", "validation_cost", "test_accuracy", "test_cost"]


def test_results_are_numbered_and_the_last_is_marked(small_network, small_dataset):
    spec = small_network(NINE_RUNS)
    results = list(train(spec, small_dataset, seeds=[0], mesh=mesh_of(1)))
    found = [(result.number, result.epoch, result.is_last) for result in results]
    assert found == [(0, 0, False), (1, 1, False), (2, 2, True)]
    assert [result.epochs.tolist() for result in results] == [[0] * 3, [1] * 3, [2] * 3]


def test_divergence_is_named_with_epoch_step_run_and_remedy(small_network, small_dataset):
    linear = {f"model.layers[{at}].activation": "linear" for at in (0, 1)}
    rates = {"vary": [{"optimizer.learning_rate": [1e-5, 1e5]}], "training.epochs": 2}
    with pytest.raises(DivergenceError) as caught:
        list(train(small_network(linear | rates), small_dataset, seeds=[5]))
    message = (
        r"small: the cost of run learning_rate=100000\.0,seed=5 became (inf|nan) at epoch 0, "
        r"step \d+, with optimizer\.learning_rate = 100000; make the learning rate smaller"
    )
    assert re.fullmatch(message, str(caught.value))


def test_divergence_in_the_last_step_of_all_is_found(small_network, small_dataset):
    changes = {
        "model.layers[0].activation": "linear",
        "model.layers[1].activation": "linear",
        "model.initializer.weights": "normal",
        "optimizer.learning_rate": 1e6,
        "training.batch_size": 120,
    }
    with pytest.raises(DivergenceError, match="at epoch 0, step 1,"):
        list(train(small_network(changes), small_dataset))


def test_small_data_set_is_learnt(small_network, small_dataset):
    changes = {"loss": "cross-entropy", "optimizer.learning_rate": 0.3, "training.epochs": 40}
    *_, last = train(small_network(changes), small_dataset)
    assert last.metrics["test_accuracy"][0] > 0.9


def test_streams_of_a_seed_are_pinned():
    keys = RunKeys.from_seed(jnp.uint32(0))
    drawn = [*permutation(keys.shuffle, 10).tolist(), float(jax.random.normal(keys.init))]
    assert drawn == pytest.approx([2, 7, 5, 4, 3, 8, 9, 0, 1, 6, 1.0040143], rel=1e-6), (
        "the random streams changed, and with them every result of every seed: say so in the "
        "release notes and pin the new numbers"
    )


def test_one_step_is_pinned(small_network, small_dataset):
    ten = {"data.train_images": 10, "monitors": ["test_cost"]}
    (result,) = train(small_network(ten), small_dataset)
    model = result.model(0)
    found = {
        "batch cost": result.metrics["batch_cost"][0],
        "test cost": result.metrics["test_cost"][0],
        "first weight": model.layers[0].weight[0, 0],
        "last bias": model.layers[1].bias[9],
    }
    pinned = {
        "batch cost": 1.4315194,
        "test cost": 0.8337190,
        "first weight": -0.02317284,
        "last bias": -0.04302819,
    }
    assert found == pytest.approx(pinned, rel=1e-5), (
        "one step gives other numbers than before, and so will every training: find out why; if it "
        "is meant, say so in the release notes and pin the new numbers"
    )
