"""Recordings as they travel: a `.zip` file with `<id>/<run>.csv` and so on, or such folders.

What comes from elsewhere is read into memory, in bounds, and nothing of it is believed: names that
lead out of their folder, links and files of other names are refused before anything is written.
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nndl_jax.data.files import replace_file
from nndl_jax.reading.record import ID_PATTERN
from pipeline.machine.paths import RECORDED
from pipeline.store.runs import ABOUT

Files = Mapping[str, bytes]
"""Contents of the files of a recording by name."""

_MAX_BYTES = 2**26
"""Of a file, or of all in a `.zip` file together."""
_MAX_FILES = 50_000
_FILE = re.compile(rf"(?!\.)[A-Za-z0-9_,.=\[\]+~-]{{1,200}}\.csv|{re.escape(ABOUT)}")
_MEMBER = re.compile(rf"(?:recorded/)?({ID_PATTERN[1:-1]})/({_FILE.pattern})")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(path: Path, folder: Path = RECORDED) -> None:
    """Write all that is recorded to a `.zip` file, in one step; equal files give equal bytes.

    Args:
        path: of the file.
        folder: a `recorded/`.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(folder.glob("[!.]*/[!.]*.csv")):
            member = zipfile.ZipInfo(f"{file.parent.name}/{file.name}", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, file.read_bytes())
    replace_file(path, content.getvalue())


class Source(NamedTuple):
    """Something that holds recordings."""

    where: str
    read: Callable[[], Mapping[str, Files]]
    """Gives the files of each recording by id. Raises a ValueError that says what in it is no
    recording or out of bounds."""


def list_sources(path: Path) -> Sequence[Source]:
    """All that holds recordings in a folder: `.zip` files, `<id>/` and `recorded/<id>/`.

    Args:
        path: of the folder, or of one `.zip` file.

    Raises:
        FileNotFoundError: there is nothing.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such folder")
    files = [path] if path.is_file() else sorted(path.glob("*.zip"))
    archives = [file for file in files if file.is_file()]
    found = [Source(str(archive), partial(_read_archive, archive)) for archive in archives]
    for parent in (path, path / RECORDED.name):
        files = (file for file in parent.glob("[!.]*/*") if _FILE.fullmatch(file.name))
        for folder in sorted({file.parent for file in files}):
            found.append(Source(str(parent), partial(_read_folder, folder)))
    if not found:
        message = "holds no recordings; what is wanted is <id>/<run>.csv, or .zip files with such"
        raise FileNotFoundError(f"{path}: {message}")
    return found


def _read_folder(folder: Path) -> Mapping[str, Files]:
    """The files of the recording that a folder is."""
    files: dict[str, bytes] = {}
    if folder.is_symlink():
        raise ValueError(f"{folder}: is a link; copy what it leads to")
    for path in sorted(folder.glob("[!.]*")):
        if not _FILE.fullmatch(path.name):
            raise ValueError(f"{path}: is no file of a recording; those are <run>.csv")
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ValueError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            files[path.name] = file.read(_MAX_BYTES + 1)
        _check_size(path, len(files[path.name]))
    return {folder.name: files}


def _read_archive(path: Path) -> Mapping[str, Files]:
    """The files of each recording in a `.zip` file."""
    recordings: dict[str, dict[str, bytes]] = {}
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MAX_FILES:
                found = f"got {len(members):,}"
                raise ValueError(f"{path}: must hold at most {_MAX_FILES:,} files, {found}")
            for member in members:
                if member.is_dir():
                    continue
                match = _MEMBER.fullmatch(member.filename)
                where = f"{path}: {member.filename!r}"
                if match is None:
                    message = "is no file of a recording; those are <id>/<run>.csv"
                    raise ValueError(f"{where} {message}")
                if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                    raise ValueError(f"{where} is not a regular file")
                files = recordings.setdefault(match[1], {})
                if match[2] in files:
                    raise ValueError(f"{where} is there twice")
                with archive.open(member) as file:
                    files[match[2]] = file.read(_MAX_BYTES + 1)
                total += len(files[match[2]])
                _check_size(where, total)
    # What zipfile raises for damage, for a password and for what it cannot unpack.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise ValueError(f"{path}: is no whole .zip file: {error}") from None
    return recordings


def _check_size(where: object, num_bytes: int) -> None:
    if num_bytes > _MAX_BYTES:
        raise ValueError(f"{where}: unpacks to more than {_MAX_BYTES:,} bytes")
