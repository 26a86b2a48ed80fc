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
from pipeline.plan.resolved import save_resolved
from pipeline.plan.resolving import resolve_all
from pipeline.store.kept import steady


def main() -> None:
    """Write `resolved/<id>.json` for every document, or say what is wrong and change nothing.

    Documents that are left out stay as they were run last.
    """
    try:
        _, resolved = resolve_all()
    except SpecError as error:
        sys.exit(str(error))
    with replacing(RESOLVED) as fresh:
        for name, experiment in resolved.items():
            save_resolved(name, steady(name, experiment), fresh)


if __name__ == "__main__":
    run_stage(main, __doc__)
