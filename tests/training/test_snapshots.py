"""Snapshots on disk: training goes on from them; neither damage nor a kill gives a wrong one."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from nndl_jax import abstract_states, list_runs, load_snapshot, save_snapshot, train
from nndl_jax.data.array_files import open_arrays, write_arrays
from nndl_jax.documents.load import override
from nndl_jax.training import checkpoint
from nndl_jax.training.environment import describe_environment

OURS = {"document": "ours", "data set": "small"}


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
        save_snapshot(snapshot, tmp_path / "s.safetensors", identity=OURS)
    return tmp_path / "s.safetensors"


def read_back(path, spec, identity=OURS):
    return load_snapshot(path, identity=identity, like=abstract_states(spec, [0, 1]))


def same(first, second):
    return first.number == second.number and bits(first.states) == bits(second.states)


def test_saved_snapshot_comes_back_bit_for_bit(trained, two_generations):
    snapshot, problems = read_back(two_generations, trained[0])
    assert same(snapshot, trained[1][1])
    assert problems == []


def test_history_comes_back(trained, two_generations):
    history = read_back(two_generations, trained[0])[0].history
    assert plain(history) == plain(trained[1][1].history)


def plain(history):
    return [{name: list(values) for name, values in row.items()} for row in history]


def test_history_of_any_numbers_comes_back(trained, tmp_path):
    # Not a number for runs that have ended, infinity where they diverged, numbers of every type.
    columns = {
        "float32": np.float32([0.1, np.nan]),
        "whole": [1, np.int32(2)],
        "array": np.array([np.inf, -0.0]),
    }
    snapshot = trained[1][0]._replace(number=np.int64(0), history=[columns])
    save_snapshot(snapshot, tmp_path / "s.safetensors", identity=OURS)
    found, _ = read_back(tmp_path / "s.safetensors", trained[0])
    assert found.number == 0
    for name, values in columns.items():
        np.testing.assert_array_equal(found.history[0][name], np.asarray(values, float))


def test_runs_and_networks_come_back(trained, two_generations):
    found, expected = read_back(two_generations, trained[0])[0], trained[1][1]
    assert list(found.runs) == list(expected.runs) == list_runs(trained[0], [0, 1])
    assert list(found.models) == list(expected.models)


def test_training_goes_on_from_a_file(trained, two_generations, small_dataset):
    snapshot, _ = read_back(two_generations, trained[0])
    (last,) = train(trained[0], small_dataset, seeds=[0, 1], resume=snapshot)
    assert bits(last.snapshot().states) == bits(trained[1][2].states)


def test_a_snapshot_without_the_results_before_it_gives_way_to_one_that_has_them(trained, tmp_path):
    first, second = trained[1][:2]
    path = tmp_path / "s.safetensors"
    for snapshot in (first, second._replace(history=())):
        save_snapshot(snapshot, path, identity=OURS)
    like = abstract_states(trained[0], [0, 1])
    found, problems = load_snapshot(path, identity=OURS, like=like, needs_history=True)
    assert found is not None
    assert found.number == first.number
    assert problems == [f"{path}: lacks results of the epochs before; it is not used"]
    assert same(read_back(path, trained[0])[0], second)  # Where history is not asked for.


def test_nothing_is_read_where_nothing_was_saved(trained, tmp_path):
    assert read_back(tmp_path / "s.safetensors", trained[0]) == (None, [])


def test_snapshot_of_another_experiment_is_not_used(trained, two_generations):
    theirs = OURS | {"document": "theirs"}
    snapshot, problems = read_back(two_generations, trained[0], identity=theirs)
    assert snapshot is None
    assert problems == [
        f"{path}: belongs to another document; it is not used"
        for path in (two_generations, two_generations.with_suffix(".previous"))
    ]


def test_snapshot_of_other_shapes_is_not_used(trained, two_generations):
    wider = override(trained[0], {"model.layers[0].units": 9})
    snapshot, problems = read_back(two_generations, wider)
    assert snapshot is None
    assert problems[0] == (
        f"{two_generations}: array '0.params.layers.0.bias' must be float32 (2, 9), found "
        "float32 (2, 8); it is not used"
    )


def two_parts(path):
    """Both generations of a snapshot."""
    return path, path.with_suffix(".previous")


def test_all_parts_that_differ_are_named(trained, two_generations):
    theirs = {"document": "theirs", "data set": "large"}
    _, problems = read_back(two_generations, trained[0], identity=theirs)
    assert problems[0] == (
        f"{two_generations}: belongs to another document and another data set; it is not used"
    )


@pytest.mark.parametrize(
    ("name", "then"),
    [
        ("jax", "0.9.0"),
        ("jaxlib", "0.9.0"),
        ("flax", "0.11.0"),
        ("optax", "0.2.5"),
        ("device", "NVIDIA H100"),
        ("JAX_DEFAULT_PRNG_IMPL", "rbg"),
        ("JAX_THREEFRY_PARTITIONABLE", "False"),
        ("JAX_ENABLE_X64", "True"),
        ("JAX_RANDOM_SEED_OFFSET", "1"),
        # `make test` sets it.
        (
            "JAX_DISABLE_MOST_OPTIMIZATIONS",
            str(not jax.config.read("jax_disable_most_optimizations")),
        ),
        ("PJRT_NPROC", "8"),
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
    ],
)
def test_snapshot_of_another_environment_is_not_used(
    trained, two_generations, monkeypatch, name, then
):
    now = dict(describe_environment())
    monkeypatch.setattr(checkpoint, "describe_environment", lambda: now | {name: then})
    save_snapshot(trained[1][2], two_generations, identity=OURS)
    monkeypatch.undo()
    snapshot, problems = read_back(two_generations, trained[0])
    assert problems == [
        f"{two_generations}: was made where {name} is {then!r}, and here it is {now[name]!r}, so "
        "that bits could differ; it is not used"
    ]
    # The one before it is ours.
    assert same(snapshot, trained[1][1])


def test_environment_says_how_jax_was_started(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", " --b=2  --a=1 ")
    here = describe_environment()
    assert (here["XLA_FLAGS"], here["JAX_ENABLE_X64"]) == ("--a=1 --b=2", "False")
    assert here["jax"] == jax.__version__
    assert here["device"].startswith("core of ")
    with jax.enable_x64(True):
        assert describe_environment()["JAX_ENABLE_X64"] == "True"


@pytest.mark.parametrize("kind", ["folder", "full folder", "fifo", "empty", "link"])
@pytest.mark.parametrize("generation", [0, 1])
def test_anything_else_in_its_place_is_not_used_and_gives_way(trained, tmp_path, kind, generation):
    spec, (first, second, _) = trained
    path = tmp_path / "s.safetensors"
    other = two_parts(path)[generation]
    match kind:
        case "folder" | "full folder":
            other.mkdir()
            if kind == "full folder":
                (other / "note").write_text("mine")
        case "fifo":
            os.mkfifo(other)
        case "empty":
            other.touch()
        case _:
            other.symlink_to("/dev/zero")
    snapshot, problems = read_back(path, spec)
    assert snapshot is None
    assert len(problems) == 1
    assert problems[0].startswith(f"{other}: is not a")
    assert problems[0].endswith("; it is not used")
    for saved in (first, second):
        save_snapshot(saved, path, identity=OURS)
    assert same(read_back(path, spec)[0], second)
    two_parts(path)[0].unlink()
    assert same(read_back(path, spec)[0], first)
    if kind == "full folder":
        assert [path.read_text() for path in tmp_path.glob(".*/note")] == ["mine"]


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may read everything")
def test_file_that_may_not_be_read_is_not_used(trained, two_generations):
    two_generations.chmod(0)
    snapshot, problems = read_back(two_generations, trained[0])
    assert same(snapshot, trained[1][0])
    assert problems == [f"{two_generations}: Permission denied; it is not used"]


def test_file_that_cannot_be_read_is_not_used(trained, two_generations, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint, "open_arrays", refuse)
    snapshot, problems = read_back(two_generations, trained[0])
    assert snapshot is None
    assert problems[0] == f"{two_generations}: Permission denied; it is not used"


NO_STATE = {
    "nothing": ({}, "holds no state of training, or that of an older version"),
    "other numbers": (
        {"about": np.zeros(5)},
        "holds no state of training, or that of an older version",
    ),
    "no text": ({"about": np.full(9, 255, np.uint8)}, "does not say of what training it is"),
    "a deep text": (
        {"about": np.frombuffer(b"[" * 1_000_000, np.uint8)},
        "does not say of what training it is",
    ),
    "another text": (
        {"about": np.frombuffer(b'{"number": 1}', np.uint8)},
        "does not say of what training it is",
    ),
}


@pytest.mark.parametrize(("arrays", "message"), NO_STATE.values(), ids=NO_STATE)
def test_right_checksum_around_no_state_is_not_used(trained, two_generations, arrays, message):
    write_arrays(two_generations, arrays, {"history": "[" * 1000})
    snapshot, problems = read_back(two_generations, trained[0])
    assert same(snapshot, trained[1][0])
    assert problems == [f"{two_generations}: {message}; it is not used"]


@pytest.mark.parametrize(
    "changed",
    [
        {"number": -1},
        {"number": "1"},
        {"history": None},
        {"history": [[1.0]]},
        {"history": [{"test_cost": ["x"]}]},
        {"runs": [["base"]]},
        {"models": [{}]},
        {"identity": []},
        {"more": 1},
    ],
)
def test_right_checksum_around_another_history_is_not_used(trained, two_generations, changed):
    with open_arrays(two_generations) as file:
        arrays = file.read_all()
    about = json.loads(arrays["about"].tobytes()) | changed
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    write_arrays(two_generations, {**arrays, "about": text}, {})
    snapshot, problems = read_back(two_generations, trained[0])
    assert same(snapshot, trained[1][0])
    assert problems == [f"{two_generations}: does not say of what training it is; it is not used"]


def test_snapshot_of_an_older_version_is_not_used(trained, tmp_path):
    path = tmp_path / "s.safetensors"
    metadata = {"identity": "ours", "number": "1", "history": "[]", "checksum": "0" * 64}
    save_file({"0.params.layers.0.bias": np.zeros((2, 8), np.float32)}, path, metadata)
    snapshot, problems = read_back(path, trained[0])
    assert snapshot is None
    assert problems == [
        f"{path}: holds no state of training, or that of an older version; it is not used"
    ]


def test_saving_leaves_no_other_file(two_generations):
    names = sorted(path.name for path in two_generations.parent.iterdir())
    assert names == ["s.previous", "s.safetensors"]


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

ours = {"document": "ours"}
save_snapshot(numbered(0), path, identity=ours)
for _ in range(25):
    child = os.fork()
    for number in range(1, 1_000_000) if child == 0 else ():
        save_snapshot(numbered(number), path, identity=ours)
    time.sleep(random.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    snapshot, problems = load_snapshot(path, identity=ours, like=like)
    whole = {float(x) for array in snapshot.states[0].values() for x in array} == {snapshot.number}
    print(problems, whole, snapshot.number, sep=";")
"""


def test_kill_in_the_middle_of_saving_leaves_a_whole_snapshot(tmp_path):
    message = subprocess.run(
        [sys.executable, "-c", _KILLED, tmp_path / "s.safetensors"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line.split(";") for line in message.splitlines()]
    assert [line[:2] for line in lines] == [["[]", "True"]] * 25
    assert len({number for *_, number in lines}) > 3
