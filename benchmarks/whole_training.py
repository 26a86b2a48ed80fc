"""Time from a program's start to its last accuracy: ours, Flax, a scan, PyTorch, Keras, NumPy.

Each row is a process of its own on one core, and says how many test images are right at its end.
README.md says what is counted.
"""

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

import nndl_jax
from benchmarks.peers.task import Images, Kind
from nndl_jax.training.devices import describe_device


class Peer(NamedTuple):
    """A program of `benchmarks/peers/`."""

    module: str
    needs: str | None = None
    """A package that may not be there."""
    variables: Mapping[str, str] = {}
    kinds: Sequence[Kind] = ("dense", "convolutional")


OURS = "nndl_jax"
PEERS = {
    OURS: Peer("ours"),
    "lax.scan by hand": Peer("scan_loop"),
    "Flax NNX, a jitted step": Peer("nnx_loop"),
    "Keras on JAX, fit": Peer("keras_loop", needs="keras"),
    "PyTorch, eager": Peer("torch_loop", needs="torch"),
    "PyTorch, torch.compile": Peer(
        "torch_loop", needs="torch", variables={"TORCH_LOOP": "compile"}
    ),
    "NumPy, the book's loop": Peer("numpy_loop", kinds=("dense",)),
}


class Run(NamedTuple):
    """One process."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor time, those of its children with it."""
    accuracy: str


def main() -> None:
    """Prints a table for each kind and number of epochs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="timings of each (default: 3)")
    parser.add_argument(
        "--cases",
        nargs="+",
        default=["dense:1", "dense:5", "dense:30", "convolutional:3"],
        metavar="KIND:EPOCHS",
        help="what is trained, dense or convolutional, and for how long",
    )
    parser.add_argument("--cold", action="store_true", help="without kept compiled programs")
    arguments = parser.parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peers = {
        name: peer
        for name, peer in PEERS.items()
        if peer.needs is None or importlib.util.find_spec(peer.needs)
    }
    packages = ["jax", "flax", "numpy", *(name for name in ("torch", "keras") if _is_here(name))]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"{describe_device()}, Python {platform.python_version()}, {versions}")
    for name in PEERS.keys() - peers.keys():
        print(f"{name} is skipped: {PEERS[name].needs} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        file = _write_images(Path(folder))
        for case in arguments.cases:
            kind, _, epochs = case.partition(":")
            taking_part = {name: peer for name, peer in peers.items() if kind in peer.kinds}
            runs: dict[str, list[Run]] = {name: [] for name in taking_part}
            for number in range(arguments.rounds + (not arguments.cold)):
                for name, peer in taking_part.items():
                    cache = None if arguments.cold else Path(folder) / "cache"
                    run = _time(peer, (str(file), kind, epochs), cache)
                    # The first fills the cache.
                    if number or arguments.cold:
                        runs[name].append(run)
            print(f"\n{_table(case, runs)}", flush=True)


def _is_here(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _write_images(folder: Path) -> Path:
    """MNIST as arrays: what all of them read."""
    train, _, test = nndl_jax.load_data("mnist").splits
    images = Images(train.images, train.labels, test.images, test.labels)
    path = folder / "mnist.npz"
    np.savez(path, **images._asdict())
    return path


def _time(peer: Peer, arguments: Sequence[str], cache: Path | None) -> Run:
    """Run a program to its end."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC"), "1")
    environment = {**os.environ, **threads, **peer.variables}
    if cache is not None:
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch"),
        }
    else:
        environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.peers.{peer.module}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        sys.exit(f"{peer.module}: ended with {done.returncode}\n{done.stderr}")
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Run(wall, cpu, done.stdout.split()[-1])


def _table(case: str, runs: Mapping[str, Sequence[Run]]) -> str:
    ours = min(run.cpu for run in runs[OURS])
    rows = [
        (
            name,
            min(run.wall for run in trainings),
            min(run.cpu for run in trainings),
            min(run.cpu for run in trainings) / ours,
            trainings[0].accuracy,
        )
        for name, trainings in runs.items()
    ]
    headers = (case, "wall, s", "CPU, s", f"CPU / {OURS}'s", "accuracy")
    return tabulate(rows, headers, floatfmt=("", ".1f", ".1f", ".2f", ""), disable_numparse=[4])


if __name__ == "__main__":
    main()
