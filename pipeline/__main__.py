"""`python -m pipeline`: check everything, mend what a killed DVC left behind, run `dvc repro`.

Before that, documents that are new or gone, and the data that they learn, are written into the
lists of `dvc.yaml`.

Further arguments go to `dvc repro`.
"""

from pipeline.machine.process import begin, exclusive, in_a_sentence, run_child

if __name__ == "__main__":
    begin(with_parent=False)

import sys
import time
from pathlib import Path

from pipeline.machine.locks import mend
from pipeline.machine.paths import JUDGEMENTS, NOT_HERE
from pipeline.plan.listed import update_lists
from pipeline.plan.needed_data import data_source, needed_data
from pipeline.plan.resolving import all_documents, resolve_all, todays_overrides
from pipeline.tables.summary import summary


def main() -> None:
    """Run the pipeline; ends with DVC's exit status, or with 1 if the input is faulty."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    with in_a_sentence(), exclusive("pipeline"):
        for sentence in update_lists(all_documents(), todays_overrides()):
            print(sentence, file=sys.stderr)
        _, plans = resolve_all()
        if not Path(".git").exists():  # An unpacked archive: DVC works there if it is told so.
            run_child("dvc", "config", "--local", "--quiet", "core.no_scm", "true")
        mend()
        for key, needed in needed_data(plans).items():
            if needed.is_needed and (data_source(needed.data) / NOT_HERE).exists():
                # A source may be within reach by now; DVC cannot know.
                single = ("--quiet", "--force", "--single-item")
                run_child("dvc", "repro", *single, f"download@{key}")
        started = time.monotonic()
        status = run_child("dvc", "repro", *sys.argv[1:])
        if status == 0 and JUDGEMENTS.exists():
            for line in summary(time.monotonic() - started):
                print(line)
        sys.exit(status)


if __name__ == "__main__":
    main()
