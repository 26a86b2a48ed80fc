"""Which pictures of the report can stay: those whose inputs are what they were drawn from.

`report/figures.json` says what each was drawn from, and how its file has come out.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from pipeline.machine.paths import CODE, DATASET, DRAWN, FIGURES
from pipeline.machine.writing import write_text
from pipeline.store.results import Results


class Drawn(NamedTuple):
    """Pictures that were drawn together."""

    inputs: str
    """Digest of what they show, and of the code that draws."""
    footnote: str
    files: Mapping[str, str]
    """Digests of the files by their names."""


def read_drawn() -> Mapping[str, Drawn]:
    """What was drawn last, by what it is of; nothing if that is not known."""
    try:
        content = json.loads(DRAWN.read_text(encoding="utf-8"))
        return {
            key: Drawn(entry["inputs"], entry["footnote"], entry["files"])
            for key, entry in content.items()
        }
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return {}


def write_drawn(drawn: Mapping[str, Drawn]) -> None:
    """Write what there is now, for the next time."""
    content = {key: picture._asdict() for key, picture in sorted(drawn.items())}
    write_text(DRAWN, json.dumps(content, indent=1) + "\n")


def take(earlier: Drawn, folder: Path) -> bool:
    """Copy pictures into another folder; whether all are there and as they were drawn."""
    paths = [FIGURES / name for name in earlier.files]
    if [digest_of_file(path) for path in paths] != list(earlier.files.values()):
        return False
    for path in paths:
        shutil.copy2(path, folder)
    return True


def describe(inputs: str, footnote: str, paths: Sequence[Path]) -> Drawn:
    """What was drawn now."""
    return Drawn(inputs, footnote, {path.name: digest_of_file(path) for path in paths})


def digest_of_drawing() -> str:
    """All that draws, and the data that is drawn."""
    code = digest_of_code("report", ("matplotlib", "pillow"))
    return join_digests(code, digest_of_file(DATASET))


def digest_of_code(stage: str, libraries: Sequence[str]) -> str:
    """What a stage runs: our code as `code` lists it, and libraries in their versions."""
    versions = [f"{name} {version(name)}" for name in libraries]
    return join_digests(digest_of_file(CODE / f"{stage}.txt"), *versions)


def digest_of(results: Results, *others: str) -> str:
    """All of an experiment that a picture can show.

    Args:
        results: with what was run of it.
        others: digests of what else is shown.
    """
    files = [digest_of_file(path) for path in results.files]
    listed = [f"{variant.name} {variant.spec.model_dump_json()}" for variant in results.variants]
    return join_digests(results.document.model_dump_json(), *listed, *files, *others)


def owned_pictures(name: str, names: Sequence[str]) -> Sequence[Path]:
    """Pictures of what was run of a document, by their names alone."""
    found = []
    for path in sorted(FIGURES.glob(f"{name}*.png")):
        stem = path.stem
        owners = [owner for owner in names if stem == owner or stem.startswith(f"{owner}-")]
        if max(owners, key=len, default="") == name and not stem.endswith("-recorded"):
            found.append(path)
    return found


def digest_of_file(path: Path) -> str:
    """Of its content; empty where there is no such file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def join_digests(*parts: str) -> str:
    """Of digests, and of other texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
