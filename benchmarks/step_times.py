"""Time of a training step of four networks, by the runs side by side, on an accelerator."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from benchmarks.forms import FORMS
from benchmarks.timing import BATCH_SIZE, load_network, synthetic_dataset
from nndl_jax.data.selection import select
from nndl_jax.training.engine import Engine
from nndl_jax.training.groups import groups

NETWORKS: Mapping[str, tuple[str, Mapping[str, object], int]] = {
    "784-30-10": ("ch1-30-hidden", {}, 50_000),
    "784-100-10": ("ch1-30-hidden", {"model.layers[0].units": 100}, 50_000),
    "two convolutions": ("ch6-relu", {}, 5_000),
    # Shifted copies of images make an epoch longer, not a step.
    "two convolutions, dropout": ("ch6-dropout", {"data.augmentation": None}, 5_000),
}
"""By title: a document, what is changed in it, and images in an epoch."""
AIMS = {("784-30-10", 32): 10.0, ("two convolutions", 5): 50.0}
"""Microseconds that a step should take at most on one H100, by network and runs."""


class Case(NamedTuple):
    """What is timed."""

    network: str
    num_runs: int
    precision: str = "highest"
    """Of matrix products, a document's `training.matmul_precision`."""
    form: str = "library"
    """Of the step, a name in `FORMS`."""

    def __str__(self) -> str:
        message = f"{self.network}, {self.num_runs} run{'s' if self.num_runs > 1 else ''}"
        precision = "" if self.precision == "highest" else f", precision {self.precision}"
        return message + precision + ("" if self.form == "library" else f", {self.form}")


_CONVOLUTIONS = [network for network in NETWORKS if "convolutions" in network]
_TELLING = {network: 5 if network in _CONVOLUTIONS else 32 for network in NETWORKS}
"""The number of runs that matters most for each."""


def waves(*, is_rehearsal: bool) -> Sequence[Sequence[Case]]:
    """Cases to time together, most telling first."""
    if is_rehearsal:
        return [[Case(network, 2)] for network in NETWORKS]
    counts = [
        [Case(network, num_runs) for network in NETWORKS if num_runs != _TELLING[network]]
        for num_runs in (1, 128, 32, 5)
    ]
    telling = [Case(network, num_runs) for network, num_runs in _TELLING.items()]
    precisions = [case._replace(precision="default") for case in telling]
    convolutions = [Case(name, _TELLING[name], form="xla-convolution") for name in _CONVOLUTIONS]
    return [telling, counts[0], precisions, convolutions, *counts[1:]]


def variants(*, is_rehearsal: bool) -> Sequence[Case]:
    """Other forms of the step, most promising first."""
    if is_rehearsal:
        return [Case("784-30-10", 2, form="sums")]
    # What writes twenty steps out takes minutes to compile where there are convolutions.
    dense = ("sums, unroll-5", "unroll-20", "sums", "sums, unroll-20")
    return [
        *(Case("784-30-10", 32, form=form) for form in dense),
        Case("two convolutions", 5, form="unroll-5"),
    ]


class Timing(NamedTuple):
    """What came of it."""

    microseconds: float
    """Of a step of all runs, measuring and shuffling included: the fastest of some epochs."""
    compile_seconds: float
    megabytes: float
    """Of arguments, results and temporary arrays of the program."""

    def describe(self, case: Case) -> str:
        """A line of the report."""
        aim = AIMS.get((case.network, case.num_runs))
        verdict = ""
        if aim is not None:
            is_reached = self.microseconds <= aim
            verdict = f" (aim {aim:.0f}: {'reached' if is_reached else 'NOT reached'})"
        return (
            f"{case}: {self.microseconds:.1f} us a step{verdict}, "
            f"compiled in {self.compile_seconds:.1f} s, {self.megabytes:.0f} MB"
        )


class Prepared(NamedTuple):
    """A program that is compiled, and the state that it starts from."""

    engine: Engine
    run: jax.stages.Compiled
    arguments: tuple
    compile_seconds: float
    num_steps: int

    def time(self, num_rounds: int = 10) -> Timing:
        """The time of a step, from the fastest of some epochs after one to warm up."""
        state, arguments = self.arguments[0], self.arguments[1:]
        seconds = []
        for _ in range(1 + num_rounds):
            begin = time.perf_counter()
            state, _ = jax.block_until_ready(self.run(state, *arguments))
            seconds.append(time.perf_counter() - begin)
        fastest = 1e6 * min(seconds[1:]) / self.num_steps
        return Timing(fastest, self.compile_seconds, self._num_bytes() / 1e6)

    def _num_bytes(self) -> int:
        memory = self.run.memory_analysis()
        if memory is None:
            raise RuntimeError("this compiler does not say how much memory a program takes")
        results = memory.output_size_in_bytes - memory.alias_size_in_bytes
        return memory.argument_size_in_bytes + results + memory.temp_size_in_bytes


def prepare(case: Case, mesh: Mesh, *, share: float = 1.0) -> Prepared:
    """Compile a program for runs side by side.

    Args:
        case: what is to be timed.
        mesh: of the device where it runs.
        share: of the images that an epoch should have.
    """
    name, overrides, num_images = NETWORKS[case.network]
    num_images = max(BATCH_SIZE, int(share * num_images) // BATCH_SIZE * BATCH_SIZE)
    spec = load_network(name, {**overrides, "training.matmul_precision": case.precision})
    splits = select(synthetic_dataset(num_images), spec)
    with jax.default_device(mesh.devices.flat[0]), FORMS[case.form]():
        (alone,) = groups(spec, [0])
        one = Engine(alone, splits, mesh, side_by_side=True)
        state = one.to_host(one.init())
        # Drawing first weights run by run would take longer than what is timed.
        state = jax.tree.map(lambda leaf: np.repeat(leaf, case.num_runs, axis=0), state)
        (group,) = groups(spec, range(case.num_runs))
        engine = Engine(group, splits, mesh, side_by_side=True)
        placed = engine.to_devices(state)
        begin = time.perf_counter()
        lowered, arguments = engine.lower(placed, 0)
        compiled = lowered.compile()
    return Prepared(
        engine,
        compiled,
        (placed, *arguments),
        time.perf_counter() - begin,
        num_images // BATCH_SIZE,
    )


def time_cases(
    cases: Sequence[Case], mesh: Mesh, *, share: float, num_threads: int
) -> Iterator[tuple[Case, Timing]]:
    """Times of several cases, whose programs are compiled side by side beforehand.

    Other forms than the library's are compiled one after another: a form is the whole process's.
    """
    has_forms = any(case.form != "library" for case in cases)
    with ThreadPoolExecutor(1 if has_forms else num_threads) as pool:
        prepared = list(pool.map(lambda case: prepare(case, mesh, share=share), cases))
    while prepared:
        # The state of a case is given back before the next is timed.
        yield cases[len(cases) - len(prepared)], prepared.pop(0).time()
