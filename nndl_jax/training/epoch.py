"""What one run does between two measurements: some epochs of training (ch. 1), then the measuring.

Pure functions of arrays, for `engine` to compile and to map over runs and devices.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, UInt32

from nndl_jax.data.datasets import Split
from nndl_jax.data.selection import monitored_splits
from nndl_jax.documents import Network
from nndl_jax.documents.metrics import OfGradients, parse_metric
from nndl_jax.networks.network import FeedforwardNetwork
from nndl_jax.training.custom import NOTHING, Custom
from nndl_jax.training.evaluation import Evaluation, monitored
from nndl_jax.training.gradients import Gradients, measure_gradients
from nndl_jax.training.measuring import measure
from nndl_jax.training.rules import advance, has_rules
from nndl_jax.training.state import Measurements, RunInputs, TrainState
from nndl_jax.training.step import build_step, train_epoch

Orders = Int[Array, "epochs images"] | None
Out = TypeVar("Out")


def train_epochs(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    num_epochs: int,
    state: TrainState,
    run: RunInputs,
    orders: Orders,
    epoch: UInt32[Array, ""],
    splits: Mapping[str, Split],
    *,
    side_by_side: bool,
    custom: Custom = NOTHING,
) -> tuple[TrainState, Measurements]:
    """The state after some epochs, and what was measured of them.

    Args:
        spec: the document; says what is compiled.
        graph: the network's structure, without its parameters.
        num_epochs: from one measurement to the next.
        state: the state before them.
        run: seed and numbers of the run.
        orders: of the images in each epoch; None to draw them from the seed.
        epoch: number of epochs before these.
        splits: images and labels on the device, at least `train` and what is monitored.
        side_by_side: whether this is to be mapped over runs with `vmap`.
        custom: what takes the place of parts of the document.
    """
    if_active = _select_if_active if side_by_side else _branch_if_active

    def go_on(state: TrainState) -> tuple[TrainState, Measurements]:
        gradients = Gradients()
        if any(isinstance(parse_metric(metric).quantity, OfGradients) for metric in spec.monitors):
            first = nnx.merge(graph, state.params)
            gradients = measure_gradients(first, splits["train"], spec, loss=custom.loss)
        state, costs = train_only(state)
        model = nnx.merge(graph, state.params)
        evaluations = {
            name: measure(
                model, splits[name], spec, run.numbers, monitored(spec, name), loss=custom.loss
            )
            for name in monitored_splits(spec)
        }
        state = _follow(state, evaluations, spec, run)
        return state, Measurements(jnp.array(True), costs.reshape(-1), evaluations, gradients)

    def train_only(state: TrainState) -> tuple[TrainState, Float[Array, "epochs steps"]]:
        numbers = run.numbers
        if spec.optimizer.schedule is not None:
            rate = jnp.asarray(numbers.learning_rate) * state.progress.scale
            numbers = numbers._replace(learning_rate=rate)
        num_images = len(splits["train"].labels)
        step_fn = build_step(spec, graph, numbers, num_images, custom=custom)

        def train_once(
            state: TrainState,
            epoch_and_order: tuple[UInt32[Array, ""], Int[Array, " images"] | None],
        ) -> tuple[TrainState, Float[Array, " steps"]]:
            parts = (spec, step_fn, run, *epoch_and_order, splits["train"])
            return if_active(partial(train_epoch, *parts, custom=custom), state)

        epochs = epoch + jnp.arange(num_epochs, dtype=jnp.uint32)
        return jax.lax.scan(train_once, state, (epochs, orders))

    was_active = state.progress.is_active
    state, measurements = if_active(go_on, state)
    return state, measurements._replace(was_active=was_active)


def _select_if_active(
    go_on: Callable[[TrainState], tuple[TrainState, Out]], state: TrainState
) -> tuple[TrainState, Out]:
    """What a function gives for a run that goes on; the same state and ones for one that has ended.

    The choice is written out where runs lie side by side: `vmap` makes one of a branch as well, but
    gives all that the branch reads a row for each run, the training images too.
    """
    after, found = go_on(state)
    choose = partial(jnp.where, state.progress.is_active)
    ones = jax.tree.map(jnp.ones_like, found)
    return jax.tree.map(choose, after, state), jax.tree.map(choose, found, ones)


def _branch_if_active(
    go_on: Callable[[TrainState], tuple[TrainState, Out]], state: TrainState
) -> tuple[TrainState, Out]:
    """The same for runs one after another, as a branch: those that have ended take no time.

    Runs that no rule ends take this way as well, for the sake of their bits: XLA compiles a branch
    by itself. Outside of one, it merges a step or a sum with what is around it and rounds otherwise
    for one run on a device, or one epoch between measurements, than for several.
    """
    go_on = jax.jit(go_on, inline=True)  # Traced once for both of these; leaves no trace itself.

    def stay(state: TrainState) -> tuple[TrainState, Out]:
        _, shapes = jax.eval_shape(go_on, state)
        return state, jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)

    return jax.lax.cond(state.progress.is_active, go_on, stay, state)


def _follow(
    state: TrainState, evaluations: Mapping[str, Evaluation], spec: Network, run: RunInputs
) -> TrainState:
    """The state after what its rules make of a measurement."""
    if not has_rules(spec):
        return state
    best, validation = state.best, evaluations.get("validation")
    if best is not None and validation is not None:
        is_best = jnp.asarray(validation.num_correct) >= state.progress.best
        best = jax.tree.map(partial(jnp.where, is_best), state.params, best)
    progress = advance(state.progress, evaluations, spec, run.rules)
    return state._replace(progress=progress, best=best)
