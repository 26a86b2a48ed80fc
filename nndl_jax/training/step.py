"""An epoch of mini-batches, and the step that each of them makes (ch. 1, eq. 20 and 21)."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt32

from nndl_jax.data.datasets import Split
from nndl_jax.documents import Distortions, Network, Shifts
from nndl_jax.networks.network import FeedforwardNetwork
from nndl_jax.networks.targets import Images, Labels, encode, pixels
from nndl_jax.training.augmentation import distort, num_examples, read
from nndl_jax.training.custom import NOTHING, Custom
from nndl_jax.training.optimizer import Hyperparameters, build_optimizer
from nndl_jax.training.shuffle import permutation
from nndl_jax.training.state import RunInputs, RunKeys, TrainState

_BATCHES_AHEAD = 20
"""Mini-batches read at once: enough to hide the latency of memory, few enough for a core's cache.
Saves a tenth of a step of 784-30-10."""
_UNROLL = 1
"""Steps written out one after the other in the body of the loop over them."""


class StepKeys(NamedTuple):
    """Random streams of a step; None where nothing is drawn."""

    dropout: Key[Array, ""] | None
    distortion: Key[Array, ""] | None

    def fold_in(self, number: UInt32[Array, ""]) -> "StepKeys":
        """The streams of an epoch, or of a step of one."""
        return jax.tree.map(lambda key: jax.random.fold_in(key, number), self)


StepFn = Callable[
    [TrainState, tuple[Images, Labels], StepKeys], tuple[TrainState, Float[Array, ""]]
]


def train_epoch(
    spec: Network,
    step_fn: StepFn,
    run: RunInputs,
    epoch: UInt32[Array, ""],
    order: Int[Array, " examples"] | None,
    train: Split,
    state: TrainState,
    *,
    custom: Custom = NOTHING,
) -> tuple[TrainState, Float[Array, " steps"]]:
    """The state after an epoch, and the mean cost of each mini-batch.

    Args:
        spec: the document.
        step_fn: what `build_step` gives.
        run: seed and numbers of the run.
        epoch: its number.
        order: of the training examples; None to draw it from the seed.
        train: images and labels.
        state: the state before the epoch.
        custom: what takes the place of parts of the document.
    """
    keys = RunKeys.from_seed(run.seed)
    count = num_examples(spec.data.augmentation, len(train.labels))
    if order is None:
        order = _draw_order(spec, run.numbers, keys.shuffle, epoch, count)
    epoch_keys = _streams(spec, run.numbers, keys, custom).fold_in(epoch)
    size = min(spec.training.batch_size, count)
    whole = count - count % size
    num_ahead = math.gcd(whole // size, _BATCHES_AHEAD)

    def train_block(
        state: TrainState, block: tuple[Int[Array, "ahead batch"], UInt32[Array, " ahead"]]
    ) -> tuple[TrainState, Float[Array, " ahead"]]:
        def each_step(
            state: TrainState, batch_and_number: tuple[tuple[Images, Labels], UInt32[Array, ""]]
        ) -> tuple[TrainState, Float[Array, ""]]:
            batch, number = batch_and_number
            return step_fn(state, batch, epoch_keys.fold_in(number))

        examples, numbers = block
        flat = read(train, examples.reshape(-1), spec.data.augmentation)
        batches = jax.tree.map(lambda array: array.reshape(*examples.shape, *array.shape[1:]), flat)
        return jax.lax.scan(each_step, state, (batches, numbers), unroll=_UNROLL)

    steps = (order[:whole].reshape(-1, size), jnp.arange(whole // size, dtype=jnp.uint32))
    blocks = jax.tree.map(lambda array: array.reshape(-1, num_ahead, *array.shape[1:]), steps)
    state, costs = jax.lax.scan(train_block, state, blocks)
    costs = costs.reshape(-1)
    if whole < count and not spec.training.drop_short_batch:
        last = read(train, order[whole:], spec.data.augmentation)
        state, cost = step_fn(state, last, epoch_keys.fold_in(jnp.uint32(whole // size)))
        costs = jnp.append(costs, cost)
    return state, costs


def build_step(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    numbers: Hyperparameters,
    num_images: int,
    *,
    custom: Custom = NOTHING,
) -> StepFn:
    """A function from state and mini-batch to the next state and the mini-batch's mean cost.

    Args:
        spec: the document.
        graph: the network's structure.
        numbers: learning rate and the like.
        num_images: in the training set; penalties are divided by what is made of them.
        custom: what takes the place of parts of the document.
    """
    loss_fn, augmentation = custom.loss_fn(spec), spec.data.augmentation
    divisor = penalty_divisor(spec, numbers, num_images)
    rule, frozen = custom.optimizer, custom.frozen
    optimizer = build_optimizer(spec, numbers, divisor=divisor, update_rule=rule, frozen=frozen)

    def step_fn(
        state: TrainState, batch: tuple[Images, Labels], keys: StepKeys
    ) -> tuple[TrainState, Float[Array, ""]]:
        images = pixels(batch[0], spec)
        if isinstance(augmentation, Distortions) and keys.distortion is not None:
            images = distort(images, augmentation, key=keys.distortion)
        targets = encode(batch[1], spec.data, images.dtype, num_classes=spec.num_outputs())

        def mean_cost(params: nnx.State) -> Float[Array, ""]:
            model = nnx.merge(graph, params)
            dropout_keys = None
            if keys.dropout is not None:
                dropout_keys = layer_keys(keys.dropout, numbers, len(model.layers))
            return jnp.mean(loss_fn(model.logits(images, dropout_keys=dropout_keys), targets))

        cost, grads = jax.value_and_grad(mean_cost)(state.params)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        return state._replace(params=params, opt_state=opt_state), cost

    return step_fn


def penalty_divisor(spec: Network, numbers: Hyperparameters, num_images: int) -> Int[Array, ""]:
    """What penalties are divided by: the examples of an epoch, or its mini-batches."""
    count = num_examples(spec.data.augmentation, num_images)
    num_batches = math.ceil(count / spec.training.batch_size)
    if spec.training.drop_short_batch:
        num_batches = max(1, count // spec.training.batch_size)
    return jnp.where(numbers.per_batch, num_batches, count)


def _draw_order(
    spec: Network,
    numbers: Hyperparameters,
    key: Key[Array, ""],
    epoch: UInt32[Array, ""],
    count: int,
) -> Int[Array, " examples"]:
    # The book's program shuffles images and copies once, and then keeps their order.
    is_mixed = isinstance(spec.data.augmentation, Shifts)
    kept = permutation(key, count) if is_mixed else jnp.arange(count, dtype=jnp.int32)
    shuffled = permutation(jax.random.fold_in(key, epoch), count)
    return jnp.where(numbers.shuffle, shuffled, kept)


def _streams(spec: Network, numbers: Hyperparameters, keys: RunKeys, custom: Custom) -> StepKeys:
    """What a run draws at each step."""
    dropout = jnp.where(numbers.separate_streams, keys.dropout, jax.random.key(0))
    is_distorted = isinstance(spec.data.augmentation, Distortions)
    return StepKeys(
        dropout if custom.drops(spec) else None, keys.distortion if is_distorted else None
    )


def layer_keys(
    key: Key[Array, ""], numbers: Hyperparameters, num_layers: int
) -> Key[Array, " layers"]:
    """What each layer draws from in a step: a stream of its own, or one that all have in common."""
    own = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(num_layers))
    return jnp.where(numbers.separate_streams, own, key)
