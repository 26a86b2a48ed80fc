"""Stage `construction@<id>`: build networks by hand, one for each variant, and measure them."""

import os
import sys

import nndl_jax
from nndl_jax.schema import Construction
from nndl_jax.variants import list_runs
from pipeline.jax_setup import set_up_jax
from pipeline.measured_once import list_points, rows_of
from pipeline.process import die_with_parent, exclusive
from pipeline.resolved import load_resolved
from pipeline.runs import write_history


def main() -> None:
    """Run the document whose id is the only argument."""
    (name,) = sys.argv[1:]
    die_with_parent()
    experiment = load_resolved(name)
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    set_up_jax(experiment)
    with exclusive(name):
        points = list_points(experiment, Construction)
        rows = rows_of(nndl_jax.measure_construction(spec) for spec, _ in points)
        write_history(name, list_runs(experiment.spec, experiment.seeds), rows, data="none")


if __name__ == "__main__":
    main()
