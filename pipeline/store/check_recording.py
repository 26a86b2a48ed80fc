"""Whether a recording from elsewhere is what our own recorder writes of a document of today."""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from nndl_jax.documents import Document, Ensemble, Network
from nndl_jax.documents.learning import Plateau
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.documents.variants import Run
from nndl_jax.reading.validation import closest
from pipeline.plan.plans import Plan
from pipeline.store.archive import Files
from pipeline.store.dataset import data_of
from pipeline.store.recordings import ABOUT, ERRORS, FILTERS, HISTORY, MADE_BY, Rows
from pipeline.store.results import identity

_MAX_SEED = 2**32 - 1
_WHOLE = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?|-?inf|", re.ASCII)
_NAME = re.compile(r"[\w ()@.,;:/+-]{1,5000}", re.ASCII)
_KEYS = ("variant", "seed", "epoch")
_GRADIENT = re.compile(r"gradient\.(\d+)\.[1-6]", re.ASCII)
_VOTE_FILES = {
    ERRORS: ("image", "label", "output"),
    FILTERS: ("filter", "row", "column", "weight"),
}


def check_recording(
    name: str, files: Files, resolved: Mapping[str, Plan]
) -> tuple[Mapping[str, object], Rows]:
    """What a recording says of itself, and the rows of each of its runs.

    Args:
        name: the document's id.
        files: of the recording.
        resolved: all documents at the book's settings.

    Raises:
        ValueError: says what is wrong with it.
    """
    if name not in resolved:
        raise ValueError(f"{name}: there is no such document; {closest(name, list(resolved))}")
    plan = resolved[name]
    for needed in (ABOUT, HISTORY):
        if needed not in files:
            raise ValueError(f"{name}: {needed} is missing")
    about = _check_about(f"{name}: {ABOUT}", files[ABOUT])
    if about["document"] != identity(name, resolved):
        raise ValueError(f"{name}: was recorded of another version of the document")
    if about["data"] != (wanted := data_of(plan.spec, "mnist")):
        raise ValueError(f"{name}: was measured on {about['data']!r}, not on {wanted!r}")
    rows = _check_history(f"{name}: {HISTORY}", files[HISTORY], plan)
    if not isinstance(plan.spec, Ensemble):
        for extra in _VOTE_FILES.keys() & files.keys():
            raise ValueError(f"{name}: {extra} belongs to a vote, and this is none")
        return about, rows
    if ERRORS not in files:
        raise ValueError(f"{name}: {ERRORS} is missing")
    for extra in sorted(_VOTE_FILES.keys() & files.keys()):
        _check_extra(f"{name}: {extra}", files[extra], _VOTE_FILES[extra])
    return about, rows


def _check_about(where: str, content: bytes) -> Mapping[str, object]:
    try:
        about = json.loads(content.decode())
    except (ValueError, RecursionError):
        raise ValueError(f"{where}: is no JSON") from None
    wanted = ["data", "document", "device", "seconds"]
    if not isinstance(about, dict) or {*about} - {*MADE_BY} != {*wanted}:
        had = f"{', '.join(wanted)}, may have {' and '.join(MADE_BY)}"
        raise ValueError(f"{where}: must have {had}, and nothing else")
    texts = [field for field in (*wanted[:3], *MADE_BY) if field in about]
    for field in texts:
        if not isinstance(about[field], str):
            raise ValueError(f"{where}: {field}: must be a text, got {str(about[field])[:50]!r}")
    for field in texts[2:]:
        if not _NAME.fullmatch(about[field]):
            raise ValueError(f"{where}: {field}: must be a name, got {about[field][:50]!r}")
    seconds = about["seconds"]
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 <= seconds < 1e9):
        raise ValueError(f"{where}: seconds: must be a number or null, got {str(seconds)[:50]!r}")
    return {field: about[field] for field in (*wanted, *MADE_BY) if field in about}


def _check_history(where: str, content: bytes, plan: Plan) -> Rows:
    points = {point.name: point.spec for point in plan.variants}
    table = _read_table(where, content)
    head = next(table)[1]
    _check_columns(where, head, list(points.values()))
    rows: dict[Run, list[Mapping[str, str]]] = {}
    is_random = any(point.is_random() for point in points.values())
    for line, cells in table:
        row = dict(zip(head, cells, strict=True))
        at = f"{where}, line {line}"
        if row["variant"] not in points:
            hint = closest(row["variant"], list(points))
            raise ValueError(f"{at}: variant: there is no {row['variant'][:80]!r}; {hint}")
        seed = _whole(at, "seed", row["seed"], _MAX_SEED)
        if not is_random and seed not in plan.seeds:
            raise ValueError(f"{at}: seed: must be {plan.seeds[0]}, got {seed}")
        run, point = Run(row["variant"], seed), points[row["variant"]]
        _check_row(at, row, point)
        rows.setdefault(run, []).append(row)
    if not rows:
        raise ValueError(f"{where}: holds no runs")
    for run, own in rows.items():
        _check_epochs(f"{where}: run {run.name}", own, points[run.variant])
    return rows


def _read_table(where: str, content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """The number and the cells of each line, which are equally many; the head is the first."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{where}: is no text in UTF-8") from None
    # A last line that was cut short may look whole.
    if not text.endswith("\n"):
        raise ValueError(f"{where}: ends within a line")
    width = 0
    try:
        for line, cells in enumerate(csv.reader(text.split("\n")[:-1], strict=True), start=1):
            width = width or len(cells)
            if len(cells) != width:
                raise ValueError(f"{where}, line {line}: must have {width} cells, got {len(cells)}")
            yield line, cells
    except csv.Error as error:
        raise ValueError(f"{where}: is no table: {error}") from None


def _check_columns(where: str, head: Sequence[str], points: Sequence[Document]) -> None:
    """The names of the columns are those of what the document measures."""
    if tuple(head[:3]) != _KEYS or len(set(head)) != len(head):
        said = f"must begin with the columns {', '.join(_KEYS)}, each column once"
        raise ValueError(f"{where}: {said}")
    wanted = {name for point in points for name in _measured(point)}
    found = set(head[3:])
    if isinstance(points[0], Network):
        found -= {name for name in found if _norm_of(name) in wanted}
    for name in sorted(found ^ wanted):
        said = "is missing" if name in wanted else "is not measured by the document"
        raise ValueError(f"{where}: column {name[:80]!r} {said}")


def _measured(point: Document) -> Sequence[str]:
    """What has a value in each row of a variant."""
    return (*(["batch_cost"] if isinstance(point, Network) else []), *point.metrics())


def _norm_of(name: str) -> str:
    """The norm that a gradient by the bias of one of the first neurons is a part of; else empty."""
    match = _GRADIENT.fullmatch(name)
    return parse_metric("gradient_norms").of(int(match[1])) if match else ""


def _check_row(at: str, row: Mapping[str, str], point: Document) -> None:
    measured = set(_measured(point))
    may_diverge = isinstance(point, Network) and point.training.allow_divergence
    for name, cell in row.items():
        if name in _KEYS:
            continue
        if not _NUMBER.fullmatch(cell):
            raise ValueError(f"{at}: {name}: must be a number, got {cell[:50]!r}")
        is_first = row["epoch"] == "0" and _norm_of(name) in measured
        value = float(cell or "nan")
        if name in measured:
            unit = parse_metric(name).quantity.unit
            is_share, is_count = unit == "fraction", unit == "whole"
            if not math.isfinite(value) and (is_share or is_count or not may_diverge):
                raise ValueError(f"{at}: {name}: must be a finite number, got {cell!r}")
            if is_share and not 0 <= value <= 1:
                raise ValueError(f"{at}: {name}: must be 0 to 1, got {cell}")
            if is_count and (value < 0 or not value.is_integer()):
                raise ValueError(f"{at}: {name}: must be a whole number, got {cell}")
        elif cell and not is_first:
            raise ValueError(f"{at}: {name}: must be empty for this variant, got {cell[:50]!r}")
        elif not may_diverge and math.isinf(value):
            raise ValueError(f"{at}: {name}: must be a finite number, got {cell!r}")


def _check_epochs(where: str, rows: Sequence[Mapping[str, str]], point: Document) -> None:
    """A run has each epoch that is measured once, in order and to its end."""
    wanted, may_stop = [0], False
    if isinstance(point, Network):
        training = point.training
        last, every = training.epochs - 1, training.evaluate_every
        wanted = [*range(every - 1, last, every), last]
        is_lowered = isinstance(point.optimizer.schedule, Plateau)
        may_stop = training.early_stopping is not None or is_lowered
    found = [_whole(where, "epoch", row["epoch"], wanted[-1]) for row in rows]
    if len(set(found)) != len(found):
        raise ValueError(f"{where}: has an epoch twice")
    if found != wanted[: len(found)]:
        at = next(i for i, pair in enumerate(zip(found, wanted, strict=False)) if len({*pair}) > 1)
        raise ValueError(f"{where}: epoch {wanted[at]} must come next, got {found[at]}")
    if len(found) < len(wanted) and not may_stop:
        raise ValueError(f"{where}: ends at epoch {found[-1]}, and must go on to {wanted[-1]}")


def _check_extra(where: str, content: bytes, columns: Sequence[str]) -> None:
    """Whole numbers under the given names, but for weights."""
    table = _read_table(where, content)
    if tuple(next(table, (0, ()))[1]) != tuple(columns):
        raise ValueError(f"{where}: must have the columns {', '.join(columns)}")
    for line, cells in table:
        for name, cell in zip(columns, cells, strict=True):
            at = f"{where}, line {line}"
            if name != "weight":
                _whole(at, name, cell, 9 if name in ("label", "output") else 9999)
            elif not (cell and _NUMBER.fullmatch(cell) and math.isfinite(float(cell))):
                raise ValueError(f"{at}: {name}: must be a finite number, got {cell[:50]!r}")


def _whole(at: str, name: str, cell: str, most: int) -> int:
    if not _WHOLE.fullmatch(cell) or int(cell) > most:
        raise ValueError(f"{at}: {name}: must be a whole number up to {most:,}, got {cell[:50]!r}")
    return int(cell)
