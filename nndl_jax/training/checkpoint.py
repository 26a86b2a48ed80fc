"""Weights on disk: `save` and `load` of one network, and snapshots from which training goes on.

Both are files of arrays with a checksum. What does not fit its document is neither written nor
read. A snapshot also holds what it was trained for and with, replaces the one before it in one
step, and keeps that as a fallback: a kill or a damaged disk costs an epoch or two, never a wrong
result.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import ConfigDict, Field, ValidationError

from nndl_jax.data.array_files import Arrays, describe, misfit, open_arrays, write_arrays
from nndl_jax.documents import DOCUMENTS, Document, Model, Network
from nndl_jax.documents.variants import Run, single
from nndl_jax.networks.layers import AnyLayer
from nndl_jax.networks.network import FeedforwardNetwork, build_model, check_network
from nndl_jax.reading.faults import SpecError, printable
from nndl_jax.reading.located_yaml import LocatedYaml
from nndl_jax.reading.record import Record
from nndl_jax.reading.validation import validate
from nndl_jax.training.environment import describe_environment
from nndl_jax.training.state import TrainState
from nndl_jax.training.trees import describe_leaves, fill, name_leaves

History = Sequence[Mapping[str, Sequence[float]]]


class Snapshot(NamedTuple):
    """The whole state of a batch of runs after a measurement, in host memory."""

    number: int
    """Number of measurements before that one."""
    states: Sequence[TrainState]
    """One for each group of runs."""
    history: History = ()
    """What was measured so far, with a value for each run."""
    runs: Sequence[Run] = ()
    """The runs; none where that is not known."""
    models: Sequence[Model] = ()
    """The networks of each group, whatever their first weights; none where not known."""
    custom: Mapping[str, str] = MappingProxyType({})
    """What decides the training, in named parts: the documents, sums of the data and of what was
    given to `train` in the place of parts of the document."""

    def __repr__(self) -> str:
        return f"<Snapshot after measurement {self.number} of {len(self.runs)} runs>"


class _About(Record):
    """What a file says of a snapshot, beside its arrays."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")
    number: Annotated[int, Field(ge=0)]
    history: tuple[dict[str, tuple[float, ...]], ...]
    runs: tuple[tuple[str, int], ...]
    models: tuple[Model, ...]
    custom: Annotated[dict[str, str], Field(default_factory=dict)]
    identity: dict[str, str]
    environment: dict[str, str]


_ABOUT = "about"
"""The array with that: a header is no place for a long history."""


def save(model: FeedforwardNetwork, spec: Document, path: str | Path) -> None:
    """Write a network and its document to a safetensors file, replacing it in one step.

    The book's claims are left out: they are about the book's networks, not about this one.

    Args:
        model: the network.
        spec: the document that it was built from; of a result of training, `result.spec(i)`.
        path: ends in `.safetensors` by custom; its folder must exist.

    Raises:
        SpecError: the document has axes or lacks the scale of its inputs, or the network is not one
            of it, or not finite although divergence is not allowed. Nothing is written.
        TypeError: the model is no network.
    """
    spec = single(spec, Network).bare()
    check_network(model)
    arrays = name_leaves(nnx.state(model, nnx.Param))
    if why := _deviation(model, arrays, spec):
        message = "save a network with the document that it was built from, of a result of training"
        raise SpecError.at(spec.id, None, "model", f"{why}; {message} result.spec(i)")
    if spec.data.standardize and spec.data.scaling is None:
        message = "is missing, by which inputs were scaled; save with the document of a result"
        raise SpecError.at(spec.id, None, "data.scaling", f"{message}, result.spec(i)")
    if why := _excess(arrays, spec):
        message = "train with a smaller learning rate, or allow for that"
        raise SpecError.at(spec.id, None, "training.allow_divergence", f"{why}; {message}")
    write_arrays(Path(path), arrays, {"spec": spec.model_dump_json()})


def load(path: str | Path) -> tuple[FeedforwardNetwork, Network]:
    """The network in a file that `save` wrote, and its document.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or not a network of ours, or its arrays do not fit its document.
    """
    with open_arrays(Path(path)) as file:
        spec = _read_spec(file.texts, path)
        abstract = nnx.eval_shape(lambda: build_model(spec, key=jax.random.key(0)))
        graph, params = nnx.split(abstract)
        if why := misfit(file.described, describe_leaves(params)):
            raise ValueError(f"{path}: {why}")
        arrays = file.read_all()
    if why := _excess(arrays, spec):
        raise ValueError(f"{path}: {why}")
    model = nnx.merge(graph, jax.tree.map(jnp.asarray, fill(params, arrays)))
    model.spec = spec
    return model, spec


def save_snapshot(snapshot: Snapshot, path: str | Path, *, identity: Mapping[str, str]) -> None:
    """Write a snapshot, keeping the one before it as `<path>.previous`.

    Args:
        snapshot: what to write.
        path: its folder must exist. Folders in its place are moved aside.
        identity: what was trained, in named parts: document, seeds, data. Only a snapshot with the
            same ones is read again, and only where JAX works in the same way.

    Raises:
        TypeError: it is no snapshot.
        FileNotFoundError: its folder does not exist.
    """
    path = Path(path)
    check_snapshot(snapshot)
    about = _About(
        number=int(snapshot.number),
        history=tuple(
            {name: tuple(map(float, values)) for name, values in row.items()}
            for row in snapshot.history
        ),
        runs=tuple((run.variant, run.seed) for run in snapshot.runs),
        models=tuple(snapshot.models),
        custom=dict(snapshot.custom),
        identity=dict(identity),
        environment=dict(describe_environment()),
    )
    text = np.frombuffer(about.model_dump_json().encode(), np.uint8)
    previous = path.with_suffix(".previous")
    for place in (path, previous):
        if place.is_dir():
            place.rename(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    write_arrays(path, {**name_leaves(tuple(snapshot.states)), _ABOUT: text}, {}, keep=previous)


def load_snapshot(
    path: str | Path,
    *,
    identity: Mapping[str, str],
    like: Sequence[TrainState],
    needs_history: bool = False,
) -> tuple[Snapshot | None, list[str]]:
    """The newest snapshot that can be used, and why others are not; None where there is none yet.

    Args:
        path: where `save_snapshot` wrote it.
        identity: as given there.
        like: states of the same structure, shapes and types, such as abstract ones.
        needs_history: use none that lacks what was measured up to it.
    """
    path, problems = Path(path), []
    for candidate in (path, path.with_suffix(".previous")):
        if not candidate.exists():
            continue
        try:
            snapshot = _read_snapshot(candidate, identity, like)
            if needs_history and len(snapshot.history) != snapshot.number + 1:
                raise ValueError(f"{candidate}: lacks results of the epochs before")
            return snapshot, problems
        except ValueError as error:
            problems.append(f"{error}; it is not used")
        except OSError as error:
            problems.append(f"{candidate}: {error.strerror}; it is not used")
    return None, problems


def check_snapshot(snapshot: object) -> None:
    """Refuse what is no snapshot.

    Raises:
        TypeError: says what gives one.
    """
    if not isinstance(snapshot, Snapshot):
        raise TypeError(
            "a snapshot is needed here, which snapshot() of a result of training or "
            f"load_snapshot(path, ...)[0] give; got {type(snapshot).__name__}"
        )


def _read_snapshot(path: Path, identity: Mapping[str, str], like: Sequence[TrainState]) -> Snapshot:
    with open_arrays(path) as file:
        if not file.described.get(_ABOUT, "").startswith("uint8"):
            raise ValueError(f"{path}: holds no state of training, or that of an older version")
        try:
            about = _About.model_validate_json(file.read(_ABOUT).tobytes())
        except ValidationError:
            raise ValueError(f"{path}: does not say of what training it is") from None
        if others := [name for name in identity if about.identity.get(name) != identity[name]]:
            raise ValueError(f"{path}: belongs to another {' and another '.join(others)}")
        for name, now in describe_environment().items():
            if (then := about.environment.get(name)) != now:
                message = (
                    f"was made where {name} is {printable(repr(then))}, and here it is {now!r}"
                )
                raise ValueError(f"{path}: {message}, so that bits could differ")
        wanted = describe_leaves(tuple(like)) | {_ABOUT: file.described[_ABOUT]}
        if why := misfit(file.described, wanted):
            raise ValueError(f"{path}: {why}")
        states = fill(tuple(like), file.read_all())
    runs = tuple(Run(*run) for run in about.runs)
    return Snapshot(about.number, states, about.history, runs, about.models, about.custom)


def _read_spec(texts: Mapping[str, str], path: object) -> Network:
    """The document in a file."""
    if "spec" not in texts:
        raise ValueError(f"{path}: holds no document; it was not written by nndl_jax.save")
    try:
        document = json.loads(texts["spec"])
    except (json.JSONDecodeError, RecursionError):
        message = "its document is not JSON; it was not written by nndl_jax.save"
        raise ValueError(f"{path}: {message}") from None
    spec = validate(DOCUMENTS, LocatedYaml(str(path), document, None))
    if not isinstance(spec, Network):
        raise ValueError(f"{path}: its document is a {spec.kind}, which has no weights")
    if spec.vary:
        message = "its document describes several networks; nndl_jax.save writes that of one"
        raise ValueError(f"{path}: {message}")
    return spec


def _deviation(model: FeedforwardNetwork, arrays: Arrays, spec: Network) -> str | None:
    """How a network differs from those of a document, in words; None if it does not."""
    wanted = nnx.eval_shape(lambda: build_model(spec, key=jax.random.key(0)))
    if tuple(model.inputs) != wanted.inputs:
        return f"the network takes inputs of {model.inputs}, and the document's of {wanted.inputs}"
    pairs = enumerate(zip_longest(model.layers, wanted.layers))
    for index, (layer, wanted_layer) in pairs:
        found, described = _describe_layer(layer), _describe_layer(wanted_layer)
        if found != described:
            return f"layer {index} of the network is {found}, and the document's is {described}"
    return misfit(describe(arrays), describe_leaves(nnx.state(wanted, nnx.Param)))


def _describe_layer(layer: object) -> str:
    """What a layer does beside its weights."""
    if isinstance(layer, AnyLayer):
        return layer.describe()
    return "missing" if layer is None else f"of type {type(layer).__name__}"


def _excess(arrays: Arrays, spec: Network) -> str | None:
    """Says which array is not finite, where the document does not allow for that."""
    for name, array in arrays.items():
        if not (spec.training.allow_divergence or np.isfinite(array).all()):
            return f"array {name!r} holds numbers that are not finite"
    return None
