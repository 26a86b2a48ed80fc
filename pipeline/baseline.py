"""Stage `baseline@<id>`: run a method without a network, once for each variant and seed."""

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache

from tqdm import tqdm

from nndl_jax.baselines import run_baseline
from nndl_jax.datasets import Dataset, load_dataset
from nndl_jax.schema import Baseline
from nndl_jax.variants import list_runs
from pipeline.measured_once import list_points, rows_of
from pipeline.paths import DATASET
from pipeline.process import die_with_parent, exclusive
from pipeline.resolved import Resolved, load_resolved
from pipeline.runs import write_history


def main() -> None:
    """Run the document whose id is the only argument."""
    (name,) = sys.argv[1:]
    die_with_parent()
    with exclusive(name):
        run(name, load_resolved(name))


def run(name: str, experiment: Resolved) -> None:
    """Run a method on every core."""
    points = list_points(experiment, Baseline)
    with ProcessPoolExecutor(os.cpu_count(), initializer=die_with_parent) as pool:
        # The last variants have the most images: whoever begins with them ends sooner.
        futures = [pool.submit(_measure, *point) for point in reversed(points)]
        done = as_completed(futures)
        for future in tqdm(done, total=len(points), desc=name, unit="run", disable=None):
            future.result()
    rows = rows_of(future.result() for future in reversed(futures))
    write_history(name, list_runs(experiment.spec, experiment.seeds), rows, data=_dataset().name)


def _measure(spec: Baseline, seed: int) -> Mapping[str, float]:
    return run_baseline(spec, _dataset(), seed=seed)


@cache
def _dataset() -> Dataset:
    """The data set, read once in each process."""
    return load_dataset(DATASET)


if __name__ == "__main__":
    main()
