"""Claims that are open, and what it would cost to settle them."""

import numpy as np
from judged_entry import ENTRY

from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.store.judged import Entry
from pipeline.store.recordings import Origin
from pipeline.store.results import Results
from pipeline.store.runs import History
from pipeline.tables.costs import open_claims


def results(name: str, seeds: range = range(0), seconds: float | None = None) -> Results:
    """A document with runs of every variant that took so long, all together, on two cores."""
    document = load_spec(name)
    runs = list_runs(document, seeds) if seeds else []
    history = History(runs, {"test_accuracy": np.ones((len(runs), 1))}, "mnist") if runs else None
    origin = Origin("2 x core of a processor", seconds, frozenset(), "") if seeds else None
    return Results(document, variants(document), history, None, (), origin=origin)


def rows_of(text: str) -> dict[str, list[str]]:
    """The cells of a table's lines behind the chapter, by the experiment."""
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {title: rest for _, title, *rest in cells}


def entry(name: str, verdict: str, chapter: int | None = 6) -> Entry:
    title = load_spec(name).title
    return {**ENTRY, "document": name, "title": title, "chapter": chapter, "verdict": verdict}


def test_what_lacks_is_reckoned_by_what_was_recorded() -> None:
    # Four runs in 400 s of two cores are 200 s of a core a run, and six runs lack.
    recorded = {"ch6-relu": results("ch6-relu", range(2), 400.0)}
    text = open_claims(
        [entry("ch6-relu", "undecided")], {"ch6-relu": results("ch6-relu")}, recorded
    )
    assert rows_of(text) == {"Rectified linear units": ["1 undecided", "2", "5", "0.33"]}
    assert "in the median recording of chapter 6" in text


def test_a_vote_waits_for_its_networks() -> None:
    names = ("ch6-ensemble", "ch6-dropout")
    text = open_claims([entry("ch6-ensemble", "not run")], {n: results(n) for n in names}, {})
    assert rows_of(text) == {"A vote of five networks": ["1 not run", "0", "5", "not known"]}


def test_runs_that_are_as_many_as_asked_for_leave_it_open() -> None:
    name = "ch3-schedule"
    recorded = {name: results(name, range(30), 60.0)}
    text = open_claims([entry(name, "undecided", 3)], {name: results(name)}, recorded)
    assert rows_of(text) == {
        "A learning rate schedule": ["1 undecided", "30", "30", "these leave it open"]
    }


def test_a_comparison_waits_for_what_it_is_with() -> None:
    names = ("ch6-conv-no-hidden", "ch6-conv")
    recorded = {name: results(name, range(5 - index), 60.0) for index, name in enumerate(names)}
    documents = {name: results(name) for name in names}
    (row,) = rows_of(open_claims([entry(names[0], "undecided")], documents, recorded)).values()
    assert row == ["1 undecided", "5", "5", "waits for: One convolution"]
    recorded["ch6-conv"] = results("ch6-conv", range(5), 60.0)
    (row,) = rows_of(open_claims([entry(names[0], "undecided")], documents, recorded)).values()
    assert row == ["1 undecided", "5", "5", "these leave it open"]


def test_nothing_is_said_where_nothing_is_open_and_of_what_is_no_claim_of_the_book() -> None:
    entries = [entry("ch6-relu", "supported"), entry("ch6-tanh", "not run", None)]
    assert open_claims(entries, {}, {}) == ""
