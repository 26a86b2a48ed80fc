"""Documents run at the book's settings and kept: once, and also if interrupted."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from project import (
    CROWD,
    MACHINE,
    ROOT,
    TINY,
    environment,
    read_recorded,
    run,
    tiny_project,
    write_params,
)

from pipeline import ensemble, record, train
from pipeline.plan.plans import save_plan
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.store.recorded_run import write_run
from pipeline.store.recordings import read_runs
from pipeline.store.results import identity
from pipeline.store.runs import read_history

COMMAND = (sys.executable, "-m", "pipeline.record", "--runs", "3")
DOUBLE = TINY.replace("id: tiny", "id: double").replace("epochs: 300", "dtype: float64, epochs: 2")
# Whatever is run today, what is recorded is the book's.
TODAY = {
    "profile": "smoke",
    "documents": "[machine]",
    "overrides": "{tiny: {optimizer.learning_rate: 9.0}}",
}


def new_project(folder: Path) -> Path:
    tiny_project(folder)
    texts = {"crowd": CROWD, "machine": MACHINE, "double": DOUBLE}
    for name, text in texts.items():
        (folder / f"spec/{name}.yaml").write_text(text)
    write_params(folder, **TODAY)
    return folder


def contents(folder: Path) -> Mapping[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One compilation cache for all processes."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: str) -> Path:
    """A project in which all that can be was recorded; tests do not change it."""
    folder = new_project(tmp_path_factory.mktemp("recorded"))
    done = run(*COMMAND, cwd=folder, NNDL_CACHE=cache)
    message = "".join(rf"{name}: recorded in \d+ s\n" for name in ("machine", "tiny", "crowd"))
    assert re.fullmatch(message, done.stdout)
    return folder


@pytest.fixture
def copy(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the working folder, for tests that go on with it."""
    folder = shutil.copytree(recorded, tmp_path / "copy")
    monkeypatch.chdir(folder)
    return folder


def record_again(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["record", "--runs", "3", *arguments])
    record.main()


def test_all_but_networks_in_double_precision_are_recorded(recorded: Path) -> None:
    files = {f"tiny/base,seed={seed}.csv" for seed in range(3)}
    files |= {"crowd/base,seed=0.csv", "crowd/base,seed=0.errors.csv"}
    files |= {"machine/base,seed=0.csv"}
    assert set(contents(recorded / "recorded")) == files


def test_nothing_but_the_record_and_its_state_is_written(recorded: Path) -> None:
    names = {path.name for path in recorded.iterdir()}
    assert names == {"spec", "params.yaml", "data", "recorded", ".nndl"}


def test_networks_are_recorded_without_packages_of_other_stages(tmp_path: Path, cache: str) -> None:
    folder = new_project(tmp_path / "project")
    (folder / "spec/tiny.yaml").write_text(TINY.replace("epochs: 300", "epochs: 2"))
    absent = "sys.modules |= dict.fromkeys(('dvc', 'matplotlib', 'pooch', 'requests', 'sklearn'))"
    code = f"import sys; {absent}; from pipeline import record; record.main()"
    arguments = ("--runs", "3", "tiny", "crowd")
    done = run(sys.executable, "-c", code, *arguments, cwd=folder, NNDL_CACHE=cache)
    assert re.fullmatch(r"tiny: recorded in \d+ s\ncrowd: recorded in \d+ s\n", done.stdout)


@pytest.mark.usefixtures("copy")
def test_a_record_says_what_of_on_what_and_how_long() -> None:
    _, resolved = resolve_all(changes=BOOK)
    heads = {name: read_runs(Path("recorded") / name)[0].head for name in ("tiny", "crowd")}
    for name, head in heads.items():
        assert (head.variant, head.seed, head.data) == ("base", 0, "synthetic")
        assert head.document == identity(name, resolved)
        assert re.fullmatch("[0-9a-f]{16}", head.document)
        assert re.fullmatch(r"\d+ x core of .+", head.device)
        assert head.seconds is not None
        assert 0 < head.seconds < 600
    assert resolved["tiny"].digest().startswith(heads["tiny"].document)
    assert re.fullmatch("[0-9a-f]{16}(; [0-9a-f]{16})*", heads["tiny"].program or "")
    assert heads["tiny"].versions == f"jax {version('jax')}, jaxlib {version('jaxlib')}"
    assert (heads["crowd"].program, heads["crowd"].versions) == (None, None)


def test_a_record_is_what_the_stages_measure_at_the_books_settings(copy: Path) -> None:
    _, resolved = resolve_all(changes=BOOK | {"runs": 3})
    for name in ("tiny", "crowd"):
        save_plan(name, resolved[name])
    train.run("tiny", resolved["tiny"])
    ensemble.run("crowd", resolved["crowd"])
    found = read_recorded()
    for name in ("tiny", "crowd"):
        recorded, measured = found[name].history, read_history(Path("runs") / name)
        assert recorded is not None
        assert measured is not None
        assert recorded.runs == measured.runs
        for metric, curves in recorded.metrics.items():
            is_kept = ~np.isnan(curves)
            expected = [float(f"{value:.8g}") for value in measured.metrics[metric][is_kept]]
            assert curves[is_kept].tolist() == expected
    errors = copy / "recorded/crowd/base,seed=0.errors.csv"
    assert errors.read_bytes() == (copy / "runs/crowd/errors.csv").read_bytes()
    history = found["tiny"].history
    assert history is not None
    assert history.metrics["test_accuracy"].shape == (3, 300)
    assert not np.isnan(history.metrics["test_accuracy"][:, :64]).any()


FLOWERS = (ROOT / "docs/data/iris.yaml").read_text().replace("epochs: 60", "epochs: 2")


def test_documents_of_other_data_are_recorded_where_these_are_there(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "spec/iris.yaml").write_text(FLOWERS)
    clothes = TINY.replace("id: tiny", "id: clothes\ndata: {name: fashion-mnist}")
    (copy / "spec/clothes.yaml").write_text(clothes)
    (copy / "data/dataset.safetensors").unlink()
    monkeypatch.setenv("NNDL_FASHION_MNIST_MIRROR", "nowhere")
    monkeypatch.setattr(sys, "argv", ["record", "--runs", "1", "iris", "clothes"])
    with pytest.raises(SystemExit):
        record.main()
    told = capsys.readouterr()
    assert re.fullmatch(r"iris: recorded in \d+ s\n", told.out)
    assert told.err.startswith("clothes: fashion-mnist is not on this machine: put ")
    (run,) = read_runs(Path("recorded/iris"))
    assert (run.head.data, run.epochs) == ("iris", [0, 1])
    assert not Path("data/dataset.safetensors").exists()
    found = read_recorded()["iris"]
    assert found.foreign is None
    assert found.history is not None
    assert found.history.data == "iris"


def test_what_is_recorded_is_passed_over(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / ".nndl/record/.nndl/tiny/lock").write_text("")
    before = contents(copy)
    record_again(monkeypatch, "tiny")
    message = "tiny: is recorded already; delete recorded/tiny to do it again\n"
    assert capsys.readouterr().out == message
    after = contents(copy)
    assert after.pop(".nndl/record/.nndl/tiny/lock")
    assert after == {name: content for name, content in before.items() if name in after}
    assert len(after) == len(before) - 1


def test_a_changed_document_is_recorded_anew(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(read_recorded()) == {"tiny", "crowd", "machine"}
    path = copy / "spec/tiny.yaml"
    path.write_text(f"# A remark.\n{TINY.replace('A tiny network', 'A small network')}")
    assert set(read_recorded()) == {"tiny", "crowd", "machine"}
    path.write_text(TINY.replace("epochs: 300", "epochs: 2"))
    assert "tiny" not in read_recorded()
    record_again(monkeypatch, "tiny")
    history = read_recorded()["tiny"].history
    assert history is not None
    assert history.metrics["test_accuracy"].shape == (3, 2)
    assert Path.cwd() == copy


def test_a_failure_does_not_keep_others_from_being_recorded(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "spec/tiny.yaml").write_text(TINY.replace("epochs: 300", "epochs: 3"))
    other = TINY.replace("id: tiny", "id: zebra").replace("epochs: 300", "epochs: 2")
    (copy / "spec/zebra.yaml").write_text(other)
    (copy / "spec/crowd.yaml").unlink()
    monkeypatch.setattr(record.train, "run", _diverging(record.train.run))
    with pytest.raises(SystemExit) as ending:
        record_again(monkeypatch)
    assert (ending.value.code, capsys.readouterr().err) == (1, "tiny: diverged\n")
    assert set(read_recorded()) == {"machine", "zebra"}


def _diverging(original):
    def run(name, experiment, **options):
        if name == "tiny":
            sys.exit("tiny: diverged")
        original(name, experiment, **options)

    return run


def test_runs_and_seeds_are_no_part_of_a_document(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(copy, runs="17", seed="1")
    assert set(read_recorded()) == {"tiny", "crowd", "machine"}
    before = contents(copy / "recorded")
    record_again(monkeypatch, "--runs", "2", "tiny")
    assert contents(copy / "recorded") == before


def kill_while_recording(folder: Path, cache: str) -> None:
    """Start recording, and kill it as soon as it has saved a state."""
    snapshot = folder / ".nndl/record/.nndl/tiny/snapshot.safetensors"
    recorder = subprocess.Popen(
        [*COMMAND, "tiny"],
        cwd=folder,
        env=environment(NNDL_CACHE=cache),
        stdout=subprocess.DEVNULL,
    )
    while not snapshot.exists() and recorder.poll() is None:
        time.sleep(0.001)
    recorder.send_signal(signal.SIGKILL)
    assert recorder.wait() == -signal.SIGKILL


@pytest.mark.slow  # In short, in one process: test_record_stops.py.
def test_an_interrupted_record_goes_on_with_the_same_bits(
    tmp_path: Path, recorded: Path, cache: str
) -> None:
    folder = new_project(tmp_path / "project")
    kill_while_recording(folder, cache)
    assert not (folder / "recorded").exists()
    done = run(*COMMAND, "tiny", cwd=folder, NNDL_CACHE=cache)
    # Nobody knows how long the first part took.
    assert (done.stdout, done.stderr) == ("tiny: recorded\n", "")
    found, whole = (read_runs(place / "recorded/tiny") for place in (folder, recorded))
    untimed = [run._replace(head=run.head._replace(seconds=None)) for run in whole]
    assert [write_run(run) for run in found] == [write_run(run) for run in untimed]


def test_what_a_kill_left_unfinished_is_no_record(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = copy / "recorded/crowd/base,seed=0.csv"
    unfinished = whole.with_name(".0123456789abcdef.writing")
    unfinished.write_bytes(whole.read_bytes()[:40])
    whole.unlink()
    assert set(read_recorded()) == {"tiny", "machine"}
    record_again(monkeypatch, "crowd")
    assert set(read_recorded()) == {"tiny", "crowd", "machine"}
    assert not unfinished.exists()


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("crwd", "did you mean 'crowd'?"),
        ("double", "known are 'crowd', 'machine', 'tiny'"),
        ("own", "known are 'crowd', 'machine', 'tiny'"),
    ],
    ids=["unknown", "double precision", "file of one's own"],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_run(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    own = FLOWERS.replace("id: iris", "id: own").replace("name: iris", "name: mine/flowers.csv")
    Path("spec/own.yaml").write_text(own)
    resolve_all(changes=BOOK)  # Which keeps what it has read.
    before = contents(Path())
    with pytest.raises(SystemExit) as ending:
        record_again(monkeypatch, "tiny", name)
    assert ending.value.code == f"{name}: is no document that can be recorded; {hint}"
    assert contents(Path()) == before


def test_faults_of_documents_are_told_in_one_sentence(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "spec/tiny.yaml").write_text(TINY.replace("epochs: 300", "epochs: 0"))
    with pytest.raises(SystemExit) as ending:
        record_again(monkeypatch, "crowd")
    assert ending.value.code.splitlines()[0] == (
        "spec/tiny.yaml:13: training.epochs: must be >= 1, got 0"
    )
