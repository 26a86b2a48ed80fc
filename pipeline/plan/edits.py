"""What was edited of documents since they were committed last, as `dvc exp run -S` edits them."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from nndl_jax.documents import Document
from nndl_jax.documents.load import parse_spec
from nndl_jax.reading.faults import SpecError


def list_edited(paths: Iterable[Path]) -> frozenset[Path]:
    """Those of the files that git knows otherwise; none where there is no git, or no commit."""
    folders = sorted({str(path.parent) for path in paths})
    listed = _git("diff", "--name-only", "-z", "--relative", "HEAD", "--", *folders) or ""
    return frozenset(map(Path, filter(None, listed.split("\0"))))


def load_committed(path: Path) -> Document | None:
    """The document as it was committed last; None if it was not, or was faulty then."""
    text = _git("show", f"HEAD:./{path}")
    try:
        return None if text is None else parse_spec(text, path)
    except SpecError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=True)
        return done.stdout.decode()
    except (OSError, UnicodeDecodeError, subprocess.CalledProcessError):
        return None
