"""Data sets that were published as four IDX files each, in MNIST's form, and their known sums.

The sums are those that TensorFlow Datasets (Fashion-MNIST, KMNIST: SHA-256) and Deeplearning4j
(EMNIST: MD5 of the files in NIST's `gzip.zip`) publish.

References:
    Xiao, Rasul and Vollgraf (2017), Fashion-MNIST. Clanuwat and others (2018), Deep learning for
    classical Japanese literature. Cohen, Afshar, Tapson and van Schaik (2017), EMNIST.
"""

import io
import math
import string
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.data.mnist import (
    MNIST_FILES,
    MnistFile,
    PublishedFile,
    load_mnist,
    read_published,
    unpack,
)
from nndl_jax.documents.known_data import KNOWN_DATA, MNIST


class Published(NamedTuple):
    """A data set in four files."""

    files: Mapping[str, MnistFile]
    """Images and labels to train on, then those for the test."""
    classes: tuple[str, ...]
    mirrors: tuple[str, ...]
    """Addresses that have the files."""
    first_label: int = 0
    is_transposed: bool = False
    """Whether images lie on their side, with rows and columns exchanged."""


def _like_mnist(*sums: tuple[int, str]) -> dict[str, MnistFile]:
    pairs = zip(MNIST_FILES.items(), sums, strict=True)
    return {name: MnistFile(*own, facts.shape, "") for (name, facts), own in pairs}


def _emnist(kind: str, counts: tuple[int, int], *sums: str) -> dict[str, MnistFile]:
    parts = [("train", counts[0]), ("test", counts[1])]
    shapes = {
        f"emnist-{kind}-{split}-{what}-ubyte.gz": shape
        for split, count in parts
        for what, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,)))
    }
    pairs = zip(shapes.items(), sums, strict=True)
    return {name: MnistFile(0, f"md5:{own}", shape, "") for (name, shape), own in pairs}


class Archive(NamedTuple):
    """A file that several data sets are published in."""

    name: str
    facts: MnistFile


_DIGITS = tuple(string.digits)
EMNIST = Archive("gzip.zip", MnistFile(561_753_746, "md5:58c8d27c78d21e728a6bc7b3cc06412e", (), ""))
"""What NIST publishes EMNIST in, with the sum that torchvision knows; it need not be unpacked."""
_NIST = ("https://biometrics.nist.gov/cs_links/EMNIST/",)

PUBLISHED: Mapping[str, Published] = {
    MNIST: Published(
        MNIST_FILES,
        _DIGITS,
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": Published(
        _like_mnist(
            (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
        (
            *("T-shirt", "trouser", "pullover", "dress", "coat"),
            *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        ),
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    ),
    "kmnist": Published(
        _like_mnist(
            (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    ),
    "emnist-letters": Published(
        _emnist(
            "letters",
            (124_800, 20_800),
            "8795078f199c478165fe18db82625747",
            "c16de4f1848ddcdddd39ab65d2a7be52",
            "382093a19703f68edac6d01b8dfdfcad",
            "d4108920cd86601ec7689a97f2de7f59",
        ),
        tuple(string.ascii_lowercase),
        _NIST,
        first_label=1,
        is_transposed=True,
    ),
    "emnist-digits": Published(
        _emnist(
            "digits",
            (240_000, 40_000),
            "d2662ecdc47895a6bbfce25de9e9a677",
            "2223fcfee618ac9c89ef20b6e48bcf9e",
            "a159b8b3bd6ab4ed4793c1cb71a2f5cc",
            "8afde66ea51d865689083ba6bb779fac",
        ),
        _DIGITS,
        _NIST,
        is_transposed=True,
    ),
}


def mirror_variable(name: str) -> str:
    """Name of the environment's variable that says where the files of a data set are."""
    return f"NNDL_{name.upper().replace('-', '_')}_MIRROR"


def cache_name(name: str) -> str:
    """The folder of a data set's files in the user's cache; all of EMNIST is in one archive."""
    return "" if name == MNIST else "emnist" if name.startswith("emnist") else name


def load_published(name: str, folder: Path) -> Dataset:
    """A data set of `PUBLISHED`; the last of its training images validate, as many as MNIST's.

    Of EMNIST as many validate as are for the test. Its images are turned upright, and its letters
    are numbered from 0.

    Args:
        name: of the data set.
        folder: with its four files as published, or with EMNIST's archive.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file does not hold, byte for byte, what was published.
    """
    published, shape = PUBLISHED[name], KNOWN_DATA[name].shape
    if name == MNIST:
        return load_mnist(folder)._replace(shape=shape, classes=published.classes)
    images, labels, test_images, test_labels = (
        _read(folder, file, facts) for file, facts in published.files.items()
    )
    if published.is_transposed:
        images, test_images = images.transpose(0, 2, 1), test_images.transpose(0, 2, 1)
    num_train = KNOWN_DATA[name].num_train

    def split(pictures: np.ndarray, numbers: np.ndarray) -> Split:
        whole = numbers.astype(np.int32) - published.first_label
        return Split(np.ascontiguousarray(pictures.reshape(len(pictures), -1)), whole)

    return Dataset(
        name,
        split(images[:num_train], labels[:num_train]),
        split(images[num_train:], labels[num_train:]),
        split(test_images, test_labels),
        shape,
        published.classes,
    )


def holds_any(name: str, folder: Path) -> bool:
    """Whether any file in a folder is, byte for byte, one of a data set of `PUBLISHED`."""
    for file, facts in PUBLISHED[name].files.items():
        with suppress(FileNotFoundError, ValueError):
            find_file(folder, file, facts)
            return True
    return False


def find_file(folder: Path, name: str, facts: MnistFile) -> PublishedFile:
    """A file as it was published, from a folder or from EMNIST's archive in it.

    Args:
        folder: where it lies.
        name: its name as published.
        facts: what is known of it.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it does not hold, byte for byte, what was published.
    """
    archive = folder / EMNIST.name
    if not (folder / name).exists() and archive.is_file():
        return _read_member(archive, name, facts)
    return read_published(folder, name, facts)


def _read(folder: Path, name: str, facts: MnistFile) -> np.ndarray:
    unpacked = find_file(folder, name, facts).unpacked
    header = facts.unpacked_bytes - math.prod(facts.shape)
    return np.frombuffer(unpacked, np.uint8, offset=header).reshape(facts.shape)


def _read_member(archive: Path, name: str, facts: MnistFile) -> PublishedFile:
    try:
        with zipfile.ZipFile(archive) as whole, whole.open(f"gzip/{name}") as member:
            content = member.read(facts.most_bytes)
    except (KeyError, zipfile.BadZipFile, OSError, io.UnsupportedOperation) as error:
        raise ValueError(f"{archive}: cannot be unpacked ({error}); download it again") from None
    try:
        return PublishedFile(content, unpack(content, facts))
    except ValueError as error:
        raise ValueError(f"{archive}: gzip/{name} is not the published file: {error}") from None
