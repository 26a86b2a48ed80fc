"""Whether `dvc.yaml` lists the documents that there are, each in the stage of its kind."""

from collections.abc import Iterator, Mapping, Sequence

from nndl_jax.documents import Baseline, Document, Ensemble, Network
from nndl_jax.reading.faults import Fault, Location, SpecError, field_path
from nndl_jax.reading.located_yaml import LocatedYaml, read_yaml
from pipeline.machine.paths import DVC, SPEC

_KINDS: Mapping[str, tuple[type, ...]] = {
    "train": (Network,),
    "baseline": (Baseline,),
    "ensemble": (Ensemble,),
}


def faulty_lists(specs: Mapping[str, Document], names: Sequence[str]) -> Iterator[Fault]:
    """Documents without their line in `dvc.yaml`, and lines without their document.

    Args:
        specs: the documents that could be read; faults of the others are told on their own.
        names: of all documents that there are.
    """
    if not DVC.exists():
        return  # Stages are run without DVC.
    try:
        text = read_yaml(DVC)
    except SpecError as error:
        yield from error.faults
        return
    listed: dict[str, list[str]] = {}
    for at, name in _entries(text):
        listed.setdefault(field_path(at[:-1]), []).append(name)
        if said := _stray(at, name, specs, names):
            yield _fault(text, at, said)
    for name, spec in specs.items():
        for at, line in _wanted(name, spec).items():
            if name not in listed.get(field_path(at), ()):
                said = f"lacks {SPEC / name}.yaml, of kind {spec.kind}; add the line: {line}"
                yield _fault(text, at, said)
    yield from _parted_votes(specs, text)


def _wanted(name: str, spec: Document) -> Mapping[Location, str]:
    """Each list that a document must stand in, and how."""
    in_stages = _wanted_in_stages(name, spec)
    return {**in_stages, ("params",): f"- {SPEC / name}.yaml"}


def _wanted_in_stages(name: str, spec: Document) -> Mapping[Location, str]:
    line = f"{name}: {spec.members}" if isinstance(spec, Ensemble) else f"- {name}"
    return {
        ("stages", stage, "foreach"): line for stage in _KINDS if isinstance(spec, _KINDS[stage])
    }


def _entries(text: LocatedYaml) -> Iterator[tuple[Location, str]]:
    """All lines with an id, and the id."""
    for stage in _KINDS:
        at = ("stages", stage, "foreach")
        if isinstance(found := _lookup(text, at), dict):
            yield from (((*at, name), name) for name in found)
        else:
            yield from (((*at, place), str(name)) for place, name in enumerate(_list(found)))
    for place, path in enumerate(_list(_lookup(text, ("params",)))):
        if isinstance(path, str) and path.startswith(f"{SPEC}/"):
            yield ("params", place), path.removeprefix(f"{SPEC}/").removesuffix(".yaml")


def _lookup(text: LocatedYaml, at: Location) -> object:
    try:
        return text.lookup(at)
    except (IndexError, KeyError, TypeError):
        return None


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _stray(
    at: Location, name: str, specs: Mapping[str, Document], names: Sequence[str]
) -> str | None:
    """What is wrong with a line."""
    if name not in names:
        return f"there is no document {name!r}; delete the line, or bring {SPEC / name}.yaml back"
    if at[0] == "stages" and name in specs and not isinstance(specs[name], _KINDS[str(at[1])]):
        return f"{name} is of kind {specs[name].kind}, which this stage does not run; delete it"
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
