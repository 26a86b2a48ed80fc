"""Arrays of one's own as a data set: what is an input, what is a class, and what is drawn."""

import inspect
import re

import numpy as np
import pytest

from nndl_jax.data.datasets import Dataset, load_dataset, save_dataset

ROWS = np.arange(40.0).reshape(20, 2)
KINDS = ["cat", "dog", "cat", "fox"] * 5


def test_rows_of_numbers_are_inputs_without_a_unit():
    data = Dataset.from_arrays(ROWS, KINDS)
    assert data.shape == (2,)
    assert data.train.images.dtype == np.float64
    assert data.train.images.max() > 1


@pytest.mark.parametrize(
    ("shape", "channels_last", "expected"),
    [
        ((6, 5, 4), None, (1, 5, 4)),
        ((6, 3, 8, 9), None, (3, 8, 9)),
        ((6, 8, 9, 3), None, (3, 8, 9)),
        ((6, 3, 9, 3), True, (3, 3, 9)),
        ((6, 3, 9, 3), False, (3, 9, 3)),
        ((6, 4, 4, 3), None, (3, 4, 4)),
        ((6, 4, 3, 3), None, (4, 3, 3)),
        ((6, 8, 9, 7), True, (7, 8, 9)),
    ],
)
def test_images_have_their_maps_first(shape, channels_last, expected):
    images = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    data = Dataset.from_arrays(images, [0, 1, 2] * 2, channels_last=channels_last)
    assert data.shape == expected
    is_last = len(shape) == 4 and expected != shape[1:]
    first = np.moveaxis(images[0], -1, 0) if is_last else images[0]
    np.testing.assert_array_equal(data.train.images[0], first.reshape(-1), strict=True)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, ">i4"])
def test_whole_numbers_in_images_are_bytes(dtype):
    images = np.full((6, 4, 4), 255).astype(dtype)
    assert Dataset.from_arrays(images, [0, 1, 2] * 2).train.images.dtype == np.uint8


def test_whole_numbers_in_a_table_are_numbers():
    data = Dataset.from_arrays(np.array([[1, 400], [2, 500], [3, 600]]), ["a", "b", "c"])
    assert data.train.images.dtype == np.float64


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (KINDS, ("cat", "dog", "fox")),
        ([b"no", b"yes"] * 10, ("no", "yes")),
        (np.array(KINDS, object), ("cat", "dog", "fox")),
        ([1, 2, 10, 2] * 5, ("1", "2", "10")),
        ([True, False] * 10, ("False", "True")),
        (np.eye(4)[[0, 3, 2, 1] * 5], ("0", "1", "2", "3")),
        ([[7], [5]] * 10, ("5", "7")),
    ],
)
def test_classes_are_named_by_the_labels_in_order(labels, classes):
    assert Dataset.from_arrays(ROWS, labels).classes == classes


def test_labels_count_from_the_first_class():
    data = Dataset.from_arrays(ROWS, KINDS, test=(ROWS[:3], ["fox", "cat", "dog"]))
    assert data.test.labels.tolist() == [2, 0, 1]
    assert data.test.labels.dtype == np.int32


def test_classes_that_are_named_keep_their_order_and_their_number():
    data = Dataset.from_arrays(ROWS, [3, 5] * 10, classes=range(10))
    assert data.classes == tuple("0123456789")
    assert set(data.train.labels.tolist()) == {3, 5}


@pytest.mark.parametrize("targets", [np.linspace(0, 1, 20), np.ones((20, 3)) / 3])
def test_floats_are_targets_of_a_regression(targets):
    data = Dataset.from_arrays(ROWS, targets)
    assert data.classes == ()
    assert data.train.labels.shape == (12, targets[0].size)


def test_whole_numbers_are_targets_where_that_is_said():
    data = Dataset.from_arrays(ROWS, range(20), is_regression=True)
    assert data.classes == ()


def test_each_class_gives_the_same_share_to_each_split():
    labels = np.array([0] * 50 + [1] * 25 + [2] * 5)
    data = Dataset.from_arrays(np.arange(80.0)[:, None], labels)
    counts = [np.bincount(split.labels).tolist() for split in data.splits]
    assert counts == [[30, 15, 3], [10, 5, 1], [10, 5, 1]]


def test_nothing_is_drawn_twice_or_lost():
    data = Dataset.from_arrays(np.arange(20)[:, None], KINDS)
    drawn = np.concatenate([split.images[:, 0] for split in data.splits])
    assert sorted(drawn.tolist()) == list(range(20))


def test_what_is_drawn_follows_the_seed():
    draws = [Dataset.from_arrays(ROWS, KINDS, seed=seed).test.images.tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_test_that_is_given_stays_whole():
    data = Dataset.from_arrays(ROWS, [0, 1] * 10, test=(ROWS[:5], [0] * 5))
    # A sixth of ten of each class, to the nearest whole number, validates.
    assert [len(split.labels) for split in data.splits] == [16, 4, 5]


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (ROWS, KINDS[:3], {}, "there are 20 train.images and 3 train.labels; give one label"),
        (np.zeros((2, 3, 3, 3, 3)), [0, 1], {}, "train.images have the shape (2, 3, 3, 3, 3); g"),
        (np.zeros((2, 0)), [0, 1], {}, "train.images have the shape (2, 0); give an input for"),
        (np.zeros((2, 5, 5, 7)), [0, 1], {}, "are of 5 x 5 x 7, and no axis is of 1, 3 or 4 maps"),
        (np.zeros((2, 3, 5, 3)), [0, 1], {}, "of 3 x 5 x 3, and either axis may be that of the m"),
        (np.full((2, 4, 4), 300), [0, 1], {}, "train.images go from 300 to 300; whole numbers mu"),
        (np.eye(4, dtype=np.uint8), [0, 1] * 2, {}, "train.images are whole numbers up to 1, and"),
        (np.ones((2, 4, 4), int), [0, 1], {}, "give what is black or not as truth values, such as"),
        ([[1.0, np.nan]], [0], {}, "train.images must be finite numbers, found nan"),
        ([["a", "b"]], [0], {}, "train.images must be an array of numbers, got list of <U1"),
        (ROWS, [None] * 20, {}, "train.labels are object of the shape (20,); give a text or a n"),
        (
            ROWS,
            ["cat", np.nan] * 10,
            {},
            "train.labels are texts, and nan among them; give texts al",
        ),
        (
            ROWS,
            ["1", 1] * 10,
            {},
            "train.labels are texts, and 1 among them; give texts alone, or nu",
        ),
        (
            ROWS,
            ["cat", ""] * 10,
            {},
            "train.labels have empty texts, and there is none for input 1",
        ),
        (ROWS, [b"\xff"] * 20, {}, "train.labels are bytes that are no UTF-8; decode them first"),
        (ROWS, np.ma.masked_equal([1, 2] * 10, 2), {}, "train.labels are masked in places; fill o"),
        (ROWS, [1e30, 0.0] * 10, {"is_regression": False}, "whole numbers or texts, found 1e+30"),
        (ROWS[:0], [], {}, "there are no train.images; give at least one, with its label"),
        (ROWS, KINDS, {"seed": -1}, "seed must be a whole number from 0 on, got -1"),
        (
            ROWS,
            [1, 2] * 10,
            {"test": (ROWS[:2], np.eye(2))},
            "labels of a split are numbers in rows, and those of another split are one an input",
        ),
        (ROWS, [np.inf] * 20, {}, "train.labels must be finite numbers, found inf"),
        (ROWS, KINDS, {"classes": ["cat", "dog"]}, "'fox', which is none of the classes 'cat', '"),
        (ROWS, KINDS, {"classes": ["a", "a"]}, "classes are ['a', 'a']; name each once"),
        (ROWS, KINDS, {"is_regression": True}, "train.labels are texts such as 'cat'; targets"),
        (ROWS, [0.5] * 20, {"is_regression": False}, "which are whole numbers or texts, found 0."),
        (ROWS, np.ones((20, 2)), {"is_regression": False}, "rows of labels must have a single 1"),
        (np.zeros((1001, 1)), range(1001), {}, "labels are 1,001 different whole numbers; they"),
        (ROWS, KINDS, {"test": ([[1.0]], ["cat"])}, "test.images are of 1, and train.images of 2"),
        (ROWS, KINDS, {"test": (np.zeros((1, 2), np.uint8), ["cat"])}, "test.images are bytes, a"),
    ],
)
def test_what_is_no_data_is_refused(images, labels, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Dataset.from_arrays(images, labels, **options)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (ROWS, KINDS),
        (ROWS.astype(np.float32), np.linspace(0, 1, 20)),
        (np.zeros((20, 3, 4, 4), np.uint8), KINDS),
    ],
)
def test_a_data_set_of_ones_own_comes_back_from_its_file(tmp_path, images, labels):
    data = Dataset.from_arrays(images, labels, name="own")
    save_dataset(data, tmp_path / "data")
    found = load_dataset(tmp_path / "data")
    assert (found.name, found.shape, found.classes) == (data.name, data.shape, data.classes)
    for ours, theirs in zip(found.splits, data.splits, strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images, strict=True)
        np.testing.assert_array_equal(ours.labels, theirs.labels, strict=True)


def test_what_validates_or_tests_is_a_pair():
    with pytest.raises(TypeError, match="test must be images and labels, a pair of them, got ndar"):
        inspect.unwrap(Dataset.from_arrays)(ROWS[:, 0], KINDS, test=ROWS.T)


def test_a_summary_is_shown_and_not_obeyed():
    summary = Dataset.from_arrays(ROWS, ["\x1b[2J", "b"] * 10, name="a\nb").summary()
    assert summary.startswith("a\\nb: inputs of 2 numbers\n")
    assert "\x1b" not in summary


def test_a_summary_tells_counts_ranges_and_classes():
    data = Dataset.from_arrays(ROWS, KINDS, name="pets")
    lines = data.summary().splitlines()
    assert lines[0] == "pets: inputs of 2 numbers"
    assert lines[1].startswith("train: 12, from ")
    assert lines[1].endswith("; cat 6, dog 3, fox 3")


def test_a_summary_of_a_regression_tells_the_range_of_targets():
    data = Dataset.from_arrays(ROWS, np.full(20, 2.5))
    assert data.summary().splitlines()[1].endswith("; targets from 2.5 to 2.5, mean 2.5")


def test_a_summary_of_images_shows_some():
    images = np.zeros((20, 4, 6), np.uint8)
    images[:, 0, 2] = 255
    lines = Dataset.from_arrays(images, KINDS).summary().splitlines()
    assert lines[4:] == ["  @       @       @       @"]
