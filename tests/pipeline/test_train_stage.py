"""The stage that trains: it goes on with nothing else, alone, and says in a sentence what is wrong.

That a killed one goes on and ends with the same bits is an attack, `tests/attack/test_kills.py`.
"""

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import environment, run, tiny_project, write_params
from trainer import TRAIN, digest, kill_while_training, resolve


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One compilation cache for all the processes that are killed."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache: str) -> tuple[str, str]:
    """A hash of what an undisturbed trainer gives, and what it says."""
    folder = tiny_project(tmp_path_factory.mktemp("undisturbed"))
    resolve(folder)
    done = run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    return digest(folder), done.stdout + done.stderr


@pytest.fixture(scope="module")
def undisturbed(trained: tuple[str, str]) -> str:
    return trained[0]


@pytest.mark.slow  # In short, in one process: test_stopped_training.py.
def test_a_changed_document_does_not_resume_the_old_state(
    tmp_path: Path, cache: str, undisturbed: str
) -> None:
    folder = tiny_project(tmp_path / "killed")
    write_params(folder, overrides="{tiny: {optimizer.learning_rate: 0.5}}")
    resolve(folder)
    assert kill_while_training(folder, cache, random.Random(2))
    write_params(folder)
    resolve(folder)
    run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    assert digest(folder) == undisturbed


@pytest.mark.slow  # In short: tests of training compare the bits of devices.
def test_results_do_not_depend_on_the_number_of_devices(
    tmp_path: Path, cache: str, undisturbed: str
) -> None:
    folder = tiny_project(tmp_path / "project")
    resolve(folder)
    run(*TRAIN, cwd=folder, NNDL_CACHE=cache, JAX_NUM_CPU_DEVICES="1")
    assert digest(folder) == undisturbed


def test_a_second_trainer_is_turned_away(tmp_path: Path, cache: str, undisturbed: str) -> None:
    folder = tiny_project(tmp_path / "project")
    resolve(folder)
    first = subprocess.Popen(TRAIN, cwd=folder, env=environment(NNDL_CACHE=cache))
    lock = folder / ".nndl/tiny/lock"
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.001)
    second = run(*TRAIN, cwd=folder, check=False, NNDL_CACHE=cache)
    assert first.wait() == 0
    assert second.returncode == 1
    expected = rf"tiny: process {first.pid} is running this; wait for it or stop it\n"
    assert re.fullmatch(expected, second.stderr)
    assert digest(folder) == undisturbed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_trainer_ends_with_its_parent(tmp_path: Path, cache: str) -> None:
    folder = tiny_project(tmp_path / "project")
    resolve(folder)
    code = f"import subprocess; subprocess.run({list(TRAIN)!r})"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=environment(NNDL_CACHE=cache)
    )
    lock = folder / ".nndl/tiny/lock"
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.001)
    trainer = int(lock.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(6000):  # A busy machine takes its time to take a process down.
        if not _is_running(trainer):
            return
        time.sleep(0.01)
    pytest.fail(f"process {trainer} still runs a minute after its parent was killed")


def _is_running(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(") ", 1)[1][0] != "Z"


def test_divergence_is_one_sentence_and_leaves_no_results(tmp_path: Path, cache: str) -> None:
    folder = tiny_project(tmp_path / "project")
    overrides = (
        "{tiny: {optimizer.learning_rate: 1.0e+6, model.layers.0.activation: linear, "
        "model.layers.1.activation: linear}}"
    )
    write_params(folder, overrides=overrides)
    resolve(folder)
    done = run(*TRAIN, cwd=folder, check=False, NNDL_CACHE=cache)
    assert done.returncode == 1
    pattern = (
        r"tiny: the cost of run base,seed=\d became (inf|nan) at epoch 0, step \d+, with "
        r"optimizer\.learning_rate = 1e\+06; make the learning rate smaller\n"
    )
    assert re.fullmatch(pattern, done.stderr)
    assert not (folder / "runs/tiny/history.csv").exists()


def test_output_is_quiet_without_a_terminal(trained: tuple[str, str]) -> None:
    assert trained[1] == ""
