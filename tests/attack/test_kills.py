"""Kills of a trainer and of the whole pipeline: both end with the bits of an undisturbed one."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from project import (
    commit,
    copy_repository,
    keep_documents,
    replace_in,
    run,
    start_anew,
    tiny_project,
)
from trainer import TRAIN, digest, kill_while_training, resolve

from attack.verdict import RIGHT, FindingError, Outcome

PIPELINE = (sys.executable, "-m", "pipeline")
KEPT = ("ch1-30-hidden", "ch1-svm", "ch4-bump")
RESULTS = ("dvc.lock", "metrics", "report", "resolved", "runs")


def test_a_trainer_killed_many_times_ends_with_the_same_bits(
    attack_size, attack_seed, conclude, tmp_path, tmp_path_factory
):
    outcome = Outcome("kills of a trainer", attack_seed)
    cache = str(tmp_path_factory.mktemp("cache"))
    fresh, folder = tiny_project(tmp_path / "fresh"), tiny_project(tmp_path / "killed")
    for project in (fresh, folder):
        resolve(project)
    run(*TRAIN, cwd=fresh, NNDL_CACHE=cache)
    undisturbed, rng = digest(fresh), random.Random(attack_seed)

    def kill_once() -> str:
        while not kill_while_training(folder, cache, rng):
            compare()
            (folder / "runs/tiny/history.csv").unlink()
            shutil.rmtree(folder / ".nndl/tiny")
        return RIGHT

    def compare() -> None:
        if digest(folder) != undisturbed:
            raise FindingError("ends with other bits")

    for number in range(attack_size("kills of a trainer")):
        outcome.note(number, kill_once)
    run(*TRAIN, cwd=folder, NNDL_CACHE=cache)
    compare()
    conclude(outcome)


@pytest.mark.slow
def test_a_pipeline_killed_many_times_ends_with_the_same_files(
    attack_size, attack_seed, conclude, tmp_path, mnist_folder
):
    """Killed at any moment of all stages anew, together with what it has started or alone."""
    outcome, rng = Outcome("kills of the pipeline", attack_seed), random.Random(attack_seed)
    folder = copy_repository(tmp_path / "project")
    keep_documents(folder, KEPT)
    replace_in(folder / "params.yaml", "profile: quick", "profile: smoke")
    own = {"NNDL_MNIST_MIRROR": str(mnist_folder), "NNDL_CACHE": str(folder / ".nndl/cache")}
    run(*PIPELINE, cwd=folder, **own)
    commit(folder)
    started = time.monotonic()
    run(*PIPELINE, "--force", cwd=folder, **own)
    longest, before = time.monotonic() - started, sums(folder)

    def kill_once() -> str:
        status, message = 0, ""
        while status == 0:  # It was done before.
            delay, is_alone = rng.uniform(0, longest), rng.random() < 0.5
            status, message = kill_pipeline(folder, own, delay, is_alone=is_alone)
        if status != -signal.SIGKILL or "Traceback" in message:
            raise FindingError(f"status {status}: {message}")
        return RIGHT

    for number in range(attack_size("kills of the pipeline")):
        outcome.note(number, kill_once)
    assert "Traceback" not in run(*PIPELINE, cwd=folder, **own).stderr
    assert {name for name, _ in before.items() ^ sums(folder).items()} == set()
    conclude(outcome)


def kill_pipeline(
    folder: Path, own: Mapping[str, str], delay: float, *, is_alone: bool
) -> tuple[int, str]:
    """Begin everything anew and kill it some time later; its status and what it has said."""
    process = start_anew(folder, **own)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    with suppress(ProcessLookupError):
        (os.kill if is_alone else os.killpg)(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(2000):  # What it has started ends with it.
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        os.killpg(process.pid, signal.SIGKILL)
        raise FindingError("its children went on for twenty seconds")
    return process.returncode, process.communicate()[1]


def sums(folder: Path) -> dict[str, str]:
    """A hash of each file of results."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files(folder)
    }


def files(folder: Path) -> Iterator[Path]:
    for name in RESULTS:
        path = folder / name
        yield from (found for found in (path, *path.rglob("*")) if found.is_file())
