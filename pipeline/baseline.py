"""Stage `baseline@<id>`: run a method without a network, once for each variant and seed."""

from pipeline.machine.process import begin, exclusive, named, run_stage

if __name__ == "__main__":
    begin()

from collections.abc import Mapping
from functools import cache

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Baseline
from nndl_jax.documents.variants import list_runs
from nndl_jax.training.baselines import run_baseline
from pipeline.machine.cores import map_on_cores
from pipeline.plan.plans import Plan, load_plan
from pipeline.store.dataset import load_data
from pipeline.store.measured_once import list_experiments, rows_of
from pipeline.store.runs import write_history


def main(name: str) -> None:
    """Run the document with this id."""
    plan = load_plan(name, Baseline, "run by this stage")
    with exclusive(name):
        run(name, plan)


def run(name: str, plan: Plan) -> None:
    """Run a method on every core."""
    experiments = list_experiments(plan, Baseline)
    # The last variants have the most images.
    with named(name):
        measured = map_on_cores(_measure, experiments[::-1], desc=name, unit="run")
    rows = rows_of(reversed(measured))
    write_history(name, list_runs(plan.list_variants(), plan.seeds), rows, data=_dataset().name)


def _measure(experiment: tuple[Baseline, int]) -> Mapping[str, float]:
    spec, seed = experiment
    return run_baseline(spec, _dataset(), seed=seed)


@cache
def _dataset() -> Dataset:
    """The data set, read once in each process."""
    return load_data()


if __name__ == "__main__":
    run_stage(main, __doc__, takes_id=True)
