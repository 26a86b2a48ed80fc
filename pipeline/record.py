"""`python -m pipeline.record`: documents at the book's own settings, in one process without DVC.

It is for a machine with an accelerator, or with time. What is measured goes to `recorded/<id>/`, to
be committed: `make` judges it beside what it runs itself. Runs that are recorded already are passed
over, and others added to them; one that was interrupted goes on from its last saved epoch.
"""

from pipeline.machine.process import SNAPSHOT, begin, exclusive, forget, in_words

if __name__ == "__main__":
    begin(with_parent=False)

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal, NamedTuple

import nndl_jax
from nndl_jax.documents import Baseline, Document, Ensemble, Network, Threshold
from nndl_jax.documents.claims import Choice
from nndl_jax.documents.known_data import MNIST
from nndl_jax.documents.variants import find_variant, list_runs, variants
from nndl_jax.reading.validation import closest
from pipeline import add_recordings, ensemble, together, train
from pipeline.machine.jax_setup import set_up_jax
from pipeline.machine.paths import DATASET, RECORDED, STATE
from pipeline.machine.stop import Stop
from pipeline.plan.claimed import claimed_epochs
from pipeline.plan.plans import Plan, save_plan
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.plan.settings import MAX_RUNS
from pipeline.plan.training_key import made_by
from pipeline.recorded_data import prepare_data
from pipeline.store.dataset import data_of, file_of, load_data
from pipeline.store.finished import Kept
from pipeline.store.recorded_run import RecordedRun
from pipeline.store.recordings import read_runs
from pipeline.store.results import identity

_WORK = STATE / "record"

_DESCRIPTION = """\
Run documents at the book's own settings and keep what they measure in recorded/<id>/, to be
committed: `make` judges that beside what it runs itself. Runs that are recorded already are passed
over. Ctrl-C stops it after the epoch, or within five seconds; the same command goes on from there.
"""


class Outcome(NamedTuple):
    """What became of a document that was to be recorded."""

    name: str
    status: Literal["recorded", "known", "failed", "stopped", "not begun"]
    """`known`: it was recorded already. `stopped`: the same call goes on with it later."""
    message: str
    """One sentence that begins with the document's name."""


def main() -> None:
    """Record the documents that are named, or all that can be; or add what others recorded."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.record", description=_DESCRIPTION)
    parser.add_argument(
        "ids",
        nargs="*",
        metavar="id",
        help="documents to run; without any, all that train in float32 or vote, and baselines",
    )
    parser.add_argument(
        "--runs", type=int, default=5, metavar="N", help="runs of each variant (default: 5)"
    )
    parser.add_argument(
        "--add",
        type=Path,
        metavar="FOLDER",
        help="run nothing; check what another machine has recorded and add its new runs to "
        "recorded/. FOLDER holds <id>/ folders, a recorded/ with such, or .zip files with either",
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="train over the devices of all processes that this command is started as, on this "
        "host and others; docs/cluster.md says how",
    )
    arguments = parser.parse_args()
    if arguments.add is not None:
        if arguments.ids or arguments.distributed:
            parser.error("--add takes all that is in the folder; name no documents")
        add_recordings.main(arguments.add)
        return
    if arguments.distributed and not _lead():
        return
    try:
        _main(arguments)
    finally:
        if arguments.distributed:
            together.dismiss()


def _lead() -> bool:
    """Be one of several processes; gives whether it is the one that records."""
    set_up_jax(MAX_RUNS)
    try:
        return together.join()
    except (OSError, ValueError) as error:
        sys.exit(str(error))


def _main(arguments: argparse.Namespace) -> None:
    """Record what the arguments name; says what became of it."""
    has_failed = False
    try:
        for outcome in record(arguments.ids, runs=arguments.runs):
            has_failed |= outcome.status == "failed"
            if outcome.status != "not begun":
                is_good = outcome.status in ("recorded", "known")
                print(outcome.message, file=sys.stdout if is_good else sys.stderr, flush=True)
    except ValueError as error:
        sys.exit(str(error))
    if has_failed:
        sys.exit(1)


def record(
    names: Sequence[str] = (),
    *,
    runs: int = 5,
    deadline: float = math.inf,
    profile: Literal["book", "smoke"] = "book",
) -> Iterator[Outcome]:
    """Record documents one after another, telling what became of each as soon as that is known.

    JAX is set up unless it is imported already.

    Args:
        names: of the documents; none for all that can be recorded. Those that vote come last.
        runs: of each variant, with what is recorded already.
        deadline: a value of `time.monotonic()`. Once it has passed, training ends after its epoch
            with its state saved, and no further document is begun.
        profile: `smoke` for a rehearsal elsewhere, whose records are not of the book's documents.

    Raises:
        ValueError: a document is faulty or cannot be recorded, or the data set has no name that
            is one line; nothing is run.
        SystemExit: there is no data set, or a signal came: with status 130 or 143, at the end.
    """
    if not 1 <= runs <= MAX_RUNS:
        raise ValueError(f"runs: must be 1 to {MAX_RUNS:,}, got {runs}")
    _, resolved = resolve_all(changes=BOOK | {"runs": runs, "profile": profile})
    able = {name: plan for name, plan in resolved.items() if is_able(plan.spec, resolved)}
    for name in names:
        if name not in able:
            hint = closest(name, list(able))
            raise ValueError(f"{name}: is no document that can be recorded; {hint}")
    wanted = sorted(dict.fromkeys(names or able), key=_turn(able))
    learners = {name: able[able[name].spec.subject()].spec for name in wanted}
    files = {name: file_of(spec) for name, spec in learners.items()}
    stop = Stop(deadline)
    with stop.heeded():
        lacking = prepare_data(learners.values())
        data = load_data().name if DATASET in files.values() else MNIST
    if not data or not data.isprintable():
        sentence = "its name must be one line for the heads of runs"
        raise ValueError(f"{DATASET}: {sentence}, got {data!r}; save it under another")
    if "jax" not in sys.modules:
        set_up_jax(max((_num_runs(able[name]) for name in wanted), default=1))
    known = set(files.values()) - set(lacking)
    recorder = _Recorder(able, data, known, claimed_epochs(), Path.cwd(), stop)
    is_over = False
    for index, name in enumerate(wanted):
        if is_over or stop.is_due():
            yield from (Outcome(name, "not begun", f"{name}: not begun") for name in wanted[index:])
            break
        if why := lacking.get(files[name]):
            yield Outcome(name, "failed", f"{name}: {why}")
            continue
        outcome = recorder.attempt(name)
        yield outcome
        is_over |= outcome.status == "stopped"  # By a signal to another process.
    if stop.signal is not None:
        sys.exit(stop.status())


def is_able(spec: Document, resolved: Mapping[str, Plan]) -> bool:
    """Whether a document can be recorded: what takes long, and no replay or file of one's own.

    Those are in float64 on CPUs, and may hold something else tomorrow: `make` runs them.
    """
    match spec:
        case Network():
            return spec.training.dtype == "float32" and spec.data.known() is not None
        case Ensemble() | Threshold():
            return is_able(resolved[spec.subject()].spec, resolved)
        case Baseline():
            return True
        case _:
            return False


def _num_runs(plan: Plan) -> int:
    """Most runs that are trained at a time for a document."""
    spec = plan.spec
    if isinstance(spec, Ensemble):
        return spec.size
    return len(list_runs(plan.list_variants(), plan.seeds))


def _turn(able: Mapping[str, Plan]) -> Callable[[str], int]:
    """Baselines first, whose processes part before JAX is there; those that vote last."""
    kinds = (Baseline, Network, Threshold, Ensemble)
    return lambda name: kinds.index(type(able[name].spec))


@contextmanager
def _work_folder(root: Path, data: Collection[Path]) -> Iterator[None]:
    """Be in a folder with the data in which stages can be run."""
    (root / _WORK / DATASET.parent).mkdir(parents=True, exist_ok=True)
    os.chdir(root / _WORK)
    try:
        for path in data:
            # Another recorder may be reading through the link.
            if not (path.is_symlink() and path.readlink() == root / path):
                path.unlink(missing_ok=True)
                path.symlink_to(root / path)
        yield
    finally:
        os.chdir(root)


class _Recorder(NamedTuple):
    """Runs documents in the work folder, and keeps what they measure."""

    able: Mapping[str, Plan]
    """All documents that can be recorded, by name."""
    data: str
    """Name of what is in MNIST's file."""
    files: Collection[Path]
    """Data sets that are there."""
    numbered: Mapping[str, Collection[int]]
    """Epochs of documents that claims name."""
    root: Path
    """Of the repository."""
    stop: Stop

    def attempt(self, name: str) -> Outcome:
        """Record a document; a failure is told, so that others are recorded all the same."""
        with self.stop.heeded(), _work_folder(self.root, self.files):
            return self._try(name)

    def _try(self, name: str) -> Outcome:
        try:
            with exclusive(name):
                return self._record(name)
        except together.Stopped:
            pass
        # The last is what JAX raises, where memory is short for one.
        except (SystemExit, KeyboardInterrupt, OSError, RuntimeError) as error:
            is_interrupt = isinstance(error, KeyboardInterrupt)
            if self.stop.signal is None:
                if is_interrupt or isinstance(error.__context__, KeyboardInterrupt):
                    raise
                sentence = str(error).strip()
                if isinstance(error, OSError):
                    sentence = f"in {_WORK}, {in_words(error)}"
                if isinstance(error, RuntimeError):
                    sentence = sentence.split("\n")[0]
                sentence = sentence if sentence.startswith(f"{name}:") else f"{name}: {sentence}"
                return Outcome(name, "failed", sentence)
        return Outcome(name, "stopped", f"{name}: stopped; the same command goes on with it")

    def _record(self, name: str) -> Outcome:
        plan, kept = self.able[name], self._kept(name)
        kept.recover()
        known = {run.head.run for run in self._known(kept)}
        wanted = list_runs(plan.list_variants(), plan.seeds)
        seeds = sorted({run.seed for run in wanted if run not in known})
        if not seeds:
            sentence = f"{name}: is recorded already; delete {RECORDED / name} to do it again"
            return Outcome(name, "known", sentence)
        members = ""
        if isinstance(plan.spec, Ensemble):
            members = self._record_members(name, plan.spec)
        return Outcome(name, "recorded", self._run(kept, plan.spec, seeds) + members)

    def _kept(self, name: str) -> Kept:
        target, document = self.root / RECORDED / name, identity(name, self.able)
        return Kept(name, target, self.able[name], document, self.numbered.get(name, ()))

    def _known(self, kept: Kept) -> Sequence[RecordedRun]:
        """What is recorded of a document as it is today."""
        return [run for run in read_runs(kept.target) if run.head.document == kept.document]

    def _record_members(self, name: str, spec: Ensemble) -> str:
        """Train the networks that are to vote, and are not kept here; says so if there are any."""
        members = self.able[spec.members]
        if len(members.seeds) < spec.size:
            sys.exit(f"{name}: needs {spec.size} runs of {spec.members}, got {len(members.seeds)}")
        with exclusive(spec.members):
            kept = self._kept(spec.members)
            kept.recover()
            voters = ensemble.list_networks(spec, members, self._networks(spec))
            pairs = zip(members.seeds, voters, strict=False)
            seeds = [seed for seed, path in pairs if not path.exists()]
            if seeds:
                self._run(kept, _only(members.spec, spec.variant), seeds)
            save_plan(spec.members, members)
        return f"; for it {len(seeds)} runs of {spec.members} were recorded" if seeds else ""

    def _networks(self, spec: Ensemble) -> Path:
        """The folder of those that vote."""
        data = data_of(self.able[spec.members].spec, self.data)
        return self._kept(spec.members).networks(data)

    def _check_data(self, kept: Kept) -> None:
        """Refuse runs on other data than those that are recorded, which would make way for them."""
        spec = self.able[kept.plan.spec.subject()].spec
        path, data = file_of(spec), data_of(spec, self.data)
        other = next((run for run in self._known(kept) if run.head.data != data), None)
        if other is not None:
            sys.exit(
                f"{kept.name}: is recorded on {other.head.data}, and {path} holds {data}; take "
                f"that data set, or delete {RECORDED / kept.name}"
            )

    def _run(self, kept: Kept, spec: Document, seeds: Sequence[int]) -> str:
        """Run a document with some seeds, and keep what it measures; gives a sentence of that."""
        self._check_data(kept)
        name, plan = kept.name, Plan.of(spec, seeds)
        save_plan(name, plan)
        goes_on = (STATE / name / SNAPSHOT).exists()
        begin = time.monotonic()
        with self.stop.patience() if isinstance(spec, Network) else nullcontext():
            match spec:
                case Ensemble():
                    ensemble.run(name, plan, networks=self._networks(spec))
                case Threshold():
                    from pipeline import threshold

                    save_plan(spec.learner, self.able[spec.learner])
                    threshold.run(name, plan)
                case Baseline():
                    from pipeline import baseline

                    baseline.run(name, plan)
                case _:
                    train.run(name, plan, should_stop=self.stop.is_due)
            seconds = None if goes_on else round(time.monotonic() - begin, 1)
            head = {"device": nndl_jax.describe_devices(), "seconds": seconds}
            made = made_by(name, plan) if isinstance(spec, Network) else {}
            added = kept.finish({**head, **made})
        forget(name)
        sentence = f"{name}: recorded" + ("" if seconds is None else f" in {seconds:,.0f} s")
        if added.other:
            sentence += f"; {len(added.other)} runs that are there with other numbers stay"
        if added.replaced:
            sentence += f"; {len(added.replaced)} runs of another version of it made way"
        return sentence


def _only(spec: Document, choice: Choice | None) -> Document:
    """The document with no other variant, or as it is if the variant would have another name."""
    variant = find_variant(variants(spec), choice)
    if variant is None:
        return spec
    kept = [{field: (variant.values[field],) for field in axis} for axis in spec.vary]
    alone = spec.model_copy(update={"vary": tuple(kept)})
    return alone if [other.name for other in variants(alone)] == [variant.name] else spec


if __name__ == "__main__":
    main()
