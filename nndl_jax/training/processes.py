"""What processes that train together tell each other: each then knows it whole.

Each holds the runs that lie on its own devices. What all are to know is summed over one device of
each process by a program of XLA: every process puts its part in and zeros elsewhere, so that the
sum has the same bits. No process waits for another while runs are trained.
"""

import hashlib
import pickle
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, UInt32

Tree = TypeVar("Tree")
Value = TypeVar("Value")

_EACH = PartitionSpec("processes")


def one_of_each(mesh: Mesh | None = None) -> Mesh:
    """The first device of each process, along an axis `processes`.

    Args:
        mesh: of the devices that are looked at; None for all that JAX has.
    """
    devices = jax.devices() if mesh is None else list(mesh.devices.flat)
    first = {device.process_index: device for device in reversed(devices)}
    return Mesh(np.asarray([first[index] for index in sorted(first)]), ("processes",))


def is_first() -> bool:
    """Whether this is the process that writes files and tells how far training is."""
    return jax.process_index() == 0


def is_alone() -> bool:
    """Whether there is no other process."""
    return jax.process_count() == 1


def put(array: np.ndarray, sharding: NamedSharding) -> Array:
    """An array that all processes have, on devices of which each holds its own part only."""
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    array = np.asarray(array, jax.dtypes.canonicalize_dtype(array.dtype))
    return jax.make_array_from_callback(
        array.shape, sharding, lambda index: array[index], dtype=array.dtype
    )


def whole(tree: Tree, over: Mesh) -> Tree:
    """Arrays in host memory, whole in each process, wherever their parts lie.

    All processes call it alike, unless nothing of the tree is on devices any more.

    Args:
        tree: arrays, of which each part lies on one device.
        over: one device of each process.

    Raises:
        ConnectionError: another process has ended.
    """
    leaves, structure = jax.tree.flatten(tree)
    if over.size == 1 or not any(isinstance(leaf, Array) for leaf in leaves):
        return jax.tree.map(np.asarray, tree)
    parts = [_own_part(leaf) for leaf in leaves]
    content = _total(_words(b"".join(part.tobytes() for part in parts)), over).tobytes()
    found, start = [], 0
    for part in parts:
        array = np.frombuffer(content, part.dtype, part.size, start)
        found.append(array.reshape(part.shape).copy())
        start += part.nbytes
    return jax.tree.unflatten(structure, found)


def from_first(value: Value) -> Value:
    """What the first process gives, in each of them; what the others give is passed over.

    Raises:
        ConnectionError: another process has ended.
    """
    over = one_of_each()
    if over.size == 1:
        return value
    content = pickle.dumps(value) if is_first() else b""
    size = int(_total(np.asarray([len(content)], np.uint32), over)[0])
    total = _total(_words(content.ljust(size, b"\0")), over)
    return value if is_first() else pickle.loads(total.tobytes()[:size])  # noqa: S301 -- our own.


def agree(*wishes: bool) -> Sequence[bool]:
    """Which of some wishes any process has: the same answer in all of them.

    Raises:
        ConnectionError: another process has ended.
    """
    over = one_of_each()
    if over.size == 1:
        return wishes
    return [bool(count) for count in _total(np.asarray(wishes, np.uint32), over)]


def check_alike(told: object, arrays: Iterable[np.ndarray | Array], over: Mesh) -> None:
    """Refuse processes that would train something else, or in another way.

    Args:
        told: what they train, as `repr` writes it.
        arrays: on what, and from where.
        over: one device of each process.

    Raises:
        ValueError: one of them has another than the first; in all of them.
        ConnectionError: another process has ended.
    """
    ranks = [device.process_index for device in over.devices.flat]
    sums = np.zeros((len(ranks), 8), np.uint32)
    digest = hashlib.sha256(repr(told).encode())
    for array in arrays:
        digest.update(np.asarray(array).tobytes())
    sums[ranks.index(jax.process_index())] = np.frombuffer(digest.digest(), np.uint32)
    sums = _total(sums.reshape(-1), over).reshape(sums.shape)
    others = [rank for rank, row in zip(ranks, sums, strict=True) if (row != sums[0]).any()]
    if others:
        raise ValueError(
            f"process {others[0]} trains something else than process {ranks[0]}: give each of "
            "them the same document, seeds, data, snapshot and parts, versions, XLA_FLAGS and "
            "kind of device"
        )


def _own_part(leaf: Array) -> np.ndarray:
    """An array with what this process holds of it, and zeros elsewhere."""
    part = np.zeros(leaf.shape, leaf.dtype)
    for shard in leaf.addressable_shards:
        part[shard.index] = np.asarray(shard.data)
    return part


def _words(content: bytes) -> UInt32[np.ndarray, " words"]:
    return np.frombuffer(content.ljust(-(-len(content) // 4) * 4, b"\0"), np.uint32)


def _total(own: UInt32[np.ndarray, " words"], over: Mesh) -> UInt32[np.ndarray, " words"]:
    """The sum of what all processes give, which are as many numbers each."""
    shape = (over.size, len(own))
    parts = jax.make_array_from_process_local_data(NamedSharding(over, _EACH), own[None], shape)
    total_fn = _sum_fn(over)
    try:
        return np.asarray(total_fn(parts).addressable_data(0))[0]
    # What JAX raises, at once or when it is waited for, in the words of what carries the numbers.
    except (RuntimeError, ValueError) as error:
        message = str(error).partition("\n")[0]
        raise ConnectionError(
            f"another process of this training has ended ({message}), so this one ends as well; "
            "start all of them again, what is saved is gone on with"
        ) from None


@lru_cache(maxsize=8)
def _sum_fn(over: Mesh) -> jax.stages.Wrapped:
    total_fn = partial(jax.lax.psum, axis_name="processes")
    return jax.jit(jax.shard_map(total_fn, mesh=over, in_specs=_EACH, out_specs=PartitionSpec()))
