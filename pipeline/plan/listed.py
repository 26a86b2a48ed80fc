"""The documents that `dvc.yaml` lists, each in the stage of its kind: compared, and updated.

DVC cannot look into a folder for its stages. `python -m pipeline` writes the lists; `dvc repro` by
itself compares them first, in the stage `resolve`.
"""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from nndl_jax.documents import Baseline, Document, Ensemble, Network
from nndl_jax.reading.faults import Fault, Location, SpecError, field_path
from nndl_jax.reading.located_yaml import LocatedYaml, read_yaml
from pipeline.machine.paths import DVC, PARAMS
from pipeline.machine.writing import write_text
from pipeline.plan.documents import load_document

_KINDS: Mapping[str, type[Document]] = {
    "train": Network,
    "baseline": Baseline,
    "ensemble": Ensemble,
}
_FILES = ("params",)
_COMMAND = "`python -m pipeline`"


def faulty_lists(specs: Mapping[str, Document], paths: Mapping[str, Path]) -> Iterator[Fault]:
    """Documents without their line in `dvc.yaml`, and lines without their document.

    Args:
        specs: the documents that could be read; faults of the others are told on their own.
        paths: files of all documents that there are.
    """
    if not DVC.exists():
        return  # Stages are run without DVC.
    try:
        text = read_yaml(DVC)
    except SpecError as error:
        yield from error.faults
        return
    listed: dict[Location, list[str]] = {}
    for at, entry in _entries(text):
        listed.setdefault(at[:-1], []).append(entry)
        if said := _stray(at, entry, specs, paths):
            yield _fault(text, at, said)
    for name, spec in specs.items():
        for at, entry, members in _wanted(spec, paths[name]):
            if entry not in listed.get(at, ()):
                line = f"- {entry}" if members is None else f"{entry}: {members}"
                said = f"lacks {paths[name]}, of kind {spec.kind}; {_COMMAND} adds the line: {line}"
                yield _fault(text, at, said)
    yield from _parted_votes(specs, text)


def update_lists(paths: Mapping[str, Path]) -> list[str]:
    """Bring `dvc.yaml` up to date with the documents, its comments and its order kept.

    Args:
        paths: files of all documents that there are; those of what cannot be read stay listed.

    Returns:
        A sentence for each line that was added or taken out.
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
    said = []
    for at, entry in reversed(list(_entries(text))):
        if _stray(at, entry, specs, paths):
            del _follow(content, at[:-1])[at[-1]]
            said.append(f"{DVC}: {field_path(at[:-1])}: {entry} is taken out")
    for name, spec in specs.items():
        for at, entry, members in _wanted(spec, paths[name]):
            entries = _follow(content, at)
            if entry in entries:
                continue
            place = bisect(list(entries), entry, lo=at == _FILES)
            entries.insert(place, *((entry,) if members is None else (entry, members)))
            said.append(f"{DVC}: {field_path(at)}: {entry} is added")
    for name, spec in specs.items():
        votes = _follow(content, ("stages", "ensemble", "foreach"))
        if isinstance(spec, Ensemble) and votes[name] != spec.members:
            votes[name] = spec.members
            said.append(f"{DVC}: stages.ensemble.foreach: {name} has the members {spec.members}")
    if said:
        stream = StringIO()
        yaml.dump(content, stream)
        write_text(DVC, stream.getvalue())
    return said


def _wanted(spec: Document, path: Path) -> Iterator[tuple[Location, str, str | None]]:
    """Each list that a document must stand in, what stands there, and the networks that vote."""
    members = spec.members if isinstance(spec, Ensemble) else None
    for stage, kind in _KINDS.items():
        if isinstance(spec, kind):
            yield ("stages", stage, "foreach"), spec.id, members
    yield _FILES, str(path), None


def _entries(text: LocatedYaml) -> Iterator[tuple[Location, str]]:
    """All lines of lists, and what stands there: an id, or a document's file."""
    for stage in _KINDS:
        at = ("stages", stage, "foreach")
        found = _lookup(text, at)
        places = found if isinstance(found, dict) else range(len(_list(found)))
        for place in places:
            yield (*at, place), str(place if isinstance(found, dict) else _list(found)[place])
    for place, path in enumerate(_list(_lookup(text, _FILES))):
        if path != str(PARAMS):
            yield (*_FILES, place), str(path)


def _follow(content: Any, at: Location) -> Any:
    """The list at a place of a parsed file, which is empty if it was not there."""
    for step in at[:-1]:
        content = content.setdefault(step, {})
    if content.get(at[-1]) is None:
        content[at[-1]] = {} if "ensemble" in at else []
    return content[at[-1]]


def _lookup(text: LocatedYaml, at: Location) -> object:
    try:
        return text.lookup(at)
    except (IndexError, KeyError, TypeError):
        return None


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _stray(
    at: Location, entry: str, specs: Mapping[str, Document], paths: Mapping[str, Path]
) -> str | None:
    """What is wrong with a line."""
    if at[:-1] == _FILES:
        is_known = entry in map(str, paths.values())
        return None if is_known else f"there is no {entry}; {_COMMAND} takes the line out"
    if entry not in paths:
        return f"there is no document {entry!r}; {_COMMAND} takes the line out"
    if entry in specs and not isinstance(specs[entry], _KINDS[str(at[1])]):
        said = f"{entry} is of kind {specs[entry].kind}, which this stage does not run"
        return f"{said}; {_COMMAND} takes the line out"
    return None


def _parted_votes(specs: Mapping[str, Document], text: LocatedYaml) -> Iterator[Fault]:
    at = ("stages", "ensemble", "foreach")
    found = _lookup(text, at)
    for name, members in found.items() if isinstance(found, dict) else ():
        spec = specs.get(name)
        if isinstance(spec, Ensemble) and spec.members != members:
            said = f"must be the document's members, {spec.members!r}, got {members!r}"
            yield _fault(text, (*at, name), said)


def _fault(text: LocatedYaml, at: Location, said: str) -> Fault:
    return Fault(text.where, text.follow(at)[1], field_path(at), said)
