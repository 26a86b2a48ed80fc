"""Cards: what commands show of a document, as plain JSON, kept from one command to the next.

To read and validate all documents of the book takes seconds, and to import what does that a second
alone. So a card is kept by the sum of its document's file and of the code that reads it, and a
command that finds what it shows imports neither. What is faulty is not kept.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from nndl_jax.data.files import cache_folder

if TYPE_CHECKING:
    from nndl_jax.documents import Document

PACKAGE = Path(__file__).parents[1]
OWN = Path("experiments")
"""Where documents of one's own lie, in the working folder."""
_READERS = ("reading", "calculations", "documents", "command")
_SUFFIXES = (".yaml", ".yml")


class LayerCard(TypedDict):
    """A layer of the stack."""

    kind: str
    activation: str | None
    dropout: float
    inputs: list[int]
    outputs: list[int]
    weights: int
    biases: int


class Card(TypedDict):
    """What is shown of a document."""

    id: str
    title: str
    kind: str
    chapter: int | None
    section: str | None
    variants: list[str]
    parameters: list[int]
    """Numbers of weights and biases of its variants, from the least; none where nothing is
    trained."""
    memory: int | None
    """Bytes that training one run holds."""
    flops: int | None
    """Multiplications and additions of a training step, of its largest variant."""
    layers: list[LayerCard]
    equations: list[list[str]]
    """Name and LaTeX of each."""
    claims: list[dict[str, object]]
    deviations: list[str]
    errata: list[str]
    document: dict[str, object]
    """The document as JSON, defaults left out."""
    fields: dict[str, object]
    """Every value by field path, defaults too, but for None and what is said about the document."""


def spec_folder() -> Path:
    """The folder of the book's documents; `nndl_jax.documents.load` tells it too, in a second."""
    packaged = PACKAGE / "spec"
    return packaged if packaged.is_dir() else PACKAGE.parent / "spec"


def example_folder() -> Path:
    """The folder of documents of other data, in the same way."""
    packaged = PACKAGE / "examples"
    return packaged if packaged.is_dir() else PACKAGE.parent / "docs" / "data"


def own_file(id_or_path: str) -> str:
    """The same, or the path of a document in experiments/ here, where no other has the id."""
    name = f"{id_or_path}.yaml"
    own = OWN / name
    is_shipped = any((folder / name).is_file() for folder in (spec_folder(), example_folder()))
    return str(own) if not is_shipped and own.is_file() else id_or_path


def ids_that_begin(incomplete: str) -> list[str]:
    """Ids of documents, of the book or here, that begin with what is typed already."""
    folders = (spec_folder(), example_folder(), OWN)
    names = {path.stem for folder in folders for path in folder.glob("*.yaml")}
    return sorted(name for name in names if name.startswith(incomplete))


def load_card(id_or_path: str) -> Card:
    """The card of a document by its id, of the book or here, or of any by the path of its file.

    Raises:
        SpecError: there is no such document or it is faulty; names file, line and field.
    """
    id_or_path = own_file(id_or_path)
    path = Path(id_or_path)
    if path.suffix not in _SUFFIXES:
        path = spec_folder() / f"{id_or_path}.yaml"
        path = path if path.is_file() else example_folder() / path.name
    try:
        key = hashlib.sha256(
            f"{code_sum(_READERS)} {path.stem}".encode() + path.read_bytes()
        ).hexdigest()
        kept = cache_folder() / "cards" / f"{path.stem}.json"
    except (OSError, RuntimeError, ValueError):  # No home folder, or no name of a file.
        return make_card(id_or_path)
    with suppress(OSError, ValueError):
        found, _, text = kept.read_text(encoding="utf-8").partition("\n")
        if found == key:
            return json.loads(text)
    card = make_card(id_or_path)
    with suppress(OSError):  # Nothing is lost but time.
        _write(kept, f"{key}\n{json.dumps(card)}\n")
    return card


def make_card(id_or_path: str) -> Card:
    """The same, read anew."""
    import nndl_jax
    from nndl_jax.documents import Network
    from nndl_jax.documents.equations import equations
    from nndl_jax.documents.memory import num_bytes, num_flops

    spec = nndl_jax.load_spec(id_or_path)
    all_variants = nndl_jax.variants(spec)
    trained = [variant.spec for variant in all_variants if isinstance(variant.spec, Network)]
    whole = spec.model_dump(mode="json")
    about = ("id", "title", "source", "claims", "deviations", "errata")
    return Card(
        id=spec.id,
        title=spec.title,
        kind=spec.kind,
        chapter=spec.source and spec.source.chapter,
        section=spec.source and spec.source.section,
        variants=[variant.name for variant in all_variants],
        parameters=sorted({one.model.num_params() for one in trained}),
        memory=max((num_bytes(one, 1) for one in trained), default=None),
        flops=max(map(num_flops, trained), default=None),
        layers=_layers(spec),
        equations=[list(equation) for equation in equations(spec)],
        claims=whole["claims"],
        deviations=list(spec.deviations),
        errata=list(spec.errata),
        document=spec.model_dump(mode="json", exclude_defaults=True),
        fields=dict(flatten({key: value for key, value in whole.items() if key not in about})),
    )


def flatten(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every number, text and list of such in a document, by its field path."""
    match value:
        case dict() if value:
            for key, inner in value.items():
                yield from flatten(inner, f"{path}.{key}" if path else str(key))
        case list() if any(isinstance(item, dict) for item in value):
            for index, inner in enumerate(value):
                yield from flatten(inner, f"{path}[{index}]")
        case None:
            return
        case _:
            yield path, value


def _layers(spec: "Document") -> list[LayerCard]:
    from nndl_jax.documents import Network

    if not isinstance(spec, Network):
        return []
    return [
        LayerCard(
            kind=layer.kind,
            activation=layer.activation,
            dropout=layer.dropout,
            inputs=list(shape.inputs),
            outputs=list(shape.outputs),
            weights=shape.num_weights,
            biases=shape.num_biases,
        )
        for (_, layer), shape in zip(spec.model.stack(), spec.model.shapes(), strict=True)
    ]


@cache
def code_sum(rooms: tuple[str, ...]) -> str:
    """A hash of the code in some rooms of the library."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((PACKAGE / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    """Put a file in place in one step, as another command may read it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.writing")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def without(card: Card, *names: str) -> dict[str, object]:
    """A card without some of its parts."""
    return {name: value for name, value in card.items() if name not in names}
