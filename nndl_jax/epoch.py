"""What one run does: draw its first weights, then go through an epoch of mini-batches (ch. 1).

Pure functions of arrays, for `engine` to compile and to map over runs and devices.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt8, UInt32

from nndl_jax.datasets import Split
from nndl_jax.evaluation import Evaluation, measure, pixels
from nndl_jax.losses import build_loss, encode
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.optimizer import Hyperparameters, build_optimizer
from nndl_jax.schema import Network
from nndl_jax.shuffle import permutation


class TrainState(NamedTuple):
    """What training changes."""

    params: nnx.State
    opt_state: optax.OptState


class RunKeys(NamedTuple):
    """The random streams of a run, which depend on its seed alone."""

    init: Key[Array, ""]
    shuffle: Key[Array, ""]

    @classmethod
    def from_seed(cls, seed: UInt32[Array, ""]) -> "RunKeys":
        """The streams of a seed."""
        return cls(*jax.random.split(jax.random.key(seed), len(cls._fields)))


Batch = tuple[UInt8[Array, "*batch pixels"], Int[Array, "*batch"]]
StepFn = Callable[[TrainState, Batch], tuple[TrainState, Float[Array, ""]]]

_BATCHES_AHEAD = 20
"""Mini-batches read at once: enough to hide the latency of memory, few enough for a core's cache.
Saves a tenth of a step of 784-30-10."""


def init_state(spec: Network, seed: UInt32[Array, ""]) -> TrainState:
    """The state before the first epoch."""
    model = FeedforwardNetwork(spec, key=RunKeys.from_seed(seed).init)
    params = nnx.state(model, nnx.Param)
    # The numbers do not enter into the state that an optimiser starts from.
    numbers = Hyperparameters(*(jnp.zeros(()) for _ in Hyperparameters._fields))
    return TrainState(params, build_optimizer(spec, numbers, divisor=1).init(params))


def train_epoch(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    state: TrainState,
    seed: UInt32[Array, ""],
    numbers: Hyperparameters,
    epoch: UInt32[Array, ""],
    splits: Mapping[str, Split],
) -> tuple[TrainState, Float[Array, " steps"], dict[str, Evaluation]]:
    """The state after an epoch, the mean cost of each mini-batch, and what was measured after it.

    Args:
        spec: the document; says what is compiled.
        graph: the network's structure, without its parameters.
        state: the state before the epoch.
        seed: of the run.
        numbers: hyper-parameters of the run.
        epoch: number of epochs before this one.
        splits: images and labels on the device, at least `train` and what is monitored.
    """
    train = splits["train"]
    num_images = num_train_images(spec, train)
    size = min(spec.training.batch_size, num_images)
    order = jnp.arange(num_images)
    if spec.training.shuffle:
        key = jax.random.fold_in(RunKeys.from_seed(seed).shuffle, epoch)
        order = permutation(key, num_images)
    whole = num_images - num_images % size
    train_step = _train_step(spec, graph, numbers, train)
    num_ahead = math.gcd(whole // size, _BATCHES_AHEAD)

    def train_block(
        state: TrainState, block: Int[Array, "ahead batch"]
    ) -> tuple[TrainState, Float[Array, " ahead"]]:
        return jax.lax.scan(train_step, state, _read(train, block))

    state, costs = jax.lax.scan(train_block, state, order[:whole].reshape(-1, num_ahead, size))
    costs = costs.reshape(-1)
    if whole < num_images and not spec.training.drop_short_batch:
        state, cost = train_step(state, _read(train, order[whole:]))
        costs = jnp.append(costs, cost)
    return state, costs, _evaluate_splits(spec, nnx.merge(graph, state.params), numbers, splits)


def num_train_images(spec: Network, train: Split) -> int:
    """Images that are trained on: as many as the document asks for and the data set has."""
    present = train.labels.shape[0]
    return min(spec.data.train_images or present, present)


def monitored_splits(spec: Network) -> list[str]:
    """The splits that a document's monitors are measured on: `train`, `validation`, `test`."""
    return sorted({monitor.split("_")[0] for monitor in spec.monitors})


def _read(train: Split, indices: Int[Array, "*batch"]) -> Batch:
    return jnp.asarray(train.images)[indices], jnp.asarray(train.labels)[indices]


def _train_step(
    spec: Network,
    graph: nnx.GraphDef[FeedforwardNetwork],
    numbers: Hyperparameters,
    train: Split,
) -> StepFn:
    loss_fn = build_loss(spec)
    num_images = num_train_images(spec, train)
    num_batches = math.ceil(num_images / spec.training.batch_size)
    if spec.training.drop_short_batch:
        num_batches = max(1, num_images // spec.training.batch_size)
    divisor = num_images if spec.regularizer.per == "image" else num_batches
    optimizer = build_optimizer(spec, numbers, divisor=divisor)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Float[Array, ""]]:
        images = pixels(batch[0], spec)
        targets = encode(batch[1], spec.data, images.dtype)

        def mean_cost(params: nnx.State) -> Float[Array, ""]:
            return jnp.mean(loss_fn(nnx.merge(graph, params).logits(images), targets))

        cost, grads = jax.value_and_grad(mean_cost)(state.params)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = jax.tree.map(jnp.add, state.params, updates)
        return TrainState(params, opt_state), cost

    return train_step


def _evaluate_splits(
    spec: Network,
    model: FeedforwardNetwork,
    numbers: Hyperparameters,
    splits: Mapping[str, Split],
) -> dict[str, Evaluation]:
    limits = {"train": spec.data.train_images, "validation": spec.data.validation_images}
    evaluations: dict[str, Evaluation] = {}
    for name in monitored_splits(spec):
        images, labels = (jnp.asarray(array)[: limits.get(name)] for array in splits[name])
        evaluations[name] = measure(model, images, labels, spec, numbers)
    return evaluations
