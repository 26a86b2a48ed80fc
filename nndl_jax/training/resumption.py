"""What a snapshot is of: training goes on from it where documents, runs and data are the same.

How many epochs there are and what is measured may differ: it trains on for longer, or tells more.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from pydantic import TypeAdapter, ValidationError

from nndl_jax.data.array_files import misfit
from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Model, Network
from nndl_jax.documents.variants import Run
from nndl_jax.reading.faults import Location, field_path
from nndl_jax.training.checkpoint import Snapshot
from nndl_jax.training.custom import Custom
from nndl_jax.training.fingerprint import hash_arrays
from nndl_jax.training.groups import Group
from nndl_jax.training.state import TrainState, abstract_state
from nndl_jax.training.trees import describe_leaves, fill, name_leaves

_DOCUMENTS = "documents"
_DATA = "images"
"""How names of parts that are sums of data end."""
_NETWORKS = TypeAdapter(tuple[Network, ...])
_DECIDES_NOTHING = {
    **dict.fromkeys(("id", "title", "source", "claims", "deviations", "errata", "vary"), True),
    "monitors": True,
    "training": {"epochs"},
    "data": {"scaling"},  # It follows from the images.
}


def describe_training(
    specs: Sequence[Network], dataset: Dataset, names: Iterable[str]
) -> dict[str, str]:
    """What a snapshot says of its training, in named parts: the documents and sums of the data.

    Args:
        specs: the document of each variant.
        dataset: what is trained on.
        names: of the splits that are read.
    """
    documents = _NETWORKS.dump_json(tuple(specs), exclude_defaults=True).decode()
    sums = {f"{name} {_DATA}": hash_arrays(getattr(dataset, name)) for name in sorted(set(names))}
    return {_DOCUMENTS: documents, **sums}


def abstract_states_of(members: Sequence[Group], custom: Custom) -> list[TrainState]:
    """Shapes and types of the states of groups of runs."""
    return [abstract_state(group.template, len(group.runs), custom=custom) for group in members]


def kept_states(
    resume: Snapshot,
    members: Sequence[Group],
    runs: Sequence[Run],
    custom: Custom,
    told: Mapping[str, str],
) -> Sequence[TrainState]:
    """The states of a snapshot, if they are those of a training.

    Args:
        resume: the snapshot.
        members: the groups of runs.
        runs: all of them.
        custom: what takes the place of parts of the documents.
        told: what `describe_training` and `fingerprint_custom` say of the training.

    Raises:
        ValueError: says how they differ.
    """
    like = tuple(abstract_states_of(members, custom))
    models = [group.template.model for group in members]
    kept = tuple(resume.states)
    why = (
        _difference([run.name for run in resume.runs], [run.name for run in runs], ("runs",))
        or _other_documents(resume.custom, told, dict.fromkeys(run.variant for run in runs))
        or _difference(_plain(resume.models), _plain(models), ("models",))
        or _other_data(resume.custom, told)
        or misfit(describe_leaves(kept), describe_leaves(like))
        or _other_parts(resume.custom, told)
    )
    if why:
        message = (
            "resume with the document, the seeds and the data that it was made with, or begin "
            "with its networks by init"
        )
        name = members[0].template.id
        raise ValueError(f"{name}: the snapshot is not of this training: {why}; {message}")
    return fill(like, name_leaves(kept))


def _other_documents(
    kept: Mapping[str, str], told: Mapping[str, str], variants: Iterable[str]
) -> str | None:
    """The first field that differs, in words; None if none does, or that is not known."""
    if _DOCUMENTS not in kept:
        return None
    try:
        then = _decisive(kept[_DOCUMENTS])
    except ValidationError:
        return "its documents are of another version of this library"
    now = _decisive(told[_DOCUMENTS])
    for name, theirs, ours in zip_longest(variants, then, now):
        if why := _difference(theirs, ours, ()):
            return why if len(now) == 1 else f"of {name}, {why}"
    return None


def _decisive(documents: str) -> list[dict[str, object]]:
    """What documents say that decides numbers of their training."""
    specs = _NETWORKS.validate_json(documents)
    return [spec.model_dump(mode="json", exclude=_DECIDES_NOTHING) for spec in specs]


def _other_data(kept: Mapping[str, str], told: Mapping[str, str]) -> str | None:
    """The split that differs, in words; what one of the two does not read says nothing."""
    both = [name for name in told if name.endswith(_DATA) and name in kept]
    others = [name for name in both if kept[name] != told[name]]
    return f"the {' and '.join(others)} or their labels are not those of then" if others else None


def _other_parts(kept: Mapping[str, str], told: Mapping[str, str]) -> str | None:
    """How what was given to `train` beside the document differs, in words; None if it does not."""
    names = [name for name in {**kept, **told} if name != _DOCUMENTS and not name.endswith(_DATA)]
    others = [name for name in names if kept.get(name) != told.get(name)]
    if not others:
        return None
    parts = " and ".join(others)
    return (
        f"the {parts} given to train (init, model, optimizer, loss, frozen) are not those of then"
    )


def _plain(models: Sequence[Model]) -> list[object]:
    return [model.model_dump(mode="json") for model in models]


def _difference(found: object, wanted: object, at: Location) -> str | None:
    """The first place where a snapshot differs from what is trained; None where it says nothing."""
    match found, wanted:
        case [], list():
            return None
        case dict(), dict():
            pairs = [(key, found.get(key), wanted.get(key)) for key in {**wanted, **found}]
        case list(), list():
            both = enumerate(zip_longest(found, wanted))
            pairs = [(index, theirs, ours) for index, (theirs, ours) in both]
        case _:
            differs = f"{field_path(at)} is {found!r} in the snapshot, and {wanted!r} here"
            return None if found == wanted else differs
    differences = (_difference(theirs, ours, (*at, step)) for step, theirs, ours in pairs)
    return next(filter(None, differences), None)
