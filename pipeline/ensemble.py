"""Stage `ensemble@<id>`: let the networks of another document vote, and note their errors.

The first kernels of the first network are noted as well: networks are not kept beside what is
recorded.
"""

from pipeline.machine.process import begin, exclusive, named, run_stage

if __name__ == "__main__":
    begin()

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

import nndl_jax
from nndl_jax.data.selection import read_split
from nndl_jax.documents import Conv, Ensemble
from nndl_jax.documents.variants import Run, find_variant
from pipeline.machine.jax_setup import check_jax, set_up_jax
from pipeline.machine.paths import RUNS
from pipeline.machine.writing import replacing
from pipeline.plan.plans import Plan, load_plan
from pipeline.store.dataset import data_of, file_of, is_missing, load_data
from pipeline.store.measured_once import rows_of
from pipeline.store.runs import ERRORS, FILTERS, Error, network_path, write_errors, write_history


def main(name: str) -> None:
    """Run the document with this id."""
    plan = load_plan(name, Ensemble, "put to the vote")
    set_up_jax(1)
    check_jax()
    with exclusive(name):
        run(name, plan)


def run(name: str, plan: Plan, *, networks: Path | None = None) -> None:
    """Let the networks of a document's members vote.

    Args:
        name: the document's id.
        plan: the document and its seed.
        networks: the folder with `weights/`; None for that of the members' results.
    """
    spec = plan.spec
    if not isinstance(spec, Ensemble):
        raise TypeError(f"{name} is a {spec.kind}; only ensembles vote")
    members = load_plan(spec.members)
    file = file_of(members.spec)
    paths = list_networks(spec, members, networks) if plan.selected else []
    runs = [Run("base", plan.seeds[0])]
    if not paths or is_missing(file):
        write_history(name, runs, [], data="none")
        return
    dataset = load_data(file)
    data = data_of(members.spec, dataset.name)
    with named(name):
        loaded = [nndl_jax.load(path) for path in paths]
        models, documents = zip(*loaded, strict=True)
        labels = dataset.test.labels
        result = nndl_jax.vote(models, read_split(dataset.test, documents[0]), documents[0])
    is_wrong = result.digits != labels
    known = [error.image for error in spec.known_errors if error.image < len(labels)]
    measured = {
        "test_accuracy": float((~is_wrong).mean()),
        "num_errors": float(is_wrong.sum()),
        "num_common_errors": float(is_wrong[known].sum()),
        "mean_accuracy": float((result.votes == labels).mean()),
    }
    with replacing(RUNS / name) as fresh:
        write_history(name, runs, rows_of([measured]), data=data, folder=fresh)
        wrong = np.flatnonzero(is_wrong).tolist()
        said = [Error(image, int(labels[image]), int(result.digits[image])) for image in wrong]
        write_errors(said, fresh / ERRORS)
        if isinstance(documents[0].model.layers[0], Conv):
            # Images have one channel.
            kernels = np.asarray(models[0].layers[0].weight[...])[:, 0]
            _write_filters(fresh / FILTERS, kernels)


def list_networks(spec: Ensemble, members: Plan, folder: Path | None = None) -> Sequence[Path]:
    """Files of the networks that vote: as many as the document asks for, or all that there are.

    Args:
        spec: the vote.
        members: those that vote.
        folder: with `weights/`; None for that of the members' results.
    """
    variant = find_variant(members.list_variants(), spec.variant)
    if variant is None or not members.selected:
        return []
    runs = [Run(variant.name, seed) for seed in members.seeds[: spec.size]]
    is_best = spec.network == "best"
    return [network_path(spec.members, run, is_best=is_best, folder=folder) for run in runs]


def _write_filters(path: Path, kernels: Float[np.ndarray, "filters height width"]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["filter", "row", "column", "weight"])
        for place, weight in np.ndenumerate(kernels):
            writer.writerow([*place, weight])


if __name__ == "__main__":
    run_stage(main, __doc__, takes_id=True)
