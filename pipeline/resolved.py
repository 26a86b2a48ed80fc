"""Experiments as they are run: what the stage `resolve` writes and the others read."""

import hashlib
import json

from pydantic import TypeAdapter

from nndl_jax.schema import Document
from nndl_jax.schema.base import Record
from pipeline.paths import RESOLVED


class Resolved(Record):
    """A document with everything filled in that decides its results, and nothing else."""

    selected: bool
    """False for documents that `params.yaml` leaves out."""
    seeds: tuple[int, ...]
    """One run of every variant for each."""
    spec: Document
    """The document, without what the book says of it."""

    def digest(self) -> str:
        """A hash of the document, whatever its seeds."""
        return hashlib.sha256(self.spec.model_dump_json().encode()).hexdigest()


_RESOLVED = TypeAdapter(Resolved)


def load_resolved(name: str) -> Resolved:
    """What `resolve` has written for a document."""
    return _RESOLVED.validate_json((RESOLVED / f"{name}.json").read_bytes())


def save_resolved(name: str, resolved: Resolved) -> None:
    """Write what the other stages of a document depend on."""
    RESOLVED.mkdir(exist_ok=True)
    content = json.dumps(resolved.model_dump(mode="json"), indent=1) + "\n"
    (RESOLVED / f"{name}.json").write_text(content, encoding="utf-8")
