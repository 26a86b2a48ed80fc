"""Stage `resolve`: one small file per experiment with all that decides its results, and only that.

Validates `params.yaml` and every document together, applies profile and overrides, and fills in
every default. Training depends on its own file alone, so an edit re-runs just what it changes.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import sys

from nndl_jax.reading.faults import SpecError
from pipeline.machine.paths import RESOLVED
from pipeline.machine.writing import replacing
from pipeline.plan.documents import document_paths, load_document
from pipeline.plan.needed_data import needed_data, save_needed_data
from pipeline.plan.plans import Today, save_all, save_plan
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.store.kept import steady


def main() -> None:
    """Write `resolved/<id>.json` for every document, or say what is wrong and change nothing.

    Documents that are left out stay as they were run last.
    """
    try:
        settings, plans = resolve_all()
        _, books = resolve_all(changes=BOOK)
    except SpecError as error:
        sys.exit(str(error))
    selected = tuple(name for name, plan in plans.items() if plan.selected)
    overridden = tuple(name for name in settings.overrides if name in selected)
    paths = document_paths(own=settings.experiments)
    today = Today(
        profile=settings.profile,
        selected=selected,
        overridden=overridden,
        paths={name: str(path) for name, path in paths.items()},
    )
    documents = [load_document(path) for path in paths.values()]
    plans = {name: steady(name, plan) for name, plan in plans.items()}
    with replacing(RESOLVED) as fresh:
        for name, plan in plans.items():
            save_plan(name, plan, fresh)
        save_needed_data(needed_data(plans), fresh)
        save_all(today, books, documents, fresh)


if __name__ == "__main__":
    run_stage(main, __doc__)
