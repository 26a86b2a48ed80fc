"""Stage `code`: a list for each later stage with the files of ours that it runs, and their hashes.

A stage depends on its list in `code/`, so that an edit of what a file does re-runs the stages that
import it, and no import can be forgotten. Those that train depend on what `programs` makes of it.
Lists also keep `dvc.lock` short, which DVC reads and writes as a whole for every stage.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

from typing import get_args

from nndl_jax.documents import Document
from pipeline.machine.paths import CODE
from pipeline.machine.writing import write_text
from pipeline.plan.imports import list_code
from pipeline.plan.syntax import hash_syntax

STAGES = (
    *("resolve", "programs", "download", "prepare"),
    *dict.fromkeys(kind.stage for kind in get_args(Document)),
    *("evaluate", "report", "site", "models"),
)


def main() -> None:
    """Write `code/<stage>.txt` for every stage."""
    for stage in STAGES:
        lines = [f"{hash_syntax(path)}  {path}" for path in list_code(stage)]
        write_text(CODE / f"{stage}.txt", "\n".join(lines) + "\n")


if __name__ == "__main__":
    run_stage(main, __doc__)
