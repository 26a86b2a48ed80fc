"""Damaged tables, arrays, pictures and networks of others: refused, or something whole is read."""

import gzip
import io
import json
import pickle
import struct
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from attack.files import put
from attack.mutants import damage
from attack.verdict import REFUSED, RIGHT, FindingError, attempt
from nndl_jax import Dataset, load_data
from nndl_jax.data.pickled import load_books_mnist
from nndl_jax.data.pictures import read_picture
from nndl_jax.training.network2 import load_network2

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 20, 20), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def picture(kind: str) -> bytes:
    return written(lambda file: Image.fromarray(IMAGES[0]).save(file, kind))


TABLE = "a,b,kind\n" + "".join(f"{row / 2},{row},{'xyz'[row % 3]}\n" for row in range(12))
ARRAYS = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:3], "y_test": LABELS[:3]}
NET = {
    "sizes": [784, 10],
    "weights": [np.zeros((10, 784)).tolist()],
    "biases": [[[0.0]] * 10],
    "cost": "QuadraticCost",
}
PAIR = (np.zeros((3, 784), np.float32), np.arange(3))
DAMAGED = {
    "t.csv": TABLE.encode(),
    "t.npz": written(lambda file: np.savez(file, **ARRAYS)),
    "npy/images.npy": written(lambda file: np.save(file, IMAGES)),
    "idx/train-images-idx3-ubyte": idx(IMAGES),
    "gz/train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
    "png/cat/1.png": picture("png"),
    "jpeg/cat/1.jpg": picture("jpeg"),
    "seen.png": picture("png"),
    "seen.gif": picture("gif"),
    "net.json": json.dumps(NET).encode(),
    "mnist.pkl": pickle.dumps((PAIR, PAIR, PAIR), 2),
}
"""Files that are damaged, by their names."""
BESIDE = {
    "npy/labels.npy": written(lambda file: np.save(file, LABELS)),
    "idx/train-labels-idx1-ubyte": idx(LABELS),
    "gz/train-labels-idx1-ubyte": idx(LABELS),
    "png/dog/1.png": picture("png"),
    "jpeg/dog/1.png": picture("png"),
}
"""Files that stay sound."""
OTHERS: Mapping[str, Callable[[Path], object]] = {
    ".gif": read_picture,
    ".json": load_network2,
    ".pkl": load_books_mnist,
}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_files_of_ones_own_are_refused_or_whole(attack, tmp_path):
    for name, content in BESIDE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(content)

    def try_one(rng):
        name = rng.choice(list(DAMAGED))
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        put(path, damage(DAMAGED[name], rng))
        where = tmp_path / name.partition("/")[0]
        read = OTHERS.get(path.suffix, read_picture if name == "seen.png" else load_data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", module="PIL")
            found, error = attempt(lambda: read(where), ValueError, where=where)
        if error is not None:
            return REFUSED
        check_whole(found)
        return RIGHT

    attack("files of one's own", try_one)


def check_whole(found: object) -> None:
    """Hold what was read to be finite numbers of one shape, with a label for each."""
    if isinstance(found, Dataset):
        for images, labels in found.splits:
            if len(images) != len(labels) or not np.isfinite(images).all():
                raise FindingError("inputs without labels, or numbers that are none, are read")
            if labels.dtype.kind == "i" and labels.size and not 0 <= labels.min() <= labels.max():
                raise FindingError("labels that are no classes are read")
            if found.classes and labels.size and labels.max() >= len(found.classes):
                raise FindingError("labels beyond the classes are read")
    elif isinstance(found, nnx.Module):
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(nnx.state(found))):
            raise FindingError("weights that are no numbers are read")
    elif not isinstance(found, np.ndarray) or found.shape != (784,):
        raise FindingError("what is read of a picture is no image")
