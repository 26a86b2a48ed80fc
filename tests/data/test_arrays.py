"""The door for arrays from outside: what means the same is converted, the rest is refused."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax.data.arrays import as_images, as_labels, as_numbers

INTEGERS = ("u1", "<u2", ">u2", "<u4", "<u8", ">u8", "<i2", ">i4", "<i4", ">i8", "<i8")
FLOATS = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g")
LAYOUTS = {
    "as it is": lambda a: a,
    "Fortran": np.asfortranarray,
    "read-only": lambda a: (a.setflags(write=False), a)[1],
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "columns backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "cut off": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
}
SHAPES = [(784,), (28, 28), (1, 28, 28), (28, 28, 1)]
QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def pictures(num_images):
    return np.random.default_rng(0).integers(0, 256, (num_images, 784), dtype=np.uint8)


@given(
    dtype=st.sampled_from(INTEGERS),
    layout=st.sampled_from(sorted(LAYOUTS)),
    shape=st.sampled_from(SHAPES),
    num_images=st.integers(0, 3),
)
@QUICK
def test_whole_bytes_are_the_same_images_in_any_type_shape_and_layout(
    dtype, layout, shape, num_images
):
    # A signed type of two bytes or more, or an unsigned one, holds 0 to 255.
    given = LAYOUTS[layout](pictures(num_images).reshape(num_images, *shape).astype(dtype))
    found = as_images(given)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, pictures(num_images), strict=True)


@given(
    dtype=st.sampled_from(FLOATS),
    layout=st.sampled_from(sorted(LAYOUTS)),
    shape=st.sampled_from(SHAPES),
)
@QUICK
def test_floats_from_0_to_1_are_pixels_as_they_are(dtype, layout, shape):
    # Multiples of 1/256 are exact in two bytes as well.
    values = pictures(2) / 256
    given = LAYOUTS[layout](values.reshape(2, *shape).astype(dtype))
    found = as_images(given)
    assert found.flags.c_contiguous
    assert found.dtype == (np.float32 if np.dtype(dtype).itemsize <= 4 else np.float64)
    np.testing.assert_array_equal(found, values)


@given(
    dtype=st.sampled_from((*INTEGERS, "i1", *FLOATS)),
    layout=st.sampled_from(["as it is", "every second", "backwards", "read-only"]),
    form=st.sampled_from(["flat", "column", "one-hot", "list"]),
    digits=st.lists(st.integers(0, 9), min_size=1, max_size=6),
)
@QUICK
def test_digits_are_the_same_labels_in_any_type_and_form(dtype, layout, form, digits):
    labels = np.array(digits, dtype)
    if form != "list":
        shaped = {"flat": labels, "column": labels[:, None], "one-hot": np.eye(10)[digits]}
        labels = LAYOUTS[layout](shaped[form].astype(dtype))
    found = as_labels(labels.tolist() if form == "list" else labels, num_images=len(digits))
    np.testing.assert_array_equal(found, np.array(digits, np.int32), strict=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_single_image_is_a_row(shape):
    np.testing.assert_array_equal(as_images(pictures(1).reshape(shape)), pictures(1), strict=True)
    assert as_labels(np.int64(7), num_images=1).tolist() == [7]


def test_black_or_not_is_1_or_0():
    is_black = pictures(2) > 127
    np.testing.assert_array_equal(as_images(is_black), is_black.astype(np.float32), strict=True)


def test_arrays_in_the_right_form_are_not_copied():
    images, labels = pictures(3), np.arange(3, dtype=np.int32)
    floats = images.astype(np.float32) / 256
    assert np.shares_memory(as_images(images), images)
    assert np.shares_memory(as_images(images.reshape(3, 28, 28)), images)
    assert np.shares_memory(as_images(floats), floats)
    assert np.shares_memory(as_labels(labels, num_images=3), labels)


def test_arrays_of_jax_are_taken():
    np.testing.assert_array_equal(as_images(jnp.asarray(pictures(2))), pictures(2), strict=True)
    assert as_labels(jnp.arange(2), num_images=2).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 784), 256), "images go from 256 to 256; whole numbers must be bytes, 0 (whi"),
        (np.full((2, 784), -1, np.int8), "images go from -1 to -1; whole numbers must be bytes"),
        (pictures(2) // 255, "images are whole numbers up to 1, and bytes go up to 255 (black); g"),
        (np.ones((2, 784), np.int64), "give what is black or not as truth values, such as images"),
        (pictures(2).astype(float), "images are floats from 0 to 255; floats must be 0 (white) to"),
        (pictures(2).astype(float), "give them as such with images.astype(numpy.uint8)"),
        (np.full((2, 784), 1.5), "images are floats from 1.5 to 1.5; floats must be 0 (white) to"),
        (np.full((2, 784), -0.5, np.float16), "images are floats from -0.5 to -0.5"),
        (np.full((2, 784), np.nan), "images must be finite numbers, found nan"),
        (np.full((2, 784), -np.inf, np.float32), "images must be finite numbers, found -inf"),
        (np.zeros((5, 783)), "images have the shape (5, 783); give (images, 784) or (images, 28,"),
        (np.zeros((784, 5)), "images have the shape (784, 5); give (images, 784)"),
        (np.zeros((2, 28, 28, 3)), "images have the shape (2, 28, 28, 3)"),
        (np.uint8(3), "images have the shape ()"),
        ([], "images have the shape (0,)"),
        ([[1, 2], [3]], "images cannot be read as an array: setting an array element"),
        (np.zeros((2, 784), object), "images must be an array of numbers, got ndarray of object"),
        (np.zeros((2, 784), complex), "images must be an array of numbers, got ndarray of complex"),
        (None, "images must be an array of numbers, got NoneType of object"),
        ("seven.png", "images must be an array of numbers, got str of <U9"),
        (np.ma.masked_less(pictures(1), 9), "images are masked in places; fill or drop those"),
    ],
)
def test_what_is_no_image_is_refused_with_what_was_found(images, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_images(images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(1, 11), "labels go from 1 to 10; ten outputs are for 0 to 9"),
        (np.arange(10) + 15, "labels go from 15 to 24; ten outputs are for 0 to 9"),
        (np.arange(10) - 1, "labels go from -1 to 8; ten outputs are for 0 to 9"),
        (np.arange(10, dtype=np.uint64) + 2**63, "labels go from 9223372036854775808 to"),
        (np.arange(10) + 0.5, "labels must be whole numbers, 0 to 9, found 0.5"),
        (np.full(10, 3.5, ">f4"), "labels must be whole numbers, 0 to 9, found 3.5"),
        (np.full(10, np.nan), "labels must be finite numbers, found nan"),
        (np.full(10, np.inf), "labels must be finite numbers, found inf"),
        (np.arange(7), "there are 10 images and 7 labels; give one label an image"),
        (3, "there are 10 images and 1 labels"),
        ([], "there are 10 images and 0 labels"),
        (np.zeros((1, 5)), "labels are float64 of the shape (1, 5); give one digit an image"),
        (np.zeros((10, 4), int), "labels are int64 of the shape (10, 4)"),
        (np.zeros((10, 10), int), "must have a single 1 and else 0, and row 0 is [0, 0, 0, 0, 0, "),
        (np.eye(10) + np.eye(10)[::-1], "a single 1 and else 0, and row 0 is [1.0, 0.0, 0.0, 0.0"),
        (np.eye(10) * 2, "must have a single 1 and else 0, and row 0 is [2.0, 0.0,"),
        (np.eye(10) * 0.9 + 0.01, "must have a single 1 and else 0, and row 0 is [0.91"),
        (np.eye(10) + 2 * np.eye(10, k=1), "must have a single 1 and else 0, and row 0 is [1.0, 2"),
        (np.arange(10) > 4, "labels are bool of the shape (10,); give one digit an image"),
        (list("0123456789"), "labels must be an array of numbers, got list of <U1"),
        (None, "labels must be an array of numbers, got NoneType of object"),
    ],
)
def test_what_is_no_label_is_refused_with_what_was_found(labels, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_labels(labels, num_images=10)


@pytest.mark.parametrize(
    ("numbers", "width"),
    [([[1, 2], [3, 4]], 2), ([1, 2], 2), ([1, 2], 1), (3, 1), (np.array([[1, 2]], ">i2"), 2)],
)
def test_numbers_of_examples_stay_numbers_whatever_their_type(numbers, width):
    found = as_numbers(numbers, width=width, name="inputs")
    np.testing.assert_array_equal(
        found, np.reshape(numbers, (-1, width)).astype(float), strict=True
    )


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.zeros((4, 3)), "inputs have the shape (4, 3); give (examples, 2)"),
        (np.zeros(3), "inputs have the shape (3,)"),
        (np.float32(1), "inputs have the shape ()"),
        ([[0.0, np.nan]], "inputs must be finite numbers, found nan"),
    ],
)
def test_what_are_no_numbers_of_examples_is_refused(numbers, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_numbers(numbers, width=2, name="inputs")
