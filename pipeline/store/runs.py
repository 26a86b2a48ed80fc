"""What the stages that run an experiment leave in `runs/<id>/`, written and read in one place.

`history.csv` has a row for each run and measured epoch, `about.json` says what the numbers come
from, `weights/` holds a network for each run, `confusion.csv` says how many test images of a class
the networks of a variant take for which, the runs together, and, of a document of one variant,
`misclassified.csv` what its first network got wrong and how certain that was. Of an ensemble,
`errors.csv` says what it got wrong and `filters.csv` holds the kernels of its first network.
`made.json` holds what was run.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nndl_jax.documents.variants import Run
from pipeline.machine.paths import RUNS
from pipeline.machine.writing import file_name, replacing
from pipeline.store.kept import note

Row = Mapping[str, Sequence[float]]
"""Measurements: a value for each run by the name of the metric, NaN where nothing was measured.

`epoch` is among the names: the epoch at which each run was measured, NaN for a run that has ended
or was not measured now. Runs of one row may be at different epochs.
"""

ABOUT = "about.json"
HISTORY = "history.csv"
ERRORS = "errors.csv"
MISCLASSIFIED = "misclassified.csv"
FILTERS = "filters.csv"
CONFUSION = "confusion.csv"


class History(NamedTuple):
    """Measurements of a batch of runs."""

    runs: Sequence[Run]
    metrics: Mapping[str, Float[np.ndarray, "runs epochs"]]
    """By epoch; NaN where a run was not measured."""
    data: str
    """Name of the data set."""

    def num_runs(self) -> int:
        """Runs of each variant."""
        return len({run.seed for run in self.runs})


def write_history(
    name: str,
    runs: Sequence[Run],
    rows: Sequence[Row],
    *,
    data: str,
    folder: Path | None = None,
) -> None:
    """Write `history.csv` and `about.json` of a document.

    Args:
        name: the document's id.
        runs: in the order of the values in a row.
        rows: in the order of epochs; none for a document that was not selected.
        data: name of the data set that was measured on.
        folder: one that is to become `runs/<id>`; None to replace that by what is written here.
    """
    if folder is None:
        with replacing(RUNS / name) as fresh:
            write_history(name, runs, rows, data=data, folder=fresh)
        return
    metrics = list(dict.fromkeys(metric for row in rows for metric in row if metric != "epoch"))
    with (folder / HISTORY).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["variant", "seed", "epoch", *metrics])
        for index, run in enumerate(runs):
            for row in rows:
                if math.isnan(epoch := row["epoch"][index]):
                    continue
                values = [row[metric][index] if metric in row else math.nan for metric in metrics]
                cells = ["" if math.isnan(value) else value for value in values]
                writer.writerow([run.variant, run.seed, int(epoch), *cells])
    about = json.dumps({"data": data}) + "\n"
    (folder / ABOUT).write_text(about, encoding="utf-8")
    if rows:
        note(name, folder)


def write_confusions(
    counts: Mapping[str, Int[np.ndarray, "classes guesses"]],
    names: Sequence[str] | None,
    folder: Path,
) -> None:
    """Write what the networks of each variant take images for; nothing where there is none.

    Args:
        counts: by the name of the variant.
        names: of the classes; None for digits.
        folder: one that is to become `runs/<id>`.
    """
    if not counts:
        return
    with (folder / CONFUSION).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["variant", "class", "taken for", "images"])
        for variant, matrix in counts.items():
            digits = [str(digit) for digit in range(matrix.shape[1])]
            labels = [*(names or ()), *digits[len(names or ()) :]]
            for (label, guess), count in np.ndenumerate(matrix):
                writer.writerow([variant, labels[label], labels[guess], count])


def network_path(name: str, run: Run, *, is_best: bool = False, folder: Path | None = None) -> Path:
    """The file with a run's last network, or with its best if the document keeps that.

    Args:
        name: the document's id.
        run: of the document.
        is_best: which of the two.
        folder: with `weights/`, such as one that is to become `runs/<id>`; None for that itself.
    """
    folder = (folder or RUNS / name) / "weights"
    return (folder / "best" if is_best else folder) / f"{file_name(run.name)}.safetensors"


def read_about(folder: Path, file: str = ABOUT) -> Mapping[str, Any]:
    """What the numbers in a folder come from; nothing if there are none.

    Args:
        folder: `runs/<id>`.
        file: that says so.

    Raises:
        OSError: something else is in the file; a sentence that says what to do.
    """
    path = folder / file
    if not path.exists():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or "data" not in about:
        raise OSError(spoilt(path))
    return about


def spoilt(path: Path) -> str:
    """What is said of a file that holds something else than was written."""
    return f"{path}: is not what was written; restore it, or delete its folder"


def read_history(folder: Path) -> History | None:
    """The measurements of a document, or None if it was not selected.

    Args:
        folder: `runs/<id>`.

    Raises:
        OSError: it is not there, or damaged; the latter in a sentence that says what to do.
    """
    path = folder / HISTORY
    with whole(path):
        rows = read_table(path)
        return _read_rows(rows, read_about(folder)) if rows else None


class Error(NamedTuple):
    """An image that was taken for another class."""

    image: int
    """Its place in the test images, from 0."""
    label: int
    output: int
    certainty: float | None = None
    """The output of a network for that class; None of a vote."""


def write_errors(errors: Iterable[Error], path: Path) -> None:
    """Write what was got wrong.

    Args:
        errors: in the order in which they are to be read.
        path: `errors.csv` or `misclassified.csv`.
    """
    names = _OF_A_VOTE if path.name == ERRORS else Error._fields
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(error[: len(names)] for error in errors)


def read_errors(path: Path | None, num_images: int) -> Sequence[Error] | None:
    """The images that were taken for another class; None where nothing says so.

    Args:
        path: of `errors.csv` or `misclassified.csv`.
        num_images: of the split that was looked at.

    Raises:
        OSError: the file is damaged; a sentence that says what to do.
    """
    if path is None:
        return None
    with whole(path):
        rows = read_table(path)
        numbers = [[int(row[name]) for name in _OF_A_VOTE] for row in rows]
        certainties = [float(row["certainty"]) if "certainty" in row else None for row in rows]
        errors = [
            Error(image, label, output, certainty)
            for (image, label, output), certainty in zip(numbers, certainties, strict=True)
        ]
        if not all(0 <= error.image < num_images for error in errors):
            raise ValueError
    return errors


def read_filters(path: Path | None) -> Float[np.ndarray, "filters height width"] | None:
    """The kernels of the first layer of the first network that voted; None if it has none.

    Args:
        path: of the vote's `filters.csv`.

    Raises:
        OSError: the file is damaged; a sentence that says what to do.
    """
    if path is None:
        return None
    with whole(path):
        rows = read_table(path)
        places = [tuple(int(row[name]) for name in _PLACE) for row in rows]
        shape = tuple(number + 1 for number in places[-1])
        # They are written place by place, so that a line that is missing or changed shows.
        if math.prod(shape) != len(places) or places != list(np.ndindex(shape)):
            raise ValueError
        return np.reshape([float(row["weight"]) for row in rows], shape)


_OF_A_VOTE = ("image", "label", "output")
_PLACE = ("filter", "row", "column")


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Has what is raised where a table is not what was written say so."""
    try:
        yield
    except (IndexError, KeyError, TypeError, ValueError, csv.Error):
        raise OSError(spoilt(path)) from None


def read_table(path: Path) -> Sequence[Mapping[str, str]]:
    """The lines of a table by the names of its columns."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    if any(len(row) != len(rows[0]) or None in row.values() for row in rows):
        raise ValueError("a line is longer or shorter than the first")
    return rows


def _read_rows(rows: Sequence[Mapping[str, str]], about: Mapping[str, Any]) -> History:
    keys = [Run(row["variant"], int(row["seed"])) for row in rows]
    runs = list(dict.fromkeys(keys))
    place = {run: index for index, run in enumerate(runs)}
    at = [place[key] for key in keys], [int(row["epoch"]) for row in rows]
    metrics = {}
    for metric in list(rows[0])[3:]:
        curves = np.full((len(runs), max(at[1]) + 1), np.nan)
        curves[at] = [float(row[metric] or "nan") for row in rows]
        metrics[metric] = curves
    return History(runs, metrics, about["data"])
