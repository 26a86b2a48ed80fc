"""What one run does: go through epochs of mini-batches (ch. 1), and measure.

Pure functions of arrays, for `engine` to compile and to map over runs and devices.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt32

from nndl_jax.datasets import Split
from nndl_jax.evaluation import Images, Labels, measure, pixels
from nndl_jax.gradients import bias_gradients
from nndl_jax.losses import build_loss, encode
from nndl_jax.model import FeedforwardNetwork, drops
from nndl_jax.optimizer import Hyperparameters, build_optimizer
from nndl_jax.schema import Network
from nndl_jax.shuffle import permutation
from nndl_jax.state import Measurements, RunInputs, RunKeys, TrainState
from nndl_jax.stopping import advance, has_rules

Orders = Int[Array, "epochs images"] | None
Batch = tuple[Images, Labels]
Out = TypeVar("Out")
StepFn = Callable[..., tuple[TrainState, Float[Array, ""]]]

_BATCHES_AHEAD = 20
"""Mini-batches read at once: enough to hide the latency of memory, few enough for a core's cache.
Saves a tenth of a step of 784-30-10."""


def train_epochs(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    num_epochs: int,
    state: TrainState,
    run: RunInputs,
    orders: Orders,
    epoch: UInt32[Array, ""],
    splits: Mapping[str, Split],
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
    """

    def go_on(state: TrainState) -> tuple[TrainState, Measurements]:
        return _train_and_measure(spec, graph, num_epochs, state, run, orders, epoch, splits)

    was_active = state.progress.is_active
    state, measurements = _if_active(go_on, state)
    return state, measurements._replace(was_active=was_active)


def monitored_splits(spec: Network) -> list[str]:
    """The splits that a document's monitors are measured on: `train`, `validation`, `test`."""
    names = {monitor.split("_")[0] for monitor in spec.monitors}
    return sorted(names - {"gradient"})


def _if_active(
    go_on: Callable[[TrainState], tuple[TrainState, Out]], state: TrainState
) -> tuple[TrainState, Out]:
    """What a function gives for a run that goes on; the same state and ones for one that has ended.

    Runs that no rule ends take this way as well, for the sake of their bits: XLA compiles a branch
    by itself. Outside of one, it merges a step or a sum with what is around it and rounds otherwise
    for one run on a device, or one epoch between measurements, than for several.
    """

    def stay(state: TrainState) -> tuple[TrainState, Out]:
        _, shapes = jax.eval_shape(go_on, state)
        return state, jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)

    return jax.lax.cond(state.progress.is_active, go_on, stay, state)


def _train_and_measure(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    num_epochs: int,
    state: TrainState,
    run: RunInputs,
    orders: Orders,
    epoch: UInt32[Array, ""],
    splits: Mapping[str, Split],
) -> tuple[TrainState, Measurements]:
    gradients = ()
    if "gradient_norms" in spec.monitors:
        gradients = bias_gradients(nnx.merge(graph, state.params), splits["train"], spec)
    numbers = run.numbers
    if spec.optimizer.schedule is not None:
        rate = jnp.asarray(numbers.learning_rate) * state.progress.scale
        numbers = numbers._replace(learning_rate=rate)
    train_step = _train_step(spec, graph, numbers, splits["train"])

    def train_epoch(
        state: TrainState, each: tuple[UInt32[Array, ""], Int[Array, " images"] | None]
    ) -> tuple[TrainState, Float[Array, " steps"]]:
        def go_on(state: TrainState) -> tuple[TrainState, Float[Array, " steps"]]:
            number, order = each
            return _train_epoch(spec, state, run.seed, number, order, splits["train"], train_step)

        return _if_active(go_on, state)

    epochs = epoch + jnp.arange(num_epochs, dtype=jnp.uint32)
    state, costs = jax.lax.scan(train_epoch, state, (epochs, orders))
    model = nnx.merge(graph, state.params)
    evaluations = {
        name: measure(model, splits[name], spec, run.numbers) for name in monitored_splits(spec)
    }
    if has_rules(spec):
        progress = advance(state.progress, evaluations["validation"], spec, run.rules)
        state = state._replace(progress=progress)
    return state, Measurements(jnp.array(True), costs.reshape(-1), evaluations, gradients)


def _train_epoch(
    spec: Network,
    state: TrainState,
    seed: UInt32[Array, ""],
    epoch: UInt32[Array, ""],
    order: Int[Array, " images"] | None,
    train: Split,
    train_step: StepFn,
) -> tuple[TrainState, Float[Array, " steps"]]:
    """The state after an epoch, and the mean cost of each mini-batch."""
    num_images = train.labels.shape[0]
    size = min(spec.training.batch_size, num_images)
    keys = RunKeys.from_seed(seed)
    if order is None:
        order = jnp.arange(num_images)
        if spec.training.shuffle:
            order = permutation(jax.random.fold_in(keys.shuffle, epoch), num_images)
    dropout_key = jax.random.fold_in(keys.dropout, epoch) if drops(spec) else None
    whole = num_images - num_images % size
    num_ahead = math.gcd(whole // size, _BATCHES_AHEAD)

    def train_block(
        state: TrainState, block: tuple[Int[Array, "ahead batch"], UInt32[Array, " ahead"] | None]
    ) -> tuple[TrainState, Float[Array, " ahead"]]:
        def step_fn(
            state: TrainState, each: tuple[Batch, UInt32[Array, ""] | None]
        ) -> tuple[TrainState, Float[Array, ""]]:
            return train_step(state, each[0], _fold_in(dropout_key, each[1]))

        return jax.lax.scan(step_fn, state, (_read(train, block[0]), block[1]))

    steps = None if dropout_key is None else jnp.arange(whole // size, dtype=jnp.uint32)
    batches = (order[:whole].reshape(-1, size), steps)
    blocks = jax.tree.map(lambda each: each.reshape(-1, num_ahead, *each.shape[1:]), batches)
    state, costs = jax.lax.scan(train_block, state, blocks)
    costs = costs.reshape(-1)
    if whole < num_images and not spec.training.drop_short_batch:
        last_key = _fold_in(dropout_key, jnp.uint32(whole // size))
        state, cost = train_step(state, _read(train, order[whole:]), last_key)
        costs = jnp.append(costs, cost)
    return state, costs


def _fold_in(key: Key[Array, ""] | None, step: UInt32[Array, ""] | None) -> Key[Array, ""] | None:
    return None if key is None or step is None else jax.random.fold_in(key, step)


def _read(train: Split, indices: Int[Array, "*batch"]) -> Batch:
    return jnp.asarray(train.images)[indices], jnp.asarray(train.labels)[indices]


def _train_step(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    numbers: Hyperparameters,
    train: Split,
) -> StepFn:
    loss_fn = build_loss(spec)
    num_images = train.labels.shape[0]
    num_batches = math.ceil(num_images / spec.training.batch_size)
    if spec.training.drop_short_batch:
        num_batches = max(1, num_images // spec.training.batch_size)
    divisor = num_images if spec.regularizer.per == "image" else num_batches
    optimizer = build_optimizer(spec, numbers, divisor=divisor)

    def train_step(
        state: TrainState, batch: Batch, dropout_key: Key[Array, ""] | None
    ) -> tuple[TrainState, Float[Array, ""]]:
        images = pixels(batch[0], spec)
        targets = encode(batch[1], spec.data, images.dtype)

        def mean_cost(params: nnx.State) -> Float[Array, ""]:
            logits = nnx.merge(graph, params).logits(images, dropout_key=dropout_key)
            return jnp.mean(loss_fn(logits, targets))

        cost, grads = jax.value_and_grad(mean_cost)(state.params)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        return TrainState(params, opt_state, state.progress), cost

    return train_step
