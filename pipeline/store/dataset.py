"""The data set that is measured on, and the name under which results say so."""

import sys

from nndl_jax.data.datasets import Dataset, is_mnist, load_dataset
from nndl_jax.documents import Document, Network
from pipeline.machine.paths import DATASET

_BOOKS_DATA = frozenset({"mnist", "examples", "none"})
"""Names of data on which results can be held against the book's: MNIST, a document's own examples,
and none at all, of calculations."""


def load_data() -> Dataset:
    """The data set of all stages, which is MNIST if it says so.

    Raises:
        SystemExit: the file cannot be read, or holds other images under that name.
    """
    try:
        dataset = load_dataset(DATASET)
    except FileNotFoundError:
        sys.exit(f"error: {DATASET}: no such file; `make` writes it, or save_dataset your own")
    except ValueError as error:
        sys.exit(f"error: {error}")
    if dataset.name == "mnist" and not is_mnist(dataset):
        counts = ", ".join(f"{len(split.labels):,}" for split in dataset.splits)
        sys.exit(
            f"error: {DATASET} says that it is MNIST and holds other images or labels, {counts} of "
            "them; delete it and make it again, or save them under a name of their own."
        )
    return dataset


def data_of(spec: Document, name: str) -> str:
    """Name of the data that a document is measured on, where the data set has the name given."""
    return "examples" if isinstance(spec, Network) and spec.data.examples else name


def why_foreign(data: str) -> str | None:
    """Why numbers measured on this data say nothing about the book's; None if they do."""
    return None if data in _BOOKS_DATA else "not MNIST"
