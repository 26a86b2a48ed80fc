"""Data sets in their splits: MNIST as the book has it, its stand-in, and any of one's own.

Implements chapter 1, section "Implementing our network to classify digits": 50,000 images to
train on, 10,000 for validation, 10,000 for the test.
"""

import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from jaxtyping import Float, Int32, UInt8
from safetensors import SafetensorError, safe_open

from nndl_jax.data.array_files import checksum
from nndl_jax.data.arrays import NUM_CLASSES, as_images, as_inputs, as_labels, as_numbers
from nndl_jax.data.files import replace_file
from nndl_jax.reading.faults import printable

SPLITS = ("train", "validation", "test")
_ARRAYS = {
    f"{split}.{field}": kind
    for split in SPLITS
    for field, kind in (("images", "U8, rank 2"), ("labels", "I32, rank 1"))
}
_ANY = {
    "images": ("U8, rank 2", "F32, rank 2", "F64, rank 2"),
    "labels": ("I32, rank 1", "F32, rank 2", "F64, rank 2"),
}
"""Arrays of a data set that says its shape or its classes."""
_ABOUT = "about"
"""The array with that, as JSON: shape and classes."""
_CHECKSUM = {"checksum": "U8, rank 1"}
"""An array as well: two metadata would stand in the file in any order."""


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


class Split(NamedTuple):
    """Images with their labels: pixels row by row, 0 is white and 255 is black.

    This is the form that programs take. `train`, `evaluate`, `predict`, `vote` and `save_dataset`
    convert what means the same for certain, and refuse the rest: `nndl_jax.data.arrays` says what.
    Floats are pixels from 0 (white) to 1 (black). A document's own examples stand here as float
    inputs and targets.
    """

    images: UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "examples in"]
    labels: Int32[np.ndarray, " images"] | Float[np.ndarray, "examples out"]


class Dataset(NamedTuple):
    """Three splits, the name of what they hold, and what is known of it.

    `nndl_jax.load_data(name or path)` reads one, `Dataset.from_arrays(images, labels)` makes one of
    arrays, whatever their form.
    """

    name: str
    """Such as "mnist" or "digits"."""
    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...] | None = None
    """Of one input, maps first as in (3, 32, 32); None for what a row says."""
    classes: tuple[str, ...] | None = None
    """What the labels 0, 1 and so on stand for; empty where targets are real numbers, None for ten
    digits or what the document says."""

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """The splits to train on, for validation and for the test."""
        return self.train, self.validation, self.test

    @staticmethod
    def from_arrays(
        images: object,
        labels: object,
        *,
        name: str = "own",
        validation: tuple[object, object] | None = None,
        test: tuple[object, object] | None = None,
        classes: Iterable[object] | None = None,
        is_regression: bool | None = None,
        channels_last: bool | None = None,
        seed: int = 0,
    ) -> "Dataset":
        """A data set of arrays of one's own.

        Examples:
            >>> pictures = np.zeros((10, 32, 32, 3), np.uint8)
            >>> data = Dataset.from_arrays(pictures, ["cat", "dog"] * 5, name="pets")
            >>> data.shape, data.classes, [len(split.labels) for split in data.splits]
            ((3, 32, 32), ('cat', 'dog'), [6, 2, 2])

        Args:
            images: an input for each place of the first axis: rows of numbers, or images of the
                shape (rows, columns), (maps, rows, columns) or (rows, columns, maps). Whole numbers
                of eight bits are bytes, 0 white to 255 black, and so are others in images; all else
                are numbers, which have no unit and no range.
            labels: a class for each, as texts or whole numbers, or rows with a single 1; or floats,
                one or a row of them an input, which are targets of a regression.
            name: what the data set is called.
            validation: images and labels to validate on; None to take some of the others, of each
                class the same share: a fifth, or a sixth where there is a test.
            test: the same for the test, a fifth where there is none.
            classes: the labels in the order of their outputs; None for those that there are, in
                order.
            is_regression: whether labels are numbers to be come near to; None for what they look
                like.
            channels_last: whether maps are the last axis of images; None for what they look like.
            seed: of what is drawn for validation and test.

        Raises:
            ValueError: says what does not fit, what was found and what to do.
            TypeError: what is given to validate or test is no pair.
        """
        from nndl_jax.data.arranging import read_inputs, read_targets, share_out

        given = {"train": (images, labels), "validation": validation, "test": test}
        given = {split: pair for split, pair in given.items() if pair is not None}
        for split, pair in given.items():
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                message = f"{split} must be images and labels, a pair of them"
                raise TypeError(f"{message}, got {type(pair).__name__}")
        inputs, shape = read_inputs({k: v[0] for k, v in given.items()}, channels_last)
        counts = {split: len(rows) for split, rows in inputs.items()}
        targets, names = read_targets(
            {k: v[1] for k, v in given.items()}, counts, classes, is_regression=is_regression
        )
        known = {split: Split(inputs[split], targets[split]) for split in given}
        return Dataset(name, *share_out(known, seed, by_class=bool(names)), shape, names)

    def summary(self) -> str:
        """Counts, ranges and a few images, as text for people."""
        from nndl_jax.data.summary import summarize

        return summarize(self)


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
    """Writes one safetensors file, all or nothing; equal data give equal bytes.

    Args:
        dataset: Its images whole bytes of any type, an image to a row or to a first axis, and as
            many labels, digits 0 to 9; where it says its shape and its classes, inputs and labels
            or targets of those. A split may be empty.
        path: Its folder must exist.

    Raises:
        ValueError: If images are no bytes or labels no digits; nothing is written then.
        FileNotFoundError: If there is no such folder.
        IsADirectoryError: If a folder is in its place.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in SPLITS:
        split = _read_split(getattr(dataset, name), dataset, name)
        arrays |= {f"{name}.images": split.images, f"{name}.labels": split.labels}
    metadata = {"dataset": dataset.name}
    about = {"shape": dataset.shape, "classes": dataset.classes}
    if any(each is not None for each in about.values()):
        text = json.dumps(about, sort_keys=True)
        arrays[_ABOUT] = np.frombuffer(text.encode(), np.uint8)
    arrays |= {"checksum": _sum_of(arrays, metadata)}
    replace_file(Path(path), safetensors.numpy.save(arrays, metadata))


def _read_split(split: Split, dataset: Dataset, name: str) -> Split:
    """A split as it stands in a file."""
    images, labels = split
    if dataset.shape is not None:
        rows = as_inputs(images, shape=dataset.shape, name=f"{name}.images")
    else:
        rows = as_images(images, any_size=True, name=f"{name}.images")
        if rows.dtype != np.uint8:
            raise ValueError(
                f"{name}.images are {np.asarray(images).dtype}, and the file holds bytes; give "
                "whole numbers, such as numpy.rint(images * 255).astype(numpy.uint8)"
            )
    name = f"{name}.labels"
    if dataset.classes != ():
        num_classes = NUM_CLASSES if dataset.classes is None else len(dataset.classes)
        return Split(
            rows, as_labels(labels, num_images=len(rows), num_classes=num_classes, name=name)
        )
    targets = np.asarray(labels)
    targets = as_numbers(targets, width=math.prod(targets.shape[1:]), name=name)
    if len(targets) != len(rows):
        message = f"there are {len(rows)} images and {len(targets)} {name}"
        raise ValueError(f"{message}; give one label an image")
    return Split(rows, targets)


def load_dataset(path: Path | str) -> Dataset:
    """The data set that `save_dataset` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else, or was changed since.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; write it with save_dataset.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            name = metadata.get("dataset")
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            found = {k: f"{s.get_dtype()}, rank {len(s.get_shape())}" for k, s in slices.items()}
            is_any = found.pop(_ABOUT, None) == "U8, rank 1"
            if is_any and all(found.get(k) in _ANY[k.split(".")[1]] for k in _ARRAYS):
                found |= _ARRAYS
            if "dataset" in metadata and found == _ARRAYS:
                raise ValueError(
                    f"{path} has no checksum, as files of earlier versions; write it again with "
                    "save_dataset, or with `python -m pipeline.prepare` where that made it."
                )
            if "dataset" not in metadata or found != _ARRAYS | _CHECKSUM:
                raise ValueError(
                    f"{path} does not hold a data set: expected {_ARRAYS | _CHECKSUM} and a name, "
                    f"found {printable(f'{found} and {name!r}')}; write it again."
                )
            arrays = {key: file.get_tensor(key) for key in slices}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a safetensors file ({printable(str(error))}); write it again."
        ) from error
    sum_found = arrays.pop("checksum")
    if not np.array_equal(sum_found, _sum_of(arrays, metadata)):
        raise ValueError(f"{path} is damaged, for its checksum does not fit; write it again.")
    raw = [Split(arrays[f"{name}.images"], arrays[f"{name}.labels"]) for name in SPLITS]
    try:
        dataset = Dataset(metadata["dataset"], raw[0], raw[1], raw[2])
        if _ABOUT in arrays:
            about = json.loads(arrays[_ABOUT].tobytes())
            pairs = (about["shape"], about["classes"])
            shape, classes = (None if pair is None else tuple(pair) for pair in pairs)
            dataset = dataset._replace(shape=shape, classes=classes)
        read = {name: _read_split(getattr(dataset, name), dataset, name) for name in SPLITS}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}; write it again.") from None
    return dataset._replace(**read)


def _sum_of(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(checksum(arrays, metadata)), np.uint8)


_MNIST_SHA256 = "d1988086fdf7617e2a7c4d97ff458c4dcf334bd458759dc14462bb80ad27f7da"


def is_mnist(dataset: Dataset) -> bool:
    """Whether a data set holds what `load_mnist` gives, byte for byte, whatever its name is."""
    digest = hashlib.sha256()
    for split in dataset.splits:
        for array in split:
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest() == _MNIST_SHA256
