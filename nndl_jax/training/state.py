"""What a run consists of: its state, its random streams, its numbers, what is measured of it."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Key, UInt32

from nndl_jax.documents import Network
from nndl_jax.networks.network import draw_network
from nndl_jax.training.custom import NOTHING, Custom
from nndl_jax.training.evaluation import Evaluation
from nndl_jax.training.gradients import Gradients
from nndl_jax.training.optimizer import Hyperparameters, build_optimizer, hyperparameters_of
from nndl_jax.training.rules import Progress, Rules, init_progress


class TrainState(NamedTuple):
    """What training changes."""

    params: nnx.State
    opt_state: optax.OptState
    progress: Progress
    best: nnx.State | None
    """The parameters with most validation images classified rightly; None where not kept."""


class RunKeys(NamedTuple):
    """The random streams of a run, which depend on its seed alone."""

    init: Key[Array, ""]
    shuffle: Key[Array, ""]
    dropout: Key[Array, ""]
    distortion: Key[Array, ""]

    @classmethod
    def from_seed(cls, seed: UInt32[Array | np.ndarray, ""]) -> "RunKeys":
        """The streams of a seed."""
        return cls(*jax.random.split(jax.random.key(seed), len(cls._fields)))


class RunInputs(NamedTuple):
    """What tells a run from the others that share its program."""

    seed: UInt32[Array | np.ndarray, "*runs"]
    numbers: Hyperparameters
    rules: Rules


class Measurements(NamedTuple):
    """What a call of `train_epochs` gave."""

    was_active: Bool[Array, "*runs"]
    """False for a run that had stopped before; the rest means nothing then."""
    batch_costs: Float[Array, "*runs steps"]
    """The mean cost of each mini-batch, before its step."""
    evaluations: Mapping[str, Evaluation]
    """What each split gave after the last epoch."""
    gradients: Gradients
    """Before the first epoch; empty where they are not monitored."""


def init_state(
    spec: Network,
    seed: UInt32[Array, ""],
    *,
    custom: Custom = NOTHING,
    params: nnx.State | None = None,
) -> TrainState:
    """The state before the first epoch.

    Args:
        spec: the document.
        seed: of the run.
        custom: what takes the place of parts of the document.
        params: weights to begin with; None to draw them.
    """
    if params is None:
        key = RunKeys.from_seed(seed).init
        params = nnx.state(draw_network(spec, key=key, build_fn=custom.model), nnx.Param)
    # The numbers do not enter into the state that an optimiser starts from.
    numbers = jax.tree.map(lambda _: jnp.zeros(()), hyperparameters_of(spec))
    rule, frozen = custom.optimizer, custom.frozen
    optimizer = build_optimizer(spec, numbers, divisor=1, update_rule=rule, frozen=frozen)
    opt_state = optimizer.init(params)
    best = jax.tree.map(jnp.copy, params) if spec.training.keep_best else None
    return TrainState(params, opt_state, init_progress(spec), best)


def abstract_state(spec: Network, num_runs: int, *, custom: Custom = NOTHING) -> TrainState:
    """Shapes and types of the state of several runs, along the leading axis of every array."""
    seeds = jax.ShapeDtypeStruct((num_runs,), np.uint32)
    return jax.eval_shape(jax.vmap(partial(init_state, spec, custom=custom)), seeds)
