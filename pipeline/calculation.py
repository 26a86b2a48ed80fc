"""Stage `calculation@<id>`: what needs neither data nor training, for each variant and seed."""

import sys

from nndl_jax.calculations import run_calculation
from nndl_jax.schema import Calculation
from nndl_jax.variants import list_runs
from pipeline.measured_once import list_points, rows_of
from pipeline.process import die_with_parent, exclusive
from pipeline.resolved import load_resolved
from pipeline.runs import write_history


def main() -> None:
    """Run the document whose id is the only argument."""
    (name,) = sys.argv[1:]
    die_with_parent()
    experiment = load_resolved(name)
    with exclusive(name):
        points = list_points(experiment, Calculation)
        rows = rows_of(run_calculation(spec, seed=seed) for spec, seed in points)
        write_history(name, list_runs(experiment.spec, experiment.seeds), rows, data="none")


if __name__ == "__main__":
    main()
