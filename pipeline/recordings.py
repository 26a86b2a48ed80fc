"""What was recorded of a document: which runs there are, and how others are added to them.

Numbers are kept in `recorded/<id>/`, to be committed; networks stay in the recorder's `runs/<id>/`.
"""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nndl_jax.variants import Run
from pipeline.paths import RUNS
from pipeline.runs import ERRORS, FILTERS, read_about, read_history


def recorded_runs(folder: Path, document: str) -> Sequence[Run]:
    """The runs whose numbers are in a folder; none if they are of another document.

    Args:
        folder: `recorded/<id>` or `runs/<id>`.
        document: the document's identity.
    """
    history = read_history(folder) if read_about(folder).get("document") == document else None
    return () if history is None else history.runs


def set_aside(name: str, document: str) -> None:
    """Keep the networks of earlier runs from being deleted by a trainer, until `keep` is called."""
    bring_back(name)
    if read_about(RUNS / name).get("document") == document:
        (RUNS / name).replace(_aside(name))


def bring_back(name: str) -> None:
    """Let `runs/<id>` be as it was before a recording that did not come to its end."""
    if _aside(name).exists() and "document" not in read_about(RUNS / name):
        shutil.rmtree(RUNS / name, ignore_errors=True)
        _aside(name).replace(RUNS / name)
    shutil.rmtree(_aside(name), ignore_errors=True)


def keep(
    name: str, target: Path, variants: Sequence[str], *, document: str, device: str, seconds: object
) -> None:
    """Add what was measured in `runs/<id>` to what is recorded, all of it or nothing.

    Args:
        name: the document's id.
        target: `recorded/<id>`; replaced if it is of another document or of other data.
        variants: names of all variants of the document, in its order.
        document: its identity.
        device: what it was run on.
        seconds: how long that took; None if that is not known.
    """
    own, fresh = RUNS / name, target.with_name(f".{name}.writing")
    about = {**read_about(own), "document": document, "device": device, "seconds": seconds}
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in (ERRORS, FILTERS):
        if (own / file).exists():
            shutil.copyfile(own / file, fresh / file)
    rows, earlier = _read_rows(own), read_about(target)
    if all(earlier.get(field) == about[field] for field in ("data", "document")):
        rows = _read_rows(target) | rows
        about |= _add(earlier, about)
    runs = sorted(rows, key=lambda run: (variants.index(run.variant), run.seed))
    _write_rows(fresh / "history.csv", [row for run in runs for row in rows[run]])
    for path in _aside(name).glob("weights/**/*.safetensors"):
        into = own / path.relative_to(_aside(name))
        if not into.exists():
            shutil.copyfile(path, into)
    # A vote asks what the networks are of, which stay in the folder of the runs.
    for folder in (own, fresh):
        (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    fresh.replace(target)
    shutil.rmtree(_aside(name), ignore_errors=True)


def _aside(name: str) -> Path:
    return RUNS / f".{name}.earlier"


def _add(earlier: Mapping[str, object], later: Mapping[str, object]) -> Mapping[str, object]:
    """Devices and seconds of all runs together."""
    devices = dict.fromkeys([*str(earlier["device"]).split("; "), str(later["device"])])
    parts = earlier["seconds"], later["seconds"]
    numbers = [part for part in parts if isinstance(part, float)]
    seconds = round(sum(numbers), 1) if len(numbers) == len(parts) else None
    return {"device": "; ".join(devices), "seconds": seconds}


def _read_rows(folder: Path) -> dict[Run, list[Mapping[str, str]]]:
    """The rows of each run, as they are written."""
    rows: dict[Run, list[Mapping[str, str]]] = {}
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(Run(row["variant"], int(row["seed"])), []).append(row)
    return rows


def _write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    columns = dict.fromkeys(column for row in rows for column in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
