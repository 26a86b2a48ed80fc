"""Experiments as they are run: what the stage `resolve` writes and the others read."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nndl_jax.documents import Document
from nndl_jax.reading.record import Record
from nndl_jax.reading.validation import closest
from pipeline.machine.paths import RESOLVED
from pipeline.machine.writing import write_text


class Resolved(Record):
    """A document with everything filled in that decides its results, and nothing else."""

    selected: bool
    """False for documents that `params.yaml` leaves out."""
    seeds: tuple[int, ...]
    """One run of every variant for each."""
    spec: Document
    """The document, without what the book says of it."""

    def sparse(self) -> dict[str, Any]:
        """The document as plain values, without those that are defaults.

        A new field changes nothing of a document that does not have it.
        """
        return self.spec.model_dump(mode="json", exclude_defaults=True)

    def digest(self) -> str:
        """A hash of the document, whatever its seeds."""
        return hashlib.sha256(json.dumps(self.sparse(), sort_keys=True).encode()).hexdigest()


_RESOLVED = TypeAdapter(Resolved)


def load_resolved(name: str, kind: type[Record] | None = None, done: str = "") -> Resolved:
    """What `resolve` has written for a document.

    Args:
        name: the document's id.
        kind: what it must be; None for any.
        done: what is done with documents of this kind, for the message.

    Raises:
        OSError: there is no such document or it is of another kind, in a sentence.
    """
    known = sorted(path.stem for path in RESOLVED.glob("*.json"))
    if not known:
        raise OSError(f"{RESOLVED}: is empty; run `python -m pipeline.resolve` first")
    if name not in known:
        raise OSError(f"{name!r}: there is no such document; {closest(name, known)}")
    path = RESOLVED / f"{name}.json"
    try:
        resolved = _RESOLVED.validate_json(path.read_bytes())
    except ValidationError:
        said = "is not what this version of `resolve` writes; run `python -m pipeline.resolve`"
        raise OSError(f"{path}: {said}") from None
    if kind is not None and not isinstance(resolved.spec, kind):
        said = f"is of kind {resolved.spec.kind}, and only those of kind {kind.__name__.lower()}"
        raise OSError(f"{name}: {said} are {done}")
    return resolved


def save_resolved(name: str, resolved: Resolved, folder: Path = RESOLVED) -> None:
    """Write what the other stages of a document depend on."""
    content = json.dumps(resolved.model_dump(mode="json"), indent=1) + "\n"
    write_text(folder / f"{name}.json", content)
