"""Stage `baseline@<id>`: run a method without a network, once for each variant and seed."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from tqdm import tqdm

from nndl_jax.baselines import run_baseline
from nndl_jax.datasets import load_dataset
from nndl_jax.schema import Baseline
from nndl_jax.variants import list_runs, variants
from pipeline.paths import DATASET
from pipeline.process import die_with_parent, exclusive
from pipeline.resolved import load_resolved
from pipeline.runs import Row, write_history


def main() -> None:
    """Run the document whose id is the only argument."""
    (name,) = sys.argv[1:]
    die_with_parent()
    experiment, dataset = load_resolved(name), load_dataset(DATASET)
    points = [
        (point.spec, seed)
        for point, seed in product(variants(experiment.spec), experiment.seeds)
        if experiment.selected and isinstance(point.spec, Baseline)
    ]
    row: dict[str, list[float]] = {}
    # Most of the work is done outside the interpreter's lock.
    with exclusive(name), ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda each: run_baseline(each[0], dataset, seed=each[1]), points)
        for measured in tqdm(results, total=len(points), desc=name, unit="run", disable=None):
            for metric, value in measured.items():
                row.setdefault(metric, []).append(value)
    rows: list[Row] = [{"epoch": [0.0] * len(points)} | row] if row else []
    write_history(name, list_runs(experiment.spec, experiment.seeds), rows, data=dataset.name)


if __name__ == "__main__":
    main()
