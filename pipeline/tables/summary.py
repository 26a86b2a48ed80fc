"""What `python -m pipeline` says at its end: verdicts by chapter, and what is not as committed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tabulate import tabulate

from pipeline.machine.paths import MADE_ON, METRICS, RESULTS, TRAINED_ON
from pipeline.machine.writing import write_text
from pipeline.store.forecast import in_minutes
from pipeline.store.judged import read_judgements
from pipeline.tables.claims import CHAPTERS, chapter_rows, settle


def summary(seconds: float) -> Iterator[str]:
    """Lines for the terminal.

    Where metrics are not those of the last commit, what made them is kept beside them, to be
    committed with them.

    Args:
        seconds: that the pipeline took.

    Raises:
        OSError: there are no judgements.
    """
    judged = read_judgements()
    headers, rows = chapter_rows(settle(judged.judgements, judged.recorded))
    numbers = [[chapter, *row[1:]] for chapter, row in zip(CHAPTERS, rows, strict=True)]
    yield tabulate(numbers, headers, tablefmt="simple")
    count = len(list(METRICS.glob("*.json")))
    changed = _changed()
    if changed is not None:
        same = f"{count - len(changed)} of {count} documents have the metrics that are committed"
        yield f"{same}, made on {_device(MADE_ON)}" if MADE_ON.exists() else same
        if changed:
            names = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
            yield f"other numbers: {names}"
        if changed and TRAINED_ON.exists():
            write_text(MADE_ON, TRAINED_ON.read_text())
    yield f"{RESULTS}, after {in_minutes(seconds)} with the profile {judged.profile}"


def _changed() -> list[str] | None:
    """Documents whose metrics are not those of the last commit; None where there is none."""
    command = ["git", "status", "--porcelain", "--untracked-files=all", "--", str(METRICS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    files = [line[3:] for line in done.stdout.splitlines() if not line.startswith((" D", "D"))]
    return sorted(file.rsplit("/", 1)[-1].removesuffix(".json") for file in files)


def _device(path: Path) -> str:
    """What a file says that metrics were made on, in words."""
    made_on = json.loads(path.read_text())
    return f"{made_on['device'].removeprefix('core of ')} with jax {made_on['jax']}"
