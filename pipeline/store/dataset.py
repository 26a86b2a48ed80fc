"""The data sets that are measured on, and the names under which results say so."""

import sys
from pathlib import Path

from nndl_jax.data.datasets import Dataset, load_dataset
from nndl_jax.data.mnist import is_mnist
from nndl_jax.documents import Document
from nndl_jax.documents.known_data import MNIST
from pipeline.machine.paths import DATASET, NO_DATA
from pipeline.plan.needed_data import data_file

_OWN = ("examples", "none")
"""What documents with examples, and calculations, are measured on."""


def load_data(path: Path = DATASET) -> Dataset:
    """A data set that the stage `prepare` has written; what it says is MNIST is MNIST.

    Args:
        path: of its file; by default that of MNIST, or of what stands in for it.

    Raises:
        SystemExit: the file cannot be read, or holds other images under that name.
    """
    try:
        dataset = load_dataset(path)
    except FileNotFoundError:
        sys.exit(f"error: {path}: no such file; `make` writes it, or save_dataset your own")
    except ValueError as error:
        sys.exit(f"error: {error}")
    if dataset.name == MNIST and not is_mnist(dataset):
        counts = ", ".join(f"{len(split.labels):,}" for split in dataset.splits)
        sys.exit(
            f"error: {path} says that it is MNIST and holds other images or labels, {counts} of "
            "them; delete it and make it again, or save them under a name of their own."
        )
    return dataset


def file_of(spec: Document) -> Path:
    """The prepared data set that a document learns or is measured on."""
    data = spec.data_learnt()
    return DATASET if data is None else data_file(data)


def is_missing(path: Path) -> bool:
    """Whether a data set could not be had, which `prepare` says in its place."""
    return path.is_file() and path.stat().st_size == len(NO_DATA) and path.read_bytes() == NO_DATA


def data_of(spec: Document, name: str = MNIST) -> str:
    """Name of the data that a document is measured on.

    Args:
        spec: the document.
        name: of what MNIST's file holds.
    """
    data = spec.data_learnt()
    if data is None:
        return name
    return "examples" if data.examples else name if data.name == MNIST else data.name


def why_foreign(data: str, spec: Document, run: Document | None = None) -> str | None:
    """Why numbers measured on this data say nothing about a document's; None if they do.

    Args:
        data: name of what was measured on.
        spec: the document as it was written.
        run: the document as it was run, with its overrides; None for the same.
    """
    wanted, asked = data_of(spec), data_of(run or spec)
    if data in (*_OWN, wanted):
        return None
    return "not MNIST" if data != asked else f"{data} in the place of {wanted}"
