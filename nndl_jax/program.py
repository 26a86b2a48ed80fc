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

from nndl_jax.datasets import Split
from nndl_jax.engine import over_runs
from nndl_jax.epoch import monitored_splits, train_epochs
from nndl_jax.model import draw_network
from nndl_jax.optimizer import hyperparameters
from nndl_jax.state import RunInputs, abstract_state
from nndl_jax.stopping import rules
from nndl_jax.variants import Group

Tree = TypeVar("Tree")


def trace_training(
    group: Group, splits: Mapping[str, Split], *, num_epochs: int, side_by_side: bool
) -> jax.stages.Traced:
    """What the runs of a group do from one measurement to the next, on one device.

    >>> traced = trace_training(group, splits, num_epochs=1, side_by_side=True)
    >>> traced.lower(lowering_platforms=("cuda",)).as_text()  # doctest: +SKIP

    Args:
        group: the runs.
        splits: images and labels as `select` gives them; only their shapes and types are looked at.
        num_epochs: from one measurement to the next.
        side_by_side: all runs at once, as on an accelerator, or one after another, as on a CPU.
    """
    spec = group.template
    graph = nnx.split(nnx.eval_shape(lambda: draw_network(spec, key=jax.random.key(0))))[0]
    names = sorted({"train", *monitored_splits(spec)})
    data = {name: _abstract(splits[name]) for name in names}
    seeds = np.asarray(group.seeds, np.uint32)
    run = _abstract(RunInputs(seeds, hyperparameters(group.specs), rules(group.specs)))
    orders = None
    if spec.training.replay is not None:
        shape = (len(group.runs), num_epochs, len(splits["train"].labels))
        orders = jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(np.int64))
    train_fn = over_runs(
        partial(train_epochs, spec, graph, num_epochs), num_shared=2, side_by_side=side_by_side
    )
    with jax.default_matmul_precision(spec.training.matmul_precision):
        return jax.jit(train_fn, donate_argnums=0).trace(
            abstract_state(spec, len(group.runs)),
            run,
            orders,
            jax.ShapeDtypeStruct((), np.uint32),
            data,
        )


def _abstract(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)
