"""Tables of chapter 6: networks as the book's program trained them, and corrected."""

from pathlib import Path

import numpy as np
import pytest
from project import CROWD, KEEPING

from nndl_jax.documents.load import parse_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.store.results import Results
from pipeline.store.runs import History
from pipeline.tables.side_by_side import best_and_last_table, errors_line, pairs_table

FORMS = """\
vary:
  - model.initializer.weights: [normal-fan-out, normal-fan-in]
    training.shuffle: [false, true]
"""
SIZES = FORMS + "  - model.layers[0].units: [8, 16]\n"
CLAIM = """\
claims:
  - kind: number
    statement: a number
    metric: test_accuracy
    value: 0.9878
    variant: {{model.initializer.weights: normal-fan-out{more}}}
"""
VOTE = f"{CROWD}known_errors: [{{image: 4, output: 9}}, {{image: 6, output: 0}}]\n"
# Three epochs of two runs. By validation the first run is best at epoch 2, the later one of two
# equals, and the second at epoch 1; their test accuracies there are 0.95 and 0.97.
VALIDATION = [[0.5, 0.9, 0.9], [0.5, 0.9, 0.8]]
TEST = [[0.1, 0.99, 0.95], [0.2, 0.97, 0.90]]
# Spread of two values d apart: d / sqrt(2).
AT_BEST, AT_LAST = "96.00 % ± 1.41", "92.50 % ± 3.54"


def vote(name: str, form: str, accuracy: float) -> Results:
    """A vote of networks of one form, held once."""
    more = f"variant: {{model.initializer.weights: {form}}}\n"
    document = parse_spec(VOTE.replace("A vote", name) + more, Path("crowd.yaml"))
    history = History(list_runs(document, [0]), {"test_accuracy": np.array([[accuracy]])}, "mnist")
    return Results(document, variants(document), history, None, ())


def experiment(text: str, values: dict[str, list]) -> Results:
    """A document of two runs, with test accuracies of some variants by name."""
    document = parse_spec(text, Path("tiny.yaml"))
    runs = [run for run in list_runs(document, range(2)) if run.variant in values]
    test = np.concatenate([values[name] for name in dict.fromkeys(run.variant for run in runs)])
    metrics = {
        "test_accuracy": test,
        "validation_accuracy": np.tile(VALIDATION, (len(values), 1)),
    }
    history = History(runs, metrics, "mnist")
    return Results(document, variants(document), history, None, ())


def cells(table: str) -> list[list[str]]:
    """The rows of a table, without its head."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def more(values: list, gain: float) -> list:
    return (np.array(values) + gain).tolist()


def test_both_forms_stand_beside_the_books_number() -> None:
    text = KEEPING + FORMS + CLAIM.format(more="")
    values = {"weights=normal-fan-out": TEST, "weights=normal-fan-in": more(TEST, 0.01)}
    (row,) = cells(pairs_table([experiment(text, values)]))
    expected = ["A tiny network", "98.78 %", AT_BEST, "97.00 % ± 1.41", "+1.00 %", "2"]
    assert row == expected


def test_runs_of_both_forms_are_told_where_they_differ() -> None:
    values = {"weights=normal-fan-out": TEST, "weights=normal-fan-in": TEST}
    both = experiment(KEEPING + FORMS, values)
    metrics = {name: curves[:3] for name, curves in both.history.metrics.items()}
    fewer = both._replace(history=History(both.history.runs[:3], metrics, "mnist"))
    (row,) = cells(pairs_table([fewer]))
    assert row[2:] == [AT_BEST, "95.00 %", "-1.00 %", "2, 1"]


def test_a_loss_by_the_correction_is_negative() -> None:
    values = {"weights=normal-fan-out": TEST, "weights=normal-fan-in": more(TEST, -0.01)}
    (row,) = cells(pairs_table([experiment(KEEPING + FORMS, values)]))
    assert row[1:] == ["", AT_BEST, "95.00 % ± 1.41", "-1.00 %", "2"]


def test_each_size_has_a_row_with_its_own_number() -> None:
    text = KEEPING + SIZES + CLAIM.format(more=", 'model.layers[0].units': 16")
    forms = ("normal-fan-out", "normal-fan-in")
    names = [f"weights={form},units={units}" for form in forms for units in (8, 16)]
    gains = (0.0, 0.001, 0.002, 0.004)
    values = {name: more(TEST, gain) for name, gain in zip(names, gains, strict=True)}
    rows = cells(pairs_table([experiment(text, values)]))
    assert [row[:2] for row in rows] == [
        ["A tiny network, hidden neurons = 16", "98.78 %"],
        ["A tiny network, hidden neurons = 8", ""],
    ]
    assert [row[4] for row in rows] == ["+0.30 %", "+0.20 %"]


@pytest.mark.parametrize("form", ["normal-fan-out", "normal-fan-in"])
def test_one_form_alone_has_no_row(form: str) -> None:
    assert pairs_table([experiment(KEEPING + FORMS, {f"weights={form}": TEST})]) == ""


def test_initializations_alone_are_no_two_forms() -> None:
    axis = "vary:\n  - model.initializer.weights: [normal-fan-out, normal-fan-in, normal]\n"
    names = [f"weights={weights}" for weights in ("normal-fan-out", "normal-fan-in", "normal")]
    assert pairs_table([experiment(KEEPING + axis, dict.fromkeys(names, TEST))]) == ""


def test_documents_of_one_form_and_those_not_run_have_no_row() -> None:
    one = experiment(KEEPING, {"base": TEST})
    both = experiment(
        KEEPING + FORMS, {"weights=normal-fan-out": TEST, "weights=normal-fan-in": TEST}
    )
    assert pairs_table([one, both._replace(history=None)]) == ""
    assert len(cells(pairs_table([one, both, both]))) == 2


def test_networks_stand_in_the_order_of_the_books_numbers() -> None:
    values = {"weights=normal-fan-out": TEST, "weights=normal-fan-in": TEST}
    claimed = KEEPING + FORMS + CLAIM.format(more="")
    texts = [KEEPING + FORMS, claimed, claimed.replace("0.9878", "0.978")]
    rows = cells(pairs_table([experiment(text, values) for text in texts]))
    assert [row[1] for row in rows] == ["97.80 %", "98.78 %", ""]


def test_votes_of_either_form_are_two_documents_and_one_row() -> None:
    printed = vote("A vote", "normal-fan-out", 0.9963)
    mended = vote("A vote, corrected", "normal-fan-in", 0.9965)
    (row,) = cells(pairs_table([mended, printed]))
    assert row == ["A vote", "", "99.63 %", "99.65 %", "+0.02 %", "1"]


def test_a_vote_that_was_held_as_the_program_did_stands_alone() -> None:
    printed = vote("A vote", "normal-fan-out", 0.9963)
    others = vote("Others", "normal-fan-in", 0.9965)
    others = others._replace(document=others.document.model_copy(update={"members": "others"}))
    (row,) = cells(pairs_table([printed, others]))
    assert row == ["A vote", "", "99.63 %", "not run", "", "1"]
    assert pairs_table([others]) == ""
    assert pairs_table([printed._replace(history=None)]) == ""


def test_without_validation_there_is_no_best_epoch() -> None:
    values = {"weights=normal-fan-out": TEST, "weights=normal-fan-in": TEST}
    both = experiment(KEEPING + FORMS, values)
    metrics = {"test_accuracy": both.history.metrics["test_accuracy"]}
    without = both._replace(history=both.history._replace(metrics=metrics))
    assert pairs_table([without]) == ""
    assert best_and_last_table(without) == ""


def test_the_best_epoch_stands_beside_the_last() -> None:
    values = {"weights=normal-fan-out": TEST, "weights=normal-fan-in": more(TEST, 0.01)}
    rows = cells(best_and_last_table(experiment(KEEPING + FORMS, values)))
    assert rows == [
        ["weights = normal-fan-out", AT_BEST, AT_LAST, "2"],
        ["weights = normal-fan-in", "97.00 % ± 1.41", "93.50 % ± 3.54", "2"],
    ]


def test_a_document_without_variants_has_one_row_with_its_title() -> None:
    (row,) = cells(best_and_last_table(experiment(KEEPING, {"base": TEST})))
    assert row[1:] == [AT_BEST, AT_LAST, "2"]
    assert row[0] == "A tiny network"


def test_a_variant_that_was_not_run_has_no_row() -> None:
    (row,) = cells(
        best_and_last_table(experiment(KEEPING + FORMS, {"weights=normal-fan-in": TEST}))
    )
    assert row[0] == "weights = normal-fan-in"


def test_a_single_run_has_no_spread() -> None:
    some = experiment(KEEPING, {"base": TEST})
    metrics = {name: curves[:1] for name, curves in some.history.metrics.items()}
    single = some._replace(history=History(some.history.runs[:1], metrics, "mnist"))
    (row,) = cells(best_and_last_table(single))
    assert row[1:] == ["95.00 %", "95.00 %", "1"]


def test_only_documents_that_keep_the_best_network_have_that_table() -> None:
    assert best_and_last_table(experiment(KEEPING.replace("true", "false"), {"base": TEST})) == ""


def test_errors_of_a_vote_are_counted_beside_the_books() -> None:
    document = parse_spec(VOTE, Path("crowd.yaml"))
    metrics = {"num_errors": np.array([[35.0]]), "num_common_errors": np.array([[1.0]])}
    history = History(list_runs(document, [0]), metrics, "mnist")
    vote = Results(document, variants(document), history, None, ())
    message = (
        "The vote gets 35 test images wrong. The book's gets 2 wrong, of which ours gets 1 wrong"
    )
    assert errors_line(vote) == f"{message}, too."
    assert errors_line(vote._replace(history=None)) == ""
    assert errors_line(experiment(KEEPING, {"base": TEST})) == ""
