"""MNIST as the book's repository has it: mnist.pkl.gz, which mnist_loader.py reads (ch. 1)."""

import gzip
import io
import pickle
import zlib
from pathlib import Path

import numpy as np

from nndl_jax.data.arrays import as_images, as_labels
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.reading.faults import printable

_MOST_BYTES = 400_000_000
"""Of mnist.pkl, unpacked; the book's has 220 million."""


class _Arrays(pickle.Unpickler):
    """Reads arrays of NumPy and nothing that would be called."""

    def find_class(self, module: str, name: str) -> object:
        from numpy._core import multiarray

        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            # As NumPy calls it in its own files, before version 2 and since.
            ("numpy.core.multiarray", "_reconstruct"): multiarray._reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): multiarray._reconstruct,
            # Python 3 writes bytes so for Python 2.
            ("_codecs", "encode"): lambda text, _: text.encode("latin1"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return known[module, name]


def load_books_mnist(path: Path | str) -> Dataset:
    """MNIST as the book's repository has it, `mnist.pkl.gz`, without executing what is in it.

    Its floats are bytes / 256, and become these bytes again.

    Args:
        path: of the file, gzipped or not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else than three pairs of images and digits.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        pairs = _Arrays(io.BytesIO(content), encoding="latin1").load()
        train, validation, test = (_split(*pair) for pair in pairs)
    except (
        *(AttributeError, EOFError, IndexError, KeyError, MemoryError, OSError, OverflowError),
        *(TypeError, ValueError, pickle.UnpicklingError, zlib.error),
    ) as error:
        reason = printable(str(error).partition("\n")[0])
        raise ValueError(f"{path}: is not the book's mnist.pkl.gz: {reason}") from None
    return Dataset("mnist", train, validation, test)


def _split(images: object, labels: object) -> Split:
    scaled = np.asarray(images) * np.float32(256)
    if not (np.array_equal(np.rint(scaled), scaled) and ((scaled >= 0) & (scaled <= 255)).all()):
        raise ValueError("its images are not bytes / 256")
    pictures = as_images(scaled.astype(np.uint8))
    return Split(pictures, as_labels(labels, num_images=len(pictures)))
