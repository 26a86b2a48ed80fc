"""Weights on disk: `save` and `load` of one network, and snapshots from which training goes on.

Both are safetensors files, which hold no code. A snapshot also holds its own checksum and the hash
of what it was trained for, replaces the one before it in one step, and keeps that as a fallback: a
kill or a damaged disk costs an epoch or two, never a wrong result.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from nndl_jax.located_yaml import LocatedYaml
from nndl_jax.model import FeedforwardNetwork, build_model
from nndl_jax.schema import DOCUMENTS, Network
from nndl_jax.state import TrainState
from nndl_jax.validation import validate

Tree = TypeVar("Tree")
Arrays = Mapping[str, np.ndarray]
History = Sequence[Mapping[str, Sequence[float]]]


class Snapshot(NamedTuple):
    """The whole state of a batch of runs after a measurement, in host memory."""

    number: int
    """Number of measurements before that one."""
    states: Sequence[TrainState]
    """One for each group of runs."""
    history: History = ()
    """What was measured so far, with a value for each run."""


def save(model: FeedforwardNetwork, spec: Network, path: str | Path) -> None:
    """Write a network and its document to a safetensors file, replacing it in one step.

    The book's claims are left out: they are about the book's networks, not about this one.

    Args:
        model: the network.
        spec: the document that it was built from.
        path: ends in `.safetensors` by custom; its folder must exist.
    """
    arrays = _named(nnx.state(model, nnx.Param))
    _replace(Path(path), serialize(arrays, {"spec": spec.bare().model_dump_json()}))


def load(path: str | Path) -> tuple[FeedforwardNetwork, Network]:
    """The network in a file that `save` wrote, and its document.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a network of ours, or its arrays do not fit its document.
    """
    arrays, metadata = _read(Path(path))
    if "spec" not in metadata:
        raise ValueError(f"{path}: holds no document; it was not written by nndl_jax.save")
    try:
        document = json.loads(metadata["spec"])
    except (json.JSONDecodeError, RecursionError):
        said = "its document is not JSON; it was not written by nndl_jax.save"
        raise ValueError(f"{path}: {said}") from None
    spec = validate(DOCUMENTS, LocatedYaml(str(path), document, None))
    if not isinstance(spec, Network):
        raise ValueError(f"{path}: its document is a {spec.kind}, which has no weights")
    abstract = nnx.eval_shape(lambda: build_model(spec, key=jax.random.key(0)))
    graph, params = nnx.split(abstract)
    return nnx.merge(graph, jax.tree.map(jnp.asarray, _fill(params, arrays, path))), spec


def save_snapshot(snapshot: Snapshot, path: Path, *, identity: str) -> None:
    """Write a snapshot, keeping the one before it as `<path>.previous`.

    Args:
        snapshot: what to write.
        path: its folder must exist.
        identity: says what was trained: documents, seeds, data. Only a snapshot with the same one
            is read again.
    """
    arrays = _named(tuple(snapshot.states))
    metadata = {
        "identity": identity,
        "number": str(snapshot.number),
        "history": json.dumps([{k: list(v) for k, v in row.items()} for row in snapshot.history]),
    }
    content = serialize(arrays, metadata | {"checksum": _checksum(arrays, metadata)})
    _replace(path, content, keep=path.with_suffix(".previous"))


def load_snapshot(
    path: Path, *, identity: str, like: Sequence[TrainState]
) -> tuple[Snapshot | None, list[str]]:
    """The newest undamaged snapshot of this identity, and what was found wrong with others.

    Args:
        path: where `save_snapshot` wrote it.
        identity: as given there.
        like: states of the same structure, shapes and types, such as abstract ones.
    """
    problems: list[str] = []
    for candidate in (path, path.with_suffix(".previous")):
        if not candidate.exists():
            continue
        try:
            arrays, metadata = _read(candidate)
            checksum = metadata.pop("checksum", "")
            if checksum != _checksum(arrays, metadata):
                raise ValueError(f"{candidate}: its checksum does not fit; the file is damaged")
            if metadata["identity"] != identity:
                problems.append(f"{candidate}: belongs to another experiment and is not used")
                continue
            states = _fill(tuple(like), arrays, candidate)
        except ValueError as error:
            problems.append(str(error))
            continue
        history = json.loads(metadata["history"])
        return Snapshot(int(metadata["number"]), states, history), problems
    return None, problems


def _named(tree: object) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): np.ascontiguousarray(leaf) for path, leaf in leaves}


def _name(path: jax.tree_util.KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")


def _fill(like: Tree, arrays: Arrays, path: object) -> Tree:
    """A tree of the given structure with the arrays of a file."""

    def pick(key_path: jax.tree_util.KeyPath, leaf: jax.ShapeDtypeStruct | Array) -> np.ndarray:
        name = _name(key_path)
        array = arrays.get(name)
        found = "nothing" if array is None else f"{array.dtype} {array.shape}"
        if array is None or (array.shape, array.dtype) != (leaf.shape, leaf.dtype):
            wanted = f"{leaf.dtype} {leaf.shape}"
            raise ValueError(f"{path}: array {name!r} must be {wanted}, found {found}")
        return array

    wanted = {_name(key_path) for key_path, _ in jax.tree_util.tree_leaves_with_path(like)}
    for name in sorted(arrays.keys() - wanted):
        found = f"{arrays[name].dtype} {arrays[name].shape}"
        raise ValueError(f"{path}: array {name!r} is not one of its document's; found {found}")
    return jax.tree_util.tree_map_with_path(pick, like)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, AttributeError) as error:  # The latter: a type NumPy does not have.
        raise ValueError(f"{path}: is not a whole safetensors file: {error}") from None


def _checksum(arrays: Arrays, metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _replace(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Put a file in place in one step; `keep` is a second name for the one it replaces."""
    temporary = path.with_name(f".{path.name}.writing")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if keep is not None and path.exists():
        link = path.with_name(f".{path.name}.keeping")
        link.unlink(missing_ok=True)
        os.link(path, link)
        link.replace(keep)
    temporary.replace(path)
