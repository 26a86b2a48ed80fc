"""Stage `baseline@<id>`: run a method without a network, once for each variant and seed."""

import sys
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
    points = list(product(variants(experiment.spec), experiment.seeds))
    row: dict[str, list[float]] = {}
    with exclusive(name), tqdm(points, desc=name, unit="run", disable=None) as progress:
        for point, seed in progress if experiment.selected else []:
            if not isinstance(point.spec, Baseline):
                raise TypeError(f"{name} is a {point.spec.kind}, not a baseline")
            for metric, value in run_baseline(point.spec, dataset, seed=seed).items():
                row.setdefault(metric, []).append(value)
    rows: list[Row] = [row] if row else []
    write_history(name, list_runs(experiment.spec, experiment.seeds), rows, data=dataset.name)


if __name__ == "__main__":
    main()
