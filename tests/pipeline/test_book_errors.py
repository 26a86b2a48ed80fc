"""The page on what the book has wrong, and the errata of documents that it is made of."""

import judged_entry

from nndl_jax import load_spec
from pipeline.plan.plans import Plan
from pipeline.plan.resolving import without_words
from pipeline.tables.book_errors import errors_page

ENTRY = judged_entry.ENTRY | {"num_runs": 40, "departure": 0.004}


def page(*entries: dict) -> str:
    return errors_page([load_spec("ch4-function"), load_spec("ch4-step")], list(entries), {})


def test_a_contradicted_claim_stands_there_with_what_could_be_found_out() -> None:
    text = page(ENTRY, ENTRY | {"statement": "too high", "verdict": "inconsistent"})
    (row,) = [line for line in text.splitlines() if line.startswith("| ch3-net")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[1:] == [
        *("too high", "95.42 %", "95.00 % ± 0.10", "40", "±0.40 %", "inconsistent"),
    ]
    assert "None of those that were judged." in page(ENTRY)


def test_slips_stand_under_their_chapter() -> None:
    _, chapter = page().split("Chapter 4. A visual proof", 1)
    assert "- `ch4-function`: The chapter's recap of f(x)" in chapter
    assert "Chapter 3." not in page()
    assert "ch4-step" not in page()


def test_runs_of_two_kinds_and_of_any_kind_are_told() -> None:
    text = page(
        ENTRY | {"statement": "left a digit", "kinds": [0.75, 0.915]},
        ENTRY | {"statement": "anything", "verdict": "too varied"},
    )
    assert "| 75 % above 91.50 % |" in text
    (row,) = [line for line in text.splitlines() if "anything" in line]
    assert "94.00 to 96.00 %" in row


def test_errata_change_nothing_that_is_run() -> None:
    document = load_spec("ch4-function")
    told = document.model_copy(update={"errata": ("Another slip.",)})
    plans = [Plan.of(without_words(spec), (0,)) for spec in (document, told)]
    assert plans[0] == plans[1]
    assert document.bare().errata == ()
