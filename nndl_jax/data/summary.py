"""A data set in a few lines: counts, ranges, and a picture of some images."""

import base64
import io
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from nndl_jax.data.datasets import SPLITS, Dataset
from nndl_jax.reading.faults import printable
from nndl_jax.reading.html import html_table

_INKS = " .:-=+*#%@"
"""From white to black."""
_NUM_IMAGES = 4
_LONGEST = 2_000
_MOST_COLUMNS = 32
_MOST_CLASSES = 30


def summarize(dataset: Dataset) -> str:
    """Counts, ranges, and the first images to train on."""
    return "\n".join(printable(line, most=_LONGEST) for line in _lines(dataset))


def summarize_html(dataset: Dataset) -> str:
    """The same for a notebook: a table of the splits, and the first images as pictures."""
    rows = []
    for name, split in zip(SPLITS, dataset.splits, strict=True):
        rows.append(
            (name, f"{len(split.labels):,}", _spread(split.images), _labels(dataset, split.labels))
        )
    heads = ("split", "inputs", "range", "labels")
    return html_table(_title(dataset), heads, rows) + "".join(_images(dataset))


def _images(dataset: Dataset) -> Iterator[str]:
    """The first images as `img` elements."""
    from PIL import Image

    for grey in _greys(dataset):
        buffer = io.BytesIO()
        Image.fromarray(np.rint(255 - 255 * grey).astype(np.uint8)).save(buffer, "PNG")
        content = base64.b64encode(buffer.getvalue()).decode()
        yield f'<img alt="" width="84" src="data:image/png;base64,{content}"> '


def _lines(dataset: Dataset) -> Iterator[str]:
    yield _title(dataset)
    for name, split in zip(SPLITS, dataset.splits, strict=True):
        spread, labels = _spread(split.images), _labels(dataset, split.labels)
        yield f"{name}: {len(split.labels):,}{spread and ', '}{spread}{labels and '; '}{labels}"
    yield from _pictures(_greys(dataset))


def _shape(dataset: Dataset) -> tuple[int, ...]:
    return dataset.shape or np.shape(dataset.train.images)[1:]


def _title(dataset: Dataset) -> str:
    kind = "bytes" if dataset.train.images.dtype == np.uint8 else "numbers"
    return f"{dataset.name}: inputs of {' x '.join(map(str, _shape(dataset)))} {kind}"


def _spread(images: np.ndarray) -> str:
    return f"from {images.min():g} to {images.max():g}" if images.size else ""


def _labels(dataset: Dataset, labels: np.ndarray) -> str:
    if not labels.size:
        return ""
    if labels.dtype.kind == "f":
        return f"targets from {labels.min():g} to {labels.max():g}, mean {labels.mean():g}"
    counts = np.bincount(labels, minlength=len(dataset.classes or ()))
    names = dataset.classes or [str(label) for label in range(len(counts))]
    listed = [f"{name} {count:,}" for name, count in zip(names, counts, strict=True)]
    more = ", ..." if len(listed) > _MOST_CLASSES else ""
    return f"{', '.join(listed[:_MOST_CLASSES])}{more}"


def _greys(dataset: Dataset) -> Float[np.ndarray, "images rows columns"]:
    """The first images to train on, as shares from the least number to the largest; or none."""
    shape = _shape(dataset)
    images = dataset.train.images[:_NUM_IMAGES]
    if len(shape) != 3 or not images.size:
        return np.zeros((0, 1, 1))
    grey = images.reshape(-1, *shape).astype(float).mean(axis=1)
    low, high = grey.min(), grey.max()
    return (grey - low) / (high - low) if low < high else np.zeros((0, 1, 1))


def _pictures(greys: Float[np.ndarray, "images rows columns"]) -> Iterator[str]:
    """Some images side by side, in characters twice as high as they are wide."""
    if not len(greys):
        return
    step = -(-greys.shape[2] // _MOST_COLUMNS)
    inks = (greys * (len(_INKS) - 1)).round().astype(int)
    for rows in np.moveaxis(inks[:, :: 2 * step, ::step], 0, 1):
        line = "  ".join("".join(_INKS[ink] for ink in row) for row in rows)
        yield line.rstrip()
