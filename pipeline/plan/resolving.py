"""Settings and documents together: every document as it is run, or all that is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nndl_jax.documents import Document, Ensemble, Network
from nndl_jax.documents.experiment import Source
from nndl_jax.documents.load import locate
from nndl_jax.documents.memory import check_fits, check_memory
from nndl_jax.reading.faults import Fault, SpecError
from nndl_jax.reading.located_yaml import LocatedYaml
from nndl_jax.reading.validation import parse_field_path
from pipeline.machine.paths import SPEC
from pipeline.plan.documents import document_paths, load_document
from pipeline.plan.edits import list_edited, load_committed
from pipeline.plan.limits import apply_settings
from pipeline.plan.listed import faulty_lists
from pipeline.plan.needed_data import learnt_data
from pipeline.plan.plans import Plan
from pipeline.plan.references import faulty_references, unfit_reference
from pipeline.plan.settings import Settings, check_names, load_settings

_NO_SOURCE = Source(chapter=1, section="-")
BOOK = {"profile": "book", "documents": "all", "overrides": {}}
"""Settings under which every document is as the book has it."""


def resolve_all(
    folder: Path = SPEC, changes: Mapping[str, object] | None = None
) -> tuple[Settings, dict[str, Plan]]:
    """The settings, and every document as it is run.

    Args:
        folder: of the documents.
        changes: settings to use in place of those of `params.yaml`; documents are then not held
            against this machine's memory.

    Raises:
        SpecError: with all that is wrong with `params.yaml`, the documents and their lists in
            `dvc.yaml`.
    """
    faults: list[Fault] = []
    num_more = 0
    specs: dict[str, Document] = {}
    try:
        settings, text = load_settings()
    except SpecError as error:
        settings = text = None
        faults, num_more = list(error.faults), error.num_more
    own = settings.experiments if settings is not None and folder == SPEC else None
    paths = document_paths(folder, own)
    if not paths:
        message = "there are no documents here; work in the repository's folder"
        raise SpecError.at(folder, None, "", message)
    names = list(paths)
    if settings is not None and text is not None:
        try:
            check_names(settings, text, names)
        except SpecError as error:
            faults += error.faults
    is_faulty, edited = bool(faults), list_edited(paths.values())
    for name, path in paths.items():
        try:
            spec = load_document(path)
            if changes is None:
                _check_fits(spec, path)
            _check_varied(spec, path, load_committed(path) if path in edited else None)
            specs[name] = spec
        except SpecError as error:
            faults += error.faults
            num_more += error.num_more
    if folder == SPEC:
        overrides = {} if settings is None else settings.overrides
        faults += faulty_lists(specs, paths, overrides)
    for name, spec in specs.items():
        faults += faulty_references(spec, specs, names, paths[name])
    if settings is None or text is None or is_faulty:
        raise SpecError(faults, num_more)
    settings = settings.model_copy(update=changes)
    resolved: dict[str, Plan] = {}
    for name, spec in specs.items():
        try:
            resolved[name] = _resolve(spec, settings, must_fit=changes is None)
            if changes is None:
                faults += _missing_data(resolved[name].spec, spec, paths[name], text)
        except SpecError as error:
            faults += [_relocate(fault, name, text) for fault in error.faults]
            num_more += error.num_more
    faults = faults or list(_faulty_votes({k: v.spec for k, v in resolved.items()}, text))
    if faults:
        raise SpecError(faults, num_more)
    return settings, resolved


def all_documents() -> dict[str, Path]:
    """The files of the book's documents and of one's own, by their ids.

    Raises:
        SpecError: two files have one name.
    """
    try:
        return document_paths(own=load_settings()[0].experiments)
    except SpecError as error:
        if any(fault.field == "id" for fault in error.faults):
            raise
        return document_paths()  # Faulty settings are refused with all else.


def todays_overrides() -> Mapping[str, Mapping[str, object]]:
    """Those of `params.yaml`; none where that is faulty, which is refused with all else."""
    try:
        return load_settings()[0].overrides
    except SpecError:
        return {}


def without_words(spec: Document) -> Document:
    """The document without its title, its place in the book and what the book says of it."""
    told = {"title": spec.id, "source": _NO_SOURCE}
    told |= dict.fromkeys(("claims", "deviations", "errata"), ())
    return spec.model_copy(update=told)


def _check_fits(spec: Document, path: Path) -> None:
    try:
        check_fits(spec)
    except SpecError as error:
        raise locate(error, path) from None


def _check_varied(spec: Document, path: Path, committed: Document | None) -> None:
    """Refuse a new value in the place of a varied field, which would do nothing.

    `dvc exp run -S` writes such ones, where `vary` was overlooked.

    Args:
        spec: the document.
        path: of its file.
        committed: what it was before it was edited; None where it was not, or that is not known.
            A value is then refused only if no variant has it.
    """
    before = committed if committed is not None and committed.vary == spec.vary else spec
    for index, axis in enumerate(spec.vary):
        for field, values in axis.items():
            value, was = _given(spec, field), _given(before, field)
            if value is None or isinstance(value, dict | list):
                continue
            message = f"is varied by vary[{index}], and "
            if value not in values:
                message += f"no variant has {value!r}"
            elif value != was:
                message += f"{value!r} in the place of {was!r} changes none of its variants"
            else:
                continue
            error = SpecError.at(spec.id, None, field, f"{message}; set vary as well")
            raise locate(error, path)


def _given(spec: Document, field: str) -> object:
    """What a document has at the path of a field; None if it is left out."""
    value: Any = spec.model_dump(mode="json", exclude_defaults=True)
    try:
        for step in parse_field_path(field):
            value = value[step]
    except (IndexError, KeyError, TypeError):
        return None
    return value


def _resolve(spec: Document, settings: Settings, *, must_fit: bool) -> Plan:
    spec = apply_settings(spec, settings)
    selected = spec.id in settings.documents
    if settings.documents == "all":
        selected = spec.id not in settings.active().leave_out
    plan = Plan.of(without_words(spec), (), selected=selected)
    specs = [variant.spec for variant in plan.variants]
    seeds = _seeds(spec, specs, settings)
    for variant in specs:
        if must_fit and isinstance(variant, Network):
            check_memory(variant, len(seeds))
    return plan.model_copy(update={"seeds": seeds})


def _missing_data(run: Document, spec: Document, path: Path, text: LocatedYaml) -> Sequence[Fault]:
    """A file of one's own that is not there, where the document or an override names it."""
    data = learnt_data(run)
    if data is None or data.known() is not None or Path(data.name).exists():
        return ()
    message = f"there is no file or folder {data.name!r}; put it there, or name another"
    error = SpecError.at(spec.id, None, "data.name", message)
    if data == learnt_data(spec):
        return locate(error, path).faults
    return [_relocate(fault, spec.id, text) for fault in error.faults]


def _seeds(spec: Document, variants: Sequence[Document], settings: Settings) -> tuple[int, ...]:
    """A seed for each run of a variant; one where nothing is random."""
    if not any(variant.is_random() for variant in variants):
        training = spec.learning()
        replay = None if training is None else training.replay
        return (0 if replay is None else replay.seed,)
    if isinstance(spec, Ensemble):
        return (settings.seed,)  # One vote; the runs that have it are the other document's.
    profile = settings.active().of(spec.id)
    num_runs = settings.runs or profile.runs
    if profile.max_runs is not None and settings.runs is None:
        num_runs = min(num_runs, max(2, profile.max_runs // len(variants)))
    return tuple(range(settings.seed, settings.seed + num_runs))


def _faulty_votes(specs: Mapping[str, Document], text: LocatedYaml) -> Iterator[Fault]:
    """Ensembles and the like that overrides have parted from their members."""
    overrides = _overrides(text)
    for name, spec in specs.items():
        reference = spec.reference()
        for (field, *_), message in unfit_reference(spec, specs, list(specs)):
            if name in overrides:
                yield _relocate(Fault(text.where, None, str(field), message), name, text)
            elif reference and reference.document in overrides and field != "variant":
                # A variant that overrides leave out is not trained, and does not vote.
                at = ("overrides", reference.document)
                message = f"{name} has no {reference.field} any more, as its {field} {message}"
                yield Fault(text.where, text.follow(at)[1], ".".join(at), message)


def _overrides(text: LocatedYaml) -> Mapping:
    mapping = text.lookup(("overrides",))
    return mapping if isinstance(mapping, dict) else {}


def _relocate(fault: Fault, name: str, text: LocatedYaml) -> Fault:
    """A fault that an override has brought in, at the override's line in `params.yaml`."""
    wanted = parse_field_path(fault.field)
    own = _overrides(text).get(name, {})
    if not own:
        field = "runs" if text.lookup(("runs",)) else "profile"
        return Fault(text.where, text.follow((field,))[1], field, f"{name}: {fault.message}")
    _, line = text.follow(("overrides", name))
    for key in own:
        steps = parse_field_path(key)
        if steps == wanted[: len(steps)]:
            _, line = text.follow(("overrides", name, key, *wanted[len(steps) :]))
        elif steps[: len(wanted)] == wanted:
            _, line = text.follow(("overrides", name, key))
    return Fault(text.where, line, f"overrides.{name}.{fault.field}", fault.message)
