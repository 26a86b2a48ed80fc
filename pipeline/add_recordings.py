"""`python -m pipeline.record --add FOLDER`: what was recorded elsewhere, checked."""

import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from nndl_jax.reading.faults import SpecError
from nndl_jax.reading.validation import closest
from pipeline.machine.paths import RECORDED, run_folder
from pipeline.plan.claimed import claimed_epochs
from pipeline.plan.plans import Plan
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.store.archive import Files, list_sources
from pipeline.store.as_runs import as_runs
from pipeline.store.check_recording import check_run
from pipeline.store.recorded_run import RecordedRun, run_files
from pipeline.store.recordings import add
from pipeline.store.results import identity
from pipeline.store.runs import ABOUT, HISTORY

_REPORT = ("--single-item", "evaluate", "report")


def main(folder: Path) -> None:
    """Add all recordings of a folder that are right, and make the report again if there are new.

    Raises:
        SystemExit: with status 1, if anything was left out.
    """
    try:
        _, resolved = resolve_all(changes=BOOK)
        sources, numbered = list_sources(folder), claimed_epochs()
    except (SpecError, FileNotFoundError) as error:
        sys.exit(str(error))
    num_new, faults = 0, list[str]()
    for source in sources:
        try:
            recordings = source.read()
        except (OSError, ValueError) as error:
            faults.append(f"{error}; left out")
            continue
        for name, files in recordings.items():
            found = _add(name, files, resolved, numbered.get(name, ()))
            num_new += found.num_new
            faults += [f"{source.where}: {name}: {fault}" for fault in found.faults]
    for fault in faults:
        print(fault, file=sys.stderr)
    if num_new:
        _make_report(list(resolved))
    if faults:
        sys.exit(1)


class _Found(NamedTuple):
    """What became of a recording."""

    num_new: int
    faults: Sequence[str]
    """A sentence for each run that was left out."""


def _add(
    name: str, files: Files, resolved: Mapping[str, Plan], numbered: Collection[int]
) -> _Found:
    """Add the runs of a recording that are right, and say how many are new."""
    if name not in resolved:
        return _Found(0, [f"there is no such document; {closest(name, list(resolved))}; left out"])
    try:
        files = as_runs(files) if ABOUT in files else files
    except ValueError as error:
        return _Found(0, [f"{error}; left out"])
    plan, document = resolved[name], identity(name, resolved)
    runs: list[RecordedRun] = []
    wrong: dict[str, list[str]] = {}
    for file in run_files(files):
        try:
            runs.append(check_run(file, files, plan, document=document, numbered=numbered))
        except ValueError as error:
            wrong.setdefault(str(error), []).append(file)
    faults = [f"{_listed(found)}: {message}; left out" for message, found in wrong.items()]
    if not runs:
        return _Found(0, faults or ["holds no runs; left out"])
    added = add(RECORDED / name, runs, files)
    rest = "" if len(added.new) == len(runs) else "; the others are recorded already"
    if added.replaced:
        rest += f"; {len(added.replaced)} of another version or other data made way"
    print(f"{name}: added {len(added.new)} of {len(runs)} run(s){rest}")
    if added.other:
        names = ", ".join(run.name for run in added.other[:3])
        message = f"{len(added.other)} run(s) are recorded with other numbers, which stay"
        faults.append(f"{message}; the first: {names}")
    return _Found(len(added.new), faults)


def _listed(files: Sequence[str]) -> str:
    """The first of some files, and how many more there are."""
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _make_report(names: list[str]) -> None:
    """Judge and report again, if all that is reported was run here; what `make` trains is not."""
    are_run = all((run_folder(name) / HISTORY).exists() for name in names)
    if not are_run or find_spec("dvc") is None:
        print("run `make` for the report")
        return
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "pipeline", *_REPORT])
    if done.returncode:
        sys.exit(done.returncode)
