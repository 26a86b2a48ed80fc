"""Images that the networks of a document got wrong, as the site shows them."""

from pathlib import Path

import numpy as np
import pytest

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.pages.errors import list_mistakes
from pipeline.store.results import Results
from pipeline.store.runs import ERRORS, MISCLASSIFIED, Error, History, write_errors


def results(name: str, data: str, *files: Path) -> Results:
    """A document with one run, measured on a data set."""
    document = load_spec(name)
    history = History(list_runs(document, [0]), {"test_accuracy": np.array([[0.9]])}, data)
    return Results(document, variants(document), history, None, files)


def test_a_networks_mistakes_are_those_of_the_latest_run(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / MISCLASSIFIED
    write_errors([Error(number, 1, 7, 0.9) for number in range(30)], path)
    recorded = results("ch1-30-hidden", "small")
    mistakes = list_mistakes(recorded, results("ch1-30-hidden", "small", path), small_dataset)
    assert mistakes is not None
    assert mistakes.sentence.startswith("The first network of the latest run gets 30 test images")
    assert [mistake.error.image for mistake in mistakes.shown] == list(range(24))
    assert mistakes.shown[0].source.startswith("data:image/png;base64,")
    assert list_mistakes(recorded, recorded, small_dataset) is None


def test_a_votes_mistakes_are_framed_where_they_are_the_books(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / ERRORS
    shown = results("ch6-ensemble", "small", path)
    write_errors([Error(1, 1, 7), Error(2, 2, 8)], path)
    mistakes = list_mistakes(shown, shown, small_dataset)
    assert mistakes is not None
    assert "gets 2 test images wrong. The book's gets 33 wrong, of which ours gets 0" in (
        mistakes.sentence
    )
    assert not any(mistake.is_known for mistake in mistakes.shown)


def test_a_vote_that_the_book_has_not_is_held_against_none_of_its(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / ERRORS
    shown = results("beyond-vote", "small", path)
    write_errors([Error(1, 1, 7)], path)
    mistakes = list_mistakes(shown, shown, small_dataset)
    assert mistakes is not None
    assert mistakes.sentence == "The vote gets 1 test images wrong."


@pytest.mark.parametrize("name", ["ch1-30-hidden", "ch6-ensemble"])
def test_what_was_measured_of_other_images_is_not_seen_among_these(
    small_dataset: Dataset, tmp_path: Path, name: str
) -> None:
    paths = [tmp_path / ERRORS, tmp_path / MISCLASSIFIED]
    for path in paths:
        write_errors([Error(1, 1, 7, 0.5)], path)
    shown = results(name, "mnist", *paths)
    assert list_mistakes(shown, shown, small_dataset) is None
