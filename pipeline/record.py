"""`python -m pipeline.record`: documents at the book's own settings, in one process without DVC.

It is for a machine with an accelerator, or with time. What is measured goes to `recorded/<id>/`, to
be committed: `make` judges it beside what it runs itself. A document of which as many runs are
recorded already is passed over, and one that was interrupted goes on from its last saved epoch.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import nndl_jax
from nndl_jax.faults import SpecError
from nndl_jax.schema import Baseline, Document, Ensemble, Network
from nndl_jax.validation import closest
from nndl_jax.variants import list_runs
from pipeline import baseline, download, ensemble, prepare, train
from pipeline.experiments import identity
from pipeline.jax_setup import set_up_jax
from pipeline.paths import DATASET, RECORDED, RUNS, STATE
from pipeline.resolve import BOOK, resolve_all
from pipeline.resolved import Resolved, save_resolved
from pipeline.runs import ERRORS, read_about, read_history
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
        download.main()
        prepare.main()
    wanted = arguments.ids or list(able)
    set_up_jax(max(len(list_runs(able[name].spec, able[name].seeds)) for name in wanted))
    failures = [
        failure for name in sorted(wanted, key=_turn(able)) if (failure := _try(name, able))
    ]
    if failures:
        sys.exit("\n".join(failures))


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


def _turn(able: Mapping[str, Resolved]) -> Callable[[str], int]:
    """Baselines first, whose processes part before JAX is there; those that vote last."""
    kinds = (Baseline, Network, Ensemble)
    return lambda name: kinds.index(type(able[name].spec))


def _try(name: str, able: Mapping[str, Resolved]) -> str:
    """Record a document; gives why that failed, so that the others are recorded all the same."""
    try:
        _record(name, able)
    except SystemExit as ending:
        if isinstance(ending.__context__, KeyboardInterrupt):
            raise
        return str(ending.code)
    return ""


def _record(name: str, able: Mapping[str, Resolved]) -> None:
    experiment, target = able[name], Path.cwd() / RECORDED / name
    document = identity(name, able)
    if _document(target) == document and _num_runs(target) >= len(experiment.seeds):
        print(f"{name}: is recorded already; delete {RECORDED / name} to do it again")
        return
    root = Path.cwd()
    (root / _WORK).mkdir(parents=True, exist_ok=True)
    os.chdir(root / _WORK)
    try:
        seconds = _run(name, experiment, able, root)
        print(f"{name}: recorded" + (f" in {seconds:,.0f} s" if seconds else ""), flush=True)
        _keep(
            name,
            target,
            {"document": document, "device": nndl_jax.describe_devices(), "seconds": seconds},
        )
    finally:
        os.chdir(root)


def _run(name: str, experiment: Resolved, able: Mapping[str, Resolved], root: Path) -> float | None:
    """Run a document in a folder of its own; gives the seconds it took, or None if it went on."""
    DATASET.parent.mkdir(exist_ok=True)
    DATASET.unlink(missing_ok=True)
    DATASET.symlink_to(root / DATASET)
    save_resolved(name, experiment)
    goes_on = (STATE / name / "snapshot.safetensors").exists()
    begin = time.monotonic()
    if isinstance(experiment.spec, Ensemble):
        _check_members(name, experiment.spec, able)
        save_resolved(experiment.spec.members, able[experiment.spec.members])
        ensemble.run(name, experiment)
    elif isinstance(experiment.spec, Baseline):
        baseline.run(name, experiment)
    else:
        train.run(name, experiment)
    return None if goes_on else round(time.monotonic() - begin, 1)


def _check_members(name: str, spec: Ensemble, able: Mapping[str, Resolved]) -> None:
    members = able[spec.members]
    if len(members.seeds) < spec.size:
        sys.exit(f"{name}: needs {spec.size} runs of {spec.members}, got {len(members.seeds)}")
    are_there = all(path.exists() for path in ensemble.list_networks(spec, members))
    if not are_there or _document(RUNS / spec.members) != identity(spec.members, able):
        said = f"delete {RECORDED / spec.members}, if it is there, and record both"
        sys.exit(f"{name}: the networks of {spec.members} are not kept here; {said}")


def _num_runs(folder: Path) -> int:
    """Runs of each variant that were recorded."""
    history = read_history(folder)
    return 0 if history is None else len({run.seed for run in history.runs})


def _document(folder: Path) -> object:
    """The identity of the document that the numbers in a folder are of."""
    return read_about(folder).get("document")


def _keep(name: str, target: Path, about: Mapping[str, object]) -> None:
    """Put what was measured where it is kept, all of it or nothing."""
    fresh = target.with_name(f".{name}.writing")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in ("history.csv", ERRORS):
        if (RUNS / name / file).exists():
            shutil.copyfile(RUNS / name / file, fresh / file)
    content = json.dumps(dict(read_about(RUNS / name)) | dict(about), indent=1) + "\n"
    # The weights stay in the folder of the runs, and a vote asks what they are of.
    for folder in (RUNS / name, fresh):
        (folder / "about.json").write_text(content, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    fresh.replace(target)


if __name__ == "__main__":
    main()
