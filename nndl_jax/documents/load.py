"""Documents by name: list them, load them, write them.

`load_spec("ch1-30-hidden")` finds the documents that come with the package;
`load_spec("folder/mine.yaml")` takes any file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from io import StringIO
from itertools import product
from math import prod
from os import PathLike
from pathlib import Path
from reprlib import Repr
from typing import Any, NamedTuple, Protocol, TypeVar, overload, runtime_checkable

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from nndl_jax.documents import (
    DISCRIMINATORS,
    DOCUMENTS,
    Document,
    FieldValue,
    Network,
    Record,
)
from nndl_jax.documents.experiment import Experiment
from nndl_jax.reading.faults import Fault, Location, SpecError, field_path
from nndl_jax.reading.located_yaml import MAX_DEPTH, LocatedYaml, parse_yaml, read_text
from nndl_jax.reading.validation import closest, parse_field_path, validate

Axis = Mapping[str, Sequence[FieldValue]]
Kind = TypeVar("Kind", bound=Experiment)

MAX_VARIED = 10_000_000
"""Characters of all variants of a document together, as JSON."""

_short = Repr()
_short.maxother = 60


def spec_folder() -> Path:
    """The folder of the book's documents: the package's own, else the checkout's."""
    package = Path(__file__).parents[1]
    packaged = package / "spec"
    return packaged if packaged.is_dir() else package.parent / "spec"


def example_folder() -> Path:
    """The folder of documents of other data than the book's, to begin with."""
    package = Path(__file__).parents[1]
    packaged = package / "examples"
    return packaged if packaged.is_dir() else package.parent / "docs" / "data"


def list_specs(folder: str | Path | None = None) -> list[str]:
    """Ids of all documents in a folder, by default the book's, in alphabetical order."""
    return sorted(path.stem for path in Path(folder or spec_folder()).glob("*.yaml"))


@overload
def load_spec(
    id_or_path: str | Path, overrides: Mapping[str, object] | None = None, *, kind: type[Kind]
) -> Kind: ...


@overload
def load_spec(
    id_or_path: str | Path, overrides: Mapping[str, object] | None = None, *, kind: None = None
) -> Document: ...


def load_spec(
    id_or_path: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    kind: type[Experiment] | None = None,
) -> Document | Experiment:
    """A document of the book by its id, or any document by the path of its file.

    Documents of other data, to begin with, have ids too: `iris`, `diabetes`, `fashion-mnist`.

    Examples:
        >>> load_spec("ch1-30-hidden").optimizer.learning_rate
        3.0
        >>> load_spec("ch1-30-hidden", {"optimizer.learning_rate": 0.5}).optimizer.learning_rate
        0.5

    Args:
        id_or_path: an id such as `ch1-30-hidden`, or a path that ends in `.yaml`.
        overrides: values by field path, put in place of the file's.
        kind: of document that is meant, such as `Network`; None for any.

    Raises:
        SpecError: there is no such document or it is faulty; names file, line and field.
        TypeError: it is neither an id nor a path, the overrides are no mapping, or the document is
            of another kind.
    """
    path = _find(id_or_path)
    # The mappings in a document can be changed; what is kept is not handed out.
    spec = _parse_file(read_text(path), path).model_copy(deep=True)
    spec = spec if overrides is None else override(spec, overrides)
    return spec if kind is None else of_kind(spec, kind)


def load_network(id_or_path: str | Path, overrides: Mapping[str, object] | None = None) -> Network:
    """The same, where the document of a network is meant.

    Examples:
        >>> load_network("ch1-30-hidden").training.epochs
        30
    """
    return load_spec(id_or_path, overrides, kind=Network)


def locate(error: SpecError, path: Path) -> SpecError:
    """The same faults of a document, in the lines of its file."""
    text = parse_yaml(read_text(path), path)

    def in_its_line(fault: Fault) -> Fault:
        at = parse_field_path(fault.field)
        return Fault(text.where, text.follow(at)[1], fault.field, fault.message)

    return SpecError([in_its_line(fault) for fault in error.faults], error.num_more)


def parse_spec(text: str, path: Path) -> Document:
    """The document in a YAML text; `path` is named in messages.

    Raises:
        SpecError: names file, line and field of each fault.
    """
    return _parse(parse_yaml(text, path))


def override(spec: Document, values: Mapping[str, object]) -> Document:
    """The document with other values at the given field paths: an experiment of one's own.

    A mapping changes the fields that it names and leaves the others, as in `params.yaml`. Another
    `kind`, `rule` or `form` begins its record anew. A list takes the place of the whole list.
    Numbers and arrays of NumPy are numbers and lists. What is varied is set together with `vary`.

    >>> load_spec("ch6-relu", {"vary": [], "regularizer": {"l2": 0.5}}).regularizer
    Regularizer(l2=0.5, l1=0.0, per='batch')

    Its claims stay what the book says, also where the new values leave nothing to hold them
    against.

    Raises:
        SpecError: a field does not exist or a value does not fit there.
        TypeError: the values are no mapping.
    """
    if not isinstance(values, Mapping):
        found = _short.repr(values)
        message = "overrides are a mapping of field paths to values, such as {'training.epochs': 3}"
        raise TypeError(f"{message}; got {found}")
    leaves = list(_leaves(spec.id, values))
    for leaf in leaves:
        if leaf.at[:1] in (("id",), ("kind",), ("claims",)):
            message = "cannot be overridden; write a document of your own"
            raise SpecError.at(spec.id, None, leaf.path, message)
    changed = _set_fields(spec, leaves, keep=("vary",))
    # As in a document, axes that are set may vary a field which is given, too: it may have to be.
    kept = () if any(leaf.at[0] == "vary" for leaf in leaves) else changed.vary
    axes = {parse_field_path(field): at for at, axis in enumerate(kept) for field in axis}
    for leaf in leaves:
        if leaf.at in axes:
            message = (
                f"is varied by vary[{axes[leaf.at]}]; set vary as well, [] for this value alone"
            )
            raise SpecError.at(spec.id, None, leaf.path, message)
    _check_variants(changed, LocatedYaml(spec.id, None, None))
    return changed.model_copy(update={"claims": spec.claims})


def variant(spec: Document, values: Mapping[str, FieldValue]) -> Document:
    """One variant of a document, without axes and claims.

    Raises:
        SpecError: a field does not exist or a value does not fit there.
    """
    return _set_fields(spec, list(_leaves(spec.id, values)), keep=())


def of_kind(spec: Document, kind: type[Kind]) -> Kind:
    """The document, if it is of a kind.

    Raises:
        TypeError: it is of another kind, or no document; says what takes it.
    """
    if isinstance(spec, kind):
        return spec
    if not isinstance(spec, Document):
        found = _short.repr(spec)
        raise TypeError(f"a document is needed here, got {found}; load_spec(id or path) gives one")
    message = f"{spec.id} is of kind {spec.kind}, and {kind.__name__.lower()} is needed here"
    raise TypeError(f"{message}; {spec.taken_by}")


def crossings(vary: Sequence[Axis]) -> list[dict[str, FieldValue]]:
    """Values by field path of all variants; the last axis changes fastest."""
    axes = [
        [dict(zip(axis, values, strict=True)) for values in zip(*axis.values(), strict=True)]
        for axis in vary
    ]
    return [
        {field: value for part in crossing for field, value in part.items()}
        for crossing in product(*axes)
    ]


def dump_spec(spec: Document) -> str:
    """The document as YAML text, defaults left out: what `load_spec` reads back as an equal one.

    Raises:
        TypeError: it is no document.
    """
    of_kind(spec, Experiment)
    stream = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Quoting
    yaml.default_flow_style = None
    yaml.representer.sort_base_mapping_type_on_output = False
    written = spec.model_dump(mode="json", exclude_defaults=True)
    last = {name: written.pop(name) for name in _LAST if name in written}
    yaml.dump({"kind": spec.kind} | written | last, stream)
    return stream.getvalue()


_LAST = ("vary", "claims", "deviations", "errata")
"""Parts of a document that are written below the others."""


class _Quoting(SafeRepresenter):
    """Puts every unusual text in double quotes: left to itself, ruamel writes some unreadably."""


_USUAL = re.compile(r"[A-Za-z]([A-Za-z0-9 ()_.-]*[A-Za-z0-9)_.])?")
_Quoting.add_representer(
    str,
    lambda representer, text: representer.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if _USUAL.fullmatch(text) else '"'
    ),
)


@lru_cache(maxsize=256)  # A stage asks for each document several times.
def _parse_file(text: str, path: Path) -> Document:
    located = parse_yaml(text, path)
    spec = _parse(located)
    if spec.id != path.stem:
        _, line = located.follow(("id",))
        message = f"must be the file's name, {path.stem!r}, got {spec.id!r}"
        raise SpecError.at(path, line, "id", message)
    return spec


def _parse(text: LocatedYaml) -> Document:
    spec = validate(DOCUMENTS, text)
    _check_variants(spec, text)
    return spec


class _Leaf(NamedTuple):
    """A value that is put into a document: all but a mapping, whose fields are leaves."""

    path: str
    """As it was given."""
    at: Location
    value: object


def _leaves(name: str, values: Mapping[str, object]) -> Iterator[_Leaf]:
    """What is put into a document of this name, as plain numbers, texts and lists."""
    for path, value in values.items():
        if not isinstance(path, str) or not parse_field_path(path):
            raise SpecError.at(name, None, repr(path), "is not a field of this document")
        at = parse_field_path(path)
        try:
            plain = _plain(value)
        except RecursionError:  # A list that holds itself, too.
            raise SpecError.at(name, None, path, f"nested more than {MAX_DEPTH} deep") from None
        if isinstance(plain, dict) and plain and at[:1] != ("vary",):
            for leaf in _leaves(name, plain):
                yield _Leaf(f"{path}.{leaf.path}", (*at, *leaf.at), leaf.value)
        else:
            yield _Leaf(path, at, plain)


@runtime_checkable
class _Array(Protocol):
    """A scalar or an array of NumPy or JAX."""

    def tolist(self) -> object: ...


def _plain(value: object, depth: int = 0) -> object:
    """What a value is in YAML; a copy, as a later path may lead into it."""
    if depth > MAX_DEPTH:
        raise RecursionError
    match value:
        case Mapping():
            return {key: _plain(inner, depth + 1) for key, inner in value.items()}
        case str() | bytes():
            return value
        case Record():
            return value.model_dump(mode="json")
        case _Array():
            return _plain(value.tolist(), depth)
        case Sequence():
            return [_plain(inner, depth + 1) for inner in value]
        case _:
            return value


def _set_fields(spec: Document, leaves: Sequence[_Leaf], keep: Sequence[str]) -> Document:
    plain = spec.model_dump(mode="json")
    plain |= {field: [] for field in ("vary", "claims") if field not in keep}
    for path, at, value in sorted(leaves, key=_turn):
        *parents, last = at
        parent: Any = plain
        try:
            for step in parents:
                # A record left out, such as a schedule, is begun by setting one of its fields.
                if isinstance(step, str) and isinstance(parent, dict) and parent.get(step) is None:
                    parent[step] = {}
                parent = parent[step]
            if isinstance(parent, dict) and isinstance(last, int):
                raise TypeError
            if last in DISCRIMINATORS and isinstance(value, str) and parent.get(last) != value:
                parent.clear()
            if value != {} or parent[last] is None:
                parent[last] = value
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise SpecError.at(spec.id, None, path, "is not a field of this document") from None
    return validate(DOCUMENTS, LocatedYaml(spec.id, plain, None))


def _turn(leaf: _Leaf) -> tuple[int, bool]:
    """Sorts leaves: wholes before their parts, and first in a record what begins it anew."""
    return len(leaf.at), leaf.at[-1] not in DISCRIMINATORS


def _check_variants(spec: Document, text: LocatedYaml) -> None:
    """Refuse an axis whose field does not exist, or one of whose values does not fit.

    Each variant is a whole document that is validated, so that all together are bounded first.
    """
    count = prod(len(next(iter(axis.values()))) for axis in spec.vary)
    length = len(spec.bare().model_dump_json()) if count > 1 else 0
    if count * length > MAX_VARIED:
        message = (
            f"makes {count:,} documents of {length:,} characters; at most {MAX_VARIED:,} are read "
            "in all: vary over less, or shorten the lists of this document"
        )
        raise SpecError.at(text.where, text.follow(("vary",))[1], "vary", message)
    for index, axis in enumerate(spec.vary):
        for values in crossings((axis,)):
            _check_variant(spec, values, ("vary", index), text)
    for values in crossings(spec.vary) if len(spec.vary) > 1 else ():
        _check_variant(spec, values, ("vary",), text)


def _check_variant(
    spec: Document, values: Mapping[str, FieldValue], at: Location, text: LocatedYaml
) -> None:
    try:
        variant(spec, values)
    except SpecError as error:
        first = error.faults[0]
        same = [field for field in values if field == first.field]
        _, line = text.follow((*at, *(same or list(values))[:1]))
        message = f"varied over {list(values.values())}: {first.field}: {first.message}"
        raise SpecError.at(text.where, line, field_path(at), message) from None


def _find(id_or_path: str | Path) -> Path:
    if not isinstance(id_or_path, str | PathLike):
        message = (
            "a document is found by its id, such as 'ch1-30-hidden', or by the path of its file"
        )
        raise TypeError(f"{message}; got {_short.repr(id_or_path)}")
    path = Path(id_or_path)
    if path.suffix in (".yaml", ".yml"):
        return path
    folders = (spec_folder(), example_folder())
    path = next(
        (own for folder in folders if (own := folder / f"{id_or_path}.yaml").is_file()), None
    )
    if path is None or str(id_or_path) != path.stem:
        hint = closest(str(id_or_path), [name for folder in folders for name in list_specs(folder)])
        if not hint.startswith("did"):
            hint += "; list_specs() and `nndl ls` name all"
        message = f"there is no such document in {spec_folder()}; {hint}"
        raise SpecError.at(str(id_or_path) or "''", None, "", message)
    return path
