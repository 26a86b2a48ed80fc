"""Training as a generator of measurements, for a batch of runs (variants times seeds) at once.

Runs lie along the leading axis of every array, and that axis is sharded over a mesh of devices.
Runs never talk to each other, so a run's numbers do not depend on which others there are or where
they are: bit for bit on CPUs, where the runs of a device are trained one after another; to rounding
on accelerators, where they are trained side by side.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, SupportsIndex, assert_never

import jax
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from nndl_jax.data.datasets import Dataset
from nndl_jax.data.selection import (
    check_sizes,
    read_dataset,
    select,
    splits_read,
    with_scaling,
)
from nndl_jax.documents import Network
from nndl_jax.documents.load import of_kind
from nndl_jax.documents.memory import check_memory
from nndl_jax.documents.metrics import OfGradients, OfImages, Other, parse_metric
from nndl_jax.documents.variants import Run, Variants, check_seeds, expand, list_runs
from nndl_jax.networks.losses import LossFn
from nndl_jax.networks.network import BuildFn, FeedforwardNetwork, check_supported
from nndl_jax.reading.html import html_curves
from nndl_jax.training.checkpoint import Snapshot, check_snapshot
from nndl_jax.training.custom import (
    NOTHING,
    Custom,
    Frozen,
    Networks,
    check_custom,
    first_params,
)
from nndl_jax.training.devices import check_devices
from nndl_jax.training.engine import Engine, spread
from nndl_jax.training.environment import describe_environment
from nndl_jax.training.evaluation import read_evaluation
from nndl_jax.training.fingerprint import fingerprint_custom
from nndl_jax.training.gradients import read_gradients
from nndl_jax.training.groups import groups
from nndl_jax.training.processes import check_alike, one_of_each, whole
from nndl_jax.training.resumption import abstract_states_of, describe_training, kept_states
from nndl_jax.training.state import Measurements, TrainState


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
    custom: Mapping[str, str] = MappingProxyType({})
    """What decides the training, in named parts: the documents, sums of the data and of what was
    given to `train` in the place of parts of the document."""
    history: Sequence[Mapping[str, Float[np.ndarray, " runs"]]] = ()
    """The metrics of all results so far, this one's last; after a snapshot, of those since."""

    @property
    def epoch(self) -> int:
        """The latest epoch of any run."""
        return int(self.epochs.max())

    def __repr__(self) -> str:
        metrics = ", ".join(self.metrics)
        runs = f"{len(self.runs)} run{'s' if len(self.runs) > 1 else ''}"
        ends = ", the last" if self.is_last else ""
        return f"<result {self.number} of {runs}: epoch {self.epoch}, {metrics}{ends}>"

    def _repr_html_(self) -> str:
        """What notebooks show: the curve of every metric so far, a line for each run."""
        return "<br>".join(
            html_curves(
                metric,
                {
                    run.name: [float(row[metric][at]) for row in self.history if metric in row]
                    for at, run in enumerate(self.runs)
                },
            )
            for metric in self.metrics
        )

    def spec(self, index: int) -> Network:
        """The document of one run: its variant's, without axes and claims."""
        engine, _, member = self._find(index)
        return engine.group.specs[member]

    def model(self, index: int, *, is_best: bool = False) -> FeedforwardNetwork:
        """The network of one run as it is now, or the best so far if the document keeps it.

        Raises:
            IndexError: there are not so many runs.
            RuntimeError: the next result has taken the state over.
        """
        engine, state, member = self._find(index)
        _check_not_taken(state)
        return engine.model(state, member, is_best=is_best)

    def on_host(self) -> "EpochResult":
        """The same with its states in host memory, which no later result takes over.

        Of processes that train together all call this, or `model`, or `snapshot` alike; what it
        gives is then read by any of them alone.

        Raises:
            RuntimeError: the next result has taken the state over.
            ConnectionError: another process has ended.
        """
        return self._replace(states=self.snapshot().states)

    def snapshot(self) -> Snapshot:
        """The state in host memory, from which `train` can go on.

        Raises:
            RuntimeError: the next result has taken the state over.
        """
        _check_not_taken(self.states)
        states = [
            engine.to_host(state) for engine, state in zip(self.engines, self.states, strict=True)
        ]
        models = [engine.group.template.model for engine in self.engines]
        return Snapshot(self.number, states, runs=self.runs, models=models, custom=self.custom)

    def _find(self, index: int) -> tuple[Engine, TrainState, int]:
        """The engine of a run, the state of its group, and the place of the run in that."""
        for engine, state in zip(self.engines, self.states, strict=True):
            if index in engine.group.runs:
                return engine, state, engine.group.runs.index(index)
        raise IndexError(f"there are {len(self.runs)} runs, numbered from 0; got {index}")


def _check_not_taken(states: object) -> None:
    if any(isinstance(leaf, Array) and leaf.is_deleted() for leaf in jax.tree.leaves(states)):
        raise RuntimeError(
            "the next result took this state over; ask a result for model() or snapshot() inside "
            "the loop over train(...), before that asks for the next one"
        )


def train(
    spec: Variants,
    dataset: Dataset,
    *,
    seeds: Iterable[SupportsIndex] = (0,),
    mesh: Mesh | None = None,
    resume: Snapshot | None = None,
    init: Networks | None = None,
    model: BuildFn | None = None,
    optimizer: optax.GradientTransformation | None = None,
    loss: LossFn | None = None,
    frozen: Frozen | None = None,
) -> Iterator[EpochResult]:
    """Results of one epoch after another, or as often as the document has them measured.

    Examples:
        >>> for result in train(load_spec("ch1-30-hidden"), dataset, seeds=range(4)):
        ...     print(result.epoch, result.metrics["test_accuracy"])  # doctest: +SKIP

    Args:
        spec: the document, whose variants are all trained; or some of them, `variants(spec)[:2]`.
        dataset: images and labels, `load_mnist(folder)`, `load_dataset(path)` or a `Dataset` of
            one's own; the splits that the document trains on and measures are looked at once.
        seeds: a run of every variant for each, from 0 to 2^32 - 1. A seed fixes all that is random
            in its run.
        mesh: devices to train on, whatever the shape of the mesh; None for all that JAX has. After
            `jax.distributed.initialize()` those are the devices of all processes: each calls this
            alike and gets the same results, with models and snapshots as `on_host` says.
        resume: a snapshot of the same document, seeds and data set to go on from; ends with the
            same bits as training that was never interrupted. Only epochs and monitors may be
            others: it goes on for longer, and tells more.
        init: a network whose weights all runs begin with, or one for each; None to draw them.
        model: from a key to a network, or to any module of Flax that takes images to weighted
            inputs of the document's outputs, with `nnx.Param` only; of its parameters those called
            weight or kernel are regularised. None for the document's layers.
        optimizer: what makes updates of gradients, to which the document's penalties have been
            added; None for the document's.
        loss: the cost of each example, a function of logits and targets; None for the document's.
        frozen: a filter of Flax that fits the parameters which stay as they are, such as
            `nnx.PathContains(0)` for those of the first layer.

    Raises:
        ValueError: the seeds are no such numbers, or the snapshot is of another document, other
            runs or other data; or the mesh has no device of this process, or another process trains
            something else.
        SpecError: the document asks for what is not built, or does not fit in memory.
        TypeError: the data set is no `Dataset` of splits, or the snapshot or the mesh none.
        ValueError: images are no pixels, labels no digits, or a split that is needed has none; or
            a part that is given does not fit the document, or the snapshot is of other parts.
        OSError: JAX, as it was started, has no devices.
        ConnectionError: another process that trains with this one has ended.
        DivergenceError: a cost stopped being finite, and the document does not allow it.
    """
    check_devices()
    variants, seeds = expand(spec), check_seeds(seeds)
    members = groups(variants, seeds)
    for group in members:
        check_supported(group.specs[0])
        check_memory(group.specs[0], len(group.runs))
    names = [name for group in members for name in splits_read(group.specs[0])]
    dataset = read_dataset(dataset, names, members[0].template)
    for group in members:
        check_sizes(dataset, group.template)
    variants = [
        variant._replace(spec=with_scaling(of_kind(variant.spec, Network), dataset))
        for variant in variants
    ]
    members = groups(variants, seeds)
    runs = list_runs(variants, seeds)
    if resume is not None:
        check_snapshot(resume)
    if not isinstance(mesh, Mesh | None):
        raise TypeError(f"mesh must be a jax.sharding.Mesh of devices to train on, got {mesh!r}")
    custom = Custom(model, optimizer, loss, frozen)
    specs = [spec for group in members for spec in group.specs]
    first = None
    if custom != NOTHING or init is not None:
        check_custom(custom, specs, has_init=init is not None)
    if init is not None:
        first = first_params(init, specs[0], custom, num_runs=len(runs))
    splits = [select(dataset, group.specs[0]) for group in members]
    told = describe_training(
        [of_kind(variant.spec, Network) for variant in variants], dataset, names
    )
    told |= fingerprint_custom(custom, first, members, splits)
    kept = None if resume is None else kept_states(resume, members, runs, custom, told)
    mesh = Mesh(np.asarray(jax.devices()), ("runs",)) if mesh is None else mesh
    processes = one_of_each(mesh)
    if jax.process_index() not in {device.process_index for device in processes.devices.flat}:
        raise ValueError("mesh must have devices of each process that trains, and has none of this")
    meshes = spread([len(group.runs) for group in members], mesh)
    engines = [
        Engine(
            group,
            split,
            devices,
            custom=custom,
            first=None if first is None else [first[run] for run in group.runs],
            processes=processes,
        )
        for group, split, devices in zip(members, splits, meshes, strict=True)
    ]
    number = 0 if resume is None else resume.number + 1
    if processes.size > 1:
        alike = (told, seeds, number, describe_environment())
        check_alike(alike, jax.tree.leaves(kept), processes)
    states = [
        engine.init() if kept is None else engine.to_devices(kept[index])
        for index, engine in enumerate(engines)
    ]
    history: list[Mapping[str, Float[np.ndarray, " runs"]]] = []
    going = [
        engine.goes_on(state.progress.is_active, number)
        for engine, state in zip(engines, states, strict=True)
    ]
    while any(going):
        metrics: dict[str, Float[np.ndarray, " runs"]] = {}
        epochs = np.full(len(runs), -1)
        begun: dict[int, tuple[Measurements, Bool[Array, " runs"]]] = {}
        for at, engine in enumerate(engines):
            if going[at]:
                states[at], on_devices = engine.run(states[at], number)
                begun[at] = on_devices, states[at].progress.is_active
        # Waited for when all have begun: groups on different devices work side by side.
        for at, (padded, is_active) in whole(begun, processes).items():
            engine = engines[at]
            measured = engine.to_host(padded)
            going[at] = engine.goes_on(is_active, number + 1)
            if not engine.group.template.training.allow_divergence:
                _check_finite(runs, engine, number, measured)
            places = np.asarray(engine.group.runs)
            epochs[places] = np.where(measured.was_active, engine.epoch(number), -1)
            for name, values in _metrics(engine.group.template, measured, number).items():
                column = metrics.setdefault(name, np.full(len(runs), np.nan))
                column[places] = np.where(measured.was_active, values, np.nan)
        history.append(metrics)
        parts = (tuple(engines), tuple(states), told, tuple(history))
        yield EpochResult(number, not any(going), runs, epochs, metrics, *parts)
        number += 1


def abstract_states(
    spec: Variants,
    seeds: Iterable[SupportsIndex],
    *,
    model: BuildFn | None = None,
    optimizer: optax.GradientTransformation | None = None,
    frozen: Frozen | None = None,
) -> list[TrainState]:
    """Shapes and types of a snapshot's states: what `load_snapshot` holds a file against.

    Args:
        spec: as `train` takes it, and all the others too.
        seeds: of the runs.
        model: in the place of the document's.
        optimizer: in the place of the document's.
        frozen: parameters that stay as they are.
    """
    custom = Custom(model, optimizer, None, frozen)
    return abstract_states_of(groups(spec, seeds), custom)


def _metrics(
    spec: Network, measured: Measurements, number: int
) -> dict[str, Float[np.ndarray, " runs"]]:
    metrics = {"batch_cost": np.asarray(measured.batch_costs).mean(axis=1)}
    gradients: dict[str, Float[np.ndarray, " runs"]] = {}
    for metric in map(parse_metric, spec.monitors):
        match metric.quantity:
            case OfImages() as quantity:
                evaluation = measured.evaluations[metric.split]
                metrics |= read_evaluation(metric, quantity, evaluation)
            case OfGradients() as quantity:
                is_first = number == 0
                gradients |= read_gradients(metric, quantity, measured.gradients, is_first=is_first)
            case Other():
                pass  # Nothing of these is a monitor.
            case _:
                assert_never(metric.quantity)
    return metrics | gradients


def _check_finite(runs: Sequence[Run], engine: Engine, number: int, measured: Measurements) -> None:
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
    spec = engine.group.specs[member]
    rate = spec.optimizer.learning_rate
    raise DivergenceError(
        f"{spec.id}: the cost of run {run.name} became {costs[member, step]} at epoch "
        f"{first + passed}, step {step - passed * num_steps}, with optimizer.learning_rate = "
        f"{rate:g}; make the learning rate smaller"
    )
