"""What the stages that run an experiment leave in `runs/<id>/`, written and read in one place.

`history.csv` has a row for each run and measured epoch, `about.json` says what the numbers come
from, `weights/` holds a network for each run. Of an ensemble, `errors.csv` says what it got wrong
and `filters.csv` holds the kernels of its first network. `made.json` holds what was run.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.variants import Run
from pipeline.kept import note
from pipeline.paths import RUNS
from pipeline.writing import file_name, replacing

Row = Mapping[str, Sequence[float]]
"""Measurements: a value for each run by the name of the metric, NaN where nothing was measured.

`epoch` is among the names: the epoch at which each run was measured, NaN for a run that has ended
or was not measured now. Runs of one row may be at different epochs.
"""

ERRORS = "errors.csv"
FILTERS = "filters.csv"


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
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
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
    (folder / "about.json").write_text(about, encoding="utf-8")
    if rows:
        note(name, folder)


def network_path(name: str, run: Run, *, is_best: bool = False, folder: Path | None = None) -> Path:
    """The file with a run's last network, or with its best if the document keeps that.

    Args:
        name: the document's id.
        run: of the document.
        is_best: which of the two.
        folder: one that is to become `runs/<id>`; None for that itself.
    """
    folder = (folder or RUNS / name) / "weights"
    return (folder / "best" if is_best else folder) / f"{file_name(run.name)}.safetensors"


def read_about(folder: Path) -> Mapping[str, Any]:
    """What the numbers in a folder come from; nothing if there are none.

    Raises:
        OSError: something else is in the file; a sentence that says what to do.
    """
    path = folder / "about.json"
    if not path.exists():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or "data" not in about:
        raise OSError(f"{path}: is not what was written; restore it, or delete its folder")
    return about


def read_history(folder: Path) -> History | None:
    """The measurements of a document, or None if it was not selected.

    Args:
        folder: `runs/<id>` or `recorded/<id>`.

    Raises:
        OSError: it is not there, or damaged; the latter in a sentence that says what to do.
    """
    path = folder / "history.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        return _read_rows(rows, read_about(folder)) if rows else None
    except (IndexError, KeyError, TypeError, ValueError, csv.Error):
        said = "is not what was written; restore it, or delete its folder"
        raise OSError(f"{path}: {said}") from None


def _read_rows(rows: Sequence[Mapping[str, str]], about: Mapping[str, Any]) -> History:
    if any(len(row) != len(rows[0]) or None in row.values() for row in rows):
        raise ValueError("a line is longer or shorter than the first")
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
