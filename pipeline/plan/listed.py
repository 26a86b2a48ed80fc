"""The documents that `dvc.yaml` lists, each in the stage of its kind, and the data that they learn.

DVC cannot look into a folder for its stages. `python -m pipeline` compares the lists and writes
them; `dvc repro` by itself compares them first, in the stage `resolve`.
"""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from nndl_jax.documents import Document
from nndl_jax.documents.load import override
from nndl_jax.reading.faults import Fault, Location, SpecError, field_path, printable
from nndl_jax.reading.located_yaml import LocatedYaml, read_yaml
from pipeline.machine.paths import DATASET, DVC, PARAMS
from pipeline.machine.writing import write_text
from pipeline.plan.documents import load_document
from pipeline.plan.needed_data import data_file, data_source, list_data
from pipeline.plan.plans import CALCULATE

_STAGES = [
    stage
    for stage in dict.fromkeys(kind.stage for kind in get_args(Document))
    if stage != CALCULATE
]
_DATA = ("download", "prepare")
_FILES = ("params",)
_COMMAND = "`python -m pipeline`"

Entry = str | Mapping[str, str] | None
"""What a list of DVC has of an id: a path, several by name, or nothing where ids alone stand."""
Overrides = Mapping[str, Mapping[str, object]]


def faulty_lists(
    specs: Mapping[str, Document], paths: Mapping[str, Path], overrides: Overrides
) -> Iterator[Fault]:
    """Documents without their line in `dvc.yaml`, lines without their document, and other lines.

    Args:
        specs: the documents that could be read; faults of the others are told on their own.
        paths: files of all documents that there are.
        overrides: of `params.yaml`, which may have a document learn other data.
    """
    if not DVC.exists():
        return  # Stages are run without DVC.
    try:
        text = read_yaml(DVC)
    except SpecError as error:
        yield from error.faults
        return
    wanted = _wanted(_overridden(specs, overrides), paths)
    listed: dict[Location, dict[str, tuple[Location, object]]] = {}
    for at, name, found in _entries(text):
        listed.setdefault(at[:-1], {})[name] = at, found
        if message := _stray(at, name, specs, paths, wanted):
            yield _fault(text, at, message)
    for at, entries in wanted.items():
        for name, entry in entries.items():
            if name not in listed.get(at, {}):
                line = f"- {name}" if entry is None else f"{name}: {_shown(entry)}"
                message = f"lacks {_described(name, at, specs, paths)}; {_COMMAND} adds the line"
                yield _fault(text, at, f"{message}: {line}")
            elif (found := listed[at][name])[1] != entry:
                message = f"must be {_shown(entry)}, got {_shown(found[1])}; {_COMMAND} writes it"
                yield _fault(text, found[0], message)


def update_lists(paths: Mapping[str, Path], overrides: Overrides) -> list[str]:
    """Bring `dvc.yaml` up to date with the documents, its comments and its order kept.

    Args:
        paths: files of all documents that there are; those of what cannot be read stay listed.
        overrides: of `params.yaml`.

    Returns:
        A sentence for each line that was added, changed or taken out.
    """
    specs: dict[str, Document] = {}
    for name, path in paths.items():
        try:
            specs[name] = load_document(path)
        except SpecError:
            continue  # It is refused afterwards, with its own message.
    try:
        text = read_yaml(DVC)
    except (OSError, SpecError):
        return []
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(DVC.read_text(encoding="utf-8"))
    wanted = _wanted(_overridden(specs, overrides), paths)
    message = []
    for at, name, _ in reversed(list(_entries(text))):
        if _stray(at, name, specs, paths, wanted):
            del _follow(content, at[:-1])[at[-1]]
            message.append(f"{DVC}: {field_path(at[:-1])}: {name} is taken out")
    for at, entries in wanted.items():
        if not entries:
            continue
        listed = _follow(content, at, is_mapping=None not in entries.values())
        for name, entry in entries.items():
            if name not in listed:
                place = bisect(list(listed), name, lo=at == _FILES or at[1] in _DATA)
                listed.insert(place, *((name,) if entry is None else (name, entry)))
                message.append(f"{DVC}: {field_path(at)}: {name} is added")
            elif entry is not None and listed[name] != entry:
                listed[name] = entry
                message.append(f"{DVC}: {field_path(at)}: {name} is of {_shown(entry)}")
    if message:
        stream = StringIO()
        yaml.dump(content, stream)
        write_text(DVC, stream.getvalue())
    return message


def _overridden(specs: Mapping[str, Document], overrides: Overrides) -> dict[str, Document]:
    """Documents with the data that they are to learn today."""
    found = dict(specs)
    for name in specs.keys() & overrides.keys():
        try:
            found[name] = override(specs[name], overrides[name])
        except SpecError:
            continue  # It is refused afterwards, at its line in `params.yaml`.
    return found


def _wanted(
    specs: Mapping[str, Document], paths: Mapping[str, Path]
) -> Mapping[Location, dict[str, Entry]]:
    """What must stand in each list."""
    wanted: dict[Location, dict[str, Entry]] = {
        **{("stages", stage, "foreach"): {} for stage in (*_DATA, *_STAGES)},
        _FILES: {str(paths[name]): None for name in specs},
    }
    for key, data in list_data(specs.values()).items():
        source = str(data_source(data))
        wanted["stages", "prepare", "foreach"][key] = {"from": source, "to": str(data_file(data))}
        known = data.known()
        if known is not None and known.from_files:
            wanted["stages", "download", "foreach"][key] = source
    for name, spec in specs.items():
        reference = spec.reference()
        # One that names no document is refused, and its line stays as it is until then.
        if spec.stage in _STAGES and (reference is None or reference.document in specs):
            wanted["stages", spec.stage, "foreach"][name] = _entry(spec, specs)
    return wanted


def _entry(spec: Document, specs: Mapping[str, Document]) -> Entry:
    """What the stage of a document must be told beside its id."""
    if (data := spec.data_learnt()) is not None:
        return str(data_file(data))
    reference = spec.reference()
    if reference is None:
        return None
    data = specs[reference.document].data_learnt()
    file = DATASET if data is None else data_file(data)
    return {reference.field: reference.document, "data": str(file)}


def _entries(text: LocatedYaml) -> Iterator[tuple[Location, str, object]]:
    """All lines of lists: where they are, the id or the file of a document, what else is there."""
    for stage in (*_DATA, *_STAGES):
        at = ("stages", stage, "foreach")
        found = _lookup(text, at)
        if isinstance(found, dict):
            for name, entry in found.items():
                yield (*at, name), str(name), entry
        else:
            for place, name in enumerate(_list(found)):
                yield (*at, place), str(name), None
    for place, path in enumerate(_list(_lookup(text, _FILES))):
        if path != str(PARAMS):
            yield (*_FILES, place), str(path), None


def _follow(content: Any, at: Location, *, is_mapping: bool = False) -> Any:
    """The list at a place of a parsed file, which is empty if it was not there."""
    for step in at[:-1]:
        content = content.setdefault(step, {})
    if content.get(at[-1]) is None or (is_mapping and not isinstance(content[at[-1]], dict)):
        content[at[-1]] = CommentedMap() if is_mapping else CommentedSeq()
    return content[at[-1]]


def _lookup(text: LocatedYaml, at: Location) -> object:
    try:
        return text.lookup(at)
    except (IndexError, KeyError, TypeError):
        return None


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _stray(
    at: Location,
    entry: str,
    specs: Mapping[str, Document],
    paths: Mapping[str, Path],
    wanted: Mapping[Location, Mapping[str, Entry]],
) -> str | None:
    """What is wrong with a line that there should not be."""
    if at[:-1] == _FILES:
        is_known = entry in map(str, paths.values())
        return None if is_known else f"there is no {entry}; {_COMMAND} takes the line out"
    if at[1] in _DATA:
        # What a faulty document learns is not known.
        is_known = entry in wanted[at[:-1]] or len(specs) < len(paths)
        return None if is_known else f"no document learns {entry}; {_COMMAND} takes the line out"
    if entry not in paths:
        return f"there is no document {entry!r}; {_COMMAND} takes the line out"
    if entry in specs and specs[entry].stage != at[1]:
        message = f"{entry} is of kind {specs[entry].kind}, which this stage does not run"
        return f"{message}; {_COMMAND} takes the line out"
    return None


def _described(
    name: str, at: Location, specs: Mapping[str, Document], paths: Mapping[str, Path]
) -> str:
    """What a line that lacks is of."""
    if at != _FILES and at[1] in _DATA:
        return f"the data {name}"
    spec = next(s for s in specs.values() if name in (s.id, str(paths[s.id])))
    return f"{paths[spec.id]}, of kind {spec.kind}"


def _shown(entry: object) -> str:
    """What stands behind an id, as YAML."""
    if isinstance(entry, Mapping):
        return f"{{{', '.join(f'{name}: {value}' for name, value in entry.items())}}}"
    return "nothing" if entry is None else printable(str(entry))


def _fault(text: LocatedYaml, at: Location, message: str) -> Fault:
    return Fault(text.where, text.follow(at)[1], field_path(at), message)
