"""Files and folders of one's own, published files, and data sets by name."""

import bz2
import gzip
import hashlib
import lzma
import os
import re
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

import nndl_jax
from nndl_jax.data import published
from nndl_jax.data.datasets import save_dataset
from nndl_jax.data.mnist import MnistFile
from nndl_jax.data.named import load_data
from nndl_jax.data.own_files import read_idx

IMAGES = np.arange(12 * 6, dtype=np.uint8).reshape(12, 2, 3)
LABELS = np.array([0, 1] * 6, np.uint8)
PAIRS = {
    "train": (IMAGES, LABELS),
    "t10k": (IMAGES[:4], LABELS[:4]),
}


def idx(array: np.ndarray) -> bytes:
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    code = codes[array.dtype.str[1:]]
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def zipped(content: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside", content)


PACKINGS = {
    "": lambda content, path: path.write_bytes(content),
    ".gz": lambda content, path: path.write_bytes(gzip.compress(content)),
    ".bz2": lambda content, path: path.write_bytes(bz2.compress(content)),
    ".xz": lambda content, path: path.write_bytes(lzma.compress(content)),
    ".zip": zipped,
}


@pytest.mark.parametrize("ending", PACKINGS)
@pytest.mark.parametrize("name", ["{split}-{what}-idx{rank}-ubyte", "my-{split}-{what}.idx{rank}"])
def test_idx_is_read_in_any_packing_and_naming(tmp_path, ending, name):
    for split, (images, labels) in PAIRS.items():
        for what, array in (("images", images), ("labels", labels)):
            path = tmp_path / (name.format(split=split, what=what, rank=array.ndim) + ending)
            PACKINGS[ending](idx(array), path)
    data = load_data(f"{tmp_path}/")
    assert data.shape == (1, 2, 3)
    np.testing.assert_array_equal(data.test.images, IMAGES[:4].reshape(4, 6), strict=True)
    assert [len(split.labels) for split in data.splits] == [10, 2, 4]


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
def test_idx_has_six_types_of_numbers(tmp_path, dtype):
    array = np.array([[1, 2], [3, 4]], dtype)
    (tmp_path / "a").write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it begins with b''"),
        (b"<html>", "it begins with b'<htm'"),
        (idx(IMAGES)[:-1], "it should hold 72 bytes of 12 x 2 x 3, 71"),
        (idx(IMAGES) + b"x", "it should hold 72 bytes of 12 x 2 x 3, more"),
        (b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", "bytes, and at most 17,179,869,184 are"),
        (
            gzip.compress(idx(IMAGES), mtime=0)[:-9],
            "Compressed file ended before the end-of-stream marker",
        ),
    ],
    ids=["empty", "a page", "a byte short", "a byte more", "too large", "cut"],
)
def test_a_damaged_idx_file_is_refused(tmp_path, content, sentence):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_idx(tmp_path / "train-images-idx3-ubyte")


NAMES = [
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("train.images", "train.labels", "test.images", "test.labels"),
    ("X", "y", "X_test", "y_test"),
    ("images", "labels", "test_data", "test_target"),
]


def arrays_by(names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return dict(zip(names, (IMAGES, LABELS, IMAGES[:4], LABELS[:4]), strict=True))


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("form", ["npz", "npy", "safetensors"])
def test_arrays_are_known_by_their_names(tmp_path, names, form):
    arrays = arrays_by(names)
    path = tmp_path / f"data.{form}"
    if form == "npz":
        np.savez(path, **arrays)
    elif form == "safetensors":
        path.write_bytes(safetensors.numpy.save(arrays))
    else:
        path.mkdir()
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
    data = load_data(path)
    assert [len(split.labels) for split in data.splits] == [10, 2, 4]
    np.testing.assert_array_equal(data.test.images, IMAGES[:4].reshape(4, 6), strict=True)


@pytest.mark.parametrize(("inputs", "labels"), [("images", "labels"), ("x_mine", "y_mine")])
def test_the_labels_of_a_npy_file_lie_beside_it(tmp_path, inputs, labels):
    np.save(tmp_path / f"{inputs}.npy", IMAGES)
    np.save(tmp_path / f"{labels}.npy", np.array(["a", "b"] * 6))
    assert load_data(tmp_path / f"{inputs}.npy").classes == ("a", "b")


def test_a_file_of_save_dataset_is_read_as_it_is(tmp_path):
    data = load_data("iris")
    save_dataset(data, tmp_path / "flowers.safetensors")
    assert load_data(tmp_path / "flowers.safetensors").classes == data.classes


TABLE = "length,width,kind\n" + "1.5,2,cat\n2.5,3,dog\n" * 5


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_has_its_targets_in_the_last_column(tmp_path, mark):
    (tmp_path / "pets.csv").write_text(TABLE.replace(",", mark), encoding="utf-8-sig")
    data = load_data(tmp_path / "pets.csv")
    assert (data.name, data.shape, data.classes) == ("pets", (2,), ("cat", "dog"))


def test_a_column_is_named_to_be_learnt(tmp_path):
    (tmp_path / "t.csv").write_text("price,rooms\n" + "1.5,2\n2.5,3\n" * 5)
    data = load_data(tmp_path / "t.csv", target="price")
    assert data.classes == ()
    assert set(data.train.images.ravel().tolist()) == {2.0, 3.0}


def test_a_table_without_names_has_numbers_of_columns(tmp_path):
    (tmp_path / "t.csv").write_text("1,2,0\n3,4,1\n" * 5)
    assert load_data(tmp_path / "t.csv", target="2").classes == ("0", "1")


def test_whole_numbers_are_quantities_where_that_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n" * 5)
    assert load_data(tmp_path / "t.csv", is_regression=True).classes == ()


def test_a_folder_of_images_for_each_class_is_read(tmp_path):
    for kind, grey in (("cat", 10), ("dog", 200)):
        (tmp_path / kind).mkdir()
        for number in range(5):
            Image.fromarray(np.full((4, 6, 3), grey, np.uint8)).save(
                tmp_path / kind / f"{number}.png"
            )
    data = load_data(tmp_path)
    assert (data.shape, data.classes) == ((3, 4, 6), ("cat", "dog"))
    assert (data.train.images[data.train.labels == 1] == 200).all()


def test_folders_of_splits_hold_folders_of_classes(tmp_path):
    for split, count in (("train", 6), ("val", 1), ("test", 2)):
        for kind in ("cat", "dog"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(count):
                Image.new("L", (3, 3)).save(tmp_path / split / kind / f"{number}.png")
    assert [len(split.labels) for split in load_data(tmp_path).splits] == [12, 2, 4]


def test_grey_images_among_others_get_their_colours(tmp_path):
    for kind, mode in (("cat", "L"), ("dog", "RGB")):
        (tmp_path / kind).mkdir()
        for number in range(5):
            Image.new(mode, (3, 3)).save(tmp_path / kind / f"{number}.png")
    assert load_data(tmp_path).shape == (3, 3, 3)


def _write(folder: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        match content:
            case str():
                path.write_text(content)
            case bytes():
                path.write_bytes(content)
            case dict():
                np.savez(path, **content)
            case tuple():
                Image.new("L", content).save(path)


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "none.csv", "none.csv: there is no such file or folder"),
        (
            {"a.txt": "x"},
            "a.txt",
            "a.txt: its name ends in none of .csv, .tsv, .parquet, .npz, ",
        ),
        ({"a.csv": ""}, "a.csv", "a.csv: is empty"),
        ({"a.csv": b"\xff\xfe"}, "a.csv", "a.csv: is not a text in UTF-8"),
        ({"a.csv": "a,b\n1\n"}, "a.csv", "a.csv: row 2 has 1 columns, and the first has 2"),
        ({"a.csv": "a,b\n"}, "a.csv", "a.csv: has 0 rows of 2 columns; give at least one, of in"),
        ({"a.csv": "a,b\n1,2\n,2\n"}, "a.csv", "a.csv: column 'a' holds '' in row 2; make a num"),
        ({"a.csv": "a,b\n1,2\nnan,2\n"}, "a.csv", "images must be finite numbers, found nan"),
        (
            {"a.csv": "0,1,kind\n" + "3,4,1\n" * 5},
            "a.csv",
            "a.csv: its first row, ['0', '1', 'kind'], may be names of columns as well as",
        ),
        ({"a.csv": "0,1,2\n" + "3,4,1\n" * 5}, "a.csv", "['0', '1', '2'], may be names of columns"),
        (
            {"a.csv": ",b,c\n0,1,2\n1,3,2\n"},
            "a.csv",
            "a.csv: the first column, '', is the number of the row, as pandas writes it; leave it",
        ),
        ({"a.csv": "a,c,c\n0,1,2\n"}, "a.csv", "a.csv: 2 columns are called 'c'; keep one"),
        (
            {"a.csv": "a,b\n1,cat\n2,\n"},
            "a.csv",
            "a.csv: train.labels have empty texts, and there is none for input 1; name it, or le",
        ),
        ({"a.csv": "a,b\n1,2\n2,\n"}, "a.csv", "there is none for input 1"),
        ({"d/a/1.png": (2, 2), "d/b/1.txt": ""}, "d", "b: holds no image of its class; give some,"),
        ({"a.npz": b"x"}, "a.npz", "a.npz: holds no arrays of numbers or texts: "),
        ({"a.npz": {"x": np.array([{}])}}, "a.npz", "a.npz: holds no arrays of numbers or texts: "),
        ({"a.npz": {"x": IMAGES}}, "a.npz", "a.npz: holds no labels for train; found 'x'; names"),
        ({"a.npz": {"x": IMAGES, "data": IMAGES}}, "a.npz", "has two arrays of images for train,"),
        ({"a.npy": b"x"}, "a.npy", "a.npy: there are no labels beside it, as in images.npy and la"),
        ({"a.safetensors": b"x"}, "a.safetensors", "is not a whole safetensors file"),
        (
            {"d/.hidden": ""},
            "d",
            "d: holds neither IDX or .npy files nor a folder of images for e",
        ),
        ({"d/a": ""}, "d", "d: holds neither IDX or .npy files nor a folder of images for e"),
    ],
)
def test_what_is_no_data_is_refused_with_its_file(tmp_path, files, path, message):
    _write(tmp_path, files)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        load_data(tmp_path / path)


def test_a_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "pets.csv").write_text(TABLE)
    with pytest.raises(
        ValueError, match="there is no column 'kinds' to learn; did you mean 'kind'"
    ):
        load_data(tmp_path / "pets.csv", target="kinds")


def test_images_of_two_sizes_are_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    Image.new("L", (3, 4)).save(tmp_path / "cat" / "a.png")
    Image.new("L", (5, 4)).save(tmp_path / "cat" / "b.png")
    sentence = r"b\.png has 4 x 5 pixels, and .*a\.png 4 x 3; make all images of one size"
    with pytest.raises(ValueError, match=sentence):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("pixels", "ending"),
    [
        (np.full((2, 3), 40_000, np.uint16), "png"),
        (np.full((2, 3), 40_000, np.int32), "tif"),
        (np.full((2, 3), 0.5, np.float32), "tif"),
    ],
)
def test_images_of_more_levels_than_bytes_have_are_refused(tmp_path, pixels, ending):
    (tmp_path / "cat").mkdir()
    Image.fromarray(pixels).save(tmp_path / "cat" / f"a.{ending}")
    sentence = "cannot be read as an image: it has more levels of grey than the 256 of bytes, mode"
    with pytest.raises(ValueError, match=sentence):
        load_data(tmp_path)


def test_images_are_upright_and_transparent_where_there_is_paper(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    lying = Image.fromarray(np.rot90(pixels))
    lying.getexif()[274] = 6  # To be turned clockwise.
    clear = Image.fromarray(np.zeros((2, 3, 4), np.uint8))
    for kind, image in (("a", lying), ("b", clear)):
        (tmp_path / kind).mkdir()
        for number in range(3):
            image.save(tmp_path / kind / f"{number}.png", exif=image.getexif())
    images = load_data(tmp_path).train
    upright, paper = (images.images[images.labels == label][0] for label in (0, 1))
    np.testing.assert_array_equal(upright.reshape(3, 2, 3)[0], pixels)
    assert (paper == 255).all()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    (tmp_path / "b.csv").symlink_to("/dev/zero")
    for name in ("a.csv", "b.csv"):
        with pytest.raises(ValueError, match=f"{name}: is neither a file nor a folder"):
            load_data(tmp_path / name)
    (tmp_path / "cat").mkdir()
    os.mkfifo(tmp_path / "cat" / "a.png")
    with pytest.raises(ValueError, match="holds neither IDX or"):
        load_data(tmp_path)
    with pytest.raises(ValueError, match="is named by its name or its path, got an empty text"):
        load_data("")


def test_a_table_of_gigabytes_is_refused_at_once(tmp_path):
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(ValueError, match=r"has 3,221,225,472 bytes, and at most 2,147,483,648 are"):
        load_data(tmp_path / "a.csv")


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"a\.png: cannot be read as an image: "):
        load_data(tmp_path)


def test_parquet_without_its_reader_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"")
    with pytest.raises(ImportError, match=r"t\.parquet: Parquet needs pyarrow \(pip install pyarr"):
        load_data(tmp_path / "t.parquet")


def test_a_misspelt_name_is_corrected():
    with pytest.raises(
        ValueError, match=r"there is no data set 'fashon-mnist' .* mean 'fashion-mn"
    ):
        load_data("fashon-mnist")


@pytest.mark.parametrize("name", sorted(nndl_jax.documents.known_data.KNOWN_DATA))
def test_what_a_document_knows_of_data_is_what_they_are(name, monkeypatch, tmp_path):
    known = nndl_jax.documents.known_data.KNOWN_DATA[name]
    if known.from_files:
        published_data = published.PUBLISHED[name]
        shapes = [facts.shape for facts in published_data.files.values()]
        num_validation = min(shapes[0][0] - known.num_train, shapes[2][0])
        assert shapes[0] == (known.num_train + num_validation, *known.shape[1:])
        assert len(published_data.classes) == known.num_classes
        return
    data = load_data(name)
    found = (data.shape, len(data.classes or ()), len(data.train.labels))
    assert found == (known.shape, known.num_classes, known.num_train)


@pytest.fixture
def tiny_letters(tmp_path, monkeypatch) -> Path:
    """EMNIST's letters with ten images, whose sums stand in for the published ones."""
    files = {}
    for name, facts in published.PUBLISHED["emnist-letters"].files.items():
        count = 10 if "train" in name else 2
        shape = (count, *facts.shape[1:])
        array = (np.arange(np.prod(shape)) % 26 + 1).astype(np.uint8).reshape(shape)
        content = gzip.compress(idx(array))
        (tmp_path / name).write_bytes(content)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        files[name] = MnistFile(0, f"md5:{digest}", shape, "")
    own = published.PUBLISHED["emnist-letters"]._replace(files=files)
    monkeypatch.setitem(published.PUBLISHED, "emnist-letters", own)
    monkeypatch.setitem(
        published.KNOWN_DATA,
        "emnist-letters",
        published.KNOWN_DATA["emnist-letters"]._replace(num_train=8),
    )
    return tmp_path


def test_letters_are_turned_upright_and_numbered_from_0(tiny_letters):
    data = load_data("emnist-letters", folder=tiny_letters)
    assert data.classes == tuple("abcdefghijklmnopqrstuvwxyz")
    assert data.train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    lying = (np.arange(784) % 26 + 1).astype(np.uint8).reshape(28, 28)
    np.testing.assert_array_equal(data.train.images[0].reshape(28, 28), lying.T)


def test_letters_are_read_out_of_their_archive(tiny_letters, tmp_path):
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as archive:
        for path in tiny_letters.glob("emnist-*"):
            archive.write(path, f"gzip/{path.name}")
            path.unlink()
    assert len(load_data("emnist-letters", folder=tmp_path).validation.labels) == 2


def test_a_changed_file_of_a_published_set_is_refused(tiny_letters):
    path = next(tiny_letters.glob("*test-labels*"))
    path.write_bytes(gzip.compress(idx(LABELS[:2])))
    with pytest.raises(ValueError, match="is not the published file: expected md5:"):
        load_data("emnist-letters", folder=tiny_letters)


def test_published_files_that_are_missing_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path))
    monkeypatch.delenv("NNDL_KMNIST_MIRROR", raising=False)
    sentence = "kmnist is not on this machine: put its four files as published into data/raw-kmnist"
    with pytest.raises(FileNotFoundError, match=sentence):
        load_data("kmnist")
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("NNDL_KMNIST_MIRROR", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.gz: no such file"):
        load_data("kmnist")
