"""Pictures of handwritten digits with their labels: MNIST as the book splits it, or a stand-in.

Implements chapter 1, section "Implementing our network to classify digits": 50,000 images to
train on, 10,000 for validation, 10,000 for the test.
"""

import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from jaxtyping import Float, Int32, UInt8
from safetensors import SafetensorError, safe_open

SPLITS = ("train", "validation", "test")
_ARRAYS = {
    f"{split}.{field}": kind
    for split in SPLITS
    for field, kind in (("images", "uint8, rank 2"), ("labels", "int32, rank 1"))
}


class MnistFile(NamedTuple):
    """What is known of a published file: its size and sum as compressed, the array inside."""

    num_bytes: int
    sha256: str
    shape: tuple[int, ...]


MNIST_FILES: Mapping[str, MnistFile] = {
    "train-images-idx3-ubyte.gz": MnistFile(
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        (60_000, 28, 28),
    ),
    "train-labels-idx1-ubyte.gz": MnistFile(
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        (60_000,),
    ),
    "t10k-images-idx3-ubyte.gz": MnistFile(
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        (10_000, 28, 28),
    ),
    "t10k-labels-idx1-ubyte.gz": MnistFile(
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        (10_000,),
    ),
}


class Split(NamedTuple):
    """Images with their labels: pixels row by row, 0 is white and 255 is black.

    A document's own examples stand here as float inputs and targets.
    """

    images: UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "examples in"]
    labels: Int32[np.ndarray, " images"] | Float[np.ndarray, "examples out"]


class Dataset(NamedTuple):
    """Three splits and the name of what they hold: "mnist" or "digits"."""

    name: str
    train: Split
    validation: Split
    test: Split


def load_mnist(folder: Path | str) -> Dataset:
    """MNIST from the four gzipped IDX files as published, split as in the book.

    The first 50,000 training images train, the last 10,000 validate.

    Args:
        folder: Where the files named in `MNIST_FILES` lie.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is not, byte for byte, the published one.
    """
    files = {name: _load_idx(Path(folder) / name, facts) for name, facts in MNIST_FILES.items()}
    images = files["train-images-idx3-ubyte.gz"]
    labels = files["train-labels-idx1-ubyte.gz"]
    return Dataset(
        name="mnist",
        train=_split(images[:50_000], labels[:50_000]),
        validation=_split(images[50_000:], labels[50_000:]),
        test=_split(files["t10k-images-idx3-ubyte.gz"], files["t10k-labels-idx1-ubyte.gz"]),
    )


def _load_idx(path: Path, facts: MnistFile) -> UInt8[np.ndarray, "..."]:
    header = struct.pack(f">{1 + len(facts.shape)}I", 0x0800 + len(facts.shape), *facts.shape)
    num_bytes = len(header) + math.prod(facts.shape)
    raw = zlib.decompressobj(wbits=31).decompress(read_verified(path, facts), num_bytes + 1)
    if len(raw) != num_bytes or not raw.startswith(header):
        raise ValueError(
            f"{path} does not hold unsigned bytes of shape {facts.shape} in IDX format: expected "
            f"{num_bytes:,} bytes that start with {header.hex()}, found "
            f"{'more' if len(raw) > num_bytes else f'{len(raw):,} bytes'} that start with "
            f"{raw[: len(header)].hex()}; download it again."
        )
    return np.frombuffer(raw, np.uint8, offset=len(header)).reshape(facts.shape)


def read_verified(path: Path, facts: MnistFile) -> bytes:
    """The content of a file that is, byte for byte, the published one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its size or SHA-256 differs.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; download it.")
    with path.open("rb") as file:
        content = file.read(facts.num_bytes + 1)
    found = hashlib.sha256(content).hexdigest()
    if found != facts.sha256:
        raise ValueError(
            f"{path} is not the published file: expected {facts.num_bytes:,} bytes with SHA-256 "
            f"{facts.sha256[:12]}..., found {path.stat().st_size:,} bytes with "
            f"{found[:12]}...; download it again."
        )
    return content


def _split(
    images: UInt8[np.ndarray, "images 28 28"], labels: UInt8[np.ndarray, " images"]
) -> Split:
    return Split(images.reshape(len(images), 28 * 28), labels.astype(np.int32))


def load_digits() -> Dataset:
    """The 1,797 handwritten digits that ship with scikit-learn, enlarged to 28 x 28.

    A stand-in for MNIST where that cannot be had. The 8 x 8 pictures grow to 20 x 20 by linear
    interpolation and get a white border of 4 pixels, the proportions of MNIST; ink 0..16 becomes
    0..255. The first 1,197 train, the next 300 validate, the last 300 are for the test.

    Raises:
        ImportError: If scikit-learn is not installed (`pip install nndl-jax[baselines]`).
    """
    import scipy.ndimage
    import sklearn.datasets

    pixels, target = sklearn.datasets.load_digits(return_X_y=True)
    ink = scipy.ndimage.zoom(np.reshape(pixels, (-1, 8, 8)), (1, 20 / 8, 20 / 8), order=1)
    # Half ink, 127.5, is the one tie: the inner rounding frees it of interpolation noise.
    images = np.rint(np.round(np.asarray(ink), 6) * 255 / 16).astype(np.uint8)
    images = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    labels = np.asarray(target, np.uint8)
    ranges = (slice(1197), slice(1197, 1497), slice(1497, None))
    train, validation, test = (_split(images[span], labels[span]) for span in ranges)
    return Dataset("digits", train, validation, test)


def save_dataset(dataset: Dataset, path: Path | str) -> None:
    """Writes one safetensors file, all or nothing; equal data give equal bytes."""
    path = Path(path)
    splits = zip(SPLITS, dataset[1:], strict=True)
    arrays = {f"{name}.{k}": a for name, split in splits for k, a in split._asdict().items()}
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(safetensors.numpy.save(arrays, {"dataset": dataset.name}))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_dataset(path: Path | str) -> Dataset:
    """The data set that `save_dataset` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; write it with save_dataset.")
    try:
        with safe_open(path, framework="numpy") as file:
            name = (file.metadata() or {}).get("dataset")
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error}); write it again.") from error
    found = {key: f"{array.dtype}, rank {array.ndim}" for key, array in arrays.items()}
    if name is None or found != _ARRAYS:
        raise ValueError(
            f"{path} does not hold a data set: expected {_ARRAYS} and a name, found {found} and "
            f"{name!r}; write it again."
        )
    train, validation, test = (Split(arrays[f"{s}.images"], arrays[f"{s}.labels"]) for s in SPLITS)
    return Dataset(name, train, validation, test)


_MNIST_SHA256 = "d1988086fdf7617e2a7c4d97ff458c4dcf334bd458759dc14462bb80ad27f7da"


def is_mnist(dataset: Dataset) -> bool:
    """Whether a data set holds what `load_mnist` gives, byte for byte, whatever its name is."""
    digest = hashlib.sha256()
    for split in dataset[1:]:
        for array in split:
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest() == _MNIST_SHA256
