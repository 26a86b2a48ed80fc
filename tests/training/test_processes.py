"""Several processes that train together have the bits of one, which goes on where they ended."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from several import SECONDS, ended, free_address
from trains_together import IDENTITY, SEEDS

from nndl_jax import abstract_states, dump_spec, load_snapshot, save_snapshot, train
from nndl_jax.data.datasets import save_dataset

TOGETHER = {
    "training.epochs": 6,
    "training.batch_size": 50,
    "training.keep_best": True,
    "training.early_stopping.rule": "no-improvement",
    "training.early_stopping.patience": 1,
    "monitors": ["validation_accuracy", "test_cost"],
}
# With three runs of each of two structures, two of four processes hold runs of both.
TWO_SHAPES = {"vary": [{"data.targets": ["one-hot", "binary"], "model.layers[1].units": [10, 4]}]}
PROGRAM = Path(__file__).with_name("trains_together.py")


@pytest.fixture(scope="module")
def train_alone(small_network, small_dataset):
    """A function from changed fields to a document and a snapshot after each epoch of it here."""

    def trained(changes):
        spec, history, snapshots = small_network(TOGETHER | changes), [], []
        for result in train(spec, small_dataset, seeds=SEEDS):
            history.append({name: values.tolist() for name, values in result.metrics.items()})
            snapshots.append(result.snapshot()._replace(history=list(history)))
        return spec, snapshots

    return trained


def write(folder, spec, dataset):
    """What processes find in their folder."""
    (folder / "small.yaml").write_text(dump_spec(spec))
    save_dataset(dataset, folder / "small.npz")


def start(folder, *arguments, number):
    """What processes that train together print, and how they end."""
    shared = {"JAX_COORDINATOR_ADDRESS": free_address(), "JAX_NUM_PROCESSES": str(number)}
    path = os.pathsep.join(map(str, sys.path))
    environment = {**os.environ, **shared, "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": path}
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, folder, *arguments],
            env={**environment, "JAX_PROCESS_ID": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(number)
    ]
    outputs = ended(processes)
    if any("Address already in use" in errors for _, _, errors in outputs):
        return start(folder, *arguments, number=number)  # Another took the port meanwhile.
    return outputs


def bits(snapshot):
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(snapshot.states)]
    rows = [{name: list(values) for name, values in row.items()} for row in snapshot.history]
    return leaves, repr(rows)


def read(folder, spec):
    like = abstract_states(spec, SEEDS)
    path = folder / "after.safetensors"
    snapshot, problems = load_snapshot(path, identity=IDENTITY, like=like, needs_history=True)
    assert not problems
    return snapshot


def check_ended_well(ended):
    """All know the same, follow the first, and refuse to train different things together."""
    for status, output, errors in ended:
        assert status == 0, errors
        assert output.splitlines()[-3:] == ended[0][1].splitlines()[-3:]
    output = ended[0][1]
    assert re.search("^hash [0-9a-f]{64}$", output, re.MULTILINE)
    assert "first 0 True False" in output
    assert "refused process 1 trains something else than process 0: give each" in output


def test_two_processes_have_the_bits_of_one_which_goes_on_from_theirs(
    train_alone, small_dataset, tmp_path
):
    spec, snapshots = train_alone({})
    write(tmp_path, spec, small_dataset)
    check_ended_well(start(tmp_path, "--until", "1", number=2))
    snapshot = read(tmp_path, spec)
    assert bits(snapshot) == bits(snapshots[1])
    *_, last = train(spec, small_dataset, seeds=SEEDS, resume=snapshot)
    assert bits(last.snapshot())[0] == bits(snapshots[-1])[0]


@pytest.mark.slow  # The one above is of two processes.
def test_four_processes_go_on_with_the_bits_of_one(train_alone, small_dataset, tmp_path):
    spec, snapshots = train_alone(TWO_SHAPES)
    write(tmp_path, spec, small_dataset)
    save_snapshot(snapshots[0], tmp_path / "before.safetensors", identity=IDENTITY)
    check_ended_well(start(tmp_path, "--resume", number=4))
    assert bits(read(tmp_path, spec)) == bits(snapshots[-1])


@pytest.mark.slow  # The recorder's is a shorter form.
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_others_within_a_minute_with_a_sentence(
    small_network, small_dataset, tmp_path, lost
):
    write(tmp_path, small_network(TOGETHER), small_dataset)
    begin = time.monotonic()
    ended = start(tmp_path, "--lost", str(lost), number=3)
    assert time.monotonic() - begin < 60 + SECONDS / 2  # They take their time to start.
    assert ended.pop(lost)[0] == -signal.SIGKILL
    for status, _, errors in ended:
        assert status == 1
        assert "another process of this training " in errors
        assert "start all of them again, what is saved is gone on with" in errors
