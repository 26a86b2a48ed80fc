"""One trainer for each experiment: it dies with its parent, and a second one is turned away.

A killed `dvc` would otherwise leave a trainer behind that goes on writing beside its successor.
"""

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.paths import RUNS, STATE

SNAPSHOT = "snapshot.safetensors"
"""Name of the state of a training, in the folder that `exclusive` gives."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have Linux end this process when the one that started it ends; elsewhere do nothing."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")


@contextmanager
def exclusive(name: str) -> Iterator[Path]:
    """Hold the lock of an experiment; gives the folder for its state.

    Raises:
        SystemExit: another process holds it.
    """
    folder = STATE / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            sys.exit(f"{name}: process {holder} is running this; wait for it or stop it")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder


def forget_finished() -> None:
    """Remove the snapshots of experiments whose results are there, once DVC has taken these."""
    for folder in STATE.glob("*"):
        if (RUNS / folder.name / "history.csv").exists():
            forget(folder.name)


def forget(name: str) -> None:
    """Remove the snapshots of an experiment."""
    for snapshot in (STATE / name).glob("snapshot.*"):
        if snapshot.is_file():
            snapshot.unlink()
