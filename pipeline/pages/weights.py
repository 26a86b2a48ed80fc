"""Trained networks for the page: the files that `save` wrote, as scripts that a browser can load.

A page opened from a disk may read no file but scripts. So each file's bytes are in a script of its
own, unchanged, in base64, and so are small copies of training images. They are loaded when they are
needed.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Network
from nndl_jax.documents.variants import Run
from pipeline.machine.writing import write_text
from pipeline.store.dataset import load_data
from pipeline.store.results import Results
from pipeline.store.runs import network_path

READERS = (
    "ch1-30-hidden",
    "ch1-100-hidden",
    "ch6-conv",
    "ch6-two-conv",
    "ch6-relu",
    "ch6-expanded",
    "ch6-shallow",
)
"""Documents whose networks read what is drawn on the page, and vote."""
NUM_IMAGES = 1000
"""Training images of which the page has copies of 14 x 14 pixels."""
IMAGES = "training-images"
FOLDER = "weights"
MAX_BYTES = 8_000_000
"""Of all these scripts together."""


class Reader(NamedTuple):
    """A network of which there are weights."""

    document: Network
    run: Run
    path: Path
    """Of the file that `save` wrote."""
    accuracy: float
    """The share of the test images that it classifies rightly."""

    @property
    def name(self) -> str:
        """Of its script, and of its weights in it."""
        return self.document.id


def list_readers(today: Mapping[str, Results]) -> list[Reader]:
    """Of each document the run that read the test images best; those without weights are left out.

    They take at most the room that is left beside the images; what would need more is left out.

    Args:
        today: documents with what is run of them.
    """
    readers, room = [], MAX_BYTES - _in_base64(NUM_IMAGES * 14 * 14)
    for name in READERS:
        candidates = list(_candidates(today[name])) if name in today else []
        if not candidates:
            continue
        best = max(candidates, key=lambda reader: reader.accuracy)
        needed = _in_base64(best.path.stat().st_size)
        if needed <= room:
            readers.append(best)
            room -= needed
    return readers


def write_weights(folder: Path, today: Mapping[str, Results]) -> list[Path]:
    """Write the scripts of all networks and of the training images.

    Args:
        folder: of the page; they are put into its `weights/`.
        today: documents with what is run of them.
    """
    readers = list_readers(today)
    paths = [_write(folder, reader.name, reader.path.read_bytes()) for reader in readers]
    images = halve(load_data().train.images[:NUM_IMAGES])
    return [*paths, _write(folder, IMAGES, images.tobytes())]


def script_path(name: str) -> str:
    """Where the script with these weights is, from a page beside `weights/`."""
    return f"{FOLDER}/{name}.js"


def image_labels(dataset: Dataset) -> str:
    """The digits of the images in the script, one after another."""
    return "".join(map(str, dataset.train.labels[:NUM_IMAGES]))


def halve(images: UInt8[np.ndarray, "n 784"]) -> UInt8[np.ndarray, "n 196"]:
    """Means of 2 x 2 pixels, rounded."""
    means = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return np.rint(means).astype(np.uint8).reshape(-1, 14 * 14)


def _candidates(results: Results) -> Iterator[Reader]:
    """The runs of which weights were kept, with their accuracies."""
    document, history = results.document, results.history
    if not isinstance(document, Network) or history is None:
        return
    is_best, curves = document.training.keep_best, history.metrics.get("test_accuracy")
    for index, run in enumerate(history.runs):
        path = network_path(document.id, run, is_best=is_best, folder=results.folder)
        if curves is None or np.isnan(curves[index]).all() or not path.is_file():
            continue
        chosen = history.metrics["validation_accuracy"][index] if is_best else None
        yield Reader(document, run, path, _accuracy(curves[index], chosen))


def _accuracy(test: np.ndarray, validation: np.ndarray | None) -> float:
    """At the last epoch, or at the last of those with the best validation accuracy."""
    measured = np.flatnonzero(~np.isnan(test))
    if validation is None:
        return float(test[measured[-1]])
    best = measured[validation[measured] == np.nanmax(validation[measured])]
    return float(test[best[-1]])


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / script_path(name)
    text = base64.b64encode(content).decode("ascii")
    head = "var NNDL = NNDL || {}; NNDL.weights = NNDL.weights || {};"
    write_text(path, f"{head}\nNNDL.weights[{json.dumps(name)}] = {json.dumps(text)};\n")
    return path


def _in_base64(num_bytes: int) -> int:
    return 4 * -(-num_bytes // 3)
