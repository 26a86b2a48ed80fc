"""What a document reads of a data set: its images, its digits, or examples of its own."""

import warnings
from collections.abc import Iterable
from math import prod

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import ArrayLike

from nndl_jax.data.arrays import NUM_CLASSES, as_images, as_inputs, as_labels, as_numbers
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.documents import Network
from nndl_jax.documents.data import Scaling
from nndl_jax.documents.metrics import parse_metric


def read_images(
    images: Split | ArrayLike, spec: Network
) -> UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "images inputs"]:
    """Images from outside as a document's programs take them; of a split, labels are not looked at.

    Args:
        images: what `nndl_jax.data.arrays.as_images` takes, or for a document of other data what
            `as_inputs` takes; where it has examples of its own, inputs of others: numbers, which
            are no bytes even where they are whole.
        spec: the document, which says what they are and how they are scaled.

    Raises:
        ValueError: they are none; says what was found and what would be right.
    """
    images = images.images if isinstance(images, Split) else images
    return _scale(_read_inputs(images, spec, "images"), spec)


def read_split(split: object, spec: Network) -> Split:
    """Images and labels from outside as a document's programs take them.

    Args:
        split: a `Split` of at least one image.
        spec: the document, which says what they are and how they are scaled.

    Raises:
        TypeError: it is no `Split`.
        ValueError: images or labels are not what they must be; says what was found.
    """
    read = _read_examples(split, spec)
    if len(read.labels) == 0:
        raise ValueError("there are no images; give at least one")
    return Split(_scale(read.images, spec), read.labels)


def read_dataset(dataset: object, names: Iterable[str], spec: Network | None = None) -> Dataset:
    """A data set from outside whose splits of these names are as programs take them.

    Args:
        dataset: any.
        names: of splits.
        spec: the document of a network that is to learn it; None for images of digits.

    Raises:
        TypeError: it is no `Dataset`, or its splits are none.
        ValueError: images or labels are not what they must be; says where and what was found.
    """
    if not isinstance(dataset, Dataset):
        message = "data to train on are a Dataset(name, train, validation, test)"
        raise TypeError(f"{message}, got {type(dataset).__name__}")
    if spec is not None:
        check_sizes(dataset, spec)
    read = {}
    for name in sorted(set(names)):
        split, at = getattr(dataset, name), f"{name}."
        read[name] = _read_pictures(split, at) if spec is None else _read_examples(split, spec, at)
    return dataset._replace(**read)


def with_scaling(spec: Network, dataset: Dataset) -> Network:
    """The document with the numbers of its standardization, where it asks for those of the data.

    Args:
        spec: the document.
        dataset: what `read_dataset` gives.
    """
    data = spec.data
    if not data.standardize or data.scaling is not None or data.examples is not None:
        return spec
    images = cut(dataset, "train", digits=data.digits, limit=data.train_images).images
    values = images / 256 if images.dtype == np.uint8 else images.astype(np.float64)
    # A constant column has no deviation, or one of rounding alone.
    deviations = values.std(axis=0)
    is_constant = deviations <= _ROUNDING * np.abs(values).max(axis=0)
    scaling = Scaling(
        means=tuple(values.mean(axis=0).tolist()),
        deviations=tuple(np.where(is_constant, 1.0, deviations).tolist()),
    )
    return spec.model_copy(update={"data": data.model_copy(update={"scaling": scaling})})


_ROUNDING = 1e-12


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
        inputs = np.array([example.inputs for example in data.examples])
        return {"train": Split(inputs, np.array([example.targets for example in data.examples]))}
    limits = {"train": data.train_images, "validation": data.validation_images, "test": None}
    chosen = {
        name: cut(dataset, name, digits=data.digits, limit=limits[name])
        for name in splits_read(spec)
    }
    if not data.is_scaled():
        return chosen
    return {name: Split(_scale(split.images, spec), split.labels) for name, split in chosen.items()}


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
        limit: how many images to take then; None for all. Where there are fewer, it warns and
            takes all.

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
    if limit is not None and limit > len(split.labels):
        message = f"{limit:,} {name} images are asked for, and {found}"
        warnings.warn(f"{message}: all {len(split.labels):,} are taken", stacklevel=2)
    return Split(split.images[:limit], split.labels[:limit])


def _read_pictures(split: object, prefix: str = "") -> Split:
    images, labels = _parts(split)
    pictures = as_images(images, name=f"{prefix}images")
    return Split(pictures, as_labels(labels, num_images=len(pictures), name=f"{prefix}labels"))


def _read_examples(split: object, spec: Network, prefix: str = "") -> Split:
    """Inputs and labels or targets of whatever a document learns from."""
    images, labels = _parts(split)
    inputs = _read_inputs(images, spec, f"{prefix}images")
    if spec.data.has_classes():
        num_classes = NUM_CLASSES if spec.data.targets == "binary" else spec.num_outputs()
        name = f"{prefix}labels"
        count = len(inputs)
        return Split(
            inputs, as_labels(labels, num_images=count, num_classes=num_classes, name=name)
        )
    targets = as_numbers(labels, width=spec.num_outputs(), name=f"{prefix}targets")
    if not 0 < len(inputs) == len(targets):
        message = f"there are {len(inputs)} {prefix}inputs and {len(targets)} targets"
        raise ValueError(f"{message}; give at least one example, and as many of both")
    return Split(inputs, targets)


def _read_inputs(images: object, spec: Network, name: str) -> np.ndarray:
    if spec.data.examples is not None:
        return as_numbers(images, width=spec.num_inputs(), name="inputs")
    if spec.data.is_of_images():
        return as_images(images, name=name)
    return as_inputs(images, shape=spec.model.inputs, name=name)


def _scale(images: np.ndarray, spec: Network) -> np.ndarray:
    """Inputs less their means and divided by their deviations, where the document asks for it."""
    data = spec.data
    if not data.is_scaled():
        return images
    if data.scaling is None:
        message = (
            "data.standardize asks for means and deviations of the data it was trained on; give"
        )
        raise ValueError(
            f"{spec.id}: {message} the document of a result, result.spec(i), or load's"
        )
    means, deviations = np.array(data.scaling.means), np.array(data.scaling.deviations)
    if means.size not in (1, images.shape[1]):
        message = f"data.scaling is of {means.size} inputs, and there are {images.shape[1]}"
        raise ValueError(f"{spec.id}: {message}; give as many numbers, or one for all")
    values = images / 256 if images.dtype == np.uint8 else images.astype(np.float64)
    return ((values - means) / deviations).astype(spec.training.dtype)


def check_sizes(dataset: Dataset, spec: Network) -> None:
    """Refuse data of other inputs or classes than a network has.

    Raises:
        ValueError: names both.
    """
    if spec.data.examples is not None:
        return
    shape, classes = dataset.shape, dataset.classes
    if shape is not None and prod(shape) != spec.num_inputs():
        found = f"{prod(shape):,}" if len(shape) < 3 else f"{prod(shape):,} ({_times(shape)})"
        message = f"{spec.id} wants {spec.num_inputs():,} inputs, {dataset.name} has {found}"
        raise ValueError(f"{message}; give other data, or set model.inputs to {list(shape)}")
    if classes is None:
        return
    if spec.data.has_classes() != bool(classes):
        kinds = ("classes", "real numbers") if classes else ("real numbers", "classes")
        message = f"{spec.id} learns {kinds[1]}, and labels of {dataset.name} are {kinds[0]}"
        right = "one-hot" if classes else "real"
        raise ValueError(f"{message}; give other data, or set data.targets to {right}")
    if classes and spec.data.targets == "one-hot" and len(classes) != spec.num_outputs():
        message = f"{spec.id} has {spec.num_outputs()} outputs, {dataset.name} has {len(classes)}"
        raise ValueError(f"{message} classes; give other data, or a last layer of that many units")


def _times(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def _parts(split: object) -> Split:
    if not isinstance(split, Split):
        message = "images and their labels are given as a Split(images, labels)"
        raise TypeError(f"{message}, got {type(split).__name__}")
    return split
