"""Stage `threshold@<id>`: find the largest learning rate with which another document's cost falls.

It trains for a few epochs at a time, and begins again where it was interrupted.
"""

from pipeline.machine.process import begin, exclusive, named, run_stage

if __name__ == "__main__":
    begin()

from nndl_jax.documents import Threshold
from nndl_jax.documents.variants import find_variant, list_runs
from nndl_jax.training.threshold import find_thresholds
from pipeline.machine.jax_setup import check_jax, set_up_jax
from pipeline.plan.plans import Plan, load_plan
from pipeline.store.dataset import data_of, file_of, is_missing, load_data
from pipeline.store.measured_once import rows_of
from pipeline.store.runs import write_history


def main(name: str) -> None:
    """Run the document with this id."""
    plan = load_plan(name, Threshold, "searched by this stage")
    with exclusive(name):
        run(name, plan)


def run(name: str, plan: Plan) -> None:
    """Search with each seed, for each variant of the document."""
    runs = list_runs(plan.list_variants(), plan.seeds)
    searches = [
        variant.spec for variant in plan.list_variants() if isinstance(variant.spec, Threshold)
    ]
    plan_of_learner = load_plan(searches[0].learner)
    file = file_of(plan_of_learner.spec)
    variant = find_variant(plan_of_learner.list_variants(), searches[0].variant)
    if not plan.selected or variant is None or is_missing(file):
        write_history(name, runs, [], data="none")
        return
    learner = variant.spec
    training = learner.learning()
    is_float64 = training is not None and training.dtype == "float64"
    set_up_jax(len(plan.seeds), float64=is_float64)
    check_jax()
    dataset = load_data(file)
    with named(name):
        found = [
            measured
            for spec in searches
            for measured in find_thresholds(spec, learner, dataset, seeds=plan.seeds)
        ]
    write_history(name, runs, rows_of(found), data=data_of(learner, dataset.name))


if __name__ == "__main__":
    run_stage(main, __doc__, takes_id=True)
