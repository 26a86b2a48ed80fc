"""A data set in a few lines of text: counts, ranges, and a picture of some images."""

from collections.abc import Iterator

import numpy as np

from nndl_jax.data.datasets import SPLITS, Dataset
from nndl_jax.reading.faults import printable

_INKS = " .:-=+*#%@"
"""From white to black."""
_NUM_IMAGES = 4
_LONGEST = 2_000
_MOST_COLUMNS = 32
_MOST_CLASSES = 30


def summarize(dataset: Dataset) -> str:
    """Counts, ranges, and the first images to train on."""
    return "\n".join(printable(line, most=_LONGEST) for line in _lines(dataset))


def _lines(dataset: Dataset) -> Iterator[str]:
    images = dataset.train.images
    shape = dataset.shape or np.shape(images)[1:]
    kind = "bytes" if images.dtype == np.uint8 else "numbers"
    yield f"{dataset.name}: inputs of {' x '.join(map(str, shape))} {kind}"
    for name, split in zip(SPLITS, dataset.splits, strict=True):
        count = len(split.labels)
        spread = ""
        if split.images.size:
            spread = f", from {split.images.min():g} to {split.images.max():g}"
        yield f"{name}: {count:,}{spread}{_labels(dataset, split.labels)}"
    if len(shape) == 3:
        yield from _pictures(dataset, shape)


def _labels(dataset: Dataset, labels: np.ndarray) -> str:
    if not labels.size:
        return ""
    if labels.dtype.kind == "f":
        return f"; targets from {labels.min():g} to {labels.max():g}, mean {labels.mean():g}"
    counts = np.bincount(labels, minlength=len(dataset.classes or ()))
    names = dataset.classes or [str(label) for label in range(len(counts))]
    listed = [f"{name} {count:,}" for name, count in zip(names, counts, strict=True)]
    more = ", ..." if len(listed) > _MOST_CLASSES else ""
    return f"; {', '.join(listed[:_MOST_CLASSES])}{more}"


def _pictures(dataset: Dataset, shape: tuple[int, ...]) -> Iterator[str]:
    """Some images side by side, in characters twice as high as they are wide."""
    images = dataset.train.images[:_NUM_IMAGES].reshape(-1, *shape)
    if not images.size:
        return
    grey = images.astype(float).mean(axis=1)
    low, high = grey.min(), grey.max()
    if low == high:
        return
    step = -(-shape[2] // _MOST_COLUMNS)
    inks = ((grey - low) / ((high - low) or 1) * (len(_INKS) - 1)).round().astype(int)
    for rows in np.moveaxis(inks[:, :: 2 * step, ::step], 0, 1):
        line = "  ".join("".join(_INKS[ink] for ink in row) for row in rows)
        yield line.rstrip()
