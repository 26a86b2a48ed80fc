"""Stage `calculate`: all that needs neither data nor training, calculations and constructions.

They take moments each, so one stage does all of them, in float64.
"""

from pipeline.machine.process import begin, exclusive, run_stage

if __name__ == "__main__":
    begin()

import nndl_jax
from nndl_jax.documents import Calculation, Construction
from nndl_jax.documents.variants import list_runs
from nndl_jax.networks.calculated import run_calculation
from pipeline.machine.cores import map_on_cores
from pipeline.machine.jax_setup import check_jax, set_up_jax
from pipeline.machine.paths import CALCULATED, RUNS
from pipeline.machine.writing import replacing
from pipeline.plan.plans import Plan, load_plans
from pipeline.store.measured_once import list_experiments, rows_of
from pipeline.store.runs import write_history


def main() -> None:
    """Run every document of these kinds."""
    set_up_jax(1, float64=True)
    experiments = load_plans()
    chosen = [(name, plan) for name, plan in experiments.items() if plan.is_calculated()]
    with exclusive("calculate"):
        map_on_cores(_run, chosen, desc="calculate", unit="document")


def _run(item: tuple[str, Plan]) -> None:
    name, plan = item
    check_jax()
    calculations = list_experiments(plan, Calculation)
    constructions = list_experiments(plan, Construction)
    rows = rows_of(
        [run_calculation(spec, seed=seed) for spec, seed in calculations]
        + [nndl_jax.measure_construction(spec) for spec, _ in constructions]
    )
    runs = list_runs(plan.list_variants(), plan.seeds)
    with replacing(RUNS / CALCULATED / name) as fresh:
        write_history(name, runs, rows, data="none", folder=fresh)


if __name__ == "__main__":
    run_stage(main, __doc__)
