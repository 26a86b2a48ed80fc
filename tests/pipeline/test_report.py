"""Tables of the report: numbers by what they measure, one row for each experiment."""

import doctest

import pytest
from judged_entry import ENTRY

from nndl_jax.documents.load import load_spec
from pipeline.report import update_readme
from pipeline.tables import format as wording
from pipeline.tables.claims import claims_table, false_alarms, overview_table
from pipeline.tables.format import axis_label

CURVE = {"kind": "curve", "epoch": None, "book": None, "mean": None, "spread": None} | {
    "expected": None,
    "num_epochs": 400,
}
COMPARISON = {"kind": "comparison", "book": None, "expected": None, "verdict": "supported"}
COST = {"metric": "train_cost", "book": 0.391684, "mean": 1.8434123, "spread": 0.0123}
NORM = {"metric": "gradient_norm.2", "book": 0.00134, "mean": 0.0013412, "spread": 0.000123}


def cells(table: str) -> list[list[str]]:
    """The rows of a table, without its head."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["95.42 %", "95.00 % ± 0.10", "4", "94.00 to 96.00 %"]),
        ({"spread": None, "expected": None}, ["95.42 %", "95.00 %", "4", ""]),
        (COST | {"expected": [1.5, 2.25]}, ["0.39168", "1.8434 ± 0.012", "4", "1.5 to 2.25"]),
        (
            NORM | {"expected": [8.7e-5, 0.1]},
            ["0.00134", "0.00134 ± 0.00012", "4", "8.7e-05 to 0.1"],
        ),
        (
            {"metric": "slope", "book": 2.0119, "expected": None},
            ["2.0119", "0.95 ± 0.001", "4", ""],
        ),
        (
            CURVE | {"num_equal": 400, "deviation": 1e-16},
            ["400 epochs", "400 of 400 epochs equal", "4", ""],
        ),
        (
            CURVE | {"num_equal": 389, "deviation": 0.0002},
            ["400 epochs", "389 of 400 epochs equal, at most 0.02 % apart", "4", ""],
        ),
        (COMPARISON | {"mean": 0.03}, ["", "+3.00 % ± 0.10", "4", ""]),
        (COMPARISON | {"mean": -0.03}, ["", "-3.00 % ± 0.10", "4", ""]),
        (COST | COMPARISON | {"mean": -0.25}, ["", "-0.25 ± 0.012", "4", ""]),
        (NORM | COMPARISON | {"mean": 4.7, "spread": 1.2}, ["", "4.7 times ×÷ 1.2", "4", ""]),
        (
            COMPARISON | {"mean": 0.03, "spread": None, "interval": [-0.01, 0.07]},
            ["", "+3.00 %", "4", "-1.00 % to +7.00 %"],
        ),
    ],
)
def test_numbers_are_shown_by_what_they_measure(changes: dict, expected: list[str]) -> None:
    (row,) = cells(claims_table([ENTRY | changes]))
    assert row[1:5] == expected


@pytest.mark.parametrize("kind", [CURVE, COMPARISON, {}])
def test_what_was_not_run_is_left_empty(kind: dict) -> None:
    nothing = {"verdict": "not run", "mean": None, "spread": None, "expected": None, "num_runs": 0}
    (row,) = cells(claims_table([ENTRY | kind | nothing]))
    assert row[2:] == ["", "", "", "", "not run"]


@pytest.mark.parametrize(
    ("changes", "power"),
    [
        ({"departure": 0.0072}, "±0.72 %"),
        (COST | {"departure": 0.131}, "±0.13"),
        (NORM | {"departure": 1.84}, "×÷ 1.8"),
        (COMPARISON | {"superiority": 0.834}, "83 of 100 pairs"),
        ({}, ""),
    ],
)
def test_power_is_shown_by_what_is_claimed(changes: dict, power: str) -> None:
    (row,) = cells(claims_table([ENTRY | changes]))
    assert row[5] == power


def test_false_alarms_are_counted_over_all_numbers() -> None:
    sure = ENTRY | {"probability": 1e-6, "verdict": "inconsistent"}
    chance = ENTRY | {"probability": 0.009, "verdict": "inconsistent"}
    message = false_alarms(
        [sure, chance, *[ENTRY] * 198, COMPARISON | ENTRY | {"kind": "comparison"}]
    )
    assert message.startswith("200 numbers ")
    assert (
        "finds 2.0 inconsistent where all are ours. 2 are, and 1 if of what is found 5 %" in message
    )
    assert false_alarms([ENTRY | {"probability": None}]) == ""


def test_a_verdict_says_why_there_is_none() -> None:
    (row,) = cells(claims_table([ENTRY | {"verdict": "not judged", "foreign": "not MNIST"}]))
    assert row[-1] == "not judged (not MNIST)"


@pytest.mark.parametrize("field", ["title", "statement"])
def test_a_text_of_a_document_cannot_break_a_table(field: str) -> None:
    text = "a | b\n\n|---|\r\n<!-- /results --> <script> 1 < 2"
    table = overview_table([ENTRY | {field: text}])
    expected = "a &#124; b &#124;---&#124; &lt;!-- /results --> &lt;script> 1 < 2"
    assert expected in [cell for row in cells(table) for cell in row]
    assert len(table.splitlines()) == 3


def test_the_readme_takes_another_table_whatever_a_title_was(tmp_path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n<!-- results -->\n<!-- /results -->\nAfter.\n")
    for title in ("<!-- /results -->", "plain"):
        update_readme(readme, "smoke", [ENTRY | {"title": title}])
    assert readme.read_text().count("results -->") == 2
    assert readme.read_text().endswith("<!-- /results -->\nAfter.\n")


def test_the_overview_has_a_row_for_each_experiment_by_chapters() -> None:
    other = {"document": "ch1-net", "chapter": 1, "title": "Another"}
    rows = cells(overview_table([ENTRY, ENTRY | {"verdict": "equal"}, ENTRY | other]))
    assert [row[:2] for row in rows] == [["1", "Another"], ["3", "A net"]]
    assert rows[1][-1] == "1 consistent, 1 equal"


@pytest.mark.parametrize("order", [1, -1])
def test_the_overview_shows_the_claim_that_says_most(order: int) -> None:
    entries = [
        ENTRY | CURVE | {"statement": "not run", "verdict": "not run"},
        ENTRY | COMPARISON | {"statement": "comparison", "epoch": "best"},
        ENTRY | {"statement": "last"},
        ENTRY | {"statement": "best", "epoch": "best"},
        ENTRY | {"statement": "third", "epoch": 2},
    ]
    (row,) = cells(overview_table(entries[::order]))
    assert row[2] == "best"
    curve = ENTRY | CURVE | {"statement": "curve", "num_equal": 400, "deviation": 0.0}
    (row,) = cells(overview_table([*entries, curve][::order]))
    assert row[2] == "curve"


@pytest.mark.parametrize(
    ("name", "metrics", "expected"),
    [
        ("ch1-30-hidden", ["test_accuracy"], "test accuracy (%)"),
        ("ch1-30-hidden", ["test_accuracy", "train_accuracy"], "accuracy (%)"),
        ("ch1-30-hidden", ["train_cost"], "training cost"),
        ("ch3-overfitting", ["train_cost"], "training cost (nats)"),
        ("ch3-overfitting", ["gradient_norm.1", "gradient_norm.2"], "norm of ∂C/∂b (nats)"),
    ],
)
def test_axes_name_a_quantity_and_its_unit(name: str, metrics: list[str], expected: str) -> None:
    assert axis_label(metrics, load_spec(name)) == expected


def test_the_examples_of_the_wording_are_true() -> None:
    assert doctest.testmod(wording).failed == 0
