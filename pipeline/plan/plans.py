"""Documents as they are run, with their variants: what `resolve` writes and all others read.

After it nobody reads YAML or expands an axis. `resolved/` holds a plan for each document, what
`params.yaml` says today, all plans at the book's settings, and the documents with what the book
says.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nndl_jax.documents import AnyDocument, Document, FieldValue
from nndl_jax.documents.variants import Variant, variants
from nndl_jax.reading.record import Record
from nndl_jax.reading.validation import closest
from pipeline.machine.paths import CALCULATED, RESOLVED, plan_file
from pipeline.machine.writing import write_text

CALCULATE = "calculate"
"""The stage that runs all of its documents; the others have a list of them in `dvc.yaml`."""


class PlannedVariant(Record):
    """A variant that is run."""

    name: str
    values: dict[str, FieldValue]
    """By field path."""
    spec: AnyDocument
    """The whole document, without axes."""


class Plan(Record):
    """A document with everything filled in that decides its results, and nothing else."""

    selected: bool
    """False for documents that `params.yaml` leaves out."""
    seeds: tuple[int, ...]
    """One run of every variant for each."""
    spec: AnyDocument
    """The document, without what the book says of it."""
    variants: tuple[PlannedVariant, ...]

    @classmethod
    def of(cls, spec: Document, seeds: Iterable[int], *, selected: bool = True) -> "Plan":
        """The plan of a document."""
        planned = tuple(
            PlannedVariant(name=variant.name, values=dict(variant.values), spec=variant.spec)
            for variant in variants(spec)
        )
        return cls(selected=selected, seeds=tuple(seeds), spec=spec, variants=planned)

    def is_calculated(self) -> bool:
        """Whether one stage runs it together with all others of its kind."""
        return self.spec.stage == CALCULATE

    def list_variants(self) -> list[Variant]:
        """Its variants, as the library has them."""
        return [Variant(variant.name, variant.values, variant.spec) for variant in self.variants]

    def spec_of(self, variant: str) -> Document:
        """The document of a variant, by the name of that; KeyError if there is none."""
        return {planned.name: planned.spec for planned in self.variants}[variant]

    def sparse(self) -> dict[str, Any]:
        """The document as plain values, without those that are defaults.

        A new field changes nothing of a document that does not have it.
        """
        return self.spec.model_dump(mode="json", exclude_defaults=True)

    def digest(self) -> str:
        """A hash of the document, whatever its seeds."""
        return hashlib.sha256(json.dumps(self.sparse(), sort_keys=True).encode()).hexdigest()


class Today(Record):
    """What `params.yaml` says, for those who read results."""

    profile: str
    selected: tuple[str, ...]
    """Documents that are run."""
    overridden: tuple[str, ...]
    """Documents of which some field is another."""
    paths: dict[str, str]
    """The file of each document."""


_TODAY, _BOOK, _DOCUMENTS = (f"_{name}.json" for name in ("today", "book", "documents"))
_SETTINGS, _PLAN = TypeAdapter(Today), TypeAdapter(Plan)
_DOCUMENT_LIST = TypeAdapter(list[AnyDocument])
_PLAN_DICT = TypeAdapter(dict[str, Plan])


def stage_of(spec: Document) -> str:
    """The stage that runs a document, as DVC calls it."""
    return spec.stage if spec.stage == CALCULATE else f"{spec.stage}@{spec.id}"


def list_plans() -> list[str]:
    """Ids of the documents that `resolve` has written plans for."""
    found = [*RESOLVED.glob("[!_]*.json"), *(RESOLVED / CALCULATED).glob("*.json")]
    return sorted(path.stem for path in found)


def load_plan(name: str, kind: type[Record] | None = None, done: str = "") -> Plan:
    """What `resolve` has written for a document.

    Args:
        name: the document's id.
        kind: what it must be; None for any.
        done: what is done with documents of this kind, for the message.

    Raises:
        OSError: there is no such document or it is of another kind, in a sentence.
    """
    known = list_plans()
    if not known:
        raise OSError(f"{RESOLVED}: is empty; run `python -m pipeline.resolve` first")
    if name not in known:
        raise OSError(f"{name!r}: there is no such document; {closest(name, known)}")
    plan = _read(plan_file(name), _PLAN)
    if kind is not None and not isinstance(plan.spec, kind):
        message = f"is of kind {plan.spec.kind}, and only those of kind {kind.__name__.lower()}"
        raise OSError(f"{name}: {message} are {done}")
    return plan


def load_plans() -> dict[str, Plan]:
    """All plans by the ids of their documents."""
    return {name: load_plan(name) for name in list_plans()}


def load_today() -> Today:
    """What `params.yaml` said when `resolve` read it."""
    return _read(RESOLVED / _TODAY, _SETTINGS)


def load_books_plans() -> dict[str, Plan]:
    """Plans of all documents at the book's settings."""
    return _read(RESOLVED / _BOOK, _PLAN_DICT)


def load_documents() -> dict[str, Document]:
    """All documents with what the book says of them."""
    return {document.id: document for document in _read(RESOLVED / _DOCUMENTS, _DOCUMENT_LIST)}


Content = TypeVar("Content")


def _read(path: Path, adapter: TypeAdapter[Content]) -> Content:
    try:
        return adapter.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise OSError(f"{path}: no such file; run `python -m pipeline.resolve` first") from None
    except ValidationError:
        message = "is not what this version of `resolve` writes; run `python -m pipeline.resolve`"
        raise OSError(f"{path}: {message}") from None


def save_plan(name: str, plan: Plan, folder: Path = RESOLVED) -> None:
    """Write what the other stages of a document depend on."""
    if plan.is_calculated():
        folder /= CALCULATED
    _write(folder / f"{name}.json", _PLAN, plan)


def save_all(
    today: Today, books: Mapping[str, Plan], documents: Iterable[Document], folder: Path
) -> None:
    """Write what stages depend on that read the results of all documents."""
    _write(folder / _TODAY, _SETTINGS, today)
    _write(folder / _BOOK, _PLAN_DICT, dict(books))
    _write(folder / _DOCUMENTS, _DOCUMENT_LIST, list(documents))


def _write(path: Path, adapter: TypeAdapter[Content], content: Content) -> None:
    write_text(path, adapter.dump_json(content, indent=1).decode() + "\n")
