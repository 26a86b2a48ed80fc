"""The stage that trains a tiny network, as a process that is killed."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

from project import environment

from pipeline.resolve import main as resolve_documents

TRAIN = (sys.executable, "-m", "pipeline.train", "tiny")


def resolve(folder: Path) -> None:
    with chdir(folder):
        resolve_documents()


def digest(folder: Path) -> str:
    """A hash of everything that the stage gives."""
    total = hashlib.sha256()
    for path in sorted((folder / "runs/tiny").rglob("*")):
        if path.is_file():
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def kill_while_training(folder: Path, cache: str, rng: random.Random) -> bool:
    """Start the trainer and kill it a moment after it has saved; False if it was done before."""
    snapshot = folder / ".nndl/tiny/snapshot.safetensors"
    before = snapshot.stat().st_mtime_ns if snapshot.exists() else 0
    trainer = subprocess.Popen(
        TRAIN, cwd=folder, env=environment(NNDL_CACHE=cache), stderr=subprocess.PIPE
    )
    while trainer.poll() is None:
        if snapshot.exists() and snapshot.stat().st_mtime_ns != before:
            time.sleep(rng.uniform(0, 0.05))
            trainer.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    _, errors = trainer.communicate()
    assert trainer.returncode in (0, -signal.SIGKILL), errors.decode()
    return trainer.returncode != 0
