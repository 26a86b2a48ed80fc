"""Arrays of one's own as splits: what is an input, what a class, and what is kept for the test."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
from jaxtyping import Float, Int32, Shaped, UInt8

from nndl_jax.data.arrays import as_bytes, as_floats, as_numeric, check_finite
from nndl_jax.data.datasets import Split

Inputs = UInt8[np.ndarray, "images pixels"] | Float[np.ndarray, "examples in"]
Targets = Int32[np.ndarray, " images"] | Float[np.ndarray, "examples out"]

_MAPS = (1, 3, 4)
"""Numbers of maps that images have: grey, colours, colours with transparency."""
_SHARE, _SHARE_BESIDE_TEST = 1 / 5, 1 / 6
"""Of the data, for validation and for the test; the latter is MNIST's 10,000 of 60,000."""
_MOST_WHOLE = 2.0**53
"""Floats from here on are whole whatever they stand for."""
_MOST_CLASSES = 1_000
"""Of whole numbers, beyond which they are rather quantities."""


def read_inputs(
    images: Mapping[str, object], channels_last: bool | None
) -> tuple[dict[str, Inputs], tuple[int, ...]]:
    """Inputs of each split, one to a row, and the shape of one, maps first.

    Raises:
        ValueError: they are no numbers, have a shape that is none of images, or differ in that.
    """
    found: dict[str, Inputs] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for split, given in images.items():
        found[split], shapes[split] = _read_rows(given, f"{split}.images", channels_last)
    first = shapes["train"]
    for split, shape in shapes.items():
        if shape != first:
            message = f"{split}.images are of {_times(shape)}, and train.images of {_times(first)}"
            raise ValueError(f"{message}; give inputs of one shape")
    return _of_one_type(found), first


def read_targets(
    labels: Mapping[str, object],
    counts: Mapping[str, int],
    classes: Iterable[object] | None,
    *,
    is_regression: bool | None,
) -> tuple[dict[str, Targets], tuple[str, ...]]:
    """Targets of each split, and the names of their classes; none for a regression.

    Args:
        labels: of each split.
        counts: how many inputs each split has.
        classes: all classes in order; None for those that there are.
        is_regression: None for what labels look like.

    Raises:
        ValueError: they are not as many as inputs, or neither classes nor numbers.
    """
    values = {k: _read_labels(given, f"{k}.labels") for k, given in labels.items()}
    if not counts["train"]:
        raise ValueError("there are no train.images; give at least one, with its label")
    for split, array in values.items():
        if array.ndim != values["train"].ndim:
            message = "are numbers in rows, and those of another split are one an input"
            raise ValueError(f"labels of a split {message}; give all in one form")
        if len(array) != counts[split]:
            message = f"there are {counts[split]} {split}.images and {len(array)} {split}.labels"
            raise ValueError(f"{message}; give one label for each")
    if is_regression is None:
        is_regression = classes is None and any(_are_quantities(a) for a in values.values())
    if is_regression:
        return {k: _read_quantities(array, f"{k}.labels") for k, array in values.items()}, ()
    values = {k: _read_classes(array, f"{k}.labels") for k, array in values.items()}
    known = _list_classes(values.values()) if classes is None else list(classes)
    places = {str(name): place for place, name in enumerate(known)}
    if len(places) != len(known):
        raise ValueError(f"classes are {known}; name each once")
    targets = {k: _find_places(array, places, f"{k}.labels") for k, array in values.items()}
    return targets, tuple(places)


def share_out(
    given: Mapping[str, Split], seed: int, *, by_class: bool
) -> tuple[Split, Split, Split]:
    """The three splits; those that are not given are drawn from the training data.

    Args:
        given: at least `train`.
        seed: of the drawing.
        by_class: whether every class gives the same share, to the nearest whole number.

    Raises:
        ValueError: the seed is none.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0 on, got {seed!r}")
    rng = np.random.default_rng(seed)
    share = _SHARE_BESIDE_TEST if "test" in given else _SHARE
    missing = [split for split in ("test", "validation") if split not in given]
    train = given["train"]
    groups = [np.arange(len(train.labels))]
    if by_class:
        groups = [np.flatnonzero(train.labels == label) for label in np.unique(train.labels)]
    drawn: dict[str, list[np.ndarray]] = {"train": [], **{split: [] for split in missing}}
    for group in groups:
        order = rng.permutation(group)
        for split in missing:
            count = round(share * len(group))
            drawn[split].append(order[:count])
            order = order[count:]
        drawn["train"].append(order)
    parts = dict(given)
    for split, places in drawn.items():
        chosen = np.sort(np.concatenate(places))
        parts[split] = Split(train.images[chosen], train.labels[chosen])
    return parts["train"], parts["validation"], parts["test"]


def _read_rows(
    images: object, name: str, channels_last: bool | None
) -> tuple[Inputs, tuple[int, ...]]:
    array = as_numeric(images, name)
    if not 1 <= array.ndim <= 4 or 0 in array.shape[1:]:
        message = "give an input for each place of the first axis: rows of numbers, or images"
        raise ValueError(f"{name} have the shape {array.shape}; {message}")
    if array.ndim == 4 and _has_maps_last(array.shape[1:], name, channels_last):
        array = np.moveaxis(array, -1, 1)
    shape = {1: (1,), 3: (1, *array.shape[1:])}.get(array.ndim, array.shape[1:])
    rows = array.reshape(len(array), prod(shape))
    if rows.dtype.kind == "f":
        check_finite(rows, name)
        return as_floats(rows), shape
    if rows.dtype == np.uint8 or (len(shape) == 3 and rows.dtype.kind != "b"):
        return as_bytes(rows, name), shape
    return as_floats(rows), shape


def _has_maps_last(shape: Sequence[int], name: str, channels_last: bool | None) -> bool:
    if channels_last is not None:
        return channels_last
    is_first, is_last = shape[0] in _MAPS, shape[-1] in _MAPS
    message = "no axis is of 1, 3 or 4 maps"
    if is_first and is_last:  # Most images are as high as they are wide.
        message = "either axis may be that of the maps"
        is_first, is_last = shape[1] == shape[2], shape[0] == shape[1]
    if is_first == is_last:
        raise ValueError(f"{name} are of {_times(shape)}, and {message}; give channels_last")
    return is_last


def _of_one_type(inputs: Mapping[str, Inputs]) -> dict[str, Inputs]:
    """The same, all of them bytes or all of them floats of one size."""
    dtype = np.result_type(*(rows.dtype for rows in inputs.values()))
    for split, rows in inputs.items():
        if rows.dtype == np.uint8 and dtype != np.uint8:
            message = "give all splits as bytes, or all as floats"
            raise ValueError(f"{split}.images are bytes, and others are {dtype}; {message}")
    return {split: rows.astype(dtype, copy=False) for split, rows in inputs.items()}


def _read_labels(labels: object, name: str) -> Shaped[np.ndarray, "..."]:
    """Labels as texts or numbers, one an input, or in rows of several."""
    if np.ma.is_masked(labels):
        raise ValueError(f"{name} are masked in places; fill or drop those first")
    try:
        array = np.asarray(labels)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name} cannot be read as an array: {reason}") from None
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)
    if array.dtype.kind == "S":
        array = _decode(array, name)
    elif array.dtype.kind == "U" and isinstance(labels, Sequence):
        _check_texts(labels, name)
    if array.dtype.kind == "U" and (missing := np.flatnonzero(array == "")).size:
        message = f"there is none for input {missing[0]}"
        raise ValueError(f"{name} have empty texts, and {message}; name it, or leave the input out")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    is_flat = array.ndim == 1 or (array.ndim == 2 and array.dtype.kind in "biuf")
    if array.dtype.kind not in "biufU" or not is_flat:
        message = "give a text or a number for each input"
        raise ValueError(f"{name} are {array.dtype} of the shape {array.shape}; {message}")
    if array.dtype.kind == "f":
        check_finite(array, name)
    return array


def _decode(labels: Shaped[np.ndarray, "..."], name: str) -> Shaped[np.ndarray, "..."]:
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name} are bytes that are no UTF-8; decode them first") from None


def _check_texts(labels: Sequence, name: str) -> None:
    """Refuse texts among which NumPy has made texts of others: what is missing, or numbers."""
    for label in labels:
        if not isinstance(label, str | bytes | Sequence | np.ndarray):
            message = "give texts alone, or numbers alone, and leave out what has no label"
            raise ValueError(f"{name} are texts, and {label!r} among them; {message}")


def _are_quantities(labels: Shaped[np.ndarray, "..."]) -> bool:
    """Whether labels look like numbers to be come near to."""
    if labels.ndim == 2:
        return not _are_one_hot(labels)
    return labels.dtype.kind == "f"


def _are_one_hot(rows: Shaped[np.ndarray, "inputs classes"]) -> bool:
    is_one = rows == 1
    return bool((((rows == 0) | is_one).all(axis=1) & (is_one.sum(axis=1) == 1)).all())


def _read_quantities(
    labels: Shaped[np.ndarray, "..."], name: str
) -> Float[np.ndarray, "examples out"]:
    if labels.dtype.kind == "U":
        message = "targets of a regression are numbers"
        raise ValueError(f"{name} are texts such as {str(labels[0])!r}; {message}")
    return as_floats(labels.reshape(len(labels), -1))


def _read_classes(labels: Shaped[np.ndarray, "..."], name: str) -> Shaped[np.ndarray, " inputs"]:
    """Texts or whole numbers, one an input."""
    if labels.ndim == 2:
        if not _are_one_hot(labels):
            message = "rows of labels must have a single 1 and else 0, one row an input"
            raise ValueError(f"{name} are {labels.shape[1]} numbers an input; {message}")
        return labels.argmax(axis=1)
    if labels.dtype.kind != "f":
        return labels
    is_whole = (np.rint(labels) == labels) & (np.abs(labels) < _MOST_WHOLE)
    if not is_whole.all():
        found = labels[~is_whole][0]
        raise ValueError(f"{name} are classes, which are whole numbers or texts, found {found}")
    return labels.astype(np.int64)


def _list_classes(labels: Iterable[Shaped[np.ndarray, " inputs"]]) -> list[object]:
    """All that there are, in order."""
    known = np.unique(np.concatenate(list(labels))).tolist()
    if len(known) > _MOST_CLASSES and not isinstance(known[0], str):
        message = "they look like quantities; give is_regression, or classes"
        raise ValueError(f"labels are {len(known):,} different whole numbers; {message}")
    return known


def _find_places(
    labels: Shaped[np.ndarray, " inputs"], places: Mapping[str, int], name: str
) -> Int32[np.ndarray, " inputs"]:
    values, inverse = np.unique(labels, return_inverse=True)
    for value in values.tolist():
        if str(value) not in places:
            known = ", ".join(map(repr, list(places)[:_SHOWN]))
            more = ", ..." if len(places) > _SHOWN else ""
            raise ValueError(f"{name} have {value!r}, which is none of the classes {known}{more}")
    return np.array([places[str(value)] for value in values.tolist()], np.int32)[inverse]


_SHOWN = 12


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
