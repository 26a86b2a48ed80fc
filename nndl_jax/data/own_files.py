"""Files and folders of one's own, read as a data set: arrays, tables, and pictures.

What an array is for is told by its name: `x_train`, `train-images-idx3-ubyte` and `train.images`
are inputs to train on, `y_test`, `t10k-labels` and `test_labels` labels for the test.
"""

import bz2
import gzip
import lzma
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nndl_jax.data.array_files import open_arrays
from nndl_jax.data.datasets import Dataset, load_dataset
from nndl_jax.data.tables import TABLES, read_table
from nndl_jax.reading.faults import printable

if TYPE_CHECKING:
    from PIL import Image


class Reading(NamedTuple):
    """How a file of one's own is read."""

    name: str
    """What the data set is called."""
    target: str | None = None
    """Column of a table that is to be learnt; None for the last."""
    is_regression: bool | None = None
    """Whether targets are numbers to be come near to; None for what they look like."""
    seed: int = 0
    """Of what is drawn for validation and test where the file says no more."""


def read_path(path: Path, reading: Reading) -> Dataset:
    """The data set in a file or a folder, by what its name ends in.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it is not what its name says, or holds no inputs or labels; says what was found.
        ImportError: what reads it is not installed; says how to.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder; put it there")
    ending = path.suffix.lower()
    if path.is_dir():
        return _read_folder(path, reading)
    if not path.is_file():
        raise ValueError(f"{path}: is neither a file nor a folder")
    if ending in TABLES:
        return _arrange(path, {"train": read_table(path, reading.target)}, reading)
    if ending == ".safetensors":
        return _read_safetensors(path, reading)
    if ending == ".npz":
        return _of_arrays(path, _read_npz(path), reading)
    if ending == ".npy" or _has_idx_name(path):
        return _of_arrays(path, _read_beside(path), reading)
    with suppress(ValueError):
        return load_dataset(path)  # Whatever its name is.
    known = ".csv, .tsv, .parquet, .npz, .npy, .safetensors or IDX"
    raise ValueError(f"{path}: its name ends in none of {known}, and it is no folder")


def _read_folder(folder: Path, reading: Reading) -> Dataset:
    files = [path for path in sorted(folder.iterdir()) if _is_array(path)]
    if files:
        return _of_arrays(folder, {_stem(path): _read_array(path) for path in files}, reading)
    splits = {_SPLITS.get(subfolder.name.lower()): subfolder for subfolder in _folders(folder)}
    if "train" not in splits:
        splits = {"train": folder}
    pictures = {split: _read_pictures(subfolder) for split, subfolder in splits.items() if split}
    if not any(labels for _, labels in pictures.values()):
        message = "holds neither IDX or .npy files nor a folder of images for each class"
        raise ValueError(f"{folder}: {message}")
    sizes = {image.shape: path for found, _ in pictures.values() for path, image in found}
    if len({shape[:2] for shape in sizes}) > 1:
        first, other, *_ = sizes.items()
        message = f"{other[1]} has {_size(other[0])} pixels, and {first[1]} {_size(first[0])}"
        raise ValueError(f"{message}; make all images of one size")
    # Grey ones among others get their colours.
    has_colours = any(len(shape) == 3 for shape in sizes)
    parts = {
        split: (np.stack([_coloured(image) if has_colours else image for _, image in found]), kinds)
        for split, (found, kinds) in pictures.items()
        if found
    }
    is_last = True if has_colours else None
    return _arrange(folder, parts, reading, channels_last=is_last)


def _of_arrays(path: Path, arrays: Mapping[str, np.ndarray], reading: Reading) -> Dataset:
    """A data set of arrays by their names."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
        split = next((_SPLITS[word] for word in words if word in _SPLITS), "train")
        kind = next((_KINDS[word] for word in words if word in _KINDS), None)
        if kind is not None and parts.setdefault(split, {}).setdefault(kind, array) is not array:
            message = f"has two arrays of {kind} for {split}, one of them {name!r}; keep one"
            raise ValueError(f"{path}: {message}")
    found = ", ".join(map(repr, list(arrays)[:_SHOWN])) or "nothing"
    for split in dict.fromkeys(("train", *parts)):
        for kind in ("images", "labels"):
            if kind not in parts.get(split, {}):
                message = (
                    f"holds no {kind} for {split}; found {printable(found)}; names are read such"
                )
                wanted = "as x_train and y_train, images and labels, or train-images, train-labels"
                raise ValueError(f"{path}: {message} {wanted}")
    pairs = {split: (part["images"], part["labels"]) for split, part in parts.items()}
    return _arrange(path, pairs, reading)


def _arrange(
    path: Path,
    parts: Mapping[str, tuple[np.ndarray, object]],
    reading: Reading,
    *,
    channels_last: bool | None = None,
) -> Dataset:
    images, labels = parts["train"]
    try:
        return Dataset.from_arrays(
            images,
            labels,
            name=reading.name,
            validation=parts.get("validation"),
            test=parts.get("test"),
            is_regression=reading.is_regression,
            channels_last=channels_last,
            seed=reading.seed,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "t10k": "test"}
_SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "validation")
_INPUTS = ("x", "images", "image", "data", "inputs", "features")
_KINDS: dict[str, str] = dict.fromkeys(_INPUTS, "images")
_KINDS |= dict.fromkeys(("y", "labels", "label", "targets", "target", "classes"), "labels")
_SHOWN = 12


def _is_array(path: Path) -> bool:
    return path.is_file() and (path.suffix.lower() == ".npy" or _has_idx_name(path))


def _has_idx_name(path: Path) -> bool:
    return re.search(r"[.-]idx\d", path.name.lower()) is not None


def _stem(path: Path) -> str:
    return re.split(r"[.-]idx\d|\.npy", path.name, flags=re.IGNORECASE)[0]


def _read_array(path: Path) -> np.ndarray:
    return read_idx(path) if _has_idx_name(path) else _load_numpy(path)


def _read_beside(path: Path) -> dict[str, np.ndarray]:
    """An array of inputs in a file, and that of its labels beside it."""
    partners = (("images", "labels"), ("inputs", "targets"), ("x", "y"), ("X", "y"))
    for inputs, labels in partners:
        name = re.sub(rf"(?<![A-Za-z]){inputs}(?![A-Za-z])", labels, path.name)
        name = name.replace("idx3", "idx1").replace("idx2", "idx1").replace("idx4", "idx1")
        other = path.with_name(name)
        if name != path.name and other.is_file():
            return {_stem(path): _read_array(path), _stem(other): _read_array(other)}
    message = "there are no labels beside it, as in images.npy and labels.npy; give the folder"
    raise ValueError(f"{path}: {message} that holds both")


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, packed by gzip, bzip2, xz or zip, or not.

    Raises:
        ValueError: it is none, or cut short.
    """
    with path.open("rb") as file:
        beginning = file.read(6)
    openers = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))
    opener = next((open_fn for magic, open_fn in openers if beginning.startswith(magic)), None)
    try:
        if beginning.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                if len(names) != 1:
                    raise ValueError(f"its archive holds {len(names)} files; unpack it")
                with archive.open(names[0]) as member:
                    return _parse_idx(member)
        with path.open("rb") if opener is None else opener(path, "rb") as file:
            return _parse_idx(file)
    except _DAMAGED as error:
        raise ValueError(f"{path}: is not a whole IDX file: {printable(str(error))}") from None


@runtime_checkable
class _Bytes(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes: ...


def _parse_idx(file: _Bytes) -> np.ndarray:
    magic = file.read(4)
    dtype = _IDX_TYPES.get(magic[2]) if len(magic) == 4 and magic[:2] == b"\0\0" else None
    if dtype is None or not 1 <= magic[3] <= _MOST_AXES:
        raise ValueError(f"it begins with {magic!r}")
    shape = struct.unpack(f">{magic[3]}I", file.read(4 * magic[3]).ljust(4 * magic[3], b"\0"))
    size = prod(shape) * dtype.itemsize
    if size > _MOST_BYTES:
        raise ValueError(f"it would hold {size:,} bytes, and at most {_MOST_BYTES:,} are read")
    content = file.read(size + 1)
    if len(content) != size:
        found = "more" if len(content) > size else f"{len(content):,}"
        raise ValueError(f"it should hold {size:,} bytes of {' x '.join(map(str, shape))}, {found}")
    return np.frombuffer(content, dtype).reshape(shape)


_CODES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_IDX_TYPES = {code: np.dtype(name) for code, name in _CODES.items()}
_MOST_AXES = 4
_MOST_BYTES = 2**34


_DAMAGED = (
    *(AttributeError, EOFError, KeyError, MemoryError, NotImplementedError, OSError, OverflowError),
    *(RuntimeError, SyntaxError, TypeError, ValueError),
    *(lzma.LZMAError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What is raised of a file that was changed; NumPy reads a header as Python, and zip unpacks."""


def _load_numpy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        message = printable(str(error).partition("\n")[0])
        raise ValueError(f"{path}: holds no array of numbers or texts: {message}") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except _DAMAGED as error:
        message = printable(str(error).partition("\n")[0])
        raise ValueError(f"{path}: holds no arrays of numbers or texts: {message}") from None


def _read_safetensors(path: Path, reading: Reading) -> Dataset:
    """One of `save_dataset`, or any arrays by their names."""
    with open_arrays(path) as file:
        if "dataset" in file.texts:
            return load_dataset(path)
        arrays = {name: file.read(name) for name in file.described}
    return _of_arrays(path, arrays, reading)


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]


def _read_pictures(folder: Path) -> tuple[list[tuple[Path, np.ndarray]], list[str]]:
    """Images with their files, and the name of the folder that each lies in."""
    by_class = {own: _pictures_in(own) for own in _folders(folder)}
    paths = [path for own in by_class.values() for path in own]
    if not paths:
        return [], []
    if empty := [own for own, pictures in by_class.items() if not pictures]:
        raise ValueError(f"{empty[0]}: holds no image of its class; give some, or take it away")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError(f"{folder}: images need Pillow (pip install pillow)") from None
    found = []
    for path in paths:
        try:
            with Image.open(path) as image:
                found.append((path, _pixels(image)))
        except (
            OSError,
            SyntaxError,
            ValueError,
            UnidentifiedImageError,
            Image.DecompressionBombError,
        ) as error:
            raise ValueError(f"{path}: cannot be read as an image: {error}") from None
    return found, [path.parent.name for path in paths]


def _pictures_in(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _PICTURES and path.name[0] != "." and path.is_file()
    ]


def _pixels(image: "Image.Image") -> np.ndarray:
    """Bytes of an image the right way up, grey or of three colours; what is transparent is white.

    Raises:
        ValueError: its pixels are no bytes.
    """
    from PIL import Image, ImageOps

    if image.mode.startswith(("I", "F")):
        message = "has more levels of grey than the 256 of bytes"
        raise ValueError(
            f"it {message}, mode {image.mode}; make it one of 8 bits, or give an array"
        )
    upright = ImageOps.exif_transpose(image)
    is_grey = upright.mode in ("1", "L", "LA")
    if upright.has_transparency_data:
        paper = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(paper, upright.convert("RGBA"))
    return np.asarray(upright.convert("L" if is_grey else "RGB"))


_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}


def _coloured(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]} x {shape[1]}"
