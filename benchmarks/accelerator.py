"""A quarter of an hour on an accelerator: whether it agrees, how fast it is, and the book recorded.

    python -m benchmarks.accelerator --minutes 9 --out results --mnist FOLDER

Each part prints its lines at once, writes what it has found so far to the output folder, and ends
when its time is over. The same command goes on with what an earlier one had not done. README.md
says what has to be on the machine.
"""

import argparse
import json
import math
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nndl_jax.data.files import replace_file
from pipeline.machine.jax_setup import set_up_jax
from pipeline.machine.paths import DATASET, PARAMS, RECORDED, SPEC, STATE

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from benchmarks.step_times import Case

Profile = Literal["book", "smoke"]

AGREEMENT_SECONDS, TIMES_SECONDS, VARIANTS_SECONDS, CLOSING_SECONDS = 60, 110, 120, 10
"""Longest that the first parts may take, and what is kept for packing at the end."""
PLAN: Sequence[tuple[Sequence[str], int]] = (
    (("ch6-dropout", "ch6-ensemble"), 5),
    (("ch6-expanded", "ch6-expanded-wide", "ch6-expanded-two-hidden", "ch6-dropout-300"), 5),
    (("ch6-two-conv", "ch6-relu", "ch6-conv"), 5),
    (("ch6-tanh", "ch6-relu-l2", "ch6-distortions", "ch6-elastic"), 5),
)
"""What is recorded at the book's settings, most telling first, and with how many runs; then as many
as `CHEAP_RUNS` of all networks of the other chapters."""
CHEAP_RUNS = 32
NO_AUTOTUNING = "--xla_gpu_autotune_level=0"
_STATE = ".snapshot.safetensors"
_MAX_BYTES = 16 * 2**20
"""Of a file that is brought home."""
FLAGGED = (("ch6-dropout", 5, 1_000), ("ch6-relu", 5, 5_000), ("ch1-30-hidden", 32, 50_000))
"""Documents that XLA's flags are timed with, their runs and images."""
REHEARSED = ("ch1-30-hidden", "ch6-relu", "ch6-elastic", "ch3-early-stopping")


def main() -> None:
    """Do the three parts, and say at the end whether anything was not as it should be."""
    arguments = _parse()
    began = time.monotonic()
    end = began + 60 * arguments.minutes - CLOSING_SECONDS
    out = Path(arguments.out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("NNDL_CACHE", str((STATE / "cache").absolute()))
    # Children time a step under other flags on the same device.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if arguments.no_autotuning:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {NO_AUTOTUNING}".strip()
    set_up_jax(2)
    report = _Report(out, began)
    device, reference = _find_devices(is_rehearsal=arguments.rehearse)
    report.say(_describe_machine(device))
    is_good = True
    if 1 in arguments.parts:
        is_good = _agree(report, device, reference, end=min(end, began + AGREEMENT_SECONDS))
    if 2 in arguments.parts:
        times = _Times(report, device, is_rehearsal=arguments.rehearse)
        times.time_steps(min(end, time.monotonic() + TIMES_SECONDS))
        if arguments.variants:
            times.time_variants(min(end, time.monotonic() + VARIANTS_SECONDS))
    if 3 in arguments.parts:
        with _workplace(arguments) as profile:
            if arguments.resume is not None:
                _take_up(report, arguments.resume.absolute())
            plan = _plan(arguments, end)
            is_good &= _record(report, plan, profile)
    report.say(f"done; bring home {out}")
    sys.exit(report.has_failed or not is_good)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accelerator",
        description="Compare an accelerator with a CPU, time training steps on it, and record the "
        "book's experiments there, until the time is over.",
    )
    parser.add_argument("--minutes", type=float, help="in all (default: 9, a rehearsal: 3)")
    parser.add_argument("--out", default="accelerator", metavar="FOLDER", help="for what is found")
    parser.add_argument(
        "--mnist",
        type=Path,
        metavar="FOLDER",
        help=f"the four published files, unless {DATASET} is there",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="what an earlier one brought home: its "
        "records and the state of what it had not finished",
    )
    parser.add_argument(
        "--variants",
        action="store_true",
        help="time other forms of the step and flags of XLA as well, two minutes more",
    )
    parser.add_argument(
        "--no-autotuning",
        action="store_true",
        help="let XLA take its first choice of each product's kernel: programs compile in seconds, "
        "not minutes, and may run more slowly",
    )
    parser.add_argument(
        "--rehearse", action="store_true", help="all of it on CPUs, with made-up images and few"
    )
    parser.add_argument(
        "--parts",
        type=int,
        nargs="+",
        choices=(1, 2, 3),
        default=(1, 2, 3),
        metavar="N",
        help="1 compares devices, 2 times steps, 3 records (default: all)",
    )
    parser.add_argument(
        "--documents",
        nargs="+",
        metavar="ID[:RUNS]",
        help="record these, in this order, each with five runs or as many as it says",
    )
    arguments = parser.parse_args()
    if arguments.minutes is None:
        arguments.minutes = 3.0 if arguments.rehearse else 9.0
    if not 0 < arguments.minutes <= 600:
        parser.error(f"--minutes: must be above 0 and at most 600, got {arguments.minutes:g}")
    if not (SPEC.is_dir() and PARAMS.is_file()):
        parser.error("there are no documents here; work in the repository's folder")
    has_data = arguments.rehearse or arguments.mnist is not None or DATASET.exists()
    if 3 in arguments.parts and not has_data:
        parser.error(f"--mnist: there is no {DATASET}; name the folder with MNIST's four files")
    return arguments


class _Report:
    """What is printed and written on the way."""

    def __init__(self, out: Path, began: float) -> None:
        self.out = out
        self.has_failed = False
        self._began = began
        self._log = (out / "log.txt").open("a", encoding="utf-8")

    def say(self, line: str) -> None:
        """Print a line with the seconds so far, and keep it."""
        stamped = f"{time.monotonic() - self._began:6.1f} s  {line}"
        print(stamped, flush=True)
        print(stamped, file=self._log, flush=True)

    @contextmanager
    def guard(self, what: str, *, may_fail: bool = False) -> Iterator[None]:
        """Tell of what fails, so that the other parts are done all the same.

        Args:
            what: is done.
            may_fail: whether the whole is good even so.
        """
        try:
            yield
        except Exception as error:
            self.has_failed |= not may_fail
            lines = str(error).splitlines() or [type(error).__name__]
            self.say(f"{what}: FAILED, {lines[0]}")
            traceback.print_exc(file=self._log)

    def keep(self, name: str, found: Sequence[Mapping[str, object]]) -> None:
        """Write what was found so far, in place of what was there, in one step."""
        replace_file(self.out / name, (json.dumps(found, indent=1) + "\n").encode())


def _find_devices(*, is_rehearsal: bool) -> "tuple[Mesh, Mesh]":
    """The accelerator, and a CPU of the same machine, each as a mesh of its own."""
    import jax
    import numpy as np
    from jax.sharding import Mesh

    try:
        cpus = jax.devices("cpu")
        device = cpus[-1] if is_rehearsal else jax.devices()[0]
    except RuntimeError as error:
        sys.exit(f"JAX cannot use this machine's devices: {str(error).splitlines()[0]}")
    if device.platform == "cpu" and not is_rehearsal:
        sentence = f"JAX {version('jax')} finds no accelerator, only CPUs"
        sys.exit(f"{sentence}; --rehearse does all of it on them with made-up images")
    return Mesh(np.asarray([device]), ("runs",)), Mesh(np.asarray(cpus[:1]), ("runs",))


def _describe_machine(mesh: "Mesh") -> str:
    device = mesh.devices.flat[0]
    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "pydantic")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    memory = (device.memory_stats() or {}).get("bytes_limit")
    size = f" with {memory / 1e9:.0f} GB" if memory else ""
    python = f"Python {platform.python_version()}"
    return f"{device.device_kind}{size}, {cores} cores, {python}, {versions}"


def _agree(report: _Report, device: "Mesh", reference: "Mesh", *, end: float) -> bool:
    """Part 1: the devices train alike."""
    from benchmarks import agreement

    found: list[agreement.Agreement] = []
    report.say(f"part 1: {agreement.NUM_STEPS} steps on both devices")
    for title in agreement.NETWORKS:
        if found and time.monotonic() > end:
            report.say(f"{title}: not compared, the time of this part is over")
            continue
        with report.guard(title):
            found.append(agreement.compare(title, device, reference))
            report.say(str(found[-1]))
            report.keep("agreement.json", [comparison._asdict() for comparison in found])
    return all(comparison.is_good for comparison in found)


class _Times:
    """Part 2: how long a step takes, by network, runs, precision and form."""

    def __init__(self, report: _Report, device: "Mesh", *, is_rehearsal: bool) -> None:
        self._report, self._device, self._is_rehearsal = report, device, is_rehearsal
        self._found: list[Mapping[str, object]] = []

    def time_steps(self, end: float) -> None:
        """Time the library's step."""
        from benchmarks import step_times

        self._report.say("part 2: microseconds of a training step")
        for wave in step_times.waves(is_rehearsal=self._is_rehearsal):
            self._time_wave(wave, end)

    def time_variants(self, end: float) -> None:
        """Time other forms of the step, one kernel for all of it, and XLA under other flags."""
        from benchmarks import step_times
        from benchmarks.one_kernel import time_one_kernel

        self._report.say("part 2, variants: what may take the place of the library's step")
        if self._is_rehearsal:
            seconds = time_one_kernel(30, 2, 20, num_examples=200, interpret=True)
            self._keep({"network": "784-30-10", "num_runs": 2, "form": "one kernel"}, seconds)
        else:
            for num_warps, at_once in ((8, 1), (8, 2), (4, 2)):
                name = f"one kernel, {num_warps} warps, {at_once} at once"
                self._time(
                    name,
                    end,
                    lambda w=num_warps, n=at_once: time_one_kernel(30, 32, num_warps=w, at_once=n),
                )
        for case in step_times.variants(is_rehearsal=self._is_rehearsal):
            self._time_wave([case], end)
        if not self._is_rehearsal:
            self._time_flags(end)

    def _time_flags(self, end: float) -> None:
        """Time XLA's flags, each in a process of its own: most of their time goes into compiling.

        So they share the device, and the fastest of many epochs is one that had it alone.
        """
        from benchmarks import forms

        def time_one(case: tuple[str, str, int, int]) -> float:
            flags, document, num_runs, num_train = case
            left = end - time.monotonic()
            if left < 1:
                raise TimeoutError("the time of this part is over")
            return forms.time_with_flags(
                flags, "library", document, num_runs, num_train=num_train, timeout=left
            )

        cases = [(name, *flagged) for flagged in FLAGGED for name in forms.XLA_FLAG_SETS]
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
            waiting = {pool.submit(time_one, case): case for case in cases}
            for done in as_completed(waiting):
                flags, document, num_runs, _ = waiting[done]
                with self._report.guard(f"{document}, flags {flags!r}", may_fail=True):
                    case = {"network": document, "num_runs": num_runs, "form": f"flags {flags!r}"}
                    self._keep(case, done.result())

    def _time(self, name: str, end: float, time_fn: Callable[[], float]) -> None:
        """Time one thing of 784-30-10 and 32 runs that may fail."""
        if time.monotonic() > end:
            self._report.say(f"{name}: not timed, the time of this part is over")
            return
        with self._report.guard(name, may_fail=True):  # Not all machines know all variants.
            seconds = time_fn()
            self._keep({"network": "784-30-10", "num_runs": 32, "form": name}, seconds)

    def _keep(self, case: Mapping[str, object], seconds: float) -> None:
        microseconds = 1e6 * seconds
        what = f"{case['network']}, {case['num_runs']} runs, {case['form']}"
        self._report.say(f"{what}: {microseconds:.1f} us a step")
        self._found.append({**case, "microseconds": microseconds})
        self._report.keep("times.json", self._found)

    def _time_wave(self, wave: "Sequence[Case]", end: float) -> None:
        from benchmarks import step_times

        if self._found and time.monotonic() > end:
            left = "; ".join(map(str, wave))
            self._report.say(f"not timed, the time of this part is over: {left}")
            return
        # An accelerator compiles one program at a time: what XLA times for it has the device alone.
        num_threads = min(8, os.cpu_count() or 1) if self._is_rehearsal else 1
        share = 0.002 if self._is_rehearsal else 1.0
        with self._report.guard("; ".join(map(str, wave))):
            for case, timing in step_times.time_cases(
                wave, self._device, share=share, num_threads=num_threads
            ):
                self._report.say(timing.describe(case))
                self._found.append({**case._asdict(), **timing._asdict()})
                self._report.keep("times.json", self._found)


@contextmanager
def _workplace(arguments: argparse.Namespace) -> Iterator[Profile]:
    """Be where documents can be recorded; gives the profile that they are run with.

    A rehearsal is in a folder of its own, and leaves nothing.
    """
    from benchmarks.timing import synthetic_dataset
    from nndl_jax.data.datasets import save_dataset
    from nndl_jax.data.mnist import load_mnist

    if not arguments.rehearse:
        if not DATASET.exists():
            DATASET.parent.mkdir(exist_ok=True)
            save_dataset(load_mnist(arguments.mnist), DATASET)
        yield "book"
        return
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(SPEC, Path(folder) / SPEC)
        shutil.copy(PARAMS, folder)
        os.chdir(folder)
        try:
            DATASET.parent.mkdir()
            save_dataset(synthetic_dataset(200), DATASET)
            yield "smoke"
        finally:
            os.chdir(home)


def _plan(arguments: argparse.Namespace, end: float) -> Sequence[tuple[Sequence[str], int, float]]:
    """What is recorded, in this order: documents, the runs of each, and when they must end."""
    if arguments.documents is not None:
        wanted = (document.partition(":") for document in arguments.documents)
        return [([name], int(runs or 5), end) for name, _, runs in wanted]
    if arguments.rehearse:  # The first whatever the time: a slow machine does some of each part.
        return [(REHEARSED[:1], 2, math.inf), (REHEARSED[1:], 2, end)]
    return [(names, runs, end) for names, runs in [*PLAN, (_cheap(), CHEAP_RUNS)]]


def _record(
    report: _Report, plan: Sequence[tuple[Sequence[str], int, float]], profile: Profile
) -> bool:
    """Part 3: documents recorded one after another, until the time is over."""
    from pipeline.record import record
    from pipeline.store.archive import pack

    report.say(f"part 3: documents with the profile {profile!r}")
    is_good = True
    for names, runs, deadline in plan:
        for outcome in record(names, runs=runs, deadline=deadline, profile=profile):
            report.say(outcome.message)
            is_good &= outcome.status != "failed"
            if outcome.status == "recorded":
                pack(report.out / "recorded.zip", RECORDED)
            elif outcome.status == "stopped":
                _bring_state(report, outcome.name)
    return is_good


def _bring_state(report: _Report, name: str) -> None:
    """Put the state of a document that is not finished beside the results, if it is not too big."""
    state = _state_of(name)
    if state.exists() and state.stat().st_size <= _MAX_BYTES:
        shutil.copyfile(state, report.out / f"{name}{_STATE}")
    else:
        report.say(f"{name}: its state stays on this machine, where the same command goes on")


def _take_up(report: _Report, folder: Path) -> None:
    """Go on with what an earlier one has brought home."""
    from pipeline import add_recordings

    if list(folder.glob("*.zip")):
        try:
            add_recordings.main(folder)
        except SystemExit as ending:
            report.say(f"{folder}: not all of it could be added, status {ending.code}")
    for path in folder.glob(f"*{_STATE}"):
        state = _state_of(path.name.removesuffix(_STATE))
        state.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, state)
        report.say(f"{path.name}: taken up")


def _state_of(name: str) -> Path:
    """The state of a document's training, in the recorder's own folder."""
    from pipeline.machine.process import SNAPSHOT

    return STATE / "record" / STATE / name / SNAPSHOT


def _cheap() -> Sequence[str]:
    """Networks of chapters 1, 3 and 5 that can be recorded."""
    from nndl_jax.documents import Network
    from nndl_jax.documents.load import list_specs, load_spec

    specs = map(load_spec, list_specs(SPEC))
    return [
        spec.id
        for spec in specs
        if isinstance(spec, Network)
        and spec.source is not None
        and spec.source.chapter in (1, 3, 5)
        and spec.training.dtype == "float32"
    ]


if __name__ == "__main__":
    main()
