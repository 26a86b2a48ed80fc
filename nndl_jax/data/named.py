"""Data sets by the name or the path that a document gives them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from nndl_jax.data.datasets import Dataset
from nndl_jax.data.files import cache_folder
from nndl_jax.data.mnist import load_digits
from nndl_jax.data.own_files import Reading, read_path
from nndl_jax.data.published import (
    PUBLISHED,
    cache_name,
    holds_any,
    load_published,
    mirror_variable,
)
from nndl_jax.documents.data import Data
from nndl_jax.documents.known_data import KNOWN_DATA, MNIST, is_path
from nndl_jax.reading.validation import closest


def load_data(
    name_or_path: str | os.PathLike[str],
    *,
    folder: str | Path | None = None,
    target: str | None = None,
    is_regression: bool | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set by its name, or whatever lies in a file or a folder of one's own.

    Examples:
        >>> load_data("iris").classes
        ('setosa', 'versicolor', 'virginica')

    Published files are looked for in the folder that `NNDL_FASHION_MNIST_MIRROR` and the like name,
    in `data/raw-NAME` here (`data/raw` for MNIST), and in the user's cache.

    Args:
        name_or_path: `mnist`, `fashion-mnist`, `kmnist`, `emnist-letters`, `emnist-digits`,
            `digits`, `iris` or `diabetes`; or a path, whose text has a slash or a dot in it, of an
            IDX, `.npz`, `.npy`, `.csv`, `.tsv`, `.parquet` or `.safetensors` file, or of a folder
            with such arrays or with a folder of images for each class. A folder with MNIST's four
            files is MNIST.
        folder: of the published files.
        target: the column of a table that is to be learnt; None for the last.
        is_regression: whether targets are numbers to be come near to; None for what they look like.
        seed: of what is drawn for validation and test where the data have no such splits.

    Raises:
        FileNotFoundError: there is no such file; says where files of a published set belong.
        ValueError: there is no data set of this name, or a file does not hold what it should.
        ImportError: what reads it is not installed; says how to.
    """
    name = os.fspath(name_or_path)
    if not name:
        raise ValueError("a data set is named by its name or its path, got an empty text")
    if name in PUBLISHED:
        return load_published(name, Path(folder) if folder else find_published(name))
    if name in _OWN:
        return _OWN[name](seed)
    path = Path(name)
    if path.is_dir():
        try:
            return load_published(MNIST, path)
        except FileNotFoundError:
            pass
        except ValueError:  # Another data set in files of these names; or MNIST, damaged.
            if holds_any(MNIST, path):
                raise
    if not is_path(name) and not path.exists():
        message = (
            f"there is no data set {name!r} and no such file; {closest(name, list(KNOWN_DATA))}"
        )
        raise ValueError(message)
    stem = path.name.partition(".")[0] or path.resolve().name
    return read_path(path, Reading(stem, target, is_regression, seed))


def load_data_of(data: Data) -> Dataset:
    """The data set that a document names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file does not hold what it should.
        ImportError: what reads it is not installed.
    """
    is_regression = data.targets == "real"
    return load_data(data.name, target=data.target, is_regression=is_regression)


def find_published(name: str) -> Path:
    """The folder of the files of a published data set.

    Raises:
        FileNotFoundError: there is none; says where it belongs.
    """
    variable = mirror_variable(name)
    raw = Path("data/raw" if name == "mnist" else f"data/raw-{name}")
    folders = [Path(own).expanduser() for own in [os.environ.get(variable)] if own]
    folders += [raw, cache_folder() / cache_name(name)]
    first = next(iter(PUBLISHED[name].files))
    for folder in folders:
        if any((folder / file).exists() for file in (first, first.removesuffix(".gz"), "gzip.zip")):
            return folder
    if os.environ.get(variable) and folders[0].is_dir():
        return folders[0]  # Its reader knows other names of files, and says what is missing.
    files = "EMNIST's gzip.zip" if name.startswith("emnist") else "its four files"
    message = (
        f"{name} is not on this machine: put {files} as published into {raw}, or into a folder"
    )
    raise FileNotFoundError(
        f"{message} that {variable} names; looked in {', '.join(map(str, folders))}"
    )


def _load_digits(_: int) -> Dataset:
    known = KNOWN_DATA["digits"]
    return load_digits()._replace(shape=known.shape, classes=tuple("0123456789"))


def _load_iris(seed: int) -> Dataset:
    """Fisher's 150 flowers (1936): length and width of sepals and petals, in centimetres."""
    from sklearn.datasets import load_iris

    inputs, places = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[np.asarray(places)]
    return Dataset.from_arrays(inputs, labels, name="iris", seed=seed)


def _load_diabetes(seed: int) -> Dataset:
    """How diabetes of 442 patients went on in a year (Efron and others, 2004), by ten numbers."""
    from sklearn.datasets import load_diabetes

    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    return Dataset.from_arrays(inputs, targets, name="diabetes", is_regression=True, seed=seed)


_OWN: Mapping[str, Callable[[int], Dataset]] = {
    "digits": _load_digits,
    "iris": _load_iris,
    "diabetes": _load_diabetes,
}
"""What ships with scikit-learn, by the seed of its splits."""
