"""What the stages that run an experiment leave in `runs/<id>/`, written and read in one place.

`history.csv` has a row for each run and epoch, `about.json` says what the numbers come from, and
`weights/` holds a network for each run.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.variants import Run
from pipeline.paths import RUNS

Row = Mapping[str, Sequence[float]]
"""Measurements of one epoch: a value for each run by the name of the metric."""


class History(NamedTuple):
    """Measurements of a batch of runs."""

    runs: Sequence[Run]
    metrics: Mapping[str, Float[np.ndarray, "runs epochs"]]
    data: str
    """Name of the data set: only `mnist` is the book's."""


def write_history(name: str, runs: Sequence[Run], rows: Sequence[Row], *, data: str) -> None:
    """Write `history.csv` and `about.json` of a document.

    Args:
        name: the document's id.
        runs: in the order of the values in a row.
        rows: one for each epoch; none for a document that was not selected.
        data: name of the data set that was measured on.
    """
    folder = RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    metrics = list(rows[0]) if rows else []
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["variant", "seed", "epoch", *metrics])
        for index, run in enumerate(runs if rows else []):
            for epoch, row in enumerate(rows):
                values = [row[metric][index] for metric in metrics]
                writer.writerow([run.variant, run.seed, epoch, *values])
    about = json.dumps({"data": data}) + "\n"
    (folder / "about.json").write_text(about, encoding="utf-8")


def read_history(name: str) -> History | None:
    """The measurements of a document, or None if it was not selected."""
    folder = RUNS / name
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return None
    runs = list(dict.fromkeys(Run(row["variant"], int(row["seed"])) for row in rows))
    metrics = {
        metric: np.array([float(row[metric]) for row in rows]).reshape(len(runs), -1)
        for metric in rows[0]
        if metric not in ("variant", "seed", "epoch")
    }
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    return History(runs, metrics, about["data"])
