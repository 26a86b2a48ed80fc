"""The door for arrays from outside: images, labels and numbers in the one form that the rest reads.

What is in that form already passes as it is, without a copy. What means the same for certain is
converted, whatever its type of number and its layout in memory; the rest is refused.
"""

import math

import numpy as np
from jaxtyping import Float, Int32, Shaped, UInt8

NUM_CLASSES = 10
"""Digits that there are."""
_PICTURES = ((784,), (28, 28), (1, 28, 28), (28, 28, 1))
"""Shapes in which an image of 784 pixels comes, row by row."""


def as_images(
    images: object, *, any_size: bool = False, name: str = "images"
) -> UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "images pixels"]:
    """Images as bytes, 0 white to 255 black, or as floats, 0 white to 1 black; one to a row.

    Whole numbers of any type are bytes. Floats stay floats, and truth values become 1 and 0.

    Args:
        images: numbers of the shape (images, 784) or (images, 28, 28), also with an axis of one
            channel before or behind, or a single image without the first axis.
        any_size: let images have any number of pixels; they lie along the first axis then.
        name: what messages call them.

    Raises:
        ValueError: it is no array of numbers, has another shape, or values out of range.
    """
    array = as_numeric(images, name)
    wanted = "an image to a row" if any_size else "(images, 784) or (images, 28, 28), or one image"
    if not any_size and array.shape in _PICTURES:
        array = array[None]
    if array.ndim < 2 or not (any_size or array.shape[1:] in _PICTURES):
        raise ValueError(f"{name} have the shape {array.shape}; give {wanted}")
    rows = array.reshape(len(array), math.prod(array.shape[1:]))
    if rows.dtype.kind == "b":
        return rows.astype(np.float32)
    if rows.dtype.kind == "f":
        _check_pixels(rows, name)
        return as_floats(rows)
    return as_bytes(rows, name)


def as_bytes(
    rows: Shaped[np.ndarray, "images pixels"], name: str
) -> UInt8[np.ndarray, "images pixels"]:
    """Whole numbers of any type as the bytes that they are.

    Raises:
        ValueError: they go beyond bytes; or to 1 only, as truth values do, and bytes to 255.
    """
    if not rows.size:
        return np.ascontiguousarray(rows, np.uint8)
    if rows.dtype != np.uint8 and (rows.min() < 0 or rows.max() > 255):
        raise ValueError(
            f"{name} go from {rows.min()} to {rows.max()}; whole numbers must be bytes, 0 (white) "
            "to 255 (black); give others as floats"
        )
    if rows.max() == 1:
        raise ValueError(
            f"{name} are whole numbers up to 1, and bytes go up to 255 (black); give what is black "
            "or not as truth values, such as images > 0"
        )
    return np.ascontiguousarray(rows, np.uint8)


def as_labels(
    labels: object, *, num_images: int, num_classes: int = NUM_CLASSES, name: str = "labels"
) -> Int32[np.ndarray, "_"]:
    """Labels as digits, 0 to 9, or as other classes from 0 on, one an image.

    Args:
        labels: whole numbers, also as floats, of the shape (images,) or (images, 1), a single one
            of a single image, or rows of ten with a single 1, whose place is the digit.
        num_images: that they belong to.
        num_classes: how many classes there are.
        name: what messages call them.

    Raises:
        ValueError: they are no digits, or not as many as images.
    """
    array = as_numeric(labels, name)
    shape = array.shape
    if array.ndim == 2 and shape[1] == num_classes:
        array = _places_of_ones(array, name)
    elif array.ndim == 0 or (array.ndim == 2 and shape[1] == 1):
        array = array.reshape(-1)
    if array.ndim != 1 or array.dtype.kind == "b":
        raise ValueError(
            f"{name} are {array.dtype} of the shape {shape}; give one digit an image, or rows of "
            f"{num_classes} with a single 1"
        )
    if len(array) != num_images:
        raise ValueError(
            f"there are {num_images} images and {len(array)} {name}; give one label an image"
        )
    if array.size:
        check_finite(array, name)
        if array.min() < 0 or array.max() >= num_classes:
            message = f"{num_classes} classes are 0 to {num_classes - 1}"
            if num_classes == NUM_CLASSES:
                message = "ten outputs are for 0 to 9, as are the four bits of binary targets"
            raise ValueError(f"{name} go from {array.min()} to {array.max()}; {message}")
    digits = np.ascontiguousarray(array, np.int32)
    if array.dtype.kind == "f" and not np.array_equal(digits, array):
        found = array[digits != array][0]
        raise ValueError(f"{name} must be whole numbers, 0 to {num_classes - 1}, found {found}")
    return digits


def as_numbers(numbers: object, *, width: int, name: str) -> Float[np.ndarray, "rows width"]:
    """Inputs or targets of examples as floats, an example to a row; they have no unit and no range.

    Args:
        numbers: of the shape (examples, width), or (width,) of a single example; (examples,) will
            do where the width is 1.
        width: how many numbers an example has.
        name: what messages call them.

    Raises:
        ValueError: it is no array of finite numbers, or has another shape.
    """
    array = as_numeric(numbers, name)
    if array.ndim < 2 and (width == 1 or array.shape == (width,)):
        array = array.reshape(-1, width)
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"{name} have the shape {array.shape}; give (examples, {width})")
    check_finite(array, name)
    return as_floats(array)


def as_inputs(
    inputs: object, *, shape: tuple[int, ...], name: str
) -> UInt8[np.ndarray, "rows inputs"] | Float[np.ndarray, "rows inputs"]:
    """Inputs of a data set of one's own, one to a row: bytes as they are, else floats.

    Unsigned bytes are bytes, and in images all whole numbers are.

    Args:
        inputs: numbers of the shape (inputs, *shape), also with the maps of images last, without an
            axis of one map, or in a row; or one input without the first axis.
        shape: of one input as the network takes it, maps first.
        name: what messages call them.

    Raises:
        ValueError: it is no array of finite numbers, or has another shape.
    """
    array, size = as_numeric(inputs, name), math.prod(shape)
    last = (*shape[1:], shape[0])
    forms = {shape, (size,)} | ({last} if len(shape) == 3 else set())
    forms |= {shape[1:]} if len(shape) == 3 and shape[0] == 1 else set()
    if array.shape in forms:
        array = array[None]
    if array.ndim < 2 or array.shape[1:] not in forms:
        wanted = " or ".join(str(("inputs", *form)).replace("'", "") for form in sorted(forms))
        raise ValueError(f"{name} have the shape {array.shape}; give {wanted}")
    if array.shape[1:] == last != shape:
        array = np.moveaxis(array, -1, 1)
    rows = array.reshape(len(array), size)
    if rows.dtype == np.uint8 or (len(shape) == 3 and rows.dtype.kind in "iu"):
        return as_bytes(rows, name)
    check_finite(rows, name)
    return as_floats(rows)


def as_numeric(given: object, name: str) -> Shaped[np.ndarray, "..."]:
    """An array of numbers or truth values, whatever its shape.

    Raises:
        ValueError: it is none, or masked.
    """
    if np.ma.is_masked(given):
        raise ValueError(f"{name} are masked in places; fill or drop those first")
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name} cannot be read as an array: {reason}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be an array of numbers, got {type(given).__name__} of {array.dtype}; "
            "convert it first, such as with numpy.asarray(values, dtype=int)"
        )
    return array


def as_floats(array: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """In the machine's own order of bytes, row by row; float32 where that loses nothing."""
    is_small = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.ascontiguousarray(array, np.float32 if is_small else np.float64)


def _check_pixels(rows: Shaped[np.ndarray, "images pixels"], name: str) -> None:
    if not rows.size or (rows.min() >= 0 and rows.max() <= 1):
        return
    check_finite(rows, name)
    are_bytes = rows.min() >= 0 and rows.max() <= 255 and np.array_equal(rows, np.rint(rows))
    remedy = "if they are bytes, give them as such with images.astype(numpy.uint8)"
    raise ValueError(
        f"{name} are floats from {rows.min():g} to {rows.max():g}; floats must be 0 (white) to 1 "
        f"(black); {remedy if are_bytes else 'scale them to that'}"
    )


def _places_of_ones(rows: Shaped[np.ndarray, "images classes"], name: str) -> np.ndarray:
    is_one = rows == 1
    is_right = ((rows == 0) | is_one).all(axis=1) & (is_one.sum(axis=1) == 1)
    wrong = np.flatnonzero(~is_right)
    if len(wrong):
        raise ValueError(
            f"{name} in rows of {rows.shape[1]} must have a single 1 and else 0, and row "
            f"{wrong[0]} is {rows[wrong[0]].tolist()}"
        )
    return is_one.argmax(axis=1)


def check_finite(array: Shaped[np.ndarray, "..."], name: str) -> None:
    """Refuse what is no finite number.

    Raises:
        ValueError: says which was found first.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        found = array[~np.isfinite(array)][0]
        raise ValueError(f"{name} must be finite numbers, found {found}")
