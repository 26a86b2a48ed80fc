"""The data set that a command trains on or measures: of its option, or of the document."""

import hashlib
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nndl_jax.data.datasets import Dataset
    from nndl_jax.documents import Network
    from nndl_jax.documents.data import Data

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="A name (mnist, fashion-mnist, digits, iris ...), a file or folder of yours, or the "
        "book's mnist.pkl.gz; else what the document names: MNIST of data/dataset.safetensors or "
        "NNDL_MNIST_MIRROR.",
    ),
]
PREPARED = Path("data/dataset.safetensors")


def data_for(spec: "Network", data: str | None) -> "Dataset":
    """What a network learns or is measured on; of a document with examples, nothing else.

    Args:
        spec: its document.
        data: of the option.
    """
    return _no_data() if spec.data.examples else read_data(data, spec.data)


def read_data(data: str | None, named: "Data") -> "Dataset":
    """The data set that an option names, or else the document.

    Raises:
        ValueError: there is none, or it is damaged.
        FileNotFoundError: there is no such file.
        ImportError: what reads it is not installed.
    """
    from nndl_jax.data.datasets import load_dataset
    from nndl_jax.data.named import load_data, load_data_of
    from nndl_jax.documents.known_data import MNIST

    if data is None and named.name != MNIST:
        try:
            return load_data_of(named)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}; or name another by --data") from None
    if data is None and PREPARED.is_file():
        return load_dataset(PREPARED)
    data = data or os.environ.get("NNDL_MNIST_MIRROR")
    if not data:
        raise ValueError(
            "no data set is named: give --data digits, or the folder with MNIST's four files, or "
            f"a file of save_dataset; without it {PREPARED} is read if it is there"
        )
    if data.endswith((".pkl", ".pkl.gz")) and Path(data).is_file():
        from nndl_jax.data.pickled import load_books_mnist

        return load_books_mnist(Path(data))
    try:
        return load_data(data, target=named.target, is_regression=named.targets == "real")
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"--data {data}: {error}") from None


def digest_of(dataset: "Dataset") -> str:
    """A sum of all images and labels."""
    digest = hashlib.sha256()
    for split in dataset.splits:
        for array in split:
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def precision_of(spec: "Network") -> AbstractContextManager[object]:
    """In which JAX computes in the document's type of numbers."""
    import jax

    return jax.enable_x64(True) if spec.training.dtype == "float64" else nullcontext()


def _no_data() -> "Dataset":
    """For documents with examples of their own, which read no data set."""
    import numpy as np

    from nndl_jax.data.datasets import Dataset, Split

    none = Split(np.zeros((0, 784), np.uint8), np.zeros(0, np.int32))
    return Dataset("examples", none, none, none)
