"""What the book compares its networks with: guessing, average darkness, an SVM (ch. 1)."""

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from jaxtyping import Float, Int, UInt8
from sklearn.svm import SVC

from nndl_jax.data.arrays import NUM_CLASSES
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.data.selection import cut, read_dataset
from nndl_jax.documents import SVM, AverageDarkness, Baseline, Document, RandomGuess
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.documents.variants import check_seeds, single

Images = UInt8[np.ndarray, "_ pixels"] | Float[np.ndarray, "_ pixels"]


def run_baseline(spec: Document, dataset: Dataset, *, seed: int) -> Mapping[str, float]:
    """The document's monitors, as fractions of each split.

    Args:
        spec: a document without `vary`.
        dataset: images and labels, as `train` takes them.
        seed: of whatever is random; only guessing is. From 0 to 2^32 - 1.

    Raises:
        SpecError: the document has axes.
        TypeError: the data set is no `Dataset` of splits.
        ValueError: images are no pixels, labels no digits, or a split that is needed has none; or
            the seed is no such number.
    """
    spec = single(spec, Baseline)
    (seed,) = check_seeds((seed,))
    names = [parse_metric(monitor).split for monitor in spec.monitors]
    dataset = read_dataset(dataset, {"train", *names})
    train = cut(dataset, "train", digits=None, limit=spec.data.train_images)
    splits = [cut(dataset, name, digits=None, limit=None) for name in names]
    measured: dict[str, float] = {}
    guesses = _guess(spec, train, [split.images for split in splits], seed)
    for monitor, split, labels in zip(spec.monitors, splits, guesses, strict=True):
        measured[monitor] = float(np.mean(labels == split.labels))
    return measured


def _guess(
    spec: Baseline, train: Split, images: list[Images], seed: int
) -> list[Int[np.ndarray, " _"]]:
    """Guessed labels of each set of images."""
    match spec.method:
        case RandomGuess():
            rng = np.random.default_rng(seed)
            return [rng.integers(0, NUM_CLASSES, len(array)) for array in images]
        case AverageDarkness():
            means = mean_darkness(train)
            return [
                np.argmin(np.abs(_darkness(array)[:, None] - means[None]), axis=1)
                for array in images
            ]
        case SVM(C=penalty, gamma=gamma):
            classifier = SVC(C=penalty, kernel="rbf", gamma=gamma)
            classifier.fit(_pixels(train.images), train.labels)
            return [classifier.predict(_pixels(array)) for array in images]
        case _:
            assert_never(spec.method)


def mean_darkness(train: Split) -> Float[np.ndarray, "10"]:
    """Mean sum of pixels (0 white .. 1 black) of the images of each digit (ch. 1).

    Infinite for a digit that there is no image of: nothing is as dark.
    """
    darkness, labels = _darkness(train.images), train.labels
    return np.array(
        [darkness[labels == k].mean() if k in labels else np.inf for k in range(NUM_CLASSES)]
    )


def _darkness(images: Images) -> Float[np.ndarray, " _"]:
    if images.dtype != np.uint8:
        return images.sum(axis=1, dtype=np.float64)
    return images.sum(axis=1, dtype=np.int64) / 256


def _pixels(images: Images) -> Float[np.ndarray, "_ pixels"]:
    pixels = images.astype(np.float32)
    return pixels / 256 if images.dtype == np.uint8 else pixels
