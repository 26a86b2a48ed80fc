"""Files of arrays and texts: safetensors, which holds no code, with a checksum of everything.

A file is written beside its place and put there in one step. Of a file to read the header comes
first, so that names, types and shapes are known to fit before any array is read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from nndl_jax.data.files import replace_file
from nndl_jax.reading.faults import printable

Arrays = Mapping[str, np.ndarray]

MAX_HEADER = 16 * 2**20
"""Bytes of a header that is read: names and shapes of 100,000 arrays."""

_CHECKSUM = "checksum"
_TYPES = {"BOOL": "bool"} | {
    f"{letter}{bits}": f"{name}{bits}"
    for letter, name in (("F", "float"), ("I", "int"), ("U", "uint"))
    for bits in (8, 16, 32, 64)
    if (letter, bits) != ("F", 8)
}


class ArrayFile:
    """A file that is open.

    Attributes:
        path: where it is.
        described: type and shape of each array by name, such as `float32 (8, 784)`.
        texts: by name.
    """

    def __init__(self, path: Path, file: safe_open) -> None:
        self.path = path
        self._file = file
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        self.described = {
            name: f"{_TYPES.get(array.get_dtype(), array.get_dtype())} {tuple(array.get_shape())}"
            for name, array in slices.items()
        }
        self.texts = dict(file.metadata() or {})

    def read(self, name: str) -> np.ndarray:
        """One array, which is not held against the checksum."""
        return self._file.get_tensor(name)

    def read_all(self) -> Arrays:
        """All arrays.

        Raises:
            ValueError: they or the texts are not those that were written.
        """
        texts = dict(self.texts)
        found = texts.pop(_CHECKSUM, None)
        if found is None:
            message = "has no checksum; it is of an older version of nndl_jax or not ours: make it"
            raise ValueError(f"{self.path}: {message} again")
        arrays = {name: self.read(name) for name in self.described}
        if found != checksum(arrays, texts):
            raise ValueError(f"{self.path}: its checksum does not fit; the file is damaged")
        return arrays


@contextmanager
def open_arrays(path: Path) -> Iterator[ArrayFile]:
    """Open a file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is something else, or cut short.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: is not a file")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    message = f"{path}: is not a whole safetensors file"
    if length > MAX_HEADER:
        found = f"its header would have {length:,} bytes, and at most {MAX_HEADER:,} are read"
        raise ValueError(f"{message}: {found}")
    try:
        with safe_open(path, framework="numpy") as file:
            yield ArrayFile(path, file)
    except SafetensorError as error:
        raise ValueError(f"{message}: {printable(str(error))}") from None


def describe(arrays: Arrays) -> dict[str, str]:
    """Type and shape of each array, as in an open file."""
    return {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}


def misfit(described: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """How descriptions of arrays differ from what is wanted, in words; None if they do not."""
    for name in wanted:
        if (found := described.get(name, "nothing")) != wanted[name]:
            return f"array {name!r} must be {wanted[name]}, found {printable(found)}"
    for name in sorted(described.keys() - wanted.keys()):
        found = f"array {name!r} is not one of its document's; found {described[name]}"
        return printable(found)
    return None


def checksum(arrays: Arrays, texts: Mapping[str, str]) -> str:
    """A hash of names, types, shapes and numbers of arrays, and of texts."""
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name, description in sorted(describe(arrays).items()):
        digest.update(f"{name} {description}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def write_arrays(
    path: Path, arrays: Arrays, texts: Mapping[str, str], *, keep: Path | None = None
) -> None:
    """Put a file in place in one step.

    Args:
        path: its folder must exist.
        arrays: by name.
        texts: by name.
        keep: a second name for the file that is replaced.

    Raises:
        FileNotFoundError: its folder does not exist.
        IsADirectoryError: there is a folder in its place.
    """
    texts = {**texts, _CHECKSUM: checksum(arrays, texts)}
    replace_file(path, _serialize(arrays, texts), keep=keep)


def _serialize(arrays: Arrays, texts: Mapping[str, str]) -> bytes:
    """The same bytes for the same content: safetensors itself puts texts in any order."""
    content = serialize(dict(arrays), dict(texts))
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header) % 8)
    return len(padded).to_bytes(8, "little") + padded + content[start:]
