"""A recorder that is stopped by its time or by a signal, or meets another one."""

import fcntl
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import TINY, tiny_project

from pipeline import record, train
from pipeline.machine.stop import Stop
from pipeline.store.dataset import load_data

LONG = TINY.replace("epochs: 300", "epochs: 12")
OTHER = LONG.replace("id: tiny", "id: zebra")
STATE = Path(".nndl/record/.nndl/tiny")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two documents of twelve epochs."""
    tiny_project(tmp_path, num_images=20)
    (tmp_path / "spec/tiny.yaml").write_text(LONG)
    (tmp_path / "spec/zebra.yaml").write_text(OTHER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "_SAVE_SHARE", 1e-9)  # Only the first epoch is saved by itself.
    return tmp_path


@pytest.fixture
def after_epochs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """A function that has something done after some epochs of the next training."""
    original = train.run

    def arrange(number: int, action: Callable[[], object]) -> None:
        def run(name, experiment, *, should_stop):
            left = iter(range(number, 0, -1))

            def ask() -> bool:
                if next(left, 0) == 1:
                    action()
                return should_stop()

            original(name, experiment, should_stop=ask)

        monkeypatch.setattr(train, "run", run)

    yield arrange
    monkeypatch.setattr(train, "run", original)


def histories() -> dict[str, str]:
    """The table of the first run of each document that is recorded."""
    found = sorted(Path("recorded").glob("*/*.csv"))
    return {path.parent.name: re.sub("(?m)^#.*\n", "", path.read_text()) for path in found}


def test_a_recorder_whose_time_is_over_goes_on_later_with_the_same_bits(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [outcome.status for outcome in record.record(runs=1)]
    assert whole == ["recorded", "recorded"]
    expected = histories()
    for path in (project / "recorded").iterdir():
        path.rename(project / f"{path.name}-whole")
    # Asked before each document and after each epoch: the fifth epoch of the first is the last.
    asked = iter(range(6))
    with monkeypatch.context() as patch:
        patch.setattr(Stop, "is_due", lambda _: next(asked, None) is None)
        outcomes = list(record.record(runs=1))
    assert [(outcome.name, outcome.status) for outcome in outcomes] == [
        ("tiny", "stopped"),
        ("zebra", "not begun"),
    ]
    assert outcomes[0].message == "tiny: stopped; the same command goes on with it"
    assert histories() == {}
    epochs: list[int] = []
    original = train._row
    monkeypatch.setattr(train, "_row", lambda r: epochs.append(r.epoch) or original(r))
    assert [outcome.status for outcome in record.record(["tiny"], runs=1)] == ["recorded"]
    assert epochs == list(range(6, 12))
    assert [outcome.status for outcome in record.record(["zebra"], runs=1)] == ["recorded"]
    assert histories() == expected
    assert Path.cwd() == project


@pytest.mark.usefixtures("project")
def test_no_document_is_begun_when_the_time_is_over() -> None:
    outcomes = list(record.record(deadline=time.monotonic()))
    assert [outcome.status for outcome in outcomes] == ["not begun", "not begun"]
    assert [outcome.message for outcome in outcomes] == ["tiny: not begun", "zebra: not begun"]
    assert not Path("recorded").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_recorder_after_the_epoch_with_one_sentence(
    after_epochs: Callable, number: int, status: int
) -> None:
    handlers = [
        signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    ]
    after_epochs(4, lambda: os.kill(os.getpid(), number))
    outcomes = []
    with pytest.raises(SystemExit) as ending:
        outcomes.extend(record.record(runs=1))
    assert (ending.value.code, [outcome.status for outcome in outcomes]) == (
        status,
        ["stopped", "not begun"],
    )
    assert outcomes[0].message == "tiny: stopped; the same command goes on with it"
    assert (STATE / "snapshot.safetensors").exists()
    now = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    assert now == handlers


@pytest.mark.usefixtures("project")
def test_a_second_signal_stops_a_recorder_at_once(
    after_epochs: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def send_twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("went on")

    after_epochs(2, send_twice)
    monkeypatch.setattr(sys, "argv", ["record", "--runs", "1", "tiny"])
    with pytest.raises(SystemExit) as ending:
        record.main()
    assert ending.value.code == 143
    assert capsys.readouterr().err == "tiny: stopped; the same command goes on with it\n"


@pytest.mark.usefixtures("project")
def test_an_epoch_without_end_is_waited_for_a_few_seconds_only(
    after_epochs: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    monkeypatch.setattr("pipeline.machine.stop._PATIENCE", 0.1)
    after_epochs(2, hang)
    begin = time.monotonic()
    with pytest.raises(SystemExit) as ending:
        list(record.record(["tiny"], runs=1))
    assert ending.value.code == 143
    assert time.monotonic() - begin < 30


@pytest.mark.usefixtures("project")
def test_a_signal_before_anything_is_trained_stops_a_recorder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record, "load_data", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as ending:
        list(record.record())
    assert (ending.value.code, capsys.readouterr().err) == (143, "stopped\n")


@pytest.mark.usefixtures("project")
def test_a_signal_that_the_parent_ignores_is_ignored() -> None:
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop.heeded():
            os.kill(os.getpid(), signal.SIGINT)
        assert not stop.is_due()
    finally:
        signal.signal(signal.SIGINT, earlier)


@pytest.mark.usefixtures("project")
def test_a_second_recorder_of_a_document_is_turned_away_before_it_touches_anything() -> None:
    STATE.mkdir(parents=True)
    (STATE / "lock").write_text("123")
    with (STATE / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcomes = list(record.record(["tiny"], runs=1))
    sentence = "tiny: process 123 is running this; wait for it or stop it"
    assert outcomes == [record.Outcome("tiny", "failed", sentence)]
    assert [path.name for path in STATE.iterdir()] == ["lock"]
    assert not Path("recorded").exists()
    assert not Path(".nndl/record/runs").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(28, "No space left on device", "runs/tiny"),
            "tiny: in .nndl/record, runs/tiny: No space left on device; make room and run the same "
            "command again, what is finished is kept",
        ),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmany lines"),
            "tiny: RESOURCE_EXHAUSTED: Out of memory",
        ),
    ],
    ids=["full disk", "full memory"],
)
def test_what_one_document_lacks_is_told_and_the_next_is_recorded(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    original = train.run

    def run(name, experiment, *, should_stop):
        if name == "tiny":
            raise error
        original(name, experiment, should_stop=should_stop)

    monkeypatch.setattr(train, "run", run)
    first, second = record.record(runs=1)
    assert first == record.Outcome("tiny", "failed", sentence)
    assert (second.name, second.status) == ("zebra", "recorded")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("names", "runs", "sentence"),
    [
        (["tny"], 1, r"^tny: is no document that can be recorded; did you mean 'tiny'\?$"),
        ([], 0, r"^runs: must be 1 to 1,000, got 0$"),
    ],
)
def test_what_cannot_be_recorded_is_an_error_of_the_call(
    names: list[str], runs: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        list(record.record(names, runs=runs))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["", "two\nlines"])
def test_data_under_a_name_that_is_no_line_are_refused_before_anything_is_run(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(record, "load_data", lambda: load_data()._replace(name=name))
    with pytest.raises(ValueError, match="its name must be one line for the heads of runs, got "):
        list(record.record(["tiny"], runs=1))
    assert not Path(".nndl/record").exists()
