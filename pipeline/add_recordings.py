"""`python -m pipeline.record --add FOLDER`: what was recorded elsewhere, checked."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from nndl_jax.reading.faults import SpecError
from pipeline.machine.paths import RECORDED, run_folder
from pipeline.plan.plans import Plan
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.store.archive import Files, list_sources
from pipeline.store.check_recording import check_recording
from pipeline.store.recordings import ERRORS, FILTERS, HISTORY, Added, add

_REPORT = ("--single-item", "evaluate", "report")


def main(folder: Path) -> None:
    """Add all recordings of a folder that are right, and make the report again if there are new.

    Raises:
        SystemExit: with status 1, if anything was left out.
    """
    try:
        _, resolved = resolve_all(changes=BOOK)
        sources = list_sources(folder)
    except (SpecError, FileNotFoundError) as error:
        sys.exit(str(error))
    num_new, is_whole = 0, True
    for source in sources:
        try:
            recordings = source.read()
        except (OSError, ValueError) as error:
            is_whole = False
            print(f"{error}; left out", file=sys.stderr)
            continue
        for name, files in recordings.items():
            try:
                added = _add(name, files, resolved)
            except ValueError as error:
                is_whole = False
                print(f"{source.where}: {error}; left out", file=sys.stderr)
                continue
            num_new += len(added.new)
            if added.other:
                is_whole = False
                names = ", ".join(run.name for run in added.other[:3])
                print(
                    f"{source.where}: {name}: {len(added.other)} run(s) are recorded with other "
                    f"numbers, which stay; the first: {names}",
                    file=sys.stderr,
                )
    if num_new:
        _make_report(list(resolved))
    if not is_whole:
        sys.exit(1)


def _add(name: str, files: Files, resolved: Mapping[str, Plan]) -> Added:
    """Add a recording if it is right, and say how many runs of it are new."""
    about, rows = check_recording(name, files, resolved)
    extras = {file: files[file] for file in (ERRORS, FILTERS) if file in files}
    order = [point.name for point in resolved[name].variants]
    added = add(RECORDED / name, order, about=about, rows=rows, extras=extras)
    rest = "" if len(added.new) == len(rows) else "; the others are recorded already"
    print(f"{name}: added {len(added.new)} of {len(rows)} run(s){rest}")
    return added


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
