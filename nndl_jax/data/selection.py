"""What a document reads of a data set: its images, its digits, or examples of its own."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import ArrayLike

from nndl_jax.data.arrays import as_images, as_labels, as_numbers
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.documents import Data, Network
from nndl_jax.documents.metrics import parse_metric


def read_images(
    images: Split | ArrayLike, data: Data
) -> UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "images inputs"]:
    """Images from outside as a document's programs take them; of a split, labels are not looked at.

    Args:
        images: what `nndl_jax.data.arrays.as_images` takes, or for a document with examples of its
            own inputs of others: numbers, which are no bytes even where they are whole.
        data: what the document says of them.

    Raises:
        ValueError: they are none; says what was found and what would be right.
    """
    images = images.images if isinstance(images, Split) else images
    if data.examples is not None:
        return as_numbers(images, width=data.num_inputs(), name="inputs")
    return as_images(images)


def read_split(split: object, data: Data) -> Split:
    """Images and labels from outside as a document's programs take them.

    Args:
        split: a `Split` of at least one image.
        data: what the document says of it.

    Raises:
        TypeError: it is no `Split`.
        ValueError: images or labels are not what they must be; says what was found.
    """
    if data.examples is None:
        pictures = _read_pictures(split)
        if len(pictures.labels) == 0:
            raise ValueError("there are no images; give at least one")
        return pictures
    images, labels = _parts(split)
    inputs = as_numbers(images, width=data.num_inputs(), name="inputs")
    targets = as_numbers(labels, width=data.num_outputs(), name="targets")
    if not 0 < len(inputs) == len(targets):
        said = f"there are {len(inputs)} inputs and {len(targets)} targets"
        raise ValueError(f"{said}; give at least one example, and as many of both")
    return Split(inputs, targets)


def read_dataset(dataset: object, names: Iterable[str]) -> Dataset:
    """A data set from outside whose splits of these names are as programs take them.

    Raises:
        TypeError: it is no `Dataset`, or its splits are none.
        ValueError: images or labels are not what they must be; says where and what was found.
    """
    if not isinstance(dataset, Dataset):
        said = "data to train on are a Dataset(name, train, validation, test)"
        raise TypeError(f"{said}, got {type(dataset).__name__}")
    read = {name: _read_pictures(getattr(dataset, name), f"{name}.") for name in sorted(set(names))}
    return dataset._replace(**read)


def select(dataset: Dataset, spec: Network) -> dict[str, Split]:
    """The splits that a document trains on and measures, as it asks for them.

    Digits are chosen before images are counted (ch. 3, section "How to choose a neural network's
    hyper-parameters?"). Written-out examples give a `train` split of float inputs and targets.

    Args:
        dataset: what `read_dataset` gives.
        spec: the document.

    Raises:
        ValueError: a split has no images, or none of the document's digits.
    """
    data = spec.data
    if data.examples is not None:
        inputs = np.array([each.inputs for each in data.examples])
        return {"train": Split(inputs, np.array([each.targets for each in data.examples]))}
    limits = {"train": data.train_images, "validation": data.validation_images, "test": None}
    return {
        name: cut(dataset, name, digits=data.digits, limit=limits[name])
        for name in splits_read(spec)
    }


def splits_read(spec: Network) -> list[str]:
    """The splits of a data set that a document trains on and measures."""
    return [] if spec.data.examples else sorted({"train", *monitored_splits(spec)})


def monitored_splits(spec: Network) -> list[str]:
    """The splits that a document's monitors are measured on: `train`, `validation`, `test`."""
    return sorted({metric.split for metric in map(parse_metric, spec.monitors) if metric.split})


def cut(dataset: Dataset, name: str, *, digits: tuple[int, ...] | None, limit: int | None) -> Split:
    """The first images of a split, of these digits.

    Args:
        dataset: what `read_dataset` gives.
        name: of the split.
        digits: to keep; None for all.
        limit: how many images to take then; None for all.

    Raises:
        ValueError: there are none.
    """
    split = getattr(dataset, name)
    found = f"the data set has {len(split.labels)}"
    if digits is not None:
        kept = np.isin(split.labels, digits)
        present = np.unique(split.labels).tolist()
        found += f", of the digits {present}, and the document keeps {list(digits)} only"
        split = Split(split.images[kept], split.labels[kept])
    if len(split.labels) == 0:
        remedy = "train on" if name == "train" else "measure, or take its monitors away"
        raise ValueError(f"there are no {name} images; {found}: give some to {remedy}")
    return Split(split.images[:limit], split.labels[:limit])


def _read_pictures(split: object, prefix: str = "") -> Split:
    images, labels = _parts(split)
    pictures = as_images(images, name=f"{prefix}images")
    return Split(pictures, as_labels(labels, num_images=len(pictures), name=f"{prefix}labels"))


def _parts(split: object) -> Split:
    if not isinstance(split, Split):
        said = "images and their labels are given as a Split(images, labels)"
        raise TypeError(f"{said}, got {type(split).__name__}")
    return split
