"""Stage `calculation@<id>`: what needs neither data nor training, for each variant and seed."""

import sys
from itertools import product

from nndl_jax.calculations import run_calculation
from nndl_jax.schema import Calculation
from nndl_jax.variants import list_runs, variants
from pipeline.process import die_with_parent, exclusive
from pipeline.resolved import load_resolved
from pipeline.runs import Row, write_history


def main() -> None:
    """Run the document whose id is the only argument."""
    (name,) = sys.argv[1:]
    die_with_parent()
    experiment = load_resolved(name)
    points = [
        (point.spec, seed)
        for point, seed in product(variants(experiment.spec), experiment.seeds)
        if experiment.selected and isinstance(point.spec, Calculation)
    ]
    row: dict[str, list[float]] = {}
    with exclusive(name):
        for spec, seed in points:
            for metric, value in {"epoch": 0.0, **run_calculation(spec, seed=seed)}.items():
                row.setdefault(metric, []).append(value)
        rows: list[Row] = [row] if row else []
        write_history(name, list_runs(experiment.spec, experiment.seeds), rows, data="none")


if __name__ == "__main__":
    main()
