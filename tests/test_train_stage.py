"""The stage that trains: killed at any moment it goes on, and ends with the same bits."""

import hashlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import environment, run, tiny_project, write_params

NUM_KILLS = 20
TRAIN = (sys.executable, "-m", "pipeline.train", "tiny")


def resolve(folder: Path) -> None:
    run(sys.executable, "-m", "pipeline.resolve", cwd=folder)


def digest(folder: Path) -> str:
    """A hash of everything that the stage gives."""
    total = hashlib.sha256()
    for path in sorted((folder / "runs/tiny").rglob("*")):
        if path.is_file():
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One compilation cache for all the processes that are killed."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: str) -> str:
    folder = tiny_project(tmp_path_factory.mktemp("undisturbed"))
    resolve(folder)
    run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    return digest(folder)


def kill_while_training(folder: Path, cache: str, rng: random.Random) -> bool:
    """Start the trainer and kill it a moment after it has saved; False if it was done before."""
    snapshot = folder / ".nndl/tiny/snapshot.safetensors"
    before = snapshot.stat().st_mtime_ns if snapshot.exists() else 0
    trainer = subprocess.Popen(
        TRAIN, cwd=folder, env=environment(NNDL_CACHE=cache), stderr=subprocess.PIPE
    )
    while trainer.poll() is None:
        if snapshot.exists() and snapshot.stat().st_mtime_ns != before:
            time.sleep(rng.uniform(0, 0.05))
            trainer.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    _, errors = trainer.communicate()
    assert trainer.returncode in (0, -signal.SIGKILL), errors.decode()
    return trainer.returncode != 0


def test_training_killed_twenty_times_ends_with_the_same_bits(
    tmp_path: Path, cache: str, undisturbed: str
) -> None:
    folder, rng = tiny_project(tmp_path / "project"), random.Random(1)
    resolve(folder)
    num_kills = 0
    while num_kills < NUM_KILLS:
        if kill_while_training(folder, cache, rng):
            num_kills += 1
        else:
            assert digest(folder) == undisturbed
            (folder / "runs/tiny/history.csv").unlink()
            shutil.rmtree(folder / ".nndl/tiny")
    run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    assert digest(folder) == undisturbed


def test_a_changed_document_does_not_resume_the_old_state(tmp_path: Path, cache: str) -> None:
    killed, fresh = tiny_project(tmp_path / "killed"), tiny_project(tmp_path / "fresh")
    resolve(killed)
    assert kill_while_training(killed, cache, random.Random(2))
    for folder in (killed, fresh):
        write_params(folder, overrides="{tiny: {optimizer.learning_rate: 0.5}}")
        resolve(folder)
        run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    assert digest(killed) == digest(fresh)


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
    for _ in range(1000):
        if not _is_running(trainer):
            return
        time.sleep(0.01)
    pytest.fail(f"process {trainer} still runs ten seconds after its parent was killed")


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


def test_output_is_quiet_without_a_terminal(tmp_path: Path, cache: str) -> None:
    folder = tiny_project(tmp_path / "project")
    resolve(folder)
    done = run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    assert (done.stdout, done.stderr) == ("", "")
