"""The data sets: facts of the book's MNIST, faulty files, the stand-in, and the one-file form."""

import gzip
import hashlib
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from nndl_jax.data import datasets
from nndl_jax.data import mnist as published
from nndl_jax.data.array_files import checksum
from nndl_jax.data.datasets import Dataset, Split, load_dataset, save_dataset
from nndl_jax.data.mnist import MnistFile, load_digits, load_mnist
from nndl_jax.data.named import load_data

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
SHAPES = {name: facts.shape for name, facts in published.MNIST_FILES.items()}
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
    assert [split.images.shape for split in mnist.splits] == [
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


def _idx(shape: tuple[int, ...]) -> bytes:
    header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
    return header + bytes(i % 10 for i in range(int(np.prod(shape))))


def _publish(monkeypatch, path: Path, raw: bytes, shape: tuple[int, ...]) -> None:
    path.write_bytes(gzip.compress(raw, mtime=0))
    content = path.read_bytes()
    sums = (hashlib.sha256(data).hexdigest() for data in (content, raw))
    facts = MnistFile(len(content), next(sums), shape, next(sums))
    monkeypatch.setitem(published.MNIST_FILES, path.name, facts)


def test_tiny_mnist_loads(tiny_mnist):
    assert load_mnist(str(tiny_mnist)).test.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_missing_file_is_named(tiny_mnist):
    (tiny_mnist / LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{LABELS}: no such file; download it\."):
        load_mnist(tiny_mnist)


@pytest.mark.parametrize("place", [0, 3, 20, -11, -1])
def test_flipped_byte_is_refused(tiny_mnist, place):
    content = bytearray((tiny_mnist / LABELS).read_bytes())
    content[place] ^= 4
    (tiny_mnist / LABELS).write_bytes(content)
    with pytest.raises(ValueError, match=f"{LABELS} is not the published file: "):
        load_mnist(tiny_mnist)


def test_damaged_mnist_is_not_taken_for_data_of_ones_own(tiny_mnist):
    assert load_data(tiny_mnist).name == "mnist"
    content = gzip.decompress((tiny_mnist / LABELS).read_bytes())
    (tiny_mnist / LABELS).write_bytes(gzip.compress(content[:-1] + b"\x07"))
    with pytest.raises(ValueError, match=f"{LABELS} is not the published file: "):
        load_data(tiny_mnist)


def test_other_data_in_files_of_mnists_names_are_not_damaged_mnist(tiny_mnist):
    for name, shape in SHAPES.items():
        content = gzip.compress(_idx((5, *shape[1:])))
        (tiny_mnist / name).write_bytes(content)
    assert load_data(tiny_mnist).name == tiny_mnist.name


@pytest.mark.parametrize("num_lost", [1, 7, 12])
def test_truncated_file_is_refused(tiny_mnist, num_lost):
    content = (tiny_mnist / LABELS).read_bytes()
    (tiny_mnist / LABELS).write_bytes(content[:-num_lost])
    with pytest.raises(ValueError, match="its gzip stream is cut short, or something follows it"):
        load_mnist(tiny_mnist)


def test_longer_file_is_refused(tiny_mnist):
    with (tiny_mnist / LABELS).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="is not the published file: its gzip stream is cut short"):
        load_mnist(tiny_mnist)


def test_decompression_stops_at_the_known_size(tiny_mnist):
    (tiny_mnist / LABELS).write_bytes(gzip.compress(_idx((6,)) + bytes(50_000_000)))
    tracemalloc.start()
    # 4 bytes of magic, 4 of length, 6 labels.
    with pytest.raises(ValueError, match=r"expected 14 bytes, .* found more"):
        load_mnist(tiny_mnist)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_only_as_much_is_read_of_a_file_as_may_be_right(tiny_mnist):
    with (tiny_mnist / LABELS).open("wb") as file:
        file.truncate(10**10)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"expected 14 bytes, .* found more"):
        load_mnist(tiny_mnist)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("level", [None, 0, 1, 9])
@pytest.mark.parametrize("is_dotted", [False, True])
def test_mnist_unpacked_with_dotted_names_or_gzipped_anew_is_mnist(tiny_mnist, level, is_dotted):
    expected = load_mnist(tiny_mnist)
    for path in sorted(tiny_mnist.iterdir()):
        raw = gzip.decompress(path.read_bytes())
        path.unlink()
        name = path.name.replace("-idx", ".idx") if is_dotted else path.name
        if level is None:
            path.with_name(name.removesuffix(".gz")).write_bytes(raw)
        else:
            path.with_name(name).write_bytes(gzip.compress(raw, level, mtime=1))
    found = load_mnist(tiny_mnist)
    for ours, theirs in zip(found.splits, expected.splits, strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images, strict=True)
        np.testing.assert_array_equal(ours.labels, theirs.labels, strict=True)


def test_unpacked_file_with_other_bytes_is_refused(tiny_mnist):
    raw = gzip.decompress((tiny_mnist / LABELS).read_bytes())
    (tiny_mnist / LABELS).unlink()
    (tiny_mnist / "t10k-labels.idx1-ubyte").write_bytes(raw[:-1] + b"\x09")
    sentence = (
        r"t10k-labels\.idx1-ubyte is not the published file: expected 14 bytes, .* found 14 bytes"
    )
    with pytest.raises(ValueError, match=sentence):
        load_mnist(tiny_mnist)


def test_a_right_file_is_found_beside_a_wrong_one(tiny_mnist):
    raw = gzip.decompress((tiny_mnist / LABELS).read_bytes())
    (tiny_mnist / LABELS).write_bytes(b"<html>Please log in.</html>")
    (tiny_mnist / LABELS.removesuffix(".gz")).write_bytes(raw)
    assert load_mnist(tiny_mnist).test.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_sums_of_what_is_inside_are_those_of_mnist(mnist_folder):
    for name, facts in published.MNIST_FILES.items():
        content = (mnist_folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == facts[:2]
        assert len(gzip.decompress(content)) == facts.unpacked_bytes


@pytest.mark.parametrize("name", datasets.SPLITS)
def test_digits_have_ten_classes_in_every_split(digits, name):
    assert (np.bincount(getattr(digits, name).labels, minlength=10) >= 20).all()


def test_digits_look_like_mnist_to_code(digits):
    assert digits.name == "digits"
    for split, num_images in zip(digits.splits, (1197, 300, 300), strict=True):
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
    for ours, theirs in zip(loaded.splits, digits.splits, strict=True):
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
    with pytest.raises(ValueError, match=r"does not hold a data set.*'weight': 'F32, rank 2'"):
        load_dataset(tmp_path / "data")


LAYOUTS = {
    "a column cut off": lambda a: np.concatenate([a[:, :1], a], axis=1)[:, 1:],
    "Fortran": np.asfortranarray,
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "as pictures": lambda a: a.reshape(len(a), 2, 2),
    "int64": lambda a: a.astype(np.int64),
    "big-endian": lambda a: a.astype(">i4"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_saved_arrays_give_the_same_numbers_back_in_any_layout(tmp_path, layout):
    images = np.arange(12, dtype=np.uint8).reshape(3, 4)
    labels = np.array([7, 0, 9])
    split = Split(layout(images), layout(labels[:, None].repeat(4, axis=1)).reshape(3, -1)[:, 0])
    save_dataset(Dataset("own", split, split, split), tmp_path / "data")
    for found in load_dataset(tmp_path / "data").splits:
        np.testing.assert_array_equal(found.images, images, strict=True)
        np.testing.assert_array_equal(found.labels, labels.astype(np.int32), strict=True)


LABEL_FORMS = {
    "int64": lambda a: a.astype(np.int64),
    "uint8": lambda a: a.astype(np.uint8),
    "float": lambda a: a.astype(float),
    "a column": lambda a: a[:, None],
    "one-hot": lambda a: np.eye(10)[a],
    "strided": lambda a: a.repeat(3)[::3],
}


@pytest.mark.parametrize("form", LABEL_FORMS.values(), ids=LABEL_FORMS)
def test_labels_of_another_form_are_saved_as_labels(tmp_path, form):
    labels = np.array([7, 0, 9], np.int32)
    split = Split(np.zeros((3, 4), np.uint8), form(labels))
    save_dataset(Dataset("own", split, split, split), tmp_path / "data")
    np.testing.assert_array_equal(load_dataset(tmp_path / "data").test.labels, labels, strict=True)


def test_a_data_set_with_an_empty_split_is_saved(tmp_path):
    full = Split(np.zeros((3, 4), np.uint8), np.zeros(3, np.int32))
    empty = Split(np.zeros((0, 4), np.uint8), np.zeros(0, np.int32))
    save_dataset(Dataset("own", full, empty, full), tmp_path / "data")
    assert load_dataset(tmp_path / "data").validation.images.shape == (0, 4)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 4), np.float32), [0, 1, 2], "test.images are float32, and the file holds by"),
        (np.full((3, 4), 7.0), [0, 1, 2], "test.images are floats from 7 to 7; floats must be 0"),
        (np.zeros((3, 4), bool), [0, 1, 2], "test.images are bool, and the file holds bytes; give"),
        (np.full((3, 4), 256), [0, 1, 2], "test.images go from 256 to 256; whole numbers must be"),
        (np.zeros((3, 4), int), [0, 1], "there are 3 images and 2 test.labels"),
        (np.zeros((3, 4), int), [1, 2, 10], "test.labels go from 1 to 10; ten outputs are for"),
        (np.zeros(3, np.uint8), [0, 1, 2], "test.images have the shape (3,); give an image to a"),
    ],
)
def test_what_is_no_data_set_is_refused_before_it_is_written(tmp_path, images, labels, message):
    right = Split(np.zeros((3, 4), np.uint8), np.zeros(3, np.int32))
    with pytest.raises(ValueError, match=re.escape(message)):
        save_dataset(Dataset("own", right, right, Split(images, labels)), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def _write(path: Path, changes: dict[str, np.ndarray], *, is_summed: bool = True) -> None:
    """A file like those of `save_dataset`, whose arrays it would have refused."""
    arrays = {}
    for name in datasets.SPLITS:
        arrays[f"{name}.images"] = np.zeros((50, 4), np.uint8)
        arrays[f"{name}.labels"] = np.zeros(50, np.int32)
    arrays |= changes
    metadata = {"dataset": "mnist"}
    if is_summed:
        total = np.frombuffer(bytes.fromhex(checksum(arrays, metadata)), np.uint8)
        arrays["checksum"] = total
    path.write_bytes(safetensors.numpy.save(arrays, metadata))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.labels": np.zeros(7, np.int32)}, "data: there are 50 images and 7 train.labels"),
        ({"test.labels": np.full(50, 99, np.int32)}, "data: test.labels go from 99 to 99; ten out"),
        ({"validation.labels": np.full(50, -1, np.int32)}, "data: validation.labels go from -1 to"),
        ({"test.images": np.zeros((50, 4), np.float32)}, "'test.images': 'F32, rank 2'"),
        ({"test.labels": np.zeros(50, np.int64)}, "'test.labels': 'I64, rank 1'"),
        ({"test.images": np.zeros((50, 2, 2), np.uint8)}, "'test.images': 'U8, rank 3'"),
    ],
)
def test_a_data_file_is_checked_when_it_is_read(tmp_path, changes, message):
    _write(tmp_path / "data", changes)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_dataset(tmp_path / "data")


def test_a_flipped_bit_of_a_data_file_is_found_wherever_it_is(tmp_path):
    _write(tmp_path / "data", {})
    content = (tmp_path / "data").read_bytes()
    load_dataset(tmp_path / "data")
    # Every bit of each 37th byte: of the header, the images and the labels.
    for place in range(0, len(content), 37):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            (tmp_path / "data").write_bytes(damaged)
            with pytest.raises(ValueError, match="data"):
                load_dataset(tmp_path / "data")


def test_a_data_file_of_before_there_were_checksums_is_to_be_written_again(tmp_path):
    _write(tmp_path / "data", {}, is_summed=False)
    with pytest.raises(ValueError, match=r"has no checksum, .* write it again with save_dataset"):
        load_dataset(tmp_path / "data")
