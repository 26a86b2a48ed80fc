"""Data sets that a document can name, and what is known of them before a file is read."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple


class KnownData(NamedTuple):
    """A data set with a name of its own."""

    shape: tuple[int, ...]
    """Of one input: maps, rows and columns of an image, or how many numbers there are."""
    num_classes: int
    """Classes of its labels; 0 where targets are real numbers, one an input."""
    num_train: int
    """Inputs to train on."""
    from_files: bool = False
    """Whether it is four published IDX files; else scikit-learn ships it."""

    @property
    def num_inputs(self) -> int:
        """Numbers in one input."""
        return prod(self.shape)

    @property
    def is_of_images(self) -> bool:
        """Whether inputs are images: bytes, or floats from 0 to 1."""
        return len(self.shape) == 3


_IMAGE = (1, 28, 28)
MNIST = "mnist"
KNOWN_DATA: Mapping[str, KnownData] = {
    MNIST: KnownData(_IMAGE, 10, 50_000, from_files=True),
    "fashion-mnist": KnownData(_IMAGE, 10, 50_000, from_files=True),
    "kmnist": KnownData(_IMAGE, 10, 50_000, from_files=True),
    "emnist-letters": KnownData(_IMAGE, 26, 104_000, from_files=True),
    "emnist-digits": KnownData(_IMAGE, 10, 200_000, from_files=True),
    "digits": KnownData(_IMAGE, 10, 1_197),
    "iris": KnownData((4,), 3, 90),
    "diabetes": KnownData((10,), 0, 266),
}
"""What `nndl_jax.load_data` knows by name."""


def is_path(name: str) -> bool:
    """Whether a text names a file or a folder: it has a slash or a dot in it."""
    return any(mark in name for mark in "/\\.")
