"""Whether a recording from elsewhere is what our own recorder writes of a document of today."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from nndl_jax.documents import Document, Ensemble, Network
from nndl_jax.documents.learning import Plateau
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.reading.validation import closest
from pipeline.plan.plans import Plan
from pipeline.store.dataset import data_of
from pipeline.store.recorded_run import EXTRAS, Head, RecordedRun, is_kept, parse_run, thinned
from pipeline.store.runs import ERRORS, FILTERS

_NAME = re.compile(r"[\w ()@.,;:/+-]{1,5000}", re.ASCII)
_WHOLE = re.compile(r"0|[1-9]\d{0,3}", re.ASCII)
_WEIGHT = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII)
_GRADIENT = re.compile(r"gradient\.(\d+)\.[1-6]", re.ASCII)
_VOTE_FILES = {
    ERRORS: ("image", "label", "output"),
    FILTERS: ("filter", "row", "column", "weight"),
}


def check_run(
    file: str,
    files: Mapping[str, bytes],
    plan: Plan,
    *,
    document: str,
    numbered: Collection[int],
) -> RecordedRun:
    """What is kept of a run, if that is right.

    Args:
        file: its name.
        files: all of the recording, by their names.
        plan: the document at the book's settings.
        document: its identity.
        numbered: epochs that claims name.

    Raises:
        ValueError: says what is wrong with it, without its name.
    """
    run = parse_run(files[file])
    head = run.head
    if head.file != file:
        raise ValueError(f"is of a run whose file is {head.file}")
    if head.document != document:
        raise ValueError("was recorded of another version of the document")
    if head.data != (wanted := data_of(plan.spec, "mnist")):
        raise ValueError(f"was measured on {head.data!r}, not on {wanted!r}")
    _check_head(head, plan)
    spec = plan.spec_of(head.variant)
    run = thinned(run, spec, numbered)
    _check_columns(run.metrics, spec)
    _check_values(run, spec)
    _check_epochs(run.epochs, spec)
    _check_extras(head, files, is_vote=isinstance(spec, Ensemble))
    return run


def _check_head(head: Head, plan: Plan) -> None:
    variants = {variant.name: variant.spec for variant in plan.variants}
    if head.variant not in variants:
        hint = closest(head.variant, list(variants))
        raise ValueError(f"variant: there is no {head.variant[:80]!r}; {hint}")
    is_random = any(variant.is_random() for variant in variants.values())
    if not is_random and head.seed not in plan.seeds:
        raise ValueError(f"seed: must be {plan.seeds[0]}, got {head.seed}")
    # The report shows them.
    for name in ("device", "program", "versions"):
        text = getattr(head, name)
        if text is not None and not _NAME.fullmatch(text):
            raise ValueError(f"{name}: must be a name, got {text[:50]!r}")


def _check_columns(metrics: Sequence[str], spec: Document) -> None:
    """The columns are those of what the document measures."""
    found = set(metrics) - {*_first_gradients(metrics, spec)}
    wanted = {name for name in spec.metrics() if name in found or not _may_lack(name, spec)}
    for name in sorted(found ^ wanted):
        message = "is missing" if name in wanted else "is not measured by the document"
        raise ValueError(f"column {name[:80]!r} {message}")


def _may_lack(metric: str, spec: Document) -> bool:
    """Whether a metric may be no number: a cost or a norm, where a run may diverge."""
    training = spec.learning()
    may_diverge = training is not None and training.allow_divergence
    return may_diverge and parse_metric(metric).quantity.unit not in ("fraction", "whole")


def _first_gradients(metrics: Sequence[str], spec: Document) -> Iterator[str]:
    """Gradients of single neurons in the layers whose norms are measured."""
    for name in metrics:
        match = _GRADIENT.fullmatch(name)
        if match and parse_metric("gradient_norms").of(int(match[1])) in spec.metrics():
            yield name


def _check_values(run: RecordedRun, spec: Document) -> None:
    firsts = {*_first_gradients(run.metrics, spec)}
    for index, name in enumerate(run.metrics):
        unit = parse_metric(name).quantity.unit
        for epoch, value in zip(run.epochs, run.values[:, index].tolist(), strict=True):
            at, got = f"epoch {epoch}: {name}", f"got {_shown(value)}"
            if name in firsts:
                if epoch and not math.isnan(value):
                    raise ValueError(f"{at}: must be empty after the first epoch, {got}")
                if not math.isinf(value) or _may_lack(name, spec):
                    continue
            if not math.isfinite(value) and not _may_lack(name, spec):
                raise ValueError(f"{at}: must be a finite number, {got}")
            if unit == "fraction" and not 0 <= value <= 1:
                raise ValueError(f"{at}: must be 0 to 1, {got}")
            if unit == "whole" and (value < 0 or not value.is_integer()):
                raise ValueError(f"{at}: must be a whole number, {got}")


def _shown(value: float) -> str:
    return "nothing" if math.isnan(value) else f"{value:.6g}"


def _check_epochs(found: Sequence[int], spec: Document) -> None:
    """A run has the epochs that are kept whatever was measured, to its end."""
    measured, every, may_stop = [0], 1, False
    if isinstance(spec, Network):
        training = spec.training
        last, every = training.epochs - 1, training.evaluate_every
        measured = [*range(every - 1, last, every), last]
        is_lowered = isinstance(spec.optimizer.schedule, Plateau)
        may_stop = training.early_stopping is not None or is_lowered
    if strange := sorted({*found} - {*measured}):
        raise ValueError(f"epoch {strange[0]} is not measured by the document")
    if found[-1] < measured[-1] and not may_stop:
        raise ValueError(f"ends at epoch {found[-1]}, and must go on to {measured[-1]}")
    kept = {epoch for epoch in measured if epoch <= found[-1] and is_kept(epoch, every)}
    if missing := sorted(kept - {*found}):
        raise ValueError(f"epoch {missing[0]} is missing")


def _check_extras(head: Head, files: Mapping[str, bytes], *, is_vote: bool) -> None:
    own = {extra: files[name] for extra in EXTRAS if (name := head.beside(extra)) in files}
    if is_vote and ERRORS not in own:
        raise ValueError(f"{head.beside(ERRORS)} is missing")
    for extra, content in own.items():
        if not is_vote:
            raise ValueError(f"{head.beside(extra)} belongs to a vote, and this is none")
        _check_extra(extra, content, _VOTE_FILES[extra])


def _check_extra(file: str, content: bytes, columns: Sequence[str]) -> None:
    """Whole numbers under the given names, but for weights."""
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{file}: is no text in UTF-8") from None
    if lines[-1]:
        raise ValueError(f"{file}: ends within a line")
    if lines[0].split(",") != list(columns):
        raise ValueError(f"{file}: must have the columns {', '.join(columns)}")
    for number, line in enumerate(lines[1:-1], start=2):
        cells = line.split(",")
        if len(cells) != len(columns):
            message = f"must have {len(columns)} cells, got {len(cells)}"
            raise ValueError(f"{file}, line {number}: {message}")
        for name, cell in zip(columns, cells, strict=True):
            pattern, most = _WEIGHT if name == "weight" else _WHOLE, _most(name)
            if not pattern.fullmatch(cell) or float(cell) > most:
                message = f"must be a whole number up to {most:,}"
                message = "must be a finite number" if name == "weight" else message
                raise ValueError(f"{file}, line {number}: {name}: {message}, got {cell[:50]!r}")


def _most(name: str) -> float:
    """The largest number in a column."""
    return {"weight": 1e9, "label": 9, "output": 9}.get(name, 9999)
