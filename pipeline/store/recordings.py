"""What was recorded of a document: a file for each run, `recorded/<id>/<run>.csv`, to be committed.

To add runs is to add files, each of which is written whole or not at all.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import lock_descriptor

from nndl_jax.data.files import replace_file
from nndl_jax.documents.variants import Run
from pipeline.machine.writing import remove_unfinished
from pipeline.store.recorded_run import (
    EXTRAS,
    Head,
    RecordedRun,
    parse_head,
    parse_run,
    run_files,
    write_run,
)
from pipeline.store.runs import History


class Origin(NamedTuple):
    """Where the runs of a document come from, all of them together."""

    device: str
    seconds: float | None
    """None if it is not known of all of them."""
    programs: frozenset[str]
    """Hashes of the programs that trained them."""
    versions: str

    def in_words(self) -> str:
        """On what, and in how many seconds if that is known."""
        return f"on {self.device}" + (f" in {self.seconds:,.0f} s" if self.seconds else "")

    @classmethod
    def of(cls, heads: Iterable[Head]) -> "Origin":
        """That of runs with these heads."""
        heads = list(heads)
        seconds = [head.seconds for head in heads if head.seconds is not None]
        programs = [name for head in heads if head.program for name in head.program.split("; ")]
        return cls(
            "; ".join(dict.fromkeys(head.device for head in heads)),
            sum(seconds) if len(seconds) == len(heads) else None,
            frozenset(programs),
            "; ".join(dict.fromkeys(head.versions for head in heads if head.versions)),
        )


class Added(NamedTuple):
    """What came of adding runs to those that are there."""

    new: Sequence[Run]
    """Those that were not there."""
    other: Sequence[Run]
    """Those that are there with other numbers, which stay."""
    replaced: Sequence[Run]
    """Those of the new that took the place of runs of another document or of other data."""


def read_run(path: Path) -> RecordedRun:
    """A run by its file.

    Raises:
        OSError: it cannot be read, or holds something else; a sentence that says what to do.
    """
    try:
        run = parse_run(path.read_bytes())
        if run.head.file != path.name:
            raise ValueError(f"is the file of {run.head.file!r}")
    except ValueError as error:
        raise _unreadable(path, error) from None
    return run


def read_runs(folder: Path) -> Sequence[RecordedRun]:
    """All runs in `recorded/<id>`, whatever they are of; raises what `read_run` does."""
    return [read_run(path) for path in _paths(folder)]


def read_heads(folder: Path) -> Sequence[Head]:
    """What the runs in `recorded/<id>` come from, whose numbers are not looked at.

    Raises:
        OSError: one of them says something else; a sentence that says what to do.
    """
    heads = []
    for path in _paths(folder):
        with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            try:
                heads.append(parse_head(lines))
            except ValueError as error:
                raise _unreadable(path, error) from None
    return heads


def _paths(folder: Path) -> Sequence[Path]:
    names = run_files(path.name for path in folder.glob("[!.]*.csv"))
    return [folder / name for name in names]


def _unreadable(path: Path, error: ValueError) -> OSError:
    return OSError(f"{path}: {error}; restore it, or delete it")


def add(
    folder: Path, runs: Iterable[RecordedRun], extras: Mapping[str, bytes] | None = None
) -> Added:
    """Add runs to those that are recorded of a document.

    Args:
        folder: `recorded/<id>`.
        runs: with what is kept of them. Those that are there already stay as they are.
        extras: what else there is of them, by the names of the files.
    """
    new, other, replaced = [], [], []
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        for run in runs:
            path = folder / run.head.file
            if path.exists():
                known = read_run(path)
                if _origin(known) == _origin(run):
                    if not known.is_like(run):
                        other.append(run.head.run)
                    continue
                replaced.append(run.head.run)
            _put(path, run, extras or {})
            new.append(run.head.run)
    return Added(new, other, replaced)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Have others who add to a folder wait; what a kill left there is removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock_descriptor(descriptor)
        remove_unfinished(folder)
        yield
    finally:
        os.close(descriptor)


def _origin(run: RecordedRun) -> tuple[str, str]:
    return run.head.document, run.head.data


def _put(path: Path, run: RecordedRun, extras: Mapping[str, bytes]) -> None:
    """Write what belongs to a run, and then the run, without which nobody reads it."""
    for extra in EXTRAS:
        beside = path.with_name(run.head.beside(extra))
        if beside.name in extras:
            replace_file(beside, extras[beside.name])
        else:
            beside.unlink(missing_ok=True)
    replace_file(path, write_run(run))


def as_history(runs: Sequence[RecordedRun]) -> History:
    """The measurements of runs of one document and on the same data, at least one."""
    num_epochs = max(run.epochs[-1] for run in runs) + 1
    metrics = dict.fromkeys(metric for run in runs for metric in run.metrics)
    curves = {metric: np.full((len(runs), num_epochs), np.nan) for metric in metrics}
    for index, run in enumerate(runs):
        for metric, values in zip(run.metrics, run.values.T, strict=True):
            curves[metric][index, run.epochs] = values
    return History([run.head.run for run in runs], curves, runs[0].head.data)
