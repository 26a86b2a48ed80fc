"""Stage `train@<id>`: train all runs of a network, an epoch at a time, from where it was stopped.

After an epoch the state goes to `.nndl/<id>/`, so that a killed stage goes on from there and ends
with the same bits.
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pooch
from tqdm import tqdm

import nndl_jax
from nndl_jax.schema import Network
from nndl_jax.variants import list_runs, variants
from pipeline.paths import DATASET, RESOLVED, RUNS
from pipeline.process import die_with_parent, exclusive
from pipeline.resolved import Resolved, load_resolved
from pipeline.runs import Row, write_history

# Saving may take this share of the time: an epoch of a small network is shorter than a save.
_SAVE_SHARE = 0.05


def main() -> None:
    """Train the document whose id is the only argument."""
    (name,) = sys.argv[1:]
    die_with_parent()
    experiment = load_resolved(name)
    set_up_jax(experiment)
    with exclusive(name) as folder:
        try:
            _run(name, experiment, folder)
        except (nndl_jax.SpecError, nndl_jax.DivergenceError) as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            sys.exit(f"{name}: stopped; the same command goes on from the last saved epoch")


def set_up_jax(experiment: Resolved) -> None:
    """Choose how JAX works, before it is imported; what the user has set stays.

    One thread for each device, and on a CPU one device for each core: the number of threads decides
    how sums are rounded, and independent runs side by side use the cores better.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    num_runs = len(experiment.seeds) * len(variants(experiment.spec))
    cache = Path(os.environ.get("NNDL_CACHE") or pooch.os_cache("nndl_jax")) / "xla"
    wanted = {
        "PJRT_NPROC": "1",
        "JAX_NUM_CPU_DEVICES": str(max(1, min(cores, num_runs))),
        "JAX_COMPILATION_CACHE_DIR": str(cache.expanduser()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    if isinstance(experiment.spec, Network) and experiment.spec.training.dtype == "float64":
        wanted["JAX_ENABLE_X64"] = "1"
    for variable, value in wanted.items():
        os.environ.setdefault(variable, value)


def _run(name: str, experiment: Resolved, folder: Path) -> None:
    """Train, then write everything that the stage gives."""
    dataset, rows = nndl_jax.load_dataset(DATASET), []
    weights = RUNS / name / "weights"
    shutil.rmtree(RUNS / name, ignore_errors=True)
    weights.mkdir(parents=True)
    runs = list_runs(experiment.spec, experiment.seeds)
    if experiment.selected:
        result = None
        for result, rows in _epochs(name, experiment, dataset, folder / "snapshot.safetensors"):
            pass
        points = {point.name: point.spec for point in variants(experiment.spec)}
        for index, run in enumerate(runs):
            path = weights / f"{run.name}.safetensors"
            nndl_jax.save(result.model(index), points[run.variant], path)
    write_history(name, runs, rows, dataset)
    for snapshot in folder.glob("snapshot.*"):
        snapshot.unlink()


def _epochs(
    name: str, experiment: Resolved, dataset: nndl_jax.Dataset, path: Path
) -> Iterator[tuple[nndl_jax.EpochResult, list[Row]]]:
    """Each epoch's result with the measurements so far, saved now and then on the way."""
    spec, seeds = experiment.spec, experiment.seeds
    if not isinstance(spec, Network):
        raise TypeError(f"{name} is a {spec.kind}; only networks are trained")
    identity = _identity(name)
    snapshot, problems = nndl_jax.load_snapshot(
        path, identity=identity, like=nndl_jax.abstract_states(spec, seeds)
    )
    for problem in problems:
        print(problem, file=sys.stderr)
    rows: list[Row] = [] if snapshot is None else list(snapshot.history)
    save_at = 0.0
    progress = tqdm(
        total=spec.training.epochs, initial=len(rows), desc=name, unit="epoch", disable=None
    )
    with progress:
        for result in nndl_jax.train(spec, dataset, seeds=seeds, resume=snapshot):
            rows.append({metric: values.tolist() for metric, values in result.metrics.items()})
            # The last epoch is never saved: a trainer that goes on always has a result to give.
            if time.monotonic() >= save_at and len(rows) < spec.training.epochs:
                begin = time.monotonic()
                current = result.snapshot()._replace(history=rows)
                nndl_jax.save_snapshot(current, path, identity=identity)
                took = time.monotonic() - begin
                save_at = begin + took / _SAVE_SHARE
            progress.set_postfix_str(_summary(rows[-1]), refresh=False)
            progress.update()
            yield result, rows


def _summary(row: Row) -> str:
    """The mean of the first monitor, for the progress bar."""
    metric = next(name for name in row if name != "batch_cost")
    return f"{metric.replace('_', ' ')} {sum(row[metric]) / len(row[metric]):.4f}"


def _identity(name: str) -> str:
    """A hash of all that decides what is trained: document, seeds, data, and our own code."""
    code = sorted(Path(nndl_jax.__file__).parent.glob("*.py"))
    digest = hashlib.sha256()
    for path in (RESOLVED / f"{name}.json", DATASET, *code):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
