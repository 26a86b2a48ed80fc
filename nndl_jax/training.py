"""Training as a generator of epochs, for a batch of runs (variants times seeds) at once.

Runs lie along the leading axis of every array, and that axis is sharded over a mesh of devices.
Runs never talk to each other, so a run's numbers do not depend on which others there are or where
they are: bit for bit on CPUs, where the runs of a device are trained one after another; to rounding
on accelerators, where they are trained side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from nndl_jax.checkpoint import Snapshot
from nndl_jax.datasets import Dataset
from nndl_jax.engine import Engine
from nndl_jax.epoch import TrainState, init_state
from nndl_jax.memory import check_memory
from nndl_jax.model import FeedforwardNetwork, check_supported
from nndl_jax.schema import Network
from nndl_jax.variants import Run, groups, list_runs, template


class DivergenceError(FloatingPointError):
    """A cost is no longer a finite number; says where that began and what to do."""


class EpochResult(NamedTuple):
    """What one epoch gave, for each run of the batch."""

    epoch: int
    """0 is the state after the first pass, as in the book."""
    runs: Sequence[Run]
    metrics: Mapping[str, Float[np.ndarray, " runs"]]
    """The document's monitors, and `batch_cost`: the mean cost of the epoch's mini-batches."""
    engines: Sequence[Engine]
    states: Sequence[TrainState]
    """State of each group of runs, on its devices. The next epoch takes it over: read it, or a
    model of it, before asking for the next result."""

    def model(self, index: int) -> FeedforwardNetwork:
        """The network of one run as it is after this epoch."""
        for engine, state in zip(self.engines, self.states, strict=True):
            if index in engine.group.runs:
                return engine.model(state, engine.group.runs.index(index))
        raise IndexError(f"there are {len(self.runs)} runs, numbered from 0; got {index}")

    def snapshot(self) -> Snapshot:
        """This epoch's state in host memory, from which `train` can go on."""
        states = [
            engine.to_host(state) for engine, state in zip(self.engines, self.states, strict=True)
        ]
        return Snapshot(self.epoch, states)


def train(
    spec: Network,
    dataset: Dataset,
    *,
    seeds: Sequence[int] = (0,),
    mesh: Mesh | None = None,
    resume: Snapshot | None = None,
) -> Iterator[EpochResult]:
    """Results of one epoch after another.

    >>> for result in train(load_spec("ch1-30-hidden"), dataset, seeds=range(4)):
    ...     print(result.epoch, result.metrics["test_accuracy"])  # doctest: +SKIP

    Args:
        spec: the document; with `vary`, all its variants are trained.
        dataset: images and labels, `load_mnist(folder)` or `load_dataset(path)`.
        seeds: a run of every variant for each. A seed fixes all that is random in its run.
        mesh: devices to train on, whatever the shape of the mesh; None for all that JAX has.
        resume: a snapshot of the same document, seeds and data set to go on from; ends with the
            same bits as training that was never interrupted.

    Raises:
        SpecError: the document asks for what is not built, or does not fit in memory.
        DivergenceError: a cost stopped being finite.
    """
    members = groups(spec, seeds)
    for group in members:
        check_supported(group.specs[0])
        check_memory(group.specs[0], len(group.runs))
    runs = list_runs(spec, seeds)
    mesh = Mesh(np.asarray(jax.devices()), ("runs",)) if mesh is None else mesh
    engines = [Engine(group, dataset, mesh) for group in members]
    states = [
        engine.init() if resume is None else engine.to_devices(resume.states[index])
        for index, engine in enumerate(engines)
    ]
    for epoch in range(0 if resume is None else resume.epoch + 1, spec.training.epochs):
        metrics: dict[str, Float[np.ndarray, " runs"]] = {}
        for index, engine in enumerate(engines):
            states[index], costs, evaluations = engine.run_epoch(states[index], epoch)
            # What the last step of all broke shows only in what is measured after it.
            measured_costs = [evaluation.cost for evaluation in evaluations.values()]
            _check_finite(spec, runs, engine, epoch, np.column_stack([costs, *measured_costs]))
            measured = {"batch_cost": costs.mean(axis=1)}
            for monitor in spec.monitors:
                split, quantity = monitor.split("_")
                measured[monitor] = getattr(evaluations[split], quantity)
            for name, values in measured.items():
                column = metrics.setdefault(name, np.full(len(runs), np.nan))
                column[list(engine.group.runs)] = values
        yield EpochResult(epoch, runs, metrics, engines, tuple(states))


def abstract_states(spec: Network, seeds: Sequence[int]) -> list[TrainState]:
    """Shapes and types of a snapshot's states: what `load_snapshot` holds a file against."""
    return [
        jax.eval_shape(
            jax.vmap(partial(init_state, template(group.specs[0]))),
            jax.ShapeDtypeStruct((len(group.runs),), np.uint32),
        )
        for group in groups(spec, seeds)
    ]


def _check_finite(
    spec: Network,
    runs: Sequence[Run],
    engine: Engine,
    epoch: int,
    costs: Float[np.ndarray, "runs steps"],
) -> None:
    bad = np.argwhere(~np.isfinite(costs))
    if len(bad) == 0:
        return
    member, step = bad[np.argmin(bad[:, 1])]
    run = runs[engine.group.runs[member]]
    rate = engine.group.specs[member].optimizer.learning_rate
    raise DivergenceError(
        f"{spec.id}: the cost of run {run.name} became {costs[member, step]} at epoch {epoch}, "
        f"step {step}, with optimizer.learning_rate = {rate:g}; make the learning rate smaller"
    )
