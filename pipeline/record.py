"""`python -m pipeline.record`: documents at the book's own settings, in one process without DVC.

It is for a machine with an accelerator, or with time. What is measured goes to `recorded/<id>/`, to
be committed: `make` judges it beside what it runs itself. Runs that are recorded already are passed
over, and others added to them; one that was interrupted goes on from its last saved epoch.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nndl_jax
from nndl_jax.faults import SpecError
from nndl_jax.schema import Baseline, Document, Ensemble, Network
from nndl_jax.schema.claims import Choice
from nndl_jax.validation import closest
from nndl_jax.variants import find_variant, list_runs, variants
from pipeline import ensemble, train
from pipeline.experiments import identity
from pipeline.jax_setup import set_up_jax
from pipeline.paths import DATASET, RECORDED, RUNS, STATE
from pipeline.recordings import bring_back, keep, recorded_runs, set_aside
from pipeline.resolve import BOOK, resolve_all
from pipeline.resolved import Resolved, save_resolved
from pipeline.settings import MAX_RUNS

_WORK = STATE / "record"


def main() -> None:
    """Record the documents that are named, or all that can be."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.record")
    parser.add_argument("ids", nargs="*", metavar="id", help="a document; none for all")
    parser.add_argument("--runs", type=int, default=5, help="runs of each variant (default: 5)")
    arguments = parser.parse_args()
    if not 1 <= arguments.runs <= MAX_RUNS:
        sys.exit(f"--runs: must be 1 to {MAX_RUNS:,}, got {arguments.runs}")
    try:
        _, resolved = resolve_all(changes=BOOK | {"runs": arguments.runs})
    except SpecError as error:
        sys.exit(str(error))
    able = {name: each for name, each in resolved.items() if _is_able(each.spec, resolved)}
    for name in arguments.ids:
        if name not in able:
            sys.exit(f"{name}: is no document that can be recorded; {closest(name, list(able))}")
    if not DATASET.exists():
        from pipeline import download, prepare  # They need packages that a trainer does not.

        download.main()
        prepare.main()
    wanted = arguments.ids or list(able)
    set_up_jax(max(_num_runs(able[name]) for name in wanted))
    with _work_folder(Path.cwd()) as root:
        recorder = _Recorder(able, root)
        failures = [recorder.attempt(name) for name in sorted(wanted, key=_turn(able))]
    if any(failures):
        sys.exit("\n".join(filter(None, failures)))


def _is_able(spec: Document, resolved: Mapping[str, Resolved]) -> bool:
    """What takes long: not replays, which are in float64 on CPUs, and are run by `make`."""
    match spec:
        case Network():
            return spec.training.dtype == "float32"
        case Ensemble():
            return _is_able(resolved[spec.members].spec, resolved)
        case Baseline():
            return True
        case _:
            return False


def _num_runs(experiment: Resolved) -> int:
    """Most runs that are trained at a time for a document."""
    spec = experiment.spec
    return spec.size if isinstance(spec, Ensemble) else len(list_runs(spec, experiment.seeds))


def _turn(able: Mapping[str, Resolved]) -> Callable[[str], int]:
    """Baselines first, whose processes part before JAX is there; those that vote last."""
    kinds = (Baseline, Network, Ensemble)
    return lambda name: kinds.index(type(able[name].spec))


@contextmanager
def _work_folder(root: Path) -> Iterator[Path]:
    """Be in a folder with the data in which stages can be run; gives the folder one was in."""
    (root / _WORK / DATASET.parent).mkdir(parents=True, exist_ok=True)
    os.chdir(root / _WORK)
    try:
        DATASET.unlink(missing_ok=True)
        DATASET.symlink_to(root / DATASET)
        yield root
    finally:
        os.chdir(root)


class _Recorder(NamedTuple):
    """Runs documents in the folder that it is called in, and keeps what they measure."""

    able: Mapping[str, Resolved]
    """All documents that can be recorded, by name."""
    root: Path
    """Of the repository."""

    def attempt(self, name: str) -> str:
        """Record a document; gives why that failed, so that others are recorded all the same."""
        try:
            self._record(name)
        except SystemExit as ending:
            if isinstance(ending.__context__, KeyboardInterrupt):
                raise
            return str(ending.code)
        return ""

    def _record(self, name: str) -> None:
        experiment = self.able[name]
        known = recorded_runs(self.root / RECORDED / name, identity(name, self.able))
        wanted = list_runs(experiment.spec, experiment.seeds)
        seeds = sorted({run.seed for run in wanted if run not in known})
        if not seeds:
            print(f"{name}: is recorded already; delete {RECORDED / name} to do it again")
            return
        if isinstance(experiment.spec, Ensemble):
            self._record_members(name, experiment.spec)
        self._run(name, experiment.spec, seeds)

    def _record_members(self, name: str, spec: Ensemble) -> None:
        """Train the networks that are to vote, and are not kept here."""
        members = self.able[spec.members]
        if len(members.seeds) < spec.size:
            sys.exit(f"{name}: needs {spec.size} runs of {spec.members}, got {len(members.seeds)}")
        bring_back(spec.members)
        known = recorded_runs(RUNS / spec.members, identity(spec.members, self.able))
        voters = zip(members.seeds, ensemble.list_networks(spec, members), strict=False)
        seeds = [seed for seed, path in voters if not (known and path.exists())]
        if seeds:
            self._run(spec.members, _only(members.spec, spec.variant), seeds)
        save_resolved(spec.members, members)

    def _run(self, name: str, spec: Document, seeds: Sequence[int]) -> None:
        """Run a document with some seeds, and keep what it measures."""
        document, own = identity(name, self.able), self.able[name]
        experiment = own.model_copy(update={"spec": spec, "seeds": tuple(seeds)})
        save_resolved(name, experiment)
        set_aside(name, document)
        goes_on = (STATE / name / "snapshot.safetensors").exists()
        begin = time.monotonic()
        match spec:
            case Ensemble():
                ensemble.run(name, experiment)
            case Baseline():
                from pipeline import baseline  # It needs scikit-learn.

                baseline.run(name, experiment)
            case _:
                train.run(name, experiment)
        seconds = None if goes_on else round(time.monotonic() - begin, 1)
        keep(
            name,
            self.root / RECORDED / name,
            [point.name for point in variants(own.spec)],
            document=document,
            device=nndl_jax.describe_devices(),
            seconds=seconds,
        )
        print(f"{name}: recorded" + (f" in {seconds:,.0f} s" if seconds else ""), flush=True)


def _only(spec: Document, choice: Choice | None) -> Document:
    """The document with no other variant, or as it is if the variant would have another name."""
    point = find_variant(variants(spec), choice)
    if point is None:
        return spec
    kept = [{field: (point.values[field],) for field in axis} for axis in spec.vary]
    alone = spec.model_copy(update={"vary": tuple(kept)})
    return alone if [each.name for each in variants(alone)] == [point.name] else spec


if __name__ == "__main__":
    main()
