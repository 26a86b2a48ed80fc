"""The data sets: facts of the book's MNIST, faulty files, the stand-in, and the one-file form."""

import gzip
import hashlib
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from nndl_jax import datasets
from nndl_jax.datasets import (
    Dataset,
    MnistFile,
    Split,
    load_dataset,
    load_digits,
    load_mnist,
    save_dataset,
)

# Counts of the digits 0..9 in the author's pickle of the same files.
CLASS_COUNTS = {
    "train": [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988],
    "validation": [991, 1064, 990, 1030, 983, 915, 967, 1090, 1009, 961],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
FIRST_LABELS = {
    "train": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
    "validation": [3, 8, 6, 9, 6, 4, 5, 3, 8, 4],
    "test": [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
}
SHAPES = {name: facts.shape for name, facts in datasets.MNIST_FILES.items()}
LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture(scope="module")
def mnist(mnist_folder: Path) -> Dataset:
    return load_mnist(mnist_folder)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


@pytest.mark.parametrize("name", datasets.SPLITS)
def test_mnist_has_the_class_counts_of_the_book(mnist, name):
    assert np.bincount(getattr(mnist, name).labels).tolist() == CLASS_COUNTS[name]


@pytest.mark.parametrize("name", datasets.SPLITS)
def test_mnist_keeps_the_published_order(mnist, name):
    assert getattr(mnist, name).labels[:10].tolist() == FIRST_LABELS[name]


def test_mnist_is_split_in_50000_10000_10000(mnist):
    assert [split.images.shape for split in mnist[1:]] == [
        (n, 784) for n in (50_000, 10_000, 10_000)
    ]


def test_mnist_darkness_is_that_of_the_book(mnist):
    # Chapter 1's mean darkness of the zeros in the training images, with pixels / 256: 135.87.
    zeros = mnist.train.images[mnist.train.labels == 0]
    assert zeros.sum(axis=1).mean() / 256 == pytest.approx(135.87, abs=0.005)


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch) -> Path:
    """Four files like MNIST's with 6 images each, whose facts stand in for the published ones."""
    for name, shape in SHAPES.items():
        _publish(monkeypatch, tmp_path / name, _idx((6, *shape[1:])), (6, *shape[1:]))
    return tmp_path


def _idx(shape: tuple[int, ...], magic: int = 0x0800) -> bytes:
    header = struct.pack(f">{1 + len(shape)}I", magic + len(shape), *shape)
    return header + bytes(i % 10 for i in range(int(np.prod(shape))))


def _publish(monkeypatch, path: Path, raw: bytes, shape: tuple[int, ...]) -> None:
    path.write_bytes(gzip.compress(raw, mtime=0))
    content = path.read_bytes()
    facts = MnistFile(len(content), hashlib.sha256(content).hexdigest(), shape)
    monkeypatch.setattr(datasets, "MNIST_FILES", {**datasets.MNIST_FILES, path.name: facts})


def test_tiny_mnist_loads(tiny_mnist):
    assert load_mnist(str(tiny_mnist)).test.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_missing_file_is_named(tiny_mnist):
    (tiny_mnist / LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{LABELS}: no such file; download it\."):
        load_mnist(tiny_mnist)


def test_flipped_byte_is_refused(tiny_mnist):
    content = bytearray((tiny_mnist / LABELS).read_bytes())
    content[-9] ^= 1
    (tiny_mnist / LABELS).write_bytes(content)
    with pytest.raises(ValueError, match=f"{LABELS} is not the published file: expected "):
        load_mnist(tiny_mnist)


def test_truncated_file_is_refused_with_both_sizes(tiny_mnist):
    content = (tiny_mnist / LABELS).read_bytes()
    (tiny_mnist / LABELS).write_bytes(content[:-7])
    sizes = rf"expected {len(content)} bytes .* found {len(content) - 7} bytes"
    with pytest.raises(ValueError, match=sizes):
        load_mnist(tiny_mnist)


def test_longer_file_is_refused(tiny_mnist):
    with (tiny_mnist / LABELS).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="is not the published file"):
        load_mnist(tiny_mnist)


def test_decompression_stops_at_the_known_size(tiny_mnist, monkeypatch):
    bomb = _idx((6,)) + bytes(50_000_000)
    _publish(monkeypatch, tiny_mnist / LABELS, bomb, (6,))
    tracemalloc.start()
    # 4 bytes of magic, 4 of length, 6 labels.
    with pytest.raises(ValueError, match=r"expected 14 bytes .* found more"):
        load_mnist(tiny_mnist)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_wrong_magic_is_refused(tiny_mnist, monkeypatch):
    _publish(monkeypatch, tiny_mnist / LABELS, _idx((6,), magic=0x0D00), (6,))
    with pytest.raises(ValueError, match=r"start with 0000080100000006, .* 00000d0100000006"):
        load_mnist(tiny_mnist)


def test_wrong_shape_is_refused(tiny_mnist, monkeypatch):
    _publish(monkeypatch, tiny_mnist / LABELS, _idx((7,)), (6,))
    with pytest.raises(ValueError, match=r"does not hold unsigned bytes of shape \(6,\)"):
        load_mnist(tiny_mnist)


@pytest.mark.parametrize("name", datasets.SPLITS)
def test_digits_have_ten_classes_in_every_split(digits, name):
    assert (np.bincount(getattr(digits, name).labels, minlength=10) >= 20).all()


def test_digits_look_like_mnist_to_code(digits):
    assert digits.name == "digits"
    for split, num_images in zip(digits[1:], (1197, 300, 300), strict=True):
        assert split.images.shape == (num_images, 784)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert split.images.max() == 255


def test_digits_have_the_white_border_of_mnist(digits):
    images = digits.train.images.reshape(-1, 28, 28).copy()
    images[:, 4:24, 4:24] = 0
    assert not images.any()


def test_digits_are_the_right_way_up(digits):
    # The mean seven has its bar on top, the mean six its bowl below.
    mean = {k: digits.train.images[digits.train.labels == k].mean(axis=0) for k in (6, 7)}
    top, bottom = slice(0, 14 * 28), slice(14 * 28, 28 * 28)
    assert mean[7][top].sum() > mean[7][bottom].sum()
    assert mean[6][top].sum() < mean[6][bottom].sum()


def test_digits_are_told_apart_by_the_nearest_mean(digits):
    train, test = digits.train, digits.test
    means = np.stack([train.images[train.labels == k].mean(axis=0) for k in range(10)])
    distances = ((test.images[:, None].astype(float) - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == test.labels).mean() > 0.8


def test_saved_data_set_comes_back(digits, tmp_path):
    save_dataset(digits, tmp_path / "data.safetensors")
    loaded = load_dataset(tmp_path / "data.safetensors")
    assert loaded.name == digits.name
    for ours, theirs in zip(loaded[1:], digits[1:], strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images, strict=True)
        np.testing.assert_array_equal(ours.labels, theirs.labels, strict=True)


def test_equal_data_sets_are_saved_as_equal_bytes(digits, tmp_path):
    save_dataset(digits, tmp_path / "a")
    save_dataset(load_dataset(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_failed_save_keeps_the_old_file_and_leaves_no_other(digits, tmp_path, monkeypatch):
    save_dataset(digits, tmp_path / "data")
    before = (tmp_path / "data").read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_dataset(digits._replace(name="mnist"), tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data").read_bytes() == before


def test_missing_data_set_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data: no such file; write it with save_dataset"):
        load_dataset(tmp_path / "data")


def test_other_bytes_are_no_data_set(tmp_path):
    (tmp_path / "data").write_bytes(b"<html>" * 100)
    with pytest.raises(ValueError, match="data is not a safetensors file"):
        load_dataset(tmp_path / "data")


def test_truncated_data_set_is_refused(digits, tmp_path):
    save_dataset(digits, tmp_path / "data")
    (tmp_path / "data").write_bytes((tmp_path / "data").read_bytes()[:-1])
    with pytest.raises(ValueError, match="data is not a safetensors file"):
        load_dataset(tmp_path / "data")


def test_weights_are_no_data_set(tmp_path):
    weights = {"weight": np.zeros((3, 2), np.float32)}
    (tmp_path / "data").write_bytes(safetensors.numpy.save(weights, {"dataset": "mnist"}))
    with pytest.raises(ValueError, match=r"does not hold a data set.*'weight': 'float32, rank 2'"):
        load_dataset(tmp_path / "data")


def test_pixels_of_another_type_are_refused(digits, tmp_path):
    floats = Split(digits.train.images.astype(np.float32), digits.train.labels)
    save_dataset(digits._replace(train=floats), tmp_path / "data")
    with pytest.raises(ValueError, match=r"found {'test.images'.*'float32, rank 2'"):
        load_dataset(tmp_path / "data")
