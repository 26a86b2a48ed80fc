"""What the book compares its networks with: guessing, average darkness, an SVM (ch. 1)."""

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from jaxtyping import Float, Int, UInt8
from sklearn.svm import SVC

from nndl_jax.datasets import Dataset, Split
from nndl_jax.schema import SVM, AverageDarkness, Baseline, RandomGuess


def run_baseline(spec: Baseline, dataset: Dataset, *, seed: int) -> Mapping[str, float]:
    """The document's monitors, as fractions of each split.

    Args:
        spec: a document without `vary`.
        dataset: images and labels.
        seed: of whatever is random; only guessing is.
    """
    present = len(dataset.train.labels)
    num_images = min(spec.data.train_images or present, present)
    train = Split(dataset.train.images[:num_images], dataset.train.labels[:num_images])
    measured: dict[str, float] = {}
    names = [monitor.removesuffix("_accuracy") for monitor in spec.monitors]
    splits = [getattr(dataset, name) for name in names]
    guesses = _guess(spec, train, [split.images for split in splits], seed)
    for monitor, split, labels in zip(spec.monitors, splits, guesses, strict=True):
        measured[monitor] = float(np.mean(labels == split.labels))
    return measured


def _guess(
    spec: Baseline, train: Split, images: list[UInt8[np.ndarray, "images pixels"]], seed: int
) -> list[Int[np.ndarray, " images"]]:
    """Guessed labels of each set of images."""
    match spec.method:
        case RandomGuess():
            rng = np.random.default_rng(seed)
            return [rng.integers(0, 10, len(each)) for each in images]
        case AverageDarkness():
            means = mean_darkness(train)
            return [
                np.argmin(np.abs(_darkness(each)[:, None] - means[None]), axis=1) for each in images
            ]
        case SVM(C=penalty, gamma=gamma):
            classifier = SVC(C=penalty, kernel="rbf", gamma=gamma)
            classifier.fit(_pixels(train.images), train.labels)
            return [classifier.predict(_pixels(each)) for each in images]
        case _:
            assert_never(spec.method)


def mean_darkness(train: Split) -> Float[np.ndarray, "10"]:
    """Mean sum of pixels (0 white .. 1 black) of the images of each digit (ch. 1)."""
    darkness = _darkness(train.images)
    return np.array([darkness[train.labels == digit].mean() for digit in range(10)])


def _darkness(images: UInt8[np.ndarray, "images pixels"]) -> Float[np.ndarray, " images"]:
    return images.sum(axis=1, dtype=np.int64) / 256


def _pixels(images: UInt8[np.ndarray, "images pixels"]) -> Float[np.ndarray, "images pixels"]:
    return images.astype(np.float32) / 256
