"""Histories on disk: what was measured of runs that are at different epochs."""

from pathlib import Path

import numpy as np
import pytest

from nndl_jax.documents.variants import Run
from pipeline.store.runs import (
    Error,
    read_errors,
    read_filters,
    read_history,
    write_errors,
    write_history,
)

NAN = float("nan")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_history_comes_back_with_gaps_where_nothing_was_measured() -> None:
    runs = [Run("base", 0), Run("base", 1)]
    rows = [{"epoch": [1.0, 2.0], "a": [0.1, NAN]}, {"epoch": [NAN, 4.0], "a": [9.0, 0.2]}]
    write_history("some", runs, [*rows, {"epoch": [3.0, NAN], "b": [0.3, 9.0]}], data="digits")
    found = read_history(Path("runs/some"))
    assert (list(found.runs), found.data) == (runs, "digits")
    np.testing.assert_equal(found.metrics["a"], [[NAN, 0.1, NAN, NAN, NAN], [NAN] * 4 + [0.2]])
    np.testing.assert_equal(found.metrics["b"], [[NAN, NAN, NAN, 0.3, NAN], [NAN] * 5])


def test_a_history_has_a_line_for_each_run_and_measured_epoch() -> None:
    runs = [Run("rate=1,l2=0", 0), Run("rate=1,l2=0", 7)]
    rows = [{"epoch": [0.0, 0.0], "a": [0.1, 0.2]}, {"epoch": [NAN, 5.0], "a": [NAN, NAN]}]
    write_history("some", runs, rows, data="mnist")
    lines = Path("runs/some/history.csv").read_text().splitlines()
    expected = ['"rate=1,l2=0",0,0,0.1', '"rate=1,l2=0",7,0,0.2', '"rate=1,l2=0",7,5,']
    assert lines == ["variant,seed,epoch,a", *expected]


def test_a_document_that_was_not_selected_has_no_history() -> None:
    write_history("some", [Run("base", 0)], [], data="mnist")
    assert read_history(Path("runs/some")) is None


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *(("about.json", content) for content in ("", "{", "[]", '"a"', "{}", "\xff", "[" * 9999)),
        ("history.csv", "variant,seed\nbase,0\n"),
        ("history.csv", "variant,seed,epoch,a\nbase,zero,0,1\n"),
        ("history.csv", "variant,seed,epoch,a\nbase,0,0\n"),
        ("history.csv", "variant,seed,epoch,a\nbase,0,0,1,2\n"),
        ("history.csv", "variant,seed,epoch,a\nbase,0,0,much\n"),
        ("history.csv", "variant,seed,epoch,a\nbase,0,-9,1\n"),
        ("history.csv", 'variant,seed,epoch,a\n"base,0,0,1\n'),
        ("history.csv", "\xff\n\xff"),
    ],
)
def test_damaged_results_are_told_in_a_sentence_that_says_where(file: str, content: str) -> None:
    write_history("some", [Run("base", 0)], [{"epoch": [0.0], "a": [1.0]}], data="mnist")
    path = Path("runs/some") / file
    path.write_text(content, encoding="latin-1")
    with pytest.raises(OSError, match="is not what was written; restore it, or delete") as caught:
        read_history(path.parent)
    assert str(caught.value).startswith(f"{path}: ")


def test_what_a_vote_got_wrong_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_errors(None, 10) is None
    assert read_filters(None) is None
    write_errors([Error(3, 1, 7)], tmp_path / "errors.csv")
    (tmp_path / "filters.csv").write_text(FILTERS)
    errors = read_errors(tmp_path / "errors.csv", 10)
    assert errors == [Error(3, 1, 7)]
    kernels = read_filters(tmp_path / "filters.csv")
    assert kernels is not None
    assert kernels.tolist() == [[[0.5, -1.0]], [[2.0, 3.0]]]


def test_what_a_network_got_wrong_comes_back_with_its_certainty(tmp_path: Path) -> None:
    errors = [Error(7, 2, 3, 0.9375), Error(3, 1, 7, 0.5)]
    write_errors(errors, tmp_path / "misclassified.csv")
    assert read_errors(tmp_path / "misclassified.csv", 10) == errors


FILTERS = "filter,row,column,weight\n0,0,0,0.5\n0,0,1,-1.0\n1,0,0,2.0\n1,0,1,3.0\n"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("errors.csv", "image,label\n3,1\n"),
        ("errors.csv", "image,label,output\n3,1\n"),
        ("errors.csv", "image,label,output\n3,1,seven\n"),
        ("errors.csv", "image,label,output\n10,1,7\n"),
        ("errors.csv", "image,label,output\n-1,1,7\n"),
        ("errors.csv", "\xff\n\xff"),
        ("misclassified.csv", "image,label,output,certainty\n3,1,7,much\n"),
        ("filters.csv", ""),
        ("filters.csv", FILTERS[:-10]),
        ("filters.csv", FILTERS.replace("0,0,1,-1.0\n", "")),
        ("filters.csv", FILTERS.replace("1,0,1,3.0", "1,0,10000000000,3.0")),
        ("filters.csv", FILTERS.replace("0,0,0,0.5", "-1,0,0,0.5")),
        ("filters.csv", FILTERS.replace("2.0", "two")),
    ],
)
def test_damaged_results_of_a_vote_are_told_in_a_sentence_that_says_where(
    tmp_path: Path, file: str, content: str
) -> None:
    path = tmp_path / file
    path.write_text(content, encoding="latin-1")
    with pytest.raises(OSError, match="is not what was written; restore it, or delete") as caught:
        _ = read_filters(path) if file == "filters.csv" else read_errors(path, 10)
    assert str(caught.value).startswith(f"{tmp_path / file}: ")
