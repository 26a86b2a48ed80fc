"""The program that trains a group of runs, from shapes alone: for other platforms, without data.

A device need not be there for its program to be looked at: what JAX would hand to the compiler of a
GPU or a TPU is text that any machine can write.
"""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import jax
import numpy as np
from flax import nnx

from nndl_jax.data.datasets import SPLITS, Dataset, Split
from nndl_jax.data.selection import select
from nndl_jax.documents import Network
from nndl_jax.documents.known_data import MNIST
from nndl_jax.training.custom import NOTHING, Custom, abstract_network
from nndl_jax.training.engine import over_runs
from nndl_jax.training.epoch import train_epochs
from nndl_jax.training.groups import Group
from nndl_jax.training.optimizer import hyperparameters
from nndl_jax.training.rules import rules
from nndl_jax.training.state import RunInputs, abstract_state

Tree = TypeVar("Tree")


_SIZES = {"train": 50_000, "validation": 10_000, "test": 10_000}


def like_mnist() -> Dataset:
    """Images and labels of the shapes of MNIST's, which take no memory."""

    def split(num_images: int) -> Split:
        images = np.broadcast_to(np.zeros((), np.uint8), (num_images, 784))
        # Digits in turn: some documents train on two of them only.
        return Split(images, np.arange(num_images, dtype=np.int32) % 10)

    train, validation, test = map(split, _SIZES.values())
    return Dataset("like MNIST", train, validation, test)


def like_splits(spec: Network) -> dict[str, Split]:
    """Inputs and targets of the shapes that a document learns from, as `select` gives them."""
    data = spec.data
    if data.examples is not None or (data.name == MNIST and not data.is_scaled()):
        return select(like_mnist(), spec)
    known = data.known()
    sizes = dict.fromkeys(SPLITS, _FEW) | {"train": known.num_train if known else _FEW}
    dtype = np.uint8 if data.is_of_images() and not data.is_scaled() else spec.training.dtype
    splits = []
    for number in sizes.values():
        images = np.broadcast_to(np.zeros((), dtype), (number, spec.num_inputs()))
        labels = np.arange(number, dtype=np.int32) % spec.num_outputs()
        if not data.has_classes():
            labels = np.broadcast_to(np.zeros((), dtype), (number, spec.num_outputs()))
        splits.append(Split(images, labels))
    raw = data.model_copy(update={"standardize": False, "scaling": None})
    like = Dataset("like data", splits[0], splits[1], splits[2])
    return select(like, spec.model_copy(update={"data": raw}))


_FEW = 1_000
"""Inputs where it is not known how many there are."""


def trace_training(
    group: Group,
    splits: Mapping[str, Split],
    *,
    num_epochs: int,
    side_by_side: bool,
    sharding: jax.sharding.Sharding | None = None,
    custom: Custom = NOTHING,
) -> jax.stages.Traced:
    """What the runs of a group do from one measurement to the next, on one device.

    >>> traced = trace_training(group, splits, num_epochs=1, side_by_side=True)
    >>> traced.lower(lowering_platforms=("cuda",)).as_text()  # doctest: +SKIP

    Args:
        group: the runs.
        splits: images and labels as `select` gives them; only their shapes and types are looked at.
        num_epochs: from one measurement to the next.
        side_by_side: all runs at once, as on an accelerator, or one after another, as on a CPU.
        sharding: of all arrays, on a device that need not be there; None to leave it open.
        custom: what takes the place of parts of the document.
    """
    spec = group.template
    graph = nnx.split(abstract_network(spec, custom))[0]
    seeds = np.asarray(group.seeds, np.uint32)
    run = RunInputs(seeds, hyperparameters(group.specs), rules(group.specs))
    orders = None
    if spec.training.replay is not None:
        shape = (len(group.runs), num_epochs, len(splits["train"].labels))
        orders = jax.ShapeDtypeStruct(shape, np.int64)
    state = abstract_state(spec, len(group.runs), custom=custom)
    epoch = jax.ShapeDtypeStruct((), np.uint32)
    arguments = _abstract((state, run, orders, epoch, dict(splits)), sharding)
    train_fn = over_runs(
        partial(train_epochs, spec, graph, num_epochs, side_by_side=side_by_side, custom=custom),
        num_shared=2,
        side_by_side=side_by_side,
    )
    with jax.default_matmul_precision(spec.training.matmul_precision):
        return jax.jit(train_fn, donate_argnums=0, out_shardings=sharding).trace(*arguments)


def _abstract(tree: Tree, sharding: jax.sharding.Sharding | None) -> Tree:
    """Shapes, with the types that JAX gives to arrays of the host."""

    def shape_of(leaf: np.ndarray | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype, allow_extended_dtype=True)
        return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=sharding)

    return jax.tree.map(shape_of, tree)
