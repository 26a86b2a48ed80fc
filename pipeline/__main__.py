"""`python -m pipeline`: check everything, mend what a killed DVC left behind, run `dvc repro`.

Further arguments go to `dvc repro`.
"""

import json
import subprocess
import sys
from pathlib import Path

from nndl_jax.faults import SpecError
from pipeline.paths import NOT_MNIST, RAW, STATE
from pipeline.resolve import resolve_all

_LOCKS = (Path(".dvc/tmp/rwlock"), Path("dvc.lock"))


def main() -> None:
    """Run the pipeline; ends with DVC's exit status, or with 1 if the input is faulty."""
    try:
        resolve_all()
    except SpecError as error:
        sys.exit(str(error))
    if not Path(".git").exists():  # An unpacked archive: DVC works there if it is told so.
        subprocess.run(["dvc", "config", "--local", "--quiet", "core.no_scm", "true"])
    mend()
    if (RAW / NOT_MNIST).exists():
        # A source may be within reach by now; DVC cannot know.
        subprocess.run(["dvc", "repro", "--quiet", "--force", "--single-item", "download"])
    sys.exit(subprocess.run(["dvc", "repro", *sys.argv[1:]]).returncode)


def mend() -> None:
    """Set aside what stops every later `dvc repro`: a lock file that a kill left empty or cut.

    DVC writes both in place. The results themselves are safe in its cache, and are found again.
    """
    rwlock, lockfile = _LOCKS
    if rwlock.exists() and not _is_json(rwlock):
        _set_aside(rwlock)
    if lockfile.exists() and not lockfile.read_text(encoding="utf-8").strip():
        _set_aside(lockfile)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _set_aside(path: Path) -> None:
    STATE.mkdir(exist_ok=True)
    target = STATE / f"{path.name}.damaged"
    path.replace(target)
    print(f"{path}: was left unfinished by a killed run; moved to {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
