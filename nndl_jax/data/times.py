"""How long documents took to train here last, in a file of the machine's own."""

import json
from pathlib import Path

from nndl_jax.data.files import replace_file

TIMES = "seconds.json"
PIPELINES = Path(".nndl")
"""Folder in a checkout in which the pipeline keeps the times of its trainings."""


def read_times(folder: Path) -> dict[str, float]:
    """Seconds by document; none where there is no such file, or something else in it."""
    try:
        content = json.loads((folder / TIMES).read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in content.items()}
    except (AttributeError, OSError, TypeError, ValueError):
        return {}


def note_time(folder: Path, name: str, seconds: float) -> None:
    """Remember how long a document took, in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    times = {**read_times(folder), name: round(seconds, 1)}
    replace_file(folder / TIMES, (json.dumps(times) + "\n").encode())
