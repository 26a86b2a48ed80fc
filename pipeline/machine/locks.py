"""DVC's files that a kill can leave in a state in which DVC refuses every later run.

DVC writes them in place. Results are safe in its cache, and are found there again.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.machine.paths import STATE
from pipeline.machine.writing import remove

_LOCKFILE, _RWLOCK = Path("dvc.lock"), Path(".dvc/tmp/rwlock")


def mend() -> None:
    """Set aside those of the files that DVC would refuse."""
    checks: dict[Path, Callable[[str], bool]] = {_LOCKFILE: is_lockfile, _RWLOCK: is_rwlock}
    for path, check in checks.items():
        if not (path.exists() or path.is_symlink()):
            continue
        try:  # What is no file, such as a folder or a pipe, cannot be read.
            is_sound = path.is_file() and check(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            is_sound = False
        if not is_sound:
            _set_aside(path)


def is_lockfile(text: str) -> bool:
    """Whether a text is a `dvc.lock` to its end.

    DVC takes many that were cut for whole ones, and runs again what is in its cache.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # They take a moment to import.
    from dvc.utils.serialize import EncodingError, YAMLFileCorruptedError, parse_yaml
    from voluptuous import Invalid

    try:
        content = parse_yaml(text, str(_LOCKFILE))
        COMPILED_LOCKFILE_SCHEMA(content)
    except (EncodingError, Invalid, RecursionError, ValueError, YAMLFileCorruptedError):
        return False
    stages = content.get("stages", {}).values()
    files = [file for stage in stages for file in (*stage.get("deps", ()), *stage.get("outs", ()))]
    return text.endswith("\n") and all(map(_is_whole, files))


def _is_whole(file: Mapping[str, object]) -> bool:
    """Whether what a lock says of a file has all its parts."""
    has_sum = re.fullmatch(r"[0-9a-f]{32}(\.dir)?", str(file.get("md5")))
    return file.get("hash", "md5") == "md5" and bool(has_sum) and "size" in file


def is_rwlock(text: str) -> bool:
    """Whether DVC takes a text for the list of files that are being read and written."""
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    try:
        SCHEMA(json.loads(text))
    except (Invalid, RecursionError, ValueError):
        return False
    return True


def _set_aside(path: Path) -> None:
    STATE.mkdir(exist_ok=True)
    target = STATE / f"{path.name}.damaged"
    remove(target)
    path.replace(target)
    print(f"{path}: was left unfinished by a killed run; moved to {target}", file=sys.stderr)
