"""How the stages write: under safe names, beside what is there, and in its place at the end."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A file system takes 255 bytes; an id, an ending and what marks unfinished files come on top.
_MAX_LENGTH = 120
_SAFE = re.compile(rf"[A-Za-z0-9_,.=\[\]+-]{{1,{_MAX_LENGTH}}}")


def file_name(name: str) -> str:
    """The name of a variant or a run as part of a file's: as it is wherever that is safe.

    >>> file_name("learning_rate=0.1,seed=7")
    'learning_rate=0.1,seed=7'
    >>> file_name("function=0.2+x/10")
    'function=0.2+x_10~24ebb6db'
    """
    if _SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_,.=+-]+', '_', name)[: _MAX_LENGTH // 2]}~{digest}"


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; one with this text already is not touched."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(path)
    remove(fresh)
    try:
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder beside this one, to take its place where the block ends well.

    What a killed process has left of one is removed.
    """
    fresh, earlier = _beside(folder), folder.with_name(f".{folder.name}.replaced")
    if earlier.exists() and not folder.exists():
        earlier.replace(folder)  # Killed between the two moves below.
    for left in (fresh, earlier):
        remove(left)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if folder.exists():
            folder.replace(earlier)
        fresh.replace(folder)
    finally:
        remove(fresh)
        if folder.exists():
            remove(earlier)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.writing")


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed `replace_file` has left in a folder, where no other writes now."""
    for left in folder.glob(".*.writing"):
        remove(left)


def remove(path: Path) -> None:
    """Delete a file or a folder, if there is one; of a link, the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
