"""What is told of a document of one's own, which has no claims to show its numbers beside."""

import numpy as np
import pytest

from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.store.results import Results
from pipeline.store.runs import History
from pipeline.tables.last_numbers import last_numbers


def results(name: str, metrics: dict[str, list[list[float]]], *, is_own: bool = True) -> Results:
    spec = load_spec(name)
    spec = spec.model_copy(update={"source": None}) if is_own else spec
    runs = list_runs(spec, range(2))
    history = History(runs, {key: np.array(values) for key, values in metrics.items()}, "mnist")
    return Results(spec, variants(spec), history, None, [])


@pytest.mark.parametrize(
    ("name", "metrics", "message"),
    [
        (
            "ch1-30-hidden",
            {"test_accuracy": [[0.9, 0.95], [0.9, 0.95]]},
            "At the end: test accuracy 95.00 % ± 0.00.",
        ),
        (
            "ch3-threshold",
            {"order": [[0.1], [0.1]], "threshold": [[0.5], [1.0]]},
            "Measured: order 0.1 ± 0, threshold 0.75 ± 0.35.",
        ),
        # Weighted inputs of each row are too many to tell.
        (
            "ch1-nand",
            {"num_wrong": [[0.0], [0.0]], "weighted_input.out.00": [[3.0], [3.0]]},
            "Measured: num wrong 0 ± 0.",
        ),
    ],
)
def test_the_last_numbers_of_ones_own_document_are_told(name, metrics, message):
    assert last_numbers(results(name, metrics)) == message
    assert last_numbers(results(name, metrics, is_own=False)) == ""


def test_what_is_counted_is_told_of_the_books_documents_too():
    accuracies, counts = [[0.8, 0.9]] * 2, [[2.0, 1.0]] * 2
    metrics = {"test_accuracy": accuracies, "test_unlearned": counts}
    message = last_numbers(results("ch1-100-hidden", metrics, is_own=False))
    assert message == "At the end: test unlearned 1 ± 0."
