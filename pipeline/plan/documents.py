"""The documents of `spec/`, read once: the next stage finds them as they were validated.

YAML takes a second to read for all of them, and four stages ask for them. What is kept is given out
while neither a document's file nor any of ours that reads it has changed; what is faulty is not
kept.
"""

import hashlib
from functools import cache
from pathlib import Path

from pydantic import ValidationError

import nndl_jax
from nndl_jax.documents import DOCUMENTS, Document
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.reading.faults import SpecError
from pipeline.machine.paths import SPEC, STATE
from pipeline.machine.writing import write_text

_KEPT = STATE / "documents"


def document_paths(folder: Path = SPEC, own: str | None = None) -> dict[str, Path]:
    """The file of each document by its id, in the order of ids.

    Args:
        folder: of the book's documents.
        own: the folder with documents of one's own, if there is one.

    Raises:
        SpecError: two files have one name.
    """
    found = {name: folder / f"{name}.yaml" for name in list_specs(folder)}
    for name in list_specs(own) if own is not None else ():
        path = Path(own or "") / f"{name}.yaml"
        if name in found:
            raise SpecError.at(path, None, "id", f"is that of {found[name]} too; rename this one")
        found[name] = path
    return dict(sorted(found.items()))


def load_document(path: Path) -> Document:
    """A document by its file, as `nndl_jax.load_spec` gives it.

    Raises:
        SpecError: it is faulty; names file, line and field.
    """
    try:
        key = hashlib.sha256(f"{_reader()} {path}".encode() + path.read_bytes()).hexdigest()
    except OSError:
        return load_spec(path)  # It says what is wrong.
    kept = _KEPT / f"{path.stem}.json"
    try:
        found, _, document = kept.read_text(encoding="utf-8").partition("\n")
        if found == key:
            return _validated(document)
    except (OSError, ValueError, ValidationError):
        pass
    spec = load_spec(path)
    write_text(kept, f"{key}\n{spec.model_dump_json()}\n")
    return spec


@cache
def _validated(document: str) -> Document:
    return DOCUMENTS.validate_json(document)


@cache
def _reader() -> str:
    """A hash of the code that reads documents."""
    digest = hashlib.sha256()
    for path in sorted(Path(nndl_jax.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
