"""The pipeline from end to end: what DVC runs, what it leaves alone, and what a user sees."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from project import (
    commit,
    copy_repository,
    environment,
    keep_documents,
    replace_in,
    run,
    start_anew,
)

from nndl_jax.documents.load import list_specs

NETWORK, BASELINE = "ch1-30-hidden", "ch1-average-darkness"
DOCUMENT = f"spec/{NETWORK}.yaml"
# Documents of each stage but the one that votes, whose members refer to many others.
FEW = (NETWORK, "ch1-100-hidden", BASELINE, "ch1-svm", "ch1-nand", "ch4-bump")
ALL = tuple(list_specs())
pytestmark = pytest.mark.parametrize(
    "kept",
    # DVC takes seconds for a few documents, and minutes for all of them.
    [pytest.param(FEW, id="few"), pytest.param(ALL, id="all", marks=pytest.mark.slow)],
    scope="module",
)


@pytest.fixture(scope="module")
def project(
    kept: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory, mnist_folder: Path
) -> Path:
    """A repository in which the smoke profile has run for two documents; tests change it."""
    folder = copy_repository(tmp_path_factory.mktemp("project"))
    keep_documents(folder, kept)
    replace_in(folder / "params.yaml", "profile: quick", "profile: smoke")
    wanted = f"documents: [{NETWORK}, {BASELINE}]"
    replace_in(folder / "params.yaml", "documents: all", wanted)
    repro(folder, mnist_folder)
    commit(folder)
    return folder


def make(folder: Path, mirror: Path | str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the pipeline as `make` does."""
    command = (sys.executable, "-m", "pipeline")
    own = {"NNDL_MNIST_MIRROR": str(mirror), "NNDL_CACHE": str(folder / ".nndl/cache")}
    return run(*command, cwd=folder, **own, **extra)


def repro(folder: Path, mirror: Path) -> set[str]:
    """Run the pipeline; the stages that ran."""
    return set(re.findall(r"Running stage '([^']+)'", make(folder, mirror).stdout))


def test_a_second_run_does_nothing(project: Path, mnist_folder: Path) -> None:
    assert repro(project, mnist_folder) == set()


def test_an_edited_comment_trains_nothing(project: Path, mnist_folder: Path) -> None:
    path = project / DOCUMENT
    path.write_text(f"# A remark.\n{path.read_text()}")
    assert {stage for stage in repro(project, mnist_folder) if "@" in stage} == set()


def test_a_remark_in_our_source_runs_nothing(project: Path, mnist_folder: Path) -> None:
    step = project / "nndl_jax/training/step.py"
    step.write_text(f"{step.read_text()}\n# A remark.\n")
    assert repro(project, mnist_folder) == {"code"}


@pytest.mark.slow  # In short: tests of a training's key say what changes it.
def test_an_edit_of_our_source_that_computes_the_same_trains_nothing(
    kept: tuple[str, ...], project: Path, mnist_folder: Path
) -> None:
    epoch = project / "nndl_jax/training/epoch.py"
    epoch.write_text(epoch.read_text().replace("train_once", "train_one_epoch"))
    found = repro(project, mnist_folder)
    assert {"code", "programs"} <= found
    # A search for a learning rate has no key: it is held against the code that it runs.
    searches = {"threshold@ch3-threshold"} if "ch3-threshold" in kept else set()
    assert {stage for stage in found if "@" in stage} == searches


def test_an_edited_document_runs_its_experiment_and_the_report(
    project: Path, mnist_folder: Path
) -> None:
    replace_in(project / DOCUMENT, "learning_rate: 3.0", "learning_rate: 2.5")
    diff = run("dvc", "params", "diff", "--json", cwd=project).stdout
    change = {"optimizer.learning_rate": {"old": 3.0, "new": 2.5, "diff": -0.5}}
    assert json.loads(diff)[DOCUMENT] == change
    expected = {"resolve", "programs", f"train@{NETWORK}", "evaluate", "report", "site", "models"}
    assert repro(project, mnist_folder) == expected
    changed = json.loads(run("dvc", "metrics", "diff", "--json", cwd=project).stdout)
    assert set(changed) == {"metrics/summary.json"}


# In short: an edited document runs the same stages, and what an override makes of documents and of
# the report stands in tests of settings and of recordings.
@pytest.mark.slow
def test_an_override_runs_its_experiment_and_the_report(project: Path, mnist_folder: Path) -> None:
    override = f"overrides: {{{NETWORK}: {{optimizer.learning_rate: 2.0}}}}"
    replace_in(project / "params.yaml", "overrides: {}", override)
    expected = {"resolve", "programs", f"train@{NETWORK}", "evaluate", "report", "site", "models"}
    assert repro(project, mnist_folder) == expected
    report = (project / "report/results.md").read_text()
    assert "**Not the book's experiment: other settings.**" in report
    assert "not judged (other settings)" in report


@pytest.mark.slow  # It is DVC that does it.
def test_what_was_run_before_comes_back_from_the_cache(project: Path, mnist_folder: Path) -> None:
    run("git", "checkout", "-q", "params.yaml", DOCUMENT, cwd=project)
    cache = str(project / ".nndl/cache")
    done = run("dvc", "repro", cwd=project, NNDL_MNIST_MIRROR=str(mnist_folder), NNDL_CACHE=cache)
    assert f"Stage 'train@{NETWORK}' is cached" in done.stdout


def test_an_experiment_on_the_command_line_changes_a_document(project: Path) -> None:
    setting = f"{DOCUMENT}:optimizer.learning_rate=1.5"
    cache = str(project / ".nndl/cache")
    # The stage that reads documents, and what it needs.
    run("dvc", "exp", "run", "-S", setting, "resolve", cwd=project, NNDL_CACHE=cache)
    resolved = json.loads((project / f"resolved/{NETWORK}.json").read_text())
    assert resolved["spec"]["optimizer"]["learning_rate"] == 1.5
    assert "1.5" in run("dvc", "exp", "show", "--csv", cwd=project).stdout
    run("git", "checkout", "-q", DOCUMENT, cwd=project)


def test_learning_curves_are_shown_as_plots(project: Path) -> None:
    done = run("dvc", "plots", "show", "--json", cwd=project)
    assert "Networks of chapter 1" in done.stdout


def test_a_bad_value_stops_everything_with_one_sentence(project: Path) -> None:
    replace_in(project / "params.yaml", "profile: smoke", "profile: smok")
    before = sorted((project / "runs").rglob("*"))
    done = run(sys.executable, "-m", "pipeline", cwd=project, check=False)
    run("git", "checkout", "-q", "params.yaml", cwd=project)
    assert done.returncode == 1
    expected = r"params\.yaml:3: profile: must be one of smoke, quick, book, got 'smok'.*\n"
    assert re.fullmatch(expected, done.stderr)
    assert sorted((project / "runs").rglob("*")) == before


# In short: what mends each file has its tests of locks and of starting.
@pytest.mark.slow
@pytest.mark.parametrize(("damaged", "length"), [(".dvc/tmp/rwlock", 0), ("dvc.lock", 8192)])
def test_a_file_that_a_kill_left_unfinished_is_mended(
    project: Path, mnist_folder: Path, damaged: str, length: int
) -> None:
    repro(project, mnist_folder)
    before = (project / "dvc.lock").read_bytes()
    os.truncate(project / damaged, length)
    # What git keeps or what is kept of earlier runs is in no cache; it is made again, and the same.
    rerun = {"resolve", "programs", "evaluate", "report", "site", "models"}
    assert repro(project, mnist_folder) <= rerun
    assert (project / "dvc.lock").read_bytes() == before


def test_a_killed_pipeline_ends_with_the_same_files(project: Path, mnist_folder: Path) -> None:
    extra = {
        "NNDL_MNIST_MIRROR": str(mnist_folder),
        "NNDL_CACHE": str(project / ".nndl/cache"),
    }
    repro(project, mnist_folder)
    before = (project / "dvc.lock").read_bytes()
    for delay in (2.0, 4.0, 6.0):
        command = [sys.executable, "-m", "pipeline", "--force"]
        process = subprocess.Popen(
            command,
            cwd=project,
            env=environment(**extra),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        # 255: DVC, which takes the lock of a process not yet reaped for held, and refuses to start.
        assert process.wait() in (-signal.SIGKILL, 255)
        _wait_for_group(process.pid)
    repro(project, mnist_folder)
    assert (project / "dvc.lock").read_bytes() == before


@pytest.mark.parametrize(
    ("number", "to_group", "status"), [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143)]
)
def test_a_stopped_pipeline_says_so_in_one_sentence_and_leaves_nothing_behind(
    project: Path, mnist_folder: Path, number: signal.Signals, status: int, *, to_group: bool
) -> None:
    """Ctrl-C reaches DVC and the trainer as well; SIGTERM the first process alone."""
    extra = {"NNDL_MNIST_MIRROR": str(mnist_folder), "NNDL_CACHE": str(project / ".nndl/cache")}
    process = start_anew(project, **extra)
    while not any("pipeline." in command for command in _commands(process.pid)):
        assert process.poll() is None
        time.sleep(0.05)
    for _ in range(2):
        os.killpg(process.pid, number) if to_group else process.send_signal(number)
    _, message = process.communicate()
    assert process.returncode == status
    *warnings, sentence = message.splitlines()
    assert sentence == "pipeline: stopped; the same command goes on from what is finished"
    # DVC tells of locks that an earlier one has left.
    assert all(line.startswith("WARNING: Process") for line in warnings)
    _wait_for_group(process.pid)


def _commands(process: int) -> list[str]:
    """The command lines of what a process has started."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found.append(" ".join(child.cmdline()))
    return found


def _wait_for_group(group: int) -> None:
    """Until the killed processes are gone: DVC takes their locks for held as long as they show."""
    for _ in range(1000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


# In short: tests of downloading, of the name of the data and of the report say the same of each.
@pytest.mark.slow
def test_without_a_source_every_result_is_marked_as_not_mnist(tmp_path: Path, kept) -> None:
    folder = copy_repository(tmp_path / "project")
    keep_documents(folder, kept)
    replace_in(folder / "params.yaml", "profile: quick", "profile: smoke")
    replace_in(folder / "params.yaml", "documents: all", f"documents: [{BASELINE}]")
    mirrors = folder / "pipeline/download.py"
    text = re.sub(r'"https://[^"]+"', '"http://127.0.0.1:9/"', mirrors.read_text())
    mirrors.write_text(text)
    done = make(folder, "", PYTHONPATH=str(folder))
    assert "MNIST COULD NOT BE HAD" in done.stderr
    report = (folder / "report/results.md").read_text()
    assert "**NOT MNIST.**" in report
    assert "not judged (not MNIST)" in report
    assert (
        json.loads((folder / f"metrics/documents/{BASELINE}.json").read_text())["data"] == "digits"
    )
    # What was recorded is of MNIST.
    own = re.sub(r"settings, recorded on.*?(?=\n##|\Z)", "", report, flags=re.DOTALL)
    assert not re.search(r"\b(equal|consistent)\b \|", own)
