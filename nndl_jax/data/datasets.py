"""Data sets in their splits, of arrays of one's own or from one file, and that file."""

import json
import math
import reprlib
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


class Split(NamedTuple):
    """Images with their labels: pixels row by row, 0 is white and 255 is black.

    This is the form that programs take. `train`, `evaluate`, `predict`, `vote` and `save_dataset`
    convert what means the same for certain, and refuse the rest: `nndl_jax.data.arrays` says what.
    Floats are pixels from 0 (white) to 1 (black). A document's own examples stand here as float
    inputs and targets.
    """

    images: UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "examples in"]
    labels: Int32[np.ndarray, " images"] | Float[np.ndarray, "examples out"]

    def __repr__(self) -> str:
        """Types and shapes, for the numbers would fill pages."""
        shown = [f"{name}={_form(array)}" for name, array in self._asdict().items()]
        return f"Split({', '.join(shown)})"


def _form(array: object) -> str:
    """Type and shape of an array; of anything else, its beginning."""
    if isinstance(array, np.ndarray):
        return f"{array.dtype}{list(array.shape)}"
    return reprlib.repr(array)


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

    def __repr__(self) -> str:
        """Its name, and the form of each split."""
        named = zip(SPLITS, self.splits, strict=True)
        counts = ", ".join(f"{len(split.labels):,} {name}" for name, split in named)
        return f"<Dataset {self.name}: {counts}>"

    def _repr_html_(self) -> str:
        """A table for notebooks, with a few images."""
        from nndl_jax.data.summary import summarize_html

        return summarize_html(self)

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
    if any(value is not None for value in about.values()):
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
