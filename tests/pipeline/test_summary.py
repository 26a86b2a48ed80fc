"""What `python -m pipeline` says at its end."""

from pathlib import Path

import judged_entry
import pytest
from project import commit, run

from pipeline.machine.paths import MADE_ON, METRICS, TRAINED_ON
from pipeline.machine.writing import write_text
from pipeline.store.judged import Judged, write_judgements
from pipeline.tables.summary import summary

ENTRY = judged_entry.ENTRY | {
    "statement": "last",
    "book": 0.95,
    "spread": None,
    "num_runs": 1,
    "expected": None,
    "probability": None,
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Metrics of two documents, and a claim of the book, of one's own, and of a recording."""
    monkeypatch.chdir(tmp_path)
    METRICS.mkdir(parents=True)
    for name in ("ch3-net", "mine"):
        (METRICS / f"{name}.json").write_text("{}\n")
    undecided = ENTRY | {"statement": "first", "verdict": "undecided"}
    own = ENTRY | {"document": "mine", "chapter": None}
    recorded = [ENTRY, undecided | {"verdict": "equal"}]
    write_judgements(Judged("smoke", [ENTRY, undecided, own], recorded, {}))
    return tmp_path


def test_claims_are_counted_by_chapter_without_ones_own() -> None:
    table, *_ = summary(61)
    rows = [line.split() for line in table.splitlines()[2:]]
    assert rows[2] == ["3", "1", "2", "1", "1", "0", "0", "0"]
    assert [row[1:] for row in rows if row[0] != "3"] == [["0"] * 7] * 5


def test_without_a_repository_nothing_is_said_of_commits() -> None:
    assert [*summary(61)][1:] == ["report/results.md, after 1 min 1 s with the profile smoke"]


def test_metrics_that_are_not_as_committed_are_named(project: Path) -> None:
    run("git", "init", "-q", cwd=project)
    commit(project)
    message = "2 of 2 documents have the metrics that are committed"
    assert [*summary(0)][1] == message
    (METRICS / "mine.json").write_text("{ }\n")
    (METRICS / "new.json").write_text("{}\n")
    message = "1 of 3 documents have the metrics that are committed"
    assert [*summary(0)][1:3] == [message, "other numbers: mine, new"]
    assert not MADE_ON.exists()


def test_other_metrics_are_kept_with_what_made_them_and_the_same_with_what_made_those(
    project: Path,
) -> None:
    write_text(MADE_ON, '{"device": "core of Old 9000", "jax": "0.1"}\n')
    write_text(TRAINED_ON, '{"device": "1 x New 1", "jax": "0.2"}\n')
    run("git", "init", "-q", cwd=project)
    commit(project)
    of_old = "documents have the metrics that are committed, made on Old 9000 with jax 0.1"
    assert [*summary(0)][1] == f"2 of 2 {of_old}"
    assert "Old" in MADE_ON.read_text()
    (METRICS / "mine.json").write_text("{ }\n")
    assert [*summary(0)][1] == f"1 of 2 {of_old}"
    assert MADE_ON.read_text() == TRAINED_ON.read_text()
