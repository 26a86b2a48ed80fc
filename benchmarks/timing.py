"""What all benchmarks share: our own contender and the floor, timing in turns, the table."""

import argparse
import importlib.util
import itertools
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from nndl_jax import load_spec
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.data.selection import select
from nndl_jax.documents import Network
from nndl_jax.documents.variants import variants
from nndl_jax.training.augmentation import num_examples
from nndl_jax.training.engine import Engine
from nndl_jax.training.groups import groups

NUM_INPUTS = 784
NUM_CLASSES = 10
BATCH_SIZE = 10

OURS, TORCH, FLOOR = "nndl_jax", "PyTorch, eager", "floor"
HAS_TORCH = importlib.util.find_spec("torch") is not None


class Work(NamedTuple):
    """Something to time, and how many training steps it is worth."""

    run: Callable[[], object]
    num_steps: float


class Aim(NamedTuple):
    """Whose time is divided by whose, and what the quotient should be."""

    above: str
    below: str
    message: str


Contenders = Mapping[str, Sequence[Work]]
"""What is timed, by name; where there are several ways, the fastest counts."""


def compare(
    about: str | None, cases: Mapping[str, Callable[[], Contenders]], aims: Sequence[Aim]
) -> None:
    """Prints a table for each case, by its title.

    Args:
        about: docstring of the benchmark, whose first line `--help` shows.
        cases: what builds the contenders, when it is their turn.
        aims: the quotients in each table; those of missing contenders are left out.
    """
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="timings of each (default: 7)")
    num_rounds = parser.parse_args().rounds
    if num_rounds < 1:
        parser.error(f"--rounds must be at least 1, got {num_rounds}")
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(_machine())
    if not HAS_TORCH:
        print("PyTorch is skipped: it is not installed (pip install 'nndl-jax[benchmarks]')")
    for title, build_contenders in cases.items():
        print(f"\n{_table(title, _measure(build_contenders(), num_rounds), aims)}", flush=True)


def load_network(name: str, overrides: Mapping[str, object]) -> Network:
    """A network of the book, trained without end; of several variants the last."""
    endless = {"training.epochs": 1_000_000}
    spec = variants(load_spec(name, {**endless, **overrides}))[-1].spec
    if not isinstance(spec, Network):
        raise TypeError(f"{spec.id} is a {spec.kind}; only networks are trained")
    return spec


def synthetic_dataset(num_train: int) -> Dataset:
    """Random bytes, 80 % of them 0 as in MNIST; ten test images, so that monitoring is cheap."""
    rng = np.random.default_rng(0)

    def draw(num_images: int) -> Split:
        images = rng.integers(256, size=(num_images, NUM_INPUTS), dtype=np.uint8)
        images[rng.random(images.shape, np.float32) < 0.8] = 0
        return Split(images, rng.integers(NUM_CLASSES, size=num_images, dtype=np.int32))

    return Dataset("synthetic", draw(num_train), draw(10), draw(10))


def engine_work(spec: Network, dataset: Dataset, *, num_runs: int = 1) -> Work:
    """An epoch of the engine as `train` drives it: shuffling, costs and monitors included."""
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    engine = Engine(groups(spec, range(num_runs))[0], select(dataset, spec), mesh)
    state = engine.init()
    numbers = itertools.count()

    def train_epoch() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(engine.run(state, next(numbers)))

    count = num_examples(spec.data.augmentation, len(dataset.train.labels))
    return Work(train_epoch, count / BATCH_SIZE)


def product_works(spec: Network, *, size: int = 1024) -> list[Work]:
    """A large float32 product in each library: as many steps as have its operations."""
    factor = np.random.default_rng(0).standard_normal((size, size), np.float32)
    on_device = jax.device_put(factor)
    product_fn = jax.jit(lambda a: a @ a)
    runs = [lambda: factor @ factor, lambda: product_fn(on_device).block_until_ready()]
    if HAS_TORCH:
        import torch

        tensor = torch.from_numpy(factor)
        runs.append(lambda: tensor @ tensor)
    return [Work(run, size**3 / _num_products(spec)) for run in runs]


def _num_products(spec: Network) -> int:
    """Multiplications in the matrix products of a step.

    For its outputs a layer takes batch x weights of them, a convolution as many for each place of
    its kernels; for the gradient of its weights it takes as many again and, if it is not the first,
    as many for the gradient of its inputs.
    """
    shapes = spec.model.shapes()
    counts = [BATCH_SIZE * shape.num_weights * prod(shape.outputs[1:]) for shape in shapes]
    return 3 * sum(counts) - counts[0]


def _measure(contenders: Contenders, num_rounds: int) -> dict[str, list[float]]:
    """Seconds of one step, by contender and round; they take turns, so that all meet all noise."""
    rounds = [
        {name: min(map(seconds_per_step, works)) for name, works in contenders.items()}
        for _ in range(1 + num_rounds)
    ]
    # The first round compiles and warms up.
    return {name: [times[name] for times in rounds[1:]] for name in contenders}


def seconds_per_step(work: Work) -> float:
    """Seconds of one of its steps, this time."""
    start = time.perf_counter()
    work.run()
    return (time.perf_counter() - start) / work.num_steps


def _table(title: str, seconds: Mapping[str, Sequence[float]], aims: Sequence[Aim]) -> str:
    both = {name: np.array([min(times), np.median(times)]) for name, times in seconds.items()}
    rows = [(f"{name}, microseconds", 1e6 * pair, "") for name, pair in both.items()]
    for above, below, message in aims:
        if above in both:
            rows.append((f"{above} / {below}", both[above] / both[below], f"   aim {message}"))
    lines = [f"{name:<36}{pair[0]:9.1f}{pair[1]:9.1f}{aim}" for name, pair, aim in rows]
    return "\n".join([f"{title:<36}{'minimum':>9}{'median':>9}", *lines])


def _machine() -> str:
    facts = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", facts.read_text()) if facts.exists() else None
    packages = ["jax", "numpy", "torch"] if HAS_TORCH else ["jax", "numpy"]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{model[1] if model else platform.machine()}, {versions}"
