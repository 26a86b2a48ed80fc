"""What was recorded of a document: which runs there are, and how others are added to them.

Numbers are kept in `recorded/<id>/`, to be committed; networks stay in the recorder's `runs/<id>/`.
A kill at any moment loses none of either: what is new is written beside what is there, takes its
place in one step, and what was left undone is done by whoever comes next.
"""

import csv
import fcntl
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nndl_jax.data.files import replace_file
from nndl_jax.documents.variants import Run
from nndl_jax.reading.record import ID_PATTERN
from pipeline.machine.paths import RECORDED, RUNS
from pipeline.machine.writing import remove
from pipeline.store.runs import (
    ABOUT,
    ERRORS,
    FILTERS,
    HISTORY,
    SPOILT,
    read_about,
    read_history,
    read_table,
    spoilt,
)

FILES = (ABOUT, HISTORY, ERRORS, FILTERS)
"""Names of all files of a recording."""

MADE_BY = ("program", "versions")
"""Fields of `about.json` that recordings have since programs decide what is trained."""

_UNKEPT = "unkept.json"
"""In a folder of runs that are to be kept still: what will be its `about.json`."""
_WRITING = ".writing"
_LEFT = re.compile(rf"\.({ID_PATTERN[1:-1]})(\..+)?{re.escape(_WRITING)}")

Rows = Mapping[Run, Sequence[Mapping[str, str]]]
"""The rows of each run, as they are written."""


class Added(NamedTuple):
    """What came of adding runs to those that are there."""

    new: Sequence[Run]
    """Those that were not there."""
    other: Sequence[Run]
    """Those that are there with other numbers, which stay."""


@contextmanager
def held(folder: Path = RECORDED) -> Iterator[None]:
    """Keep others from changing what is recorded, after what a kill left there is mended."""
    if not folder.is_dir():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _mend(folder)
        yield
    finally:
        os.close(descriptor)


def _mend(folder: Path) -> None:
    for left in list(folder.iterdir()):
        if (match := _LEFT.fullmatch(left.name)) is None:
            continue
        target = folder / match[1]
        # The old was moved away when the new was whole.
        if (left / "old").is_dir() and (left / "new").is_dir() and not target.exists():
            (left / "new").replace(target)
        remove(left)


def recorded_runs(folder: Path, document: str) -> Sequence[Run]:
    """The runs whose numbers are in a folder; none if they are of another document.

    Args:
        folder: `recorded/<id>` or `runs/<id>`.
        document: the document's identity.
    """
    history = read_history(folder) if read_about(folder).get("document") == document else None
    return () if history is None else history.runs


def set_aside(name: str, document: str) -> None:
    """Keep the networks of earlier runs from being deleted by a trainer, until `keep` is called.

    Args:
        name: the document's id; `recover` was called for it.
        document: its identity.
    """
    if read_about(RUNS / name).get("document") == document:
        (RUNS / name).replace(_aside(name))


def recover(name: str, target: Path, variants: Sequence[str], *, document: str) -> None:
    """Bring a recording to its end that was killed, or `runs/<id>` to how it was before it.

    Args:
        name: the document's id.
        target: `recorded/<id>`.
        variants: as for `keep`.
        document: its identity today.
    """
    own = RUNS / name
    if read_about(own, _UNKEPT).get("document") == document:
        _finish(name, target, variants)
    if own.exists() and not _is_kept(own):
        remove(own)
    if _aside(name).exists() and not own.exists():
        _aside(name).replace(own)
    remove(_aside(name))


def _is_kept(folder: Path) -> bool:
    try:
        return "document" in read_about(folder)
    except OSError:  # A trainer was killed while it wrote.
        return False


def keep(
    name: str,
    target: Path,
    variants: Sequence[str],
    *,
    document: str,
    device: str,
    seconds: object,
    made_by: Mapping[str, str] | None = None,
) -> Added:
    """Add what was measured in `runs/<id>` to what is recorded, all of it or nothing.

    Args:
        name: the document's id.
        target: `recorded/<id>`; replaced if it is of another document or of other data.
        variants: names of all variants of the document, in its order.
        document: its identity.
        device: what it was run on.
        seconds: how long that took; None if that is not known.
        made_by: what trained it: `program`, the hashes of the compiled programs, and `versions` of
            what wrote these.
    """
    own = RUNS / name
    about = {**read_about(own), "document": document, "device": device, "seconds": seconds}
    about |= made_by or {}
    replace_file(own / _UNKEPT, _json(about))
    return _finish(name, target, variants)


def _finish(name: str, target: Path, variants: Sequence[str]) -> Added:
    own = RUNS / name
    about = read_about(own, _UNKEPT)
    extras = {file: (own / file).read_bytes() for file in (ERRORS, FILTERS) if _has(own, file)}
    added = add(target, variants, about=about, rows=read_rows(own / HISTORY), extras=extras)
    for path in sorted(_aside(name).glob("weights/**/*.safetensors")):
        into = own / path.relative_to(_aside(name))
        if not into.exists():
            into.parent.mkdir(parents=True, exist_ok=True)
            path.replace(into)
    # A vote asks what the networks are of, which stay in the folder of the runs.
    (own / _UNKEPT).replace(own / ABOUT)
    remove(_aside(name))
    return added


def add(
    target: Path,
    variants: Sequence[str],
    *,
    about: Mapping[str, object],
    rows: Rows,
    extras: Mapping[str, bytes],
) -> Added:
    """Add runs to those that are recorded, all of them or none.

    Args:
        target: `recorded/<id>`; replaced if it is of another document or of other data.
        variants: names of all variants of the document, in its order.
        about: what `about.json` is to say of the runs that are added.
        rows: of each of them. Those that are there already stay as they are.
        extras: contents of `errors.csv` and `filters.csv`, if there are any.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with held(target.parent):
        known, earlier = {}, read_about(target)
        is_same = all(earlier.get(field) == about[field] for field in ("data", "document"))
        if is_same:
            known = read_rows(target / HISTORY)
        new = [run for run in rows if run not in known]
        other = [run for run in rows if run in known and not _are_equal(rows[run], known[run])]
        if is_same and not new:
            return Added(new, other)
        if is_same:
            # Nobody knows how long some of them took.
            about = {**about, "seconds": about["seconds"] if len(new) == len(rows) else None}
            about |= _together(earlier, about)
            old = {file: (target / file).read_bytes() for file in FILES[2:] if _has(target, file)}
            extras = {**old, **extras}
        merged = {**rows, **known}
        runs = sorted(merged, key=lambda run: (variants.index(run.variant), run.seed))
        _put(target, about, [row for run in runs for row in merged[run]], extras)
    return Added(new, other)


def _put(
    target: Path,
    about: Mapping[str, object],
    rows: Sequence[Mapping[str, str]],
    extras: Mapping[str, bytes],
) -> None:
    """Write a recording beside the one that it then takes the place of."""
    prefix = f".{target.name}."
    beside = Path(tempfile.mkdtemp(prefix=prefix, suffix=_WRITING, dir=target.parent))
    new, old = beside / "new", beside / "old"
    new.mkdir()
    for name, content in extras.items():
        _write(new / name, content)
    _write(new / HISTORY, _table(rows))
    _write(new / ABOUT, _json(about))
    if target.exists():
        target.replace(old)
    new.replace(target)
    remove(beside)


def _aside(name: str) -> Path:
    return RUNS / f".{name}.earlier"


def _has(folder: Path, file: str) -> bool:
    return (folder / file).exists()


def _together(earlier: Mapping[str, object], later: Mapping[str, object]) -> Mapping[str, object]:
    """Devices, programs and seconds of all runs together."""
    joined = {}
    for field in ("device", *MADE_BY):
        texts = [str(about[field]) for about in (earlier, later) if field in about]
        if texts:
            joined[field] = "; ".join(dict.fromkeys("; ".join(texts).split("; ")))
    parts = earlier["seconds"], later["seconds"]
    numbers = [part for part in parts if isinstance(part, int | float)]
    seconds = round(sum(numbers), 1) if len(numbers) == len(parts) else None
    return {**joined, "seconds": seconds}


def read_rows(path: Path) -> dict[Run, list[Mapping[str, str]]]:
    """The rows of each run in a `history.csv`, as they are written.

    Raises:
        OSError: it is damaged; a sentence that says what to do.
    """
    rows: dict[Run, list[Mapping[str, str]]] = {}
    try:
        for row in read_table(path):
            rows.setdefault(Run(row["variant"], int(row["seed"])), []).append(row)
    except SPOILT:
        raise OSError(spoilt(path)) from None
    return rows


def _are_equal(one: Sequence[Mapping[str, str]], other: Sequence[Mapping[str, str]]) -> bool:
    """Whether two runs have the same numbers, be there empty columns or not."""
    found = [
        [{name: cell for name, cell in row.items() if cell} for row in run] for run in (one, other)
    ]
    return found[0] == found[1]


def _json(about: Mapping[str, object]) -> bytes:
    return (json.dumps(about, indent=1) + "\n").encode()


def _table(rows: Sequence[Mapping[str, str]]) -> bytes:
    columns = dict.fromkeys(column for row in rows for column in row)
    lines = [list(columns), *([row.get(column, "") for column in columns] for row in rows)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    """Write a new file, and wait until it is on the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
