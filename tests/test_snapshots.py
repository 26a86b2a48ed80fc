"""Snapshots on disk: training goes on from them; neither damage nor a kill gives a wrong one."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from nndl_jax import abstract_states, load_snapshot, save_snapshot, train
from nndl_jax.specs import override


def bits(tree):
    return [
        (leaf.dtype.name, leaf.shape, np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(tree)
    ]


@pytest.fixture(scope="module")
def trained(small_network, small_dataset):
    """The states of three epochs of two structures with momentum, and their document."""
    shapes = {"data.targets": ["one-hot", "binary"], "model.layers[1].units": [10, 4]}
    changes = {"vary": [shapes], "optimizer.momentum": 0.5, "training.epochs": 3}
    spec = small_network(changes)
    results = train(spec, small_dataset, seeds=[0, 1])
    history, snapshots = [], []
    for result in results:
        history.append({name: values.tolist() for name, values in result.metrics.items()})
        snapshots.append(result.snapshot()._replace(history=list(history)))
    return spec, snapshots


@pytest.fixture
def two_generations(trained, tmp_path):
    """The path of a snapshot after the second epoch, with the one after the first behind it."""
    for snapshot in trained[1][:2]:
        save_snapshot(snapshot, tmp_path / "s.safetensors", identity="ours")
    return tmp_path / "s.safetensors"


def read_back(path, spec, identity="ours"):
    return load_snapshot(path, identity=identity, like=abstract_states(spec, [0, 1]))


def same(first, second):
    return first.number == second.number and bits(first.states) == bits(second.states)


def test_saved_snapshot_comes_back_bit_for_bit(trained, two_generations):
    snapshot, problems = read_back(two_generations, trained[0])
    assert same(snapshot, trained[1][1])
    assert problems == []


def test_history_comes_back(trained, two_generations):
    assert read_back(two_generations, trained[0])[0].history == trained[1][1].history


def test_training_goes_on_from_a_file(trained, two_generations, small_dataset):
    snapshot, _ = read_back(two_generations, trained[0])
    (last,) = train(trained[0], small_dataset, seeds=[0, 1], resume=snapshot)
    assert bits(last.snapshot().states) == bits(trained[1][2].states)


def test_nothing_is_read_where_nothing_was_saved(trained, tmp_path):
    assert read_back(tmp_path / "s.safetensors", trained[0]) == (None, [])


def test_snapshot_of_another_experiment_is_not_used(trained, two_generations):
    snapshot, problems = read_back(two_generations, trained[0], identity="theirs")
    assert snapshot is None
    assert problems == [
        f"{path}: belongs to another experiment and is not used"
        for path in (two_generations, two_generations.with_suffix(".previous"))
    ]


def test_snapshot_of_other_shapes_is_not_used(trained, two_generations):
    wider = override(trained[0], {"model.layers[0].units": 9})
    snapshot, problems = read_back(two_generations, wider)
    assert snapshot is None
    assert problems[0] == (
        f"{two_generations}: array '0.params.layers.0.bias' must be float32 (2, 9), found "
        "float32 (2, 8)"
    )


def damage(path, kind, rng):
    """Damage a file at a random place."""
    content = bytearray(path.read_bytes())
    at = int(rng.integers(len(content)))
    match kind:
        case "flip a bit":
            content[at] ^= 1 << int(rng.integers(8))
        case "truncate":
            del content[at:]
        case "zero 64 bytes":
            content[at : at + 64] = bytes(len(content[at : at + 64]))
        case _:
            content = None
    path.unlink() if content is None else path.write_bytes(content)


@pytest.mark.parametrize("kind", ["flip a bit", "truncate", "zero 64 bytes", "delete"])
def test_damage_falls_back_to_the_generation_before(trained, two_generations, kind):
    spec, (first, second, _) = trained
    intact, rng = two_generations.read_bytes(), np.random.default_rng(0)
    for _ in range(20):
        two_generations.write_bytes(intact)
        damage(two_generations, kind, rng)
        untouched = two_generations.exists() and two_generations.read_bytes() == intact
        snapshot, problems = read_back(two_generations, spec)
        assert same(snapshot, second if untouched else first)
        assert len(problems) == (0 if untouched or kind == "delete" else 1)


def test_damage_to_both_generations_leaves_none(trained, two_generations):
    for path in (two_generations, two_generations.with_suffix(".previous")):
        damage(path, "truncate", np.random.default_rng(0))
    snapshot, problems = read_back(two_generations, trained[0])
    assert snapshot is None
    assert len(problems) == 2


# Forks a process that saves without end, kills it, and says what is left; 25 times. The arrays of a
# snapshot hold its number, so that a mixture would show.
_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from nndl_jax import Snapshot, load_snapshot, save_snapshot

path, like = Path(sys.argv[1]), [{name: np.zeros(50_000, np.float32) for name in "ab"}]

def numbered(number):
    return Snapshot(number, [{name: array + number for name, array in like[0].items()}])

save_snapshot(numbered(0), path, identity="ours")
for _ in range(25):
    child = os.fork()
    for number in range(1, 1_000_000) if child == 0 else ():
        save_snapshot(numbered(number), path, identity="ours")
    time.sleep(random.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    snapshot, problems = load_snapshot(path, identity="ours", like=like)
    whole = {float(x) for array in snapshot.states[0].values() for x in array} == {snapshot.number}
    print(problems, whole, snapshot.number, sep=";")
"""


def test_kill_in_the_middle_of_saving_leaves_a_whole_snapshot(tmp_path):
    said = subprocess.run(
        [sys.executable, "-c", _KILLED, tmp_path / "s.safetensors"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line.split(";") for line in said.splitlines()]
    assert [line[:2] for line in lines] == [["[]", "True"]] * 25
    assert len({number for *_, number in lines}) > 3
