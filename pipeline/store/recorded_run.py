"""One run as it was recorded: `recorded/<id>/<variant>,seed=<n>.csv`.

Lines such as `# device: 1 x NVIDIA H100` say what was measured, on what and by what; a table of
epochs follows. What else there is of a run lies beside it under the same name: of a vote
`<run>.errors.csv`, the images that it got wrong, and `<run>.filters.csv`, the kernels of its first
network.
"""

import math
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.documents import Document
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.documents.variants import Run
from pipeline.machine.writing import file_name
from pipeline.store.runs import ERRORS, FILTERS

EXTRAS = (ERRORS, FILTERS)
"""What may lie beside a run, by the ends of the files' names."""
NUM_DIGITS = 16
"""Of the identity of a document in hexadecimal, which was longer in recordings of all runs."""
MAX_SEED = 2**32 - 1
_MAX_EPOCHS = 1_000_000
_WHOLE_ROWS = 64
"""Measurements of a run that are all kept; of later ones every second, then every fourth, ..."""
_LEFT_OUT = "batch_cost"
"""Costs of mini-batches only show divergence, which ends a training that may not diverge."""

_LINE = re.compile(r"# (\w+): (.+)")
_WHOLE = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}(\.\d+)?", re.ASCII)
_CELLS = re.compile(r"[-+0-9.,einf]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?|-?inf|", re.ASCII)


class Head(NamedTuple):
    """What the numbers of a run come from."""

    variant: str
    seed: int
    document: str
    """Identity of the document."""
    data: str
    """Name of the data set that was measured on."""
    device: str
    seconds: float | None = None
    """Its share of the time that all runs took that were trained with it; None if not known."""
    program: str | None = None
    """Hashes of the compiled programs that trained it; None where none does or is known."""
    versions: str | None = None
    """Of what wrote those."""

    @property
    def run(self) -> Run:
        """Which run it is."""
        return Run(self.variant, self.seed)

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{file_name(self.run.name)}.csv"

    def beside(self, name: str) -> str:
        """The name of a file that lies beside it.

        Args:
            name: one of `EXTRAS`.
        """
        return f"{file_name(self.run.name)}.{name}"


def run_files(names: Iterable[str]) -> Sequence[str]:
    """Those of the files of a recording that are runs, in order."""
    ends = tuple(f".{extra}" for extra in EXTRAS)
    return sorted(name for name in names if not name.endswith(ends))


_MUST, _MAY = Head._fields[:5], Head._fields[5:]


class RecordedRun(NamedTuple):
    """A run with what was measured of it."""

    head: Head
    metrics: Sequence[str]
    epochs: Sequence[int]
    """Ascending."""
    values: Float[np.ndarray, "epochs metrics"]
    """NaN where nothing was measured."""

    def is_like(self, other: "RecordedRun") -> bool:
        """Whether two records of a run have the same numbers, as far as both have any."""
        _, own, others = np.intersect1d(self.epochs, other.epochs, return_indices=True)
        if not len(own) or self.metrics != other.metrics:
            return False
        return np.array_equal(self.values[own], other.values[others], equal_nan=True)


def parse_run(content: bytes) -> RecordedRun:
    """A run by what its file holds.

    Raises:
        ValueError: it holds something else; says what, without the file.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8") from None
    # A last line that was cut short may look whole.
    if not text.endswith("\n"):
        raise ValueError("ends within a line")
    lines = text[:-1].split("\n")
    fields = [match for line in lines if (match := _LINE.fullmatch(line))]
    return RecordedRun(_as_head(fields), *_parse_table(lines, len(fields)))


def parse_head(lines: Iterable[str]) -> Head:
    """The head of a run by the lines of its file, read no further; raises as `parse_run`."""
    head = (line.rstrip("\n") for line in takewhile(lambda line: line.startswith("#"), lines))
    return _as_head([match for line in head if (match := _LINE.fullmatch(line))])


def _as_head(matches: Sequence[re.Match[str]]) -> Head:
    texts = {match[1]: match[2] for match in matches}
    if len(texts) != len(matches) or not {*_MUST} <= {*texts} <= {*_MUST, *_MAY}:
        message = f"must begin with lines for {', '.join(_MUST)}, may have {', '.join(_MAY)}"
        raise ValueError(f"{message}, each once, and nothing else")
    seed, seconds = texts["seed"], texts.get("seconds")
    if not _WHOLE.fullmatch(seed) or int(seed) > MAX_SEED:
        message = f"must be a whole number up to {MAX_SEED:,}"
        raise ValueError(f"seed: {message}, got {seed[:50]!r}")
    if seconds is not None and not _SECONDS.fullmatch(seconds):
        raise ValueError(f"seconds: must be a number, got {seconds[:50]!r}")
    took = None if seconds is None else float(seconds)
    return Head(**{**texts, "seed": int(seed), "seconds": took})


def _parse_table(
    lines: Sequence[str], first: int
) -> tuple[Sequence[str], Sequence[int], Float[np.ndarray, "epochs metrics"]]:
    """What stands below the head, whose lines are so many."""
    names = lines[first].split(",") if first < len(lines) else []
    if names[:1] != ["epoch"] or len(set(names)) != len(names):
        raise ValueError("must have a table that begins with the column epoch, each column once")
    rows: list[list[float]] = []
    last = -1
    for number, line in enumerate(lines[first + 1 :], start=first + 2):
        cells = line.split(",")
        if len(cells) != len(names):
            raise ValueError(f"line {number}: must have {len(names)} cells, got {len(cells)}")
        if not _WHOLE.fullmatch(cells[0]) or not last < int(cells[0]) < _MAX_EPOCHS:
            message = (
                f"must be a whole number above {last}" if last >= 0 else "must be a whole number"
            )
            raise ValueError(f"line {number}: epoch: {message}, got {cells[0][:50]!r}")
        last = int(cells[0])
        rows.append(_parse_cells(f"line {number}", names, cells, line))
    if not rows:
        raise ValueError("holds no epochs")
    table = np.array(rows)
    return names[1:], [int(row[0]) for row in rows], table[:, 1:]


def _parse_cells(at: str, names: Sequence[str], cells: Sequence[str], line: str) -> list[float]:
    try:
        if _CELLS.fullmatch(line):
            return [float(cell) if cell else np.nan for cell in cells]
    except ValueError:
        pass
    pairs = zip(names, cells, strict=True)
    name, cell = next((name, cell) for name, cell in pairs if not _NUMBER.fullmatch(cell))
    raise ValueError(f"{at}: {name[:80]}: must be a number, got {cell[:50]!r}")


def write_run(run: RecordedRun) -> bytes:
    """What the file of a run holds."""
    known = {name: value for name, value in run.head._asdict().items() if value is not None}
    lines = [f"# {name}: {value}" for name, value in known.items()]
    lines.append(",".join(["epoch", *run.metrics]))
    for epoch, row in zip(run.epochs, run.values.tolist(), strict=True):
        cells = ["" if math.isnan(value) else _shown(value) for value in row]
        lines.append(",".join([str(epoch), *cells]))
    return ("\n".join(lines) + "\n").encode()


def thinned(run: RecordedRun, spec: Document, numbered: Collection[int]) -> RecordedRun:
    """What is kept of a run: all that claims ask for, and enough of the rest for a picture.

    Kept are the epochs that claims name, the last, that at which each metric is best (of equals the
    last), and of all measurements the first 64, every second up to the 128th, every fourth up to
    the 256th, and so on; of each number eight digits. What is kept of that is all of it.

    Args:
        run: all of it.
        spec: its variant of the document.
        numbered: epochs that claims name.
    """
    training = spec.learning()
    every = 1 if training is None else training.evaluate_every
    columns = [
        column
        for column, name in enumerate(run.metrics)
        if name != _LEFT_OUT and not np.isnan(run.values[:, column]).all()
    ]
    metrics = [run.metrics[column] for column in columns]
    values = np.array([[float(_shown(value)) for value in row] for row in run.values[:, columns]])
    kept = {*numbered, run.epochs[-1]}
    kept |= {run.epochs[_best(*pair)] for pair in zip(metrics, values.T, strict=True)}
    rows = [i for i, epoch in enumerate(run.epochs) if epoch in kept or is_kept(epoch, every)]
    return run._replace(metrics=metrics, epochs=[run.epochs[i] for i in rows], values=values[rows])


def is_kept(epoch: int, every: int) -> bool:
    """Whether `thinned` keeps an epoch whatever was measured.

    Args:
        epoch: that is measured.
        every: number of epochs from one measurement to the next.
    """
    place = epoch // every
    step = 2 ** max(0, place.bit_length() - _WHOLE_ROWS.bit_length() + 1)
    return place % step == 0


def _shown(value: float) -> str:
    return f"{value:.8g}"


def _best(metric: str, values: Float[np.ndarray, " epochs"]) -> int:
    """The last place where a metric is best."""
    is_lowest = parse_metric(metric).quantity.best == "lowest"
    upwards = np.nan_to_num(-values if is_lowest else values, nan=-np.inf)
    return len(values) - 1 - int(upwards[::-1].argmax())
