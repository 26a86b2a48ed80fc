"""What is run on an accelerator when there is one, rehearsed on CPUs."""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from project import ROOT, run

from benchmarks import accelerator, agreement, profile_step, step_times
from nndl_jax.documents import Network
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.training import step


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a rehearsal leaves which has time for the first of each part only."""
    out = tmp_path_factory.mktemp("out")
    command = ("-m", "benchmarks.accelerator", "--rehearse", "--minutes", "0.2", "--out", str(out))
    cache = tmp_path_factory.mktemp("cache")
    done = run(sys.executable, *command, cwd=ROOT, NNDL_CACHE=str(cache))
    return out, done.stdout


def test_a_rehearsal_does_every_part_and_says_so_at_once(rehearsed: tuple[Path, str]) -> None:
    out, printed = rehearsed
    assert (out / "log.txt").read_text() == printed
    assert "ch1-30-hidden: recorded in" in printed
    for part in ("part 1", "part 2", "part 3"):
        assert re.search(rf"^ *\d+\.\d s  {part}: ", printed, re.MULTILINE)


def test_a_rehearsal_writes_what_is_to_be_brought_home(rehearsed: tuple[Path, str]) -> None:
    out, _ = rehearsed
    compared = json.loads((out / "agreement.json").read_text())
    assert all(row["deviation"] <= row["tolerance"] for row in compared)
    assert all(row["is_repeatable"] for row in compared)
    timed = json.loads((out / "times.json").read_text())
    assert all(row["microseconds"] > 0 and row["megabytes"] > 0 for row in timed)
    files = {path.name: path for path in out.rglob("*") if path.is_file()}
    assert set(files) == {"log.txt", "agreement.json", "times.json", "recorded.zip"}
    assert all(path.stat().st_size <= 16 * 2**20 for path in files.values())


def test_every_document_that_the_plan_names_can_be_recorded() -> None:
    from benchmarks.accelerator import PLAN, REHEARSED, _cheap

    planned = [name for names, _ in PLAN for name in names]
    assert len(planned) == len(set(planned))
    assert {*planned, *REHEARSED, *_cheap()} <= set(list_specs())
    for name in {*REHEARSED, *_cheap()}:
        spec = load_spec(name)
        assert isinstance(spec, Network)
        assert spec.training.dtype == "float32"


def test_fifty_steps_are_made_of_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, overrides in agreement.NETWORKS.values():
        spec = agreement.load_network(name, overrides)
        assert isinstance(spec, Network)
        copies = 5 if spec.data.augmentation and spec.data.augmentation.kind == "shifts" else 1
        images = (spec.data.train_images or 0) * copies * spec.training.epochs
        assert images == agreement.NUM_STEPS * spec.training.batch_size


def test_devices_that_compute_something_else_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = (Mesh(np.asarray([device]), ("runs",)) for device in jax.devices()[:2])
    assert agreement.compare("784-30-10", other, one).is_good
    train = agreement._Trainer.train

    def other_pixels(images, spec):
        return images.astype(spec.training.dtype) / 255

    def train_with_other_pixels(self, first):
        if self._device == other.devices.flat[0]:
            monkeypatch.setattr(step, "pixels", other_pixels)
        found = train(self, first)
        monkeypatch.undo()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(agreement._Trainer, "train", train_with_other_pixels)
        found = agreement.compare("784-30-10", other, one)
    assert found.deviation > found.tolerance
    assert "DISAGREES" in str(found)


def test_a_step_is_timed_with_its_memory_and_its_compilation() -> None:
    case = step_times.Case("784-30-10", 2)
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    ((same, timing),) = step_times.time_cases([case], mesh, share=0.002, num_threads=1)
    assert same == case
    # Parameters of two runs, 10 test images and 100 training images at least.
    assert timing.megabytes > (2 * 4 * 23_860 + 110 * 784) / 1e6
    assert timing.describe(case).startswith("784-30-10, 2 runs: ")


def test_aims_are_of_cases_that_are_timed() -> None:
    timed = {
        (case.network, case.num_runs)
        for wave in step_times.waves(is_rehearsal=False)
        for case in wave
    }
    assert set(step_times.AIMS) <= timed


def test_documents_are_recorded_in_the_order_in_which_they_are_named() -> None:
    arguments = argparse.Namespace(documents=["ch6-relu:3", "ch1-30-hidden"], rehearse=False)
    plan = accelerator._plan(arguments, 60.0)
    assert plan == [(["ch6-relu"], 3, 60.0), (["ch1-30-hidden"], 5, 60.0)]


def test_what_fails_is_told_and_leaves_the_other_parts(tmp_path: Path, capsys) -> None:
    report = accelerator._Report(tmp_path, time.monotonic())
    with report.guard("a form", may_fail=True):
        raise NotImplementedError("unknown here\nand more")
    assert not report.has_failed
    with report.guard("a step"):
        raise RuntimeError
    assert report.has_failed
    report._log.close()
    told = capsys.readouterr().out
    assert re.search(r"s  a form: FAILED, unknown here\n.*s  a step: FAILED, RuntimeError\n", told)
    log = (tmp_path / "log.txt").read_text()
    assert "NotImplementedError: unknown here\nand more" in log


def test_a_profile_without_an_accelerator_is_told_from_one(tmp_path: Path) -> None:
    with jax.profiler.trace(str(tmp_path)):
        jax.block_until_ready(jax.jit(jax.numpy.sin)(1.0))
    (path,) = tmp_path.rglob("*.xplane.pb")
    with pytest.raises(ValueError, match="holds nothing that an accelerator ran"):
        profile_step.read(path)
