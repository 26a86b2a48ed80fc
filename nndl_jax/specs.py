"""Documents by name: list them, load them, write them.

`load_spec("ch1-30-hidden")` finds the documents that come with the package;
`load_spec("folder/mine.yaml")` takes any file.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from nndl_jax.faults import Fault, Location, SpecError, field_path
from nndl_jax.located_yaml import LocatedYaml, parse_yaml, read_text
from nndl_jax.memory import check_memory
from nndl_jax.schema import DOCUMENTS, Document, FieldValue, Network
from nndl_jax.validation import closest, parse_field_path, validate

Axis = Mapping[str, Sequence[FieldValue]]


def spec_folder() -> Path:
    """The folder of the book's documents: the package's own, else the checkout's."""
    package = Path(__file__).parent
    packaged = package / "spec"
    return packaged if packaged.is_dir() else package.parent / "spec"


def list_specs(folder: Path | None = None) -> list[str]:
    """Ids of all documents in a folder, by default the book's, in alphabetical order."""
    return sorted(path.stem for path in (folder or spec_folder()).glob("*.yaml"))


def load_spec(id_or_path: str | Path, overrides: Mapping[str, object] | None = None) -> Document:
    """A document of the book by its id, or any document by the path of its file.

    >>> load_spec("ch1-30-hidden").optimizer.learning_rate
    3.0
    >>> load_spec("ch1-30-hidden", {"optimizer.learning_rate": 0.5}).optimizer.learning_rate
    0.5

    Args:
        id_or_path: an id such as `ch1-30-hidden`, or a path that ends in `.yaml`.
        overrides: values by field path, put in place of the file's.

    Raises:
        SpecError: there is no such document or it is faulty; names file, line and field.
    """
    path = _find(id_or_path)
    # The mappings in a document can be changed; what is kept is not handed out.
    spec = _parse_file(read_text(path), path).model_copy(deep=True)
    return override(spec, overrides) if overrides else spec


def parse_spec(text: str, path: Path) -> Document:
    """The document in a YAML text; `path` is named in messages.

    Raises:
        SpecError: names file, line and field of each fault.
    """
    return _parse(parse_yaml(text, path))


def override(spec: Document, values: Mapping[str, object]) -> Document:
    """The document with other values at the given field paths: an experiment of one's own.

    Its claims stay what the book says, also where the new values leave nothing to hold them
    against.

    Raises:
        SpecError: a field does not exist or a value does not fit there.
    """
    for path in values:
        if parse_field_path(path)[:1] in (("id",), ("kind",), ("claims",)):
            said = "cannot be overridden; write a document of your own"
            raise SpecError.at(spec.id, None, path, said)
    changed = _set_fields(spec, values, keep=("vary",))
    if isinstance(changed, Network):
        check_memory(changed)
    _check_variants(changed, LocatedYaml(spec.id, None, None))
    return changed.model_copy(update={"claims": spec.claims})


def variant(spec: Document, values: Mapping[str, FieldValue]) -> Document:
    """One variant of a document, without axes and claims.

    Raises:
        SpecError: a field does not exist or a value does not fit there.
    """
    return _set_fields(spec, values, keep=())


def crossings(vary: Sequence[Axis]) -> list[dict[str, FieldValue]]:
    """Values by field path of all variants; the last axis changes fastest."""
    points = [
        [dict(zip(axis, values, strict=True)) for values in zip(*axis.values(), strict=True)]
        for axis in vary
    ]
    return [
        {field: value for point in crossing for field, value in point.items()}
        for crossing in product(*points)
    ]


def dump_spec(spec: Document) -> str:
    """The document as YAML text, defaults left out: what `load_spec` reads back as an equal one."""
    stream = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Quoting
    yaml.default_flow_style = None
    yaml.dump(spec.model_dump(mode="json", exclude_defaults=True), stream)
    return stream.getvalue()


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
        said = f"must be the file's name, {path.stem!r}, got {spec.id!r}"
        raise SpecError.at(path, line, "id", said)
    return spec


def _parse(text: LocatedYaml) -> Document:
    spec = validate(DOCUMENTS, text)
    try:
        if isinstance(spec, Network):
            check_memory(spec)
    except SpecError as error:
        raise _locate(error, text) from None
    _check_variants(spec, text)
    return spec


def _locate(error: SpecError, text: LocatedYaml) -> SpecError:
    """The same faults, in the lines of a file."""
    return SpecError(
        [
            Fault(text.where, text.follow(parse_field_path(each.field))[1], each.field, each.said)
            for each in error.faults
        ]
    )


def _set_fields(spec: Document, values: Mapping[str, object], keep: Sequence[str]) -> Document:
    plain = spec.model_dump(mode="json")
    plain |= {field: [] for field in ("vary", "claims") if field not in keep}
    for path, value in values.items():
        try:
            *parents, last = parse_field_path(path)
            parent: Any = plain
            for step in parents:
                # A record left out, such as a schedule, is begun by setting one of its fields.
                if isinstance(step, str) and isinstance(parent, dict) and parent.get(step) is None:
                    parent[step] = {}
                parent = parent[step]
            if isinstance(parent, dict) and isinstance(last, int):
                raise TypeError
            parent[last] = deepcopy(value)  # A later path may lead into it.
        except (IndexError, KeyError, TypeError, ValueError):
            raise SpecError.at(
                spec.id, None, path or "''", "is not a field of this document"
            ) from None
    return validate(DOCUMENTS, LocatedYaml(spec.id, plain, None))


def _check_variants(spec: Document, text: LocatedYaml) -> None:
    """Refuse an axis whose field does not exist, or one of whose values does not fit."""
    for index, axis in enumerate(spec.vary):
        for values in crossings((axis,)):
            _check_variant(spec, values, ("vary", index), text)
    for values in crossings(spec.vary) if len(spec.vary) > 1 else ():
        _check_variant(spec, values, ("vary",), text)


def _check_variant(
    spec: Document, values: Mapping[str, FieldValue], at: Location, text: LocatedYaml
) -> None:
    try:
        point = variant(spec, values)
        if isinstance(point, Network):
            check_memory(point)
    except SpecError as error:
        first = error.faults[0]
        same = [field for field in values if field == first.field]
        _, line = text.follow((*at, *(same or list(values))[:1]))
        said = f"varied over {list(values.values())}: {first.field}: {first.said}"
        raise SpecError.at(text.where, line, field_path(at), said) from None


def _find(id_or_path: str | Path) -> Path:
    path = Path(id_or_path)
    if path.suffix in (".yaml", ".yml"):
        return path
    known = list_specs()
    if str(id_or_path) not in known:
        said = f"there is no such document in {spec_folder()}; {closest(str(id_or_path), known)}"
        raise SpecError.at(id_or_path, None, "", said)
    return spec_folder() / f"{id_or_path}.yaml"
