"""What is said before networks are trained."""

from pathlib import Path

import pytest

from pipeline.store.forecast import announce, note, place


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_networks_to_be_trained_are_named_with_the_time_that_they_took() -> None:
    note("b", 250.0)
    note("c", 10.4)
    assert announce(["a", "b", "c", "d"], 7) == (
        "To be trained: 4 of 7 networks, a, b, c and 1 more; "
        "2 of these took 4 min 20 s here last time"
    )
    assert place("a") == "a: network 1 of 4; 2 of these took 4 min 20 s here last time"
    assert place("c") == "c: network 3 of 4; 1 of these took 10 s here last time"
    assert place("d") == "d: network 4 of 4"


def test_no_time_is_told_where_none_is_known() -> None:
    assert announce(["a"], 1) == "To be trained: 1 of 1 networks, a"


def test_that_nothing_is_trained_is_told() -> None:
    assert announce([], 3) == "No network is to be trained: all are as they were trained last"


def test_a_network_that_was_not_waited_for_is_not_counted() -> None:
    announce(["a"], 1)
    assert place("b") == ""


@pytest.mark.parametrize("content", ["", "[1", "3", "[]"])
def test_spoilt_times_are_no_times(project: Path, content: str) -> None:
    (project / ".nndl").mkdir()
    for name in ("waiting.json", "seconds.json"):
        (project / ".nndl" / name).write_text(content)
    assert place("a") == ""
    note("a", 1.0)
    assert announce(["a"], 1).endswith("these took 1 s here last time")
