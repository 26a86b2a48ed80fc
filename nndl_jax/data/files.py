"""Files that are written whole or not at all, under names that nobody can have put a link at."""

import os
import secrets
import sys
from pathlib import Path


def replace_file(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Put a file in place in one step; it is on the disk then.

    Args:
        path: its folder must exist.
        content: all of it.
        keep: a second name for the file that is replaced.

    Raises:
        FileNotFoundError: its folder does not exist.
        IsADirectoryError: there is a folder in its place.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: there is no such folder to write {path.name} into")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, where a file is to be written; move it away")
    temporary = _unused(path)
    # Not ours to delete if something has this name.
    opened = temporary.open("xb")
    try:
        with opened as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.is_file():
            _link(path, keep)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where downloads, cards and compiled programs are kept: `NNDL_CACHE`, or the user's cache."""
    if own := os.environ.get("NNDL_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "nndl_jax"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/nndl_jax"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nndl_jax"


def _link(path: Path, name: Path) -> None:
    """Give a file a second name, which another may have had."""
    link = _unused(path)
    os.link(path, link)
    try:
        link.replace(name)
    finally:
        link.unlink(missing_ok=True)


def _unused(path: Path) -> Path:
    """A name beside a file that nobody can guess; `.writing` tells what a kill has left."""
    return path.with_name(f".{secrets.token_hex(8)}.writing")
