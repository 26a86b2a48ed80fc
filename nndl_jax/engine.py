"""One compiled program for a group of runs, its runs spread over a mesh of devices."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from nndl_jax.datasets import Dataset, Split
from nndl_jax.epoch import TrainState, init_state, monitored_splits, train_epoch
from nndl_jax.evaluation import Evaluation
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.optimizer import hyperparameters
from nndl_jax.variants import Group, template

Tree = TypeVar("Tree")

_RUNS = PartitionSpec("runs")
_EVERYWHERE = PartitionSpec()


class Engine:
    """Trains the runs of one group, an epoch at a call.

    Attributes:
        group: the runs, whose documents differ in numbers only.
    """

    def __init__(self, group: Group, dataset: Dataset, mesh: Mesh) -> None:
        self.group = group
        self._spec = template(group.specs[0])
        # With fewer runs than devices, only as many work as there are runs.
        self._mesh = Mesh(mesh.devices.reshape(-1)[: len(group.runs)], ("runs",))
        self._splits = self._copy_to_devices(dataset)
        self._seeds = self._put(np.asarray(group.seeds, np.uint32))
        self._numbers = jax.tree.map(self._put, hyperparameters(group.specs))
        self._graph = nnx.split(nnx.eval_shape(self._build))[0]
        self._init = jax.jit(self._over_runs(partial(init_state, self._spec), num_shared=0))
        self._train = jax.jit(
            self._over_runs(partial(train_epoch, self._spec, self._graph), num_shared=2),
            donate_argnums=0,
        )

    def init(self) -> TrainState:
        """The state before the first epoch."""
        return self._init(self._seeds)

    def run_epoch(
        self, state: TrainState, epoch: int
    ) -> tuple[TrainState, Float[np.ndarray, "runs steps"], dict[str, Evaluation]]:
        """The state after an epoch, the cost of each mini-batch, and what each split gave.

        The state that is given is used up.
        """
        state, costs, evaluations = self._train(
            state, self._seeds, self._numbers, jnp.uint32(epoch), self._splits
        )
        return state, *self.to_host((costs, evaluations))

    def model(self, state: TrainState, member: int) -> FeedforwardNetwork:
        """The network of one run of the group."""
        return nnx.merge(self._graph, jax.tree.map(lambda leaf: leaf[member], state.params))

    def to_host(self, runwise: Tree) -> Tree:
        """Arrays in host memory, one row for each run: the same for any number of devices."""
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(self.group.runs)], runwise)

    def to_devices(self, state: TrainState) -> TrainState:
        """The inverse of `to_host`."""
        return jax.tree.map(self._put, state)

    def _build(self) -> FeedforwardNetwork:
        return FeedforwardNetwork(self._spec, key=jax.random.key(0))

    def _copy_to_devices(self, dataset: Dataset) -> dict[str, Split]:
        """The splits that are read, as bytes, a copy on every device."""
        names = {"train", *monitored_splits(self._spec)}
        splits = {name: getattr(dataset, name) for name in sorted(names)}
        return jax.device_put(splits, NamedSharding(self._mesh, _EVERYWHERE))

    def _put(self, runwise: np.ndarray) -> Array:
        """A row for each run, on the devices; the last is repeated until each has equally many."""
        num_padding = -len(runwise) % self._mesh.size
        padded = np.concatenate([runwise, np.repeat(runwise[-1:], num_padding, axis=0)])
        return jax.device_put(padded, NamedSharding(self._mesh, _RUNS))

    def _over_runs(self, run_fn: Callable, *, num_shared: int) -> Callable:
        """Lift a function of one run to all runs of the mesh.

        Args:
            run_fn: takes arguments of a run, then arguments that all runs share.
            num_shared: how many are shared.
        """

        def on_device(*args):
            split = len(args) - num_shared
            runwise, shared = args[:split], args[split:]
            # A CPU gains nothing from vmap, which now and then changes bits.
            if self._mesh.devices.flat[0].platform == "cpu":
                return jax.lax.map(lambda each: run_fn(*each, *shared), runwise)
            return jax.vmap(lambda *each: run_fn(*each, *shared))(*runwise)

        def over_mesh(*args):
            split = len(args) - num_shared
            specs = (_RUNS,) * split + (_EVERYWHERE,) * num_shared
            return jax.shard_map(on_device, mesh=self._mesh, in_specs=specs, out_specs=_RUNS)(*args)

        return over_mesh
