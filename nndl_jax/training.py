"""Training as a generator of measurements, for a batch of runs (variants times seeds) at once.

Runs lie along the leading axis of every array, and that axis is sharded over a mesh of devices.
Runs never talk to each other, so a run's numbers do not depend on which others there are or where
they are: bit for bit on CPUs, where the runs of a device are trained one after another; to rounding
on accelerators, where they are trained side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int

from nndl_jax.checkpoint import Snapshot
from nndl_jax.datasets import Dataset
from nndl_jax.engine import Engine, spread
from nndl_jax.memory import check_memory
from nndl_jax.model import FeedforwardNetwork, check_supported
from nndl_jax.schema import Network
from nndl_jax.selection import select
from nndl_jax.state import Measurements, TrainState, abstract_state
from nndl_jax.variants import Run, groups, list_runs

_NUM_NEURONS = 6
"""Neurons of a layer whose gradients are kept, those that the book shows (ch. 5)."""


class DivergenceError(FloatingPointError):
    """A cost is no longer a finite number; says where that began and what to do."""


class EpochResult(NamedTuple):
    """What was measured after an epoch of each run of the batch."""

    number: int
    """Number of results before this one."""
    is_last: bool
    """Whether no run goes on after this."""
    runs: Sequence[Run]
    epochs: Int[np.ndarray, " runs"]
    """The epoch of each run, 0 for the state after the first pass as in the book; -1 for a run
    that has ended before."""
    metrics: Mapping[str, Float[np.ndarray, " runs"]]
    """The document's monitors, and `batch_cost`: the mean cost of the mini-batches since the result
    before. Not a number for a run that has ended."""
    engines: Sequence[Engine]
    states: Sequence[TrainState]
    """State of each group of runs, on its devices. The next result takes it over: read it, or a
    model of it, before asking for that."""

    @property
    def epoch(self) -> int:
        """The latest epoch of any run."""
        return int(self.epochs.max())

    def model(self, index: int, *, is_best: bool = False) -> FeedforwardNetwork:
        """The network of one run as it is now, or the best so far if the document keeps it."""
        for engine, state in zip(self.engines, self.states, strict=True):
            if index in engine.group.runs:
                member = engine.group.runs.index(index)
                return engine.model(state, member, is_best=is_best)
        raise IndexError(f"there are {len(self.runs)} runs, numbered from 0; got {index}")

    def snapshot(self) -> Snapshot:
        """The state in host memory, from which `train` can go on."""
        states = [
            engine.to_host(state) for engine, state in zip(self.engines, self.states, strict=True)
        ]
        return Snapshot(self.number, states)


def train(
    spec: Network,
    dataset: Dataset,
    *,
    seeds: Sequence[int] = (0,),
    mesh: Mesh | None = None,
    resume: Snapshot | None = None,
) -> Iterator[EpochResult]:
    """Results of one epoch after another, or as often as the document has them measured.

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
        DivergenceError: a cost stopped being finite, and the document does not allow it.
    """
    members = groups(spec, seeds)
    for group in members:
        check_supported(group.specs[0])
        check_memory(group.specs[0], len(group.runs))
    runs = list_runs(spec, seeds)
    mesh = Mesh(np.asarray(jax.devices()), ("runs",)) if mesh is None else mesh
    meshes = spread([len(group.runs) for group in members], mesh)
    engines = [
        Engine(group, select(dataset, group.specs[0].data), own)
        for group, own in zip(members, meshes, strict=True)
    ]
    states = [
        engine.init() if resume is None else engine.to_devices(resume.states[index])
        for index, engine in enumerate(engines)
    ]
    number = 0 if resume is None else resume.number + 1
    going = [each.goes_on(state, number) for each, state in zip(engines, states, strict=True)]
    while any(going):
        metrics: dict[str, Float[np.ndarray, " runs"]] = {}
        epochs = np.full(len(runs), -1)
        begun: dict[int, Measurements] = {}
        for at, engine in enumerate(engines):
            if going[at]:
                states[at], begun[at] = engine.run(states[at], number)
        # Waited for when all have begun: groups on different devices work side by side.
        for at, on_devices in begun.items():
            engine = engines[at]
            measured = engine.to_host(on_devices)
            going[at] = engine.goes_on(states[at], number + 1)
            if not engine.group.template.training.allow_divergence:
                _check_finite(spec, runs, engine, number, measured)
            own = np.asarray(engine.group.runs)
            epochs[own] = np.where(measured.was_active, engine.epoch(number), -1)
            for name, values in _metrics(spec, measured, number).items():
                column = metrics.setdefault(name, np.full(len(runs), np.nan))
                column[own] = np.where(measured.was_active, values, np.nan)
        yield EpochResult(
            number, not any(going), runs, epochs, metrics, tuple(engines), tuple(states)
        )
        number += 1


def abstract_states(spec: Network, seeds: Sequence[int]) -> list[TrainState]:
    """Shapes and types of a snapshot's states: what `load_snapshot` holds a file against."""
    return [abstract_state(group.template, len(group.runs)) for group in groups(spec, seeds)]


def _metrics(
    spec: Network, measured: Measurements, number: int
) -> dict[str, Float[np.ndarray, " runs"]]:
    metrics = {"batch_cost": np.asarray(measured.batch_costs).mean(axis=1)}
    for monitor in spec.monitors:
        if monitor != "gradient_norms":
            split, quantity = monitor.split("_")
            metrics[monitor] = np.asarray(getattr(measured.evaluations[split], quantity))
    for layer, gradients in enumerate(map(np.asarray, measured.gradients), start=1):
        metrics[f"gradient_norm.{layer}"] = np.linalg.norm(gradients, axis=1)
        if number == 0:
            for neuron, column in enumerate(gradients.T[:_NUM_NEURONS], start=1):
                metrics[f"gradient.{layer}.{neuron}"] = column
    return metrics


def _check_finite(
    spec: Network, runs: Sequence[Run], engine: Engine, number: int, measured: Measurements
) -> None:
    # What the last step of all broke shows only in what is measured after it.
    last = [np.asarray(evaluation.cost) for evaluation in measured.evaluations.values()]
    costs = np.column_stack([np.asarray(measured.batch_costs), *last])
    bad = np.argwhere(~np.isfinite(costs))
    if len(bad) == 0:
        return
    member, step = bad[np.argmin(bad[:, 1])]
    first, num_epochs = engine.span(number)
    num_steps = np.asarray(measured.batch_costs).shape[1] // num_epochs
    passed = min(step // num_steps, num_epochs - 1)
    run = runs[engine.group.runs[member]]
    rate = engine.group.specs[member].optimizer.learning_rate
    raise DivergenceError(
        f"{spec.id}: the cost of run {run.name} became {costs[member, step]} at epoch "
        f"{first + passed}, step {step - passed * num_steps}, with optimizer.learning_rate = "
        f"{rate:g}; make the learning rate smaller"
    )
