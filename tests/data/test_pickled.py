"""The book's mnist.pkl.gz, which is read without executing what is in it."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from nndl_jax.data.pickled import load_books_mnist


class Hostile:
    """Pickled, it asks for a function to be called."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("touched"),)


def pairs(small_dataset) -> tuple:
    """Three pairs as the book's file has them."""
    splits = (small_dataset.train, small_dataset.validation, small_dataset.test)
    return tuple((s.images.astype(np.float32) / 256, s.labels.astype(np.int64)) for s in splits)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ["mnist.pkl.gz", "mnist.pkl"])
def test_its_images_are_bytes_again(small_dataset, tmp_path, name: str, protocol: int) -> None:
    content = pickle.dumps(pairs(small_dataset), protocol=protocol)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = load_books_mnist(tmp_path / name)
    for ours, theirs in zip(found[1:4], small_dataset[1:4], strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_what_it_holds_is_not_called(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mnist.pkl").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match=r"it asks for pathlib.Path.touch, which is no array"):
        load_books_mnist("mnist.pkl")
    assert not Path("touched").exists()


ODD = {
    "text": b"hello",
    "nothing": b"",
    "a number": pickle.dumps(3),
    "a cut gzip": gzip.compress(pickle.dumps([1, 2]))[:-9],
    "other floats": pickle.dumps(((np.full((2, 784), 0.001), [1, 2]),) * 3),
    "objects": pickle.dumps((np.array([{}], object),)),
}


@pytest.mark.parametrize("what", ODD)
def test_something_else_is_refused_in_a_sentence(tmp_path: Path, what: str) -> None:
    (tmp_path / "odd.pkl").write_bytes(ODD[what])
    with pytest.raises(ValueError, match=r"odd.pkl: is not the book's mnist.pkl.gz: .") as caught:
        load_books_mnist(tmp_path / "odd.pkl")
    assert "\n" not in str(caught.value)
