"""From a folder with `about.json` and the `history.csv` of all runs to a file for each run.

That is what a stage leaves, and what recordings were before each run had a file of its own.
"""

import csv
import json
from collections.abc import Mapping
from typing import Any

from nndl_jax.documents.variants import Run
from pipeline.machine.writing import file_name
from pipeline.store.recorded_run import EXTRAS, NUM_DIGITS
from pipeline.store.runs import ABOUT, HISTORY

_FILES = (ABOUT, HISTORY, *EXTRAS)
_KEYS = ["variant", "seed", "epoch"]


def as_runs(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The same as files of runs, by their names; what these hold is not checked.

    Args:
        files: contents by name; `about.json` holds the fields of a run's head that are those of
            all, and the seconds of all together. Files of runs stay as they are.

    Raises:
        ValueError: a file is missing or holds something else; says which.
    """
    for needed in (ABOUT, HISTORY):
        if needed not in files:
            raise ValueError(f"{needed} is missing")
    about, (columns, rows) = _read_about(files[ABOUT]), _read_history(files[HISTORY])
    if about.get("seconds") is not None:
        about["seconds"] = round(about["seconds"] / max(1, len(rows)), 3)
    runs: dict[str, bytes] = {}
    for run, table in rows.items():
        head = {"variant": run.variant, "seed": run.seed, **about}
        lines = [f"# {name}: {value}" for name, value in head.items() if value is not None]
        lines += [",".join(cells) for cells in (columns, *table)]
        runs[f"{file_name(run.name)}.csv"] = ("\n".join(lines) + "\n").encode()
    # Those are of votes, each of which is one run.
    stem = next(iter(runs)).removesuffix(".csv")
    extras = {f"{stem}.{extra}": files[extra] for extra in EXTRAS if extra in files}
    others = {name: content for name, content in files.items() if name not in _FILES}
    return {**others, **runs, **extras}


def _read_about(content: bytes) -> dict[str, Any]:
    try:
        about = json.loads(content)
        about["document"] = about["document"][:NUM_DIGITS]
        if about["seconds"] is None or 0 <= about["seconds"] < 1e9:
            return about
    except (KeyError, RecursionError, TypeError, ValueError):
        pass
    raise ValueError(f"{ABOUT}: holds something else")


def _read_history(content: bytes) -> tuple[list[str], Mapping[Run, list[list[str]]]]:
    """The columns and rows of each run, from the epoch on."""
    rows: dict[Run, list[list[str]]] = {}
    try:
        head, *table = csv.reader(content.decode().split("\n")[:-1], strict=True)
        for variant, seed, *cells in table:
            rows.setdefault(Run(variant, int(seed)), []).append(cells)
        if head[:3] == _KEYS and rows and content.endswith(b"\n"):
            return head[2:], rows
    except (ValueError, csv.Error):
        pass
    raise ValueError(f"{HISTORY}: holds something else")
