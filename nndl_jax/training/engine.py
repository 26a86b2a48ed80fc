"""One compiled program for a group of runs, its runs spread over a mesh of devices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int

from nndl_jax.data.datasets import Split
from nndl_jax.documents import Network, Replay
from nndl_jax.networks.network import FeedforwardNetwork
from nndl_jax.reading.faults import SpecError
from nndl_jax.training.custom import NOTHING, Custom, abstract_network
from nndl_jax.training.epoch import train_epochs
from nndl_jax.training.groups import Group
from nndl_jax.training.optimizer import hyperparameters
from nndl_jax.training.processes import one_of_each, put, whole
from nndl_jax.training.replay import epoch_orders, initial_layers
from nndl_jax.training.rules import rules
from nndl_jax.training.state import Measurements, RunInputs, TrainState, init_state

Tree = TypeVar("Tree")

_RUNS = PartitionSpec("runs")
_EVERYWHERE = PartitionSpec()


def spread(num_runs: Sequence[int], mesh: Mesh) -> list[Mesh]:
    """Devices for each group: those with the fewest runs so far, and not more than it has runs.

    Args:
        num_runs: of each group.
        mesh: of any shape; those returned have one axis, `runs`.
    """
    devices = mesh.devices.reshape(-1)
    loads = np.zeros(len(devices), int)
    meshes = []
    for count in num_runs:
        chosen = np.argsort(loads, kind="stable")[:count]
        loads[chosen] += -(-count // len(chosen))
        meshes.append(Mesh(devices[chosen], ("runs",)))
    return meshes


class Engine:
    """Trains the runs of one group, from one measurement to the next at a call.

    Args:
        group: the runs, whose documents differ in numbers and first weights only.
        splits: images and labels, at least `train` and what is monitored.
        mesh: the devices, of this process and of others.
        side_by_side: whether the runs of a device are trained at once, or one after another; None
            for what suits the platform.
        custom: what takes the place of parts of the documents.
        first: the weights that each run of the group begins with; None to draw them.
        processes: one device of each process that is to know what is measured; None for those of
            the mesh.

    Attributes:
        group: the runs.
    """

    def __init__(
        self,
        group: Group,
        splits: Mapping[str, Split],
        mesh: Mesh,
        *,
        side_by_side: bool | None = None,
        custom: Custom = NOTHING,
        first: Sequence[nnx.State] | None = None,
        processes: Mesh | None = None,
    ) -> None:
        self.group = group
        self._spec = group.template
        self._mesh = mesh
        self._processes = one_of_each(mesh) if processes is None else processes
        # A CPU gains nothing from it, and it now and then changes bits there.
        is_cpu = mesh.devices.flat[0].platform == "cpu"
        self._side_by_side = not is_cpu if side_by_side is None else side_by_side
        everywhere = NamedSharding(self._mesh, _EVERYWHERE)
        self._splits = jax.tree.map(lambda array: put(array, everywhere), dict(splits))
        numbers = (hyperparameters(group.specs), rules(group.specs))
        seeds = self._put(np.asarray(group.seeds, np.uint32))
        self._inputs = RunInputs(seeds, *jax.tree.map(self._put, numbers))
        self._orders = _Orders(group.specs, len(splits["train"].labels))
        self._custom, self._first = custom, first
        self._graph = nnx.split(abstract_network(self._spec, custom))[0]
        self._train = {}

    def init(self) -> TrainState:
        """The state before the first epoch."""
        # Run by run and not compiled as one: the small programs in it are common to many documents,
        # and cached.
        held = self._held()
        states = {member: jax.tree.map(np.asarray, self._init_run(member)) for member in held}
        # Runs that other processes hold are not looked at here.
        rows = [states.get(member, states[held[0]]) for member in range(len(self.group.runs))]
        return self.to_devices(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))

    def run(self, state: TrainState, number: int) -> tuple[TrainState, Measurements]:
        """The state after the next measurement, and what was measured, which takes its time.

        Both are on the devices and need not be there yet. The state that is given is used up.

        Args:
            state: the state before.
            number: of measurements before this one.
        """
        train_fn, arguments = self._program(number)
        with jax.default_matmul_precision(self._spec.training.matmul_precision):
            return train_fn(state, *arguments)

    def lower(self, state: TrainState, number: int) -> tuple[jax.stages.Lowered, tuple]:
        """The program of `run` before it is compiled, and its arguments after the state."""
        train_fn, arguments = self._program(number)
        with jax.default_matmul_precision(self._spec.training.matmul_precision):
            return train_fn.lower(state, *arguments), arguments

    def epoch(self, number: int) -> int:
        """The epoch after which a measurement is made."""
        first, num_epochs = self.span(number)
        return first + num_epochs - 1

    def goes_on(self, is_active: Bool[Array | np.ndarray, " runs"], number: int) -> bool:
        """Whether a measurement of this number is still to be made of any run.

        Args:
            is_active: the runs that have not stopped, as a state says it.
            number: of measurements before it.
        """
        return bool(np.any(self.to_host(is_active))) and self.span(number)[1] > 0

    def model(self, state: TrainState, member: int, *, is_best: bool = False) -> FeedforwardNetwork:
        """The network of one run of the group: as it is now, or the best so far."""
        params = state.best if is_best else state.params
        if params is None:
            message = "the best network is not kept; set it to true"
            raise SpecError.at(self._spec.id, None, "training.keep_best", message)
        if self._processes.size > 1:
            params = jax.tree.map(jnp.asarray, self.to_host(params))
        model = nnx.merge(self._graph, jax.tree.map(lambda leaf: leaf[member], params))
        model.spec = self.group.specs[member].bare()
        return model

    def to_host(self, runwise: Tree) -> Tree:
        """Arrays in host memory, one row for each run: the same for any number of devices.

        Processes that train together call it alike.
        """
        num_runs = len(self.group.runs)
        return jax.tree.map(lambda leaf: leaf[:num_runs], whole(runwise, self._processes))

    def to_devices(self, state: TrainState) -> TrainState:
        """The inverse of `to_host`."""
        return jax.tree.map(self._put, state)

    def span(self, number: int) -> tuple[int, int]:
        """The first epoch of a measurement, and their number: none or less after the last."""
        training = self._spec.training
        first = number * training.evaluate_every
        return first, min(training.evaluate_every, training.epochs - first)

    def _program(self, number: int) -> tuple[jax.stages.Wrapped, tuple]:
        """The function that makes a measurement, and its arguments after the state."""
        first, num_epochs = self.span(number)
        orders = self._orders.take(first, num_epochs)
        train_fn = self._train.get(num_epochs)
        if train_fn is None:
            train_fn = partial(
                train_epochs,
                self._spec,
                self._graph,
                num_epochs,
                side_by_side=self._side_by_side,
                custom=self._custom,
            )
            train_fn = jax.jit(self._over_mesh(train_fn, num_shared=2), donate_argnums=0)
            self._train[num_epochs] = train_fn
        placed = None if orders is None else self._put(orders)
        return train_fn, (self._inputs, placed, jnp.uint32(first), self._splits)

    def _init_run(self, member: int) -> TrainState:
        spec, seed = self.group.specs[member], jnp.uint32(self.group.seeds[member])
        drawn = self._spec.model_copy(update={"model": spec.model})
        if self._first is not None:
            return init_state(drawn, seed, custom=self._custom, params=self._first[member])
        return _with_legacy_draws(init_state(drawn, seed, custom=self._custom), spec)

    def _put(self, runwise: np.ndarray) -> Array:
        """A row for each run, on the devices; the last is repeated until each has equally many."""
        num_padding = -len(runwise) % self._mesh.size
        padded = np.concatenate([runwise, np.repeat(runwise[-1:], num_padding, axis=0)])
        return put(padded, NamedSharding(self._mesh, _RUNS))

    def _held(self) -> Sequence[int]:
        """Runs on devices of this process, or the first of all if there are none."""
        num_runs, size = len(self.group.runs), self._mesh.size
        on_each = -(-num_runs // size)
        own = [device.process_index == jax.process_index() for device in self._mesh.devices.flat]
        return [member for member in range(num_runs) if own[member // on_each]] or [0]

    def _over_mesh(self, run_fn: Callable, *, num_shared: int) -> Callable:
        """Lift a function of one run to all runs of the mesh, as `over_runs` does on a device."""
        on_device = over_runs(run_fn, num_shared=num_shared, side_by_side=self._side_by_side)

        def over_mesh(*args):
            split = len(args) - num_shared
            specs = (_RUNS,) * split + (_EVERYWHERE,) * num_shared
            return jax.shard_map(
                on_device, mesh=self._mesh, in_specs=specs, out_specs=_RUNS, check_vma=False
            )(*args)

        return over_mesh


def over_runs(run_fn: Callable, *, num_shared: int, side_by_side: bool) -> Callable:
    """Lift a function of one run to several, along the leading axis of its arrays.

    Args:
        run_fn: takes arguments of a run, then arguments that all runs share.
        num_shared: how many are shared.
        side_by_side: all runs at once, as on an accelerator, or one after another.
    """

    def on_device(*args):
        split = len(args) - num_shared
        runwise, shared = args[:split], args[split:]
        if side_by_side:
            return jax.vmap(lambda *run: run_fn(*run, *shared))(*runwise)
        return jax.lax.map(lambda run: run_fn(*run, *shared), runwise)

    return on_device


class _Orders:
    """The orders of images of runs that replay the author's draws, epoch after epoch."""

    def __init__(self, specs: Sequence[Network], num_images: int) -> None:
        self._replays = [spec.training.replay for spec in specs if spec.training.replay]
        self._num_images = num_images
        self._next = 0
        self._streams = self._begin()

    def take(self, first: int, num_epochs: int) -> Int[np.ndarray, "runs epochs images"] | None:
        """Orders of some epochs for each run, or None if the runs draw their own."""
        if not self._replays:
            return None
        if first != self._next:
            self._streams = self._begin()
            for stream in self._streams.values():
                next(islice(stream, first, first), None)
        taken = {
            replay: np.stack(list(islice(stream, num_epochs)))
            for replay, stream in self._streams.items()
        }
        self._next = first + num_epochs
        return np.stack([taken[replay] for replay in self._replays])

    def _begin(self) -> dict[Replay, Iterator[Int[np.ndarray, " images"]]]:
        return {replay: epoch_orders(replay, self._num_images) for replay in self._replays}


def _with_legacy_draws(state: TrainState, spec: Network) -> TrainState:
    """The same state, with the author's first weights where the document replays them."""
    if spec.training.replay is None:
        return state
    layers = initial_layers(spec, spec.training.replay)

    def draw(path: jax.tree_util.KeyPath, leaf: Array) -> np.ndarray:
        _, index, name = jax.tree_util.keystr(path, simple=True, separator="/").split("/")[:3]
        return layers[int(index)][name == "bias"].astype(leaf.dtype)

    params = jax.tree_util.tree_map_with_path(draw, state.params)
    best = None if state.best is None else params
    return state._replace(params=params, best=best)
