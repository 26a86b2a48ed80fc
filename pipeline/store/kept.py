"""What results were made of, and those that stay when `params.yaml` leaves their document out.

`resolve` gives a document that is left out as it was run last, so that no stage runs it anew. Where
our code has changed since it gives it as not selected: to run it is not asked for, and nothing of
it is left but what `metrics/` and `report/` hold.
"""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from nndl_jax.documents import Document, Network
from nndl_jax.reading.record import Record
from pipeline.machine.paths import CODE, plan_file, run_folder
from pipeline.plan.needed_data import learnt_data
from pipeline.plan.plans import Plan, load_plan

_MADE = "made.json"


class _Made(Record):
    """What the results in a folder were made of."""

    code: str
    """Digest of the list of our code that the stage runs."""
    resolved: Plan


def note(name: str, folder: Path) -> None:
    """Write beside the results of a document what they were made of, for `kept` to read."""
    path = plan_file(name)
    if path.exists():
        resolved = Plan.model_validate_json(path.read_bytes())
        made = _Made(code=_digest(resolved.spec), resolved=resolved)
        (folder / _MADE).write_text(made.model_dump_json(), encoding="utf-8")


def kept(name: str, today: Plan) -> Plan:
    """The document as `params.yaml` has it, or as it was run last where that leaves it out."""
    if today.selected:
        return today
    try:
        made = _Made.model_validate_json((run_folder(name) / _MADE).read_bytes())
    except (OSError, ValidationError):
        return today
    was, is_same_code = made.resolved, made.code == _digest(today.spec)
    return was if was.selected and is_same_code and _is_of_one_stage(was, today) else today


def steady(name: str, today: Plan) -> Plan:
    """What `resolve` writes: where there is nothing to run or to keep, what it wrote last.

    Other seeds or limits of a document that is left out are no reason to run its stage.
    """
    found = kept(name, today)
    try:
        last = found if found.selected else load_plan(name)
    except OSError:
        return found
    return last if not last.selected and _is_of_one_stage(last, today) else found


def _is_of_one_stage(was: Plan, today: Plan) -> bool:
    """Whether a stage runs both, on the same data."""
    is_same_kind = was.spec.kind == today.spec.kind
    return is_same_kind and learnt_data(was.spec) == learnt_data(today.spec)


def in_words(resolved: Plan) -> str:
    """How much of a document was run."""
    spec, seeds = resolved.spec, resolved.seeds
    parts = [f"{len(seeds)} run{'s' * (len(seeds) > 1)} of each variant, seeds from {seeds[0]}"]
    if isinstance(spec, Network):
        parts.append(f"at most {spec.training.epochs} epochs")
        if spec.data.train_images is not None:
            parts.append(f"{spec.data.train_images:,} training images")
    return ", ".join(parts)


def _digest(spec: Document) -> str:
    path = CODE / f"{spec.stage}.txt"
    return hashlib.sha256(path.read_bytes() if path.exists() else b"").hexdigest()
