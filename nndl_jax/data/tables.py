"""Tables of one's own: columns of numbers, one of which is learnt, or one of texts."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nndl_jax.reading.faults import printable
from nndl_jax.reading.validation import closest

_SHOWN = 12
_MOST_BYTES = 2**31


def read_table(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, a row of numbers each, and what is to be learnt: numbers or texts.

    Args:
        path: of a table, whose ending is among `TABLES`.
        target: the column that is to be learnt; None for the last. All others are inputs.

    Raises:
        ValueError: it is no table, or an input no number; says where.
        ImportError: what reads it is not installed; says how to.
    """
    names, rows = TABLES[path.suffix.lower()](path)
    target = names[-1] if target is None else target
    if target not in names:
        hint = closest(target, list(names))
        raise ValueError(f"{path}: there is no column {target!r} to learn; {hint}")
    if len(names) < 2 or not rows:
        message = f"has {len(rows)} rows of {len(names)} columns"
        raise ValueError(f"{path}: {message}; give at least one, of inputs and a target")
    place = list(names).index(target)
    _check_columns(path, names, target)
    inputs = [
        [_number(value, path, number, names[at]) for at, value in enumerate(row) if at != place]
        for number, row in enumerate(rows, start=1)
    ]
    return np.array(inputs), _column([row[place] for row in rows])


def _check_columns(path: Path, names: Sequence[str], target: str) -> None:
    """Refuse a number of the row among the inputs, and a second column of what is learnt."""
    if names[0] in _NAMES_OF_INDICES and names[0] != target:
        message = "is the number of the row, as pandas writes it; leave it out with index=False"
        raise ValueError(f"{path}: the first column, {names[0]!r}, {message}, or name it")
    if names.count(target) > 1:
        raise ValueError(f"{path}: {names.count(target)} columns are called {target!r}; keep one")


_NAMES_OF_INDICES = ("", "Unnamed: 0", "__index_level_0__")


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Names of columns and rows; names are numbers where the first row has no text in it."""
    if (size := path.stat().st_size) > _MOST_BYTES:
        message = f"has {size:,} bytes, and at most {_MOST_BYTES:,} are read of a table"
        raise ValueError(f"{path}: {message}; write its numbers as .npz")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not a text in UTF-8") from None
    mark = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=text.partition("\n")[0].count)
    try:
        lines = csv.reader(text.splitlines(), delimiter=mark, strict=True, skipinitialspace=True)
        rows = [row for row in lines if row]
    except csv.Error as error:
        raise ValueError(f"{path}: cannot be read as a table: {error}") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            message = f"row {number} has {len(row)} columns, and the first has {len(rows[0])}"
            raise ValueError(f"{path}: {message}")
    if not rows:
        raise ValueError(f"{path}: is empty")
    has_names = not any(map(_is_number, rows[0][:-1]))
    if not has_names and _may_be_names(rows):
        message = "may be names of columns as well as numbers"
        raise ValueError(
            f"{path}: its first row, {printable(repr(rows[0][:_SHOWN]))}, {message}; {_RENAME}"
        )
    names = rows[0] if has_names else [str(at) for at in range(len(rows[0]))]
    return names, rows[has_names:]


def _may_be_names(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a row of numbers is one of names: they count on, or a text stands above numbers."""
    first, others = rows[0], rows[1:]
    is_counted = first[:-1] == [str(at) for at in range(len(first) - 1)]
    is_above = not _is_number(first[-1]) and all(_is_number(row[-1]) for row in others)
    return bool(others) and (is_above or (is_counted and first[-1] == str(len(first) - 1)))


_RENAME = "write the table without it, or with names that are texts"


def _read_parquet(path: Path) -> tuple[list[str], list[Sequence]]:
    try:
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError:
        message = "Parquet needs pyarrow (pip install pyarrow), or write the table as CSV"
        raise ImportError(f"{path}: {message}") from None
    table = parquet.read_table(path)
    return table.column_names, list(zip(*(column.to_pylist() for column in table), strict=True))


TABLES: Mapping[str, Callable[[Path], tuple[Sequence[str], Sequence[Sequence]]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}
"""What reads names of columns and rows of a file, by the ending of its name."""


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _number(value: object, path: Path, row: int, name: str) -> float:
    if not _is_number(value):
        message = (
            f"holds {printable(repr(value))} in row {row}; make a number of it, or leave it out"
        )
        raise ValueError(f"{path}: column {name!r} {message}")
    return float(str(value))


def _column(values: Iterable[object]) -> np.ndarray:
    """Targets as whole numbers, floats or texts, whichever all of them are."""
    texts = ["" if value is None else str(value) for value in values]
    for kind in (int, float):
        try:
            return np.array([kind(text) for text in texts])
        except (ValueError, OverflowError):
            continue
    return np.array(texts)
