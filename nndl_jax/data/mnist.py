"""MNIST as the book has it, from its published files, and the digits that stand in for it.

Implements chapter 1, section "Implementing our network to classify digits": 50,000 images to
train on, 10,000 for validation, 10,000 for the test.
"""

import hashlib
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from nndl_jax.data.datasets import Dataset, Split


class MnistFile(NamedTuple):
    """What is known of a published file: its size and sum as compressed, and what is inside."""

    num_bytes: int
    """0 where that is not known."""
    sha256: str
    """Of the file as compressed; an MD5 where it begins with `md5:`."""
    shape: tuple[int, ...]
    unpacked_sha256: str
    """Empty where only the sum of the compressed file is known, which must be as published then."""

    def sum_of(self, content: bytes) -> str:
        """What is to be equal to `sha256`."""
        if self.sha256.startswith("md5:"):
            return f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
        return hashlib.sha256(content).hexdigest()

    @property
    def most_bytes(self) -> int:
        """More than the file has, gzipped or not."""
        # What cannot be made smaller grows by less than this when it is gzipped.
        return self.unpacked_bytes * 101 // 100 + 1_000

    @property
    def unpacked_bytes(self) -> int:
        """Size of the IDX file inside: a magic number, each length, and a byte a number."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


MNIST_FILES: Mapping[str, MnistFile] = {
    "train-images-idx3-ubyte.gz": MnistFile(
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte.gz": MnistFile(
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte.gz": MnistFile(
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte.gz": MnistFile(
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def load_mnist(folder: Path | str) -> Dataset:
    """MNIST from its four IDX files, split as in the book.

    The first 50,000 training images train, the last 10,000 validate.

    Args:
        folder: Where the files lie, under a name that `read_published` knows.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file does not hold, byte for byte, what was published.
    """
    files = {name: _load_idx(Path(folder), name, facts) for name, facts in MNIST_FILES.items()}
    images = files["train-images-idx3-ubyte.gz"]
    labels = files["train-labels-idx1-ubyte.gz"]
    return Dataset(
        name="mnist",
        train=_split(images[:50_000], labels[:50_000]),
        validation=_split(images[50_000:], labels[50_000:]),
        test=_split(files["t10k-images-idx3-ubyte.gz"], files["t10k-labels-idx1-ubyte.gz"]),
    )


def _load_idx(folder: Path, name: str, facts: MnistFile) -> UInt8[np.ndarray, "..."]:
    unpacked = read_published(folder, name, facts).unpacked
    header = facts.unpacked_bytes - math.prod(facts.shape)
    return np.frombuffer(unpacked, np.uint8, offset=header).reshape(facts.shape)


class PublishedFile(NamedTuple):
    """A file of MNIST, found in a folder."""

    content: bytes
    """As it was found, gzipped or not."""
    unpacked: bytes
    """The IDX file as published."""


def read_published(folder: Path, name: str, facts: MnistFile) -> PublishedFile:
    """A file that holds, byte for byte, what was published: gzipped by whomever, or unpacked.

    Args:
        folder: Where it lies: as published, `train-images-idx3-ubyte.gz`, or without `.gz`, and
            also as `train-images.idx3-ubyte`.
        name: Its name as published.
        facts: What is known of it.

    Raises:
        FileNotFoundError: If there is no file of such a name.
        ValueError: If the bytes inside differ.
    """
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    names = dict.fromkeys((name, plain, f"{dotted}.gz", dotted))
    paths = [folder / name for name in names if (folder / name).is_file()]
    if not paths:
        raise FileNotFoundError(f"{folder / name}: no such file; download it.")
    faults: list[str] = []
    for path in paths:
        with path.open("rb") as file:
            content = file.read(facts.most_bytes)
        try:
            return PublishedFile(content, unpack(content, facts))
        except ValueError as error:
            faults.append(f"{path} is not the published file: {error}; download it again.")
    raise ValueError(faults[0])


def unpack(content: bytes, facts: MnistFile) -> bytes:
    """The IDX file in what was published, gzipped or not.

    Raises:
        ValueError: it is something else; says how it differs.
    """
    if not facts.unpacked_sha256 and (found := facts.sum_of(content)) != facts.sha256:
        raise ValueError(f"expected {facts.sha256[:16]}... as published, found {found[:16]}...")
    unpacked, num_bytes = content, facts.unpacked_bytes
    if content.startswith(b"\x1f\x8b"):
        stream = zlib.decompressobj(wbits=31)
        try:
            unpacked = stream.decompress(content, num_bytes + 1)
        except zlib.error as error:
            raise ValueError(f"it cannot be unpacked ({error})") from None
        if len(unpacked) <= num_bytes and (not stream.eof or stream.unused_data):
            raise ValueError("its gzip stream is cut short, or something follows it")
    if not facts.unpacked_sha256:
        return unpacked
    found = hashlib.sha256(unpacked).hexdigest()
    if found != facts.unpacked_sha256:
        size = f"{len(unpacked):,} bytes" if len(unpacked) <= num_bytes else "more"
        raise ValueError(
            f"expected {num_bytes:,} bytes, gzipped or not, with SHA-256 "
            f"{facts.unpacked_sha256[:12]}..., found {size} with {found[:12]}..."
        )
    return unpacked


def _split(
    images: UInt8[np.ndarray, "images 28 28"], labels: UInt8[np.ndarray, " images"]
) -> Split:
    return Split(images.reshape(len(images), 28 * 28), labels.astype(np.int32))


def load_digits() -> Dataset:
    """The 1,797 handwritten digits that ship with scikit-learn, enlarged to 28 x 28.

    A stand-in for MNIST where that cannot be had. The 8 x 8 pictures grow to 20 x 20 by linear
    interpolation and get a white border of 4 pixels, the proportions of MNIST; ink 0..16 becomes
    0..255. The first 1,197 train, the next 300 validate, the last 300 are for the test.
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


_MNIST_SHA256 = "d1988086fdf7617e2a7c4d97ff458c4dcf334bd458759dc14462bb80ad27f7da"


def is_mnist(dataset: Dataset) -> bool:
    """Whether a data set holds what `load_mnist` gives, byte for byte, whatever its name is."""
    digest = hashlib.sha256()
    for split in dataset.splits:
        for array in split:
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest() == _MNIST_SHA256
