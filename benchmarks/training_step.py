"""Time of one training step on one core: ours, the book's loop in NumPy, PyTorch, the floor.

The step is the book's of chapter 1, "Implementing our network to classify digits": a mini-batch of
10 of 50,000 images, sigmoid layers, quadratic cost, weights from N(0, 1), learning rate 3.
README.md says what is counted.
"""

import os

# Thread pools are sized when libraries are loaded, so this comes before the imports.
os.environ.update(JAX_PLATFORMS="cpu", PJRT_NPROC="1", OMP_NUM_THREADS="1")
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import importlib.util
import itertools
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from nndl_jax import load_spec
from nndl_jax.datasets import Dataset, Split
from nndl_jax.engine import Engine
from nndl_jax.schema import Network
from nndl_jax.selection import select
from nndl_jax.variants import groups

NUM_TRAIN = 50_000
NUM_INPUTS = 784
NUM_CLASSES = 10
BATCH_SIZE = 10
LEARNING_RATE = 3.0

OURS, BOOK, TORCH, FLOOR = "nndl_jax", "NumPy, the book's loop", "PyTorch, eager", "floor"
AIMS = ((BOOK, OURS, "> 18"), (TORCH, OURS, "> 8"), (OURS, FLOOR, "< 5"))
"""Whose time is divided by whose, and what the quotient should be."""
HAS_TORCH = importlib.util.find_spec("torch") is not None


class Work(NamedTuple):
    """Something to time, and how many training steps it is worth."""

    run: Callable[[], object]
    num_steps: float


def main() -> None:
    """Prints a table for 784-30-10 and one for 784-100-10."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="timings of each (default: 7)")
    num_rounds = parser.parse_args().rounds
    if num_rounds < 1:
        parser.error(f"--rounds must be at least 1, got {num_rounds}")
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(_machine())
    if not HAS_TORCH:
        print("PyTorch is skipped: it is not installed (pip install 'nndl-jax[benchmarks]')")
    dataset = synthetic_dataset()
    for num_hidden in (30, 100):
        seconds = measure(contenders(num_hidden, dataset), num_rounds)
        print(f"\n{_table(f'{NUM_INPUTS}-{num_hidden}-{NUM_CLASSES}', seconds)}")


def synthetic_dataset() -> Dataset:
    """Random bytes, 80 % of them 0 as in MNIST; ten test images, so that monitoring is cheap."""
    rng = np.random.default_rng(0)

    def draw(num_images: int) -> Split:
        images = rng.integers(256, size=(num_images, NUM_INPUTS), dtype=np.uint8)
        images[rng.random(images.shape, np.float32) < 0.8] = 0
        return Split(images, rng.integers(NUM_CLASSES, size=num_images, dtype=np.int32))

    return Dataset("synthetic", draw(NUM_TRAIN), draw(10), draw(10))


def contenders(num_hidden: int, dataset: Dataset) -> dict[str, Sequence[Work]]:
    """What is timed, by name; where there are several ways, the fastest counts."""
    return {
        OURS: [engine_work(num_hidden, dataset)],
        BOOK: [book_work(num_hidden, dataset.train)],
        **({TORCH: [torch_work(num_hidden, dataset.train)]} if HAS_TORCH else {}),
        FLOOR: product_works(num_hidden),
    }


def measure(contenders: Mapping[str, Sequence[Work]], num_rounds: int) -> dict[str, list[float]]:
    """Seconds of one step, by contender and round; they take turns, so that all meet all noise."""
    rounds = [
        {name: min(map(_seconds_per_step, works)) for name, works in contenders.items()}
        for _ in range(1 + num_rounds)
    ]
    # The first round compiles and warms up.
    return {name: [each[name] for each in rounds[1:]] for name in contenders}


def _seconds_per_step(work: Work) -> float:
    start = time.perf_counter()
    work.run()
    return (time.perf_counter() - start) / work.num_steps


def engine_work(num_hidden: int, dataset: Dataset) -> Work:
    """An epoch of the engine as `train` drives it: shuffling, costs and monitor included."""
    endless = {"training.epochs": 1_000_000}
    spec = load_spec("ch1-30-hidden", {"model.layers[0].units": num_hidden, **endless})
    if not isinstance(spec, Network):
        raise TypeError(f"{spec.id} is a {spec.kind}; only networks are trained")
    mesh = Mesh(np.asarray(jax.devices()), ("runs",))
    engine = Engine(groups(spec, [0])[0], select(dataset, spec.data), mesh)
    state = engine.init()
    numbers = itertools.count()

    def train_epoch() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(engine.run(state, next(numbers)))

    return Work(train_epoch, NUM_TRAIN / BATCH_SIZE)


Vector = Float[np.ndarray, "units 1"]
Layer = tuple[Float[np.ndarray, "out in"], Vector]


def book_work(num_hidden: int, train: Split, *, num_steps: int = 500) -> Work:
    """Part of an epoch as it was written in 2013: float64, one example at a time, in columns."""
    rng = np.random.default_rng(0)
    sizes = itertools.pairwise((NUM_INPUTS, num_hidden, NUM_CLASSES))
    layers = [(rng.standard_normal((m, n)), rng.standard_normal((m, 1))) for n, m in sizes]
    columns = (train.images / 256)[:, :, np.newaxis]
    targets = np.eye(NUM_CLASSES)[train.labels][:, :, np.newaxis]

    def train_part() -> None:
        nonlocal layers
        for batch in rng.integers(NUM_TRAIN, size=(num_steps, BATCH_SIZE)):
            layers = _book_step(layers, [(columns[index], targets[index]) for index in batch])

    return Work(train_part, num_steps)


def _book_step(layers: list[Layer], examples: Sequence[tuple[Vector, Vector]]) -> list[Layer]:
    """The layers after w <- w - eta / m sum_x dC_x/dw over the m examples x (eq. 20); b alike."""
    sums = [(np.zeros(w.shape), np.zeros(b.shape)) for w, b in layers]
    for x, y in examples:
        grads = _backpropagate(layers, x, y)
        sums = [(sw + dw, sb + db) for (sw, sb), (dw, db) in zip(sums, grads, strict=True)]
    rate = LEARNING_RATE / len(examples)
    pairs = zip(layers, sums, strict=True)
    return [(w - rate * sw, b - rate * sb) for (w, b), (sw, sb) in pairs]


def _backpropagate(layers: list[Layer], x: Vector, y: Vector) -> list[Layer]:
    """dC/dw and dC/db of every layer for the input x and the target y (ch. 2, BP1-BP4).

    With z = w a + b and delta = dC/dz: delta = (a - y) sigma'(z) in the last layer (BP1) and
    (w^T delta) sigma'(z) with w and delta of the next layer elsewhere (BP2); dC/db = delta (BP3)
    and dC/dw = delta a^T with a of the layer before (BP4).
    """
    activations, zs = [x], []
    for w, b in layers:
        zs.append(np.dot(w, activations[-1]) + b)
        activations.append(_sigmoid(zs[-1]))
    delta = (activations[-1] - y) * _sigmoid_prime(zs[-1])
    grads = [(np.dot(delta, activations[-2].T), delta)]
    for index in range(len(layers) - 2, -1, -1):
        delta = np.dot(layers[index + 1][0].T, delta) * _sigmoid_prime(zs[index])
        grads.insert(0, (np.dot(delta, activations[index].T), delta))
    return grads


def _sigmoid(z: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-z))


def _sigmoid_prime(z: Vector) -> Vector:
    return _sigmoid(z) * (1.0 - _sigmoid(z))


def torch_work(num_hidden: int, train: Split, *, num_steps: int = 2000) -> Work:
    """Part of an epoch of eager PyTorch; `foreach`, `fused` and pixels as bytes were no faster."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    hidden, outputs = nn.Linear(NUM_INPUTS, num_hidden), nn.Linear(num_hidden, NUM_CLASSES)
    model = nn.Sequential(hidden, nn.Sigmoid(), outputs, nn.Sigmoid())
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    # The mean over outputs too is one operation less than 1/2 |y - a|^2; the rate makes up for it.
    loss_fn, rate = nn.MSELoss(), LEARNING_RATE * NUM_CLASSES / 2
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, foreach=False)
    images = torch.from_numpy(train.images).float() / 256
    targets = torch.eye(NUM_CLASSES)[torch.from_numpy(train.labels)]

    def train_part() -> None:
        for batch in torch.randperm(NUM_TRAIN)[: num_steps * BATCH_SIZE].split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(images[batch]), targets[batch]).backward()
            optimizer.step()

    return Work(train_part, num_steps)


def product_works(num_hidden: int, *, size: int = 1024) -> list[Work]:
    """A large float32 product in each library: as many steps as have its operations.

    A layer takes batch x in x out multiplications for its outputs, as many for the gradient of its
    weights and, if it is not the first, as many for the gradient of its inputs.
    """
    num_products = BATCH_SIZE * num_hidden * (2 * NUM_INPUTS + 3 * NUM_CLASSES)
    factor = np.random.default_rng(0).standard_normal((size, size), np.float32)
    on_device = jax.device_put(factor)
    product_fn = jax.jit(lambda a: a @ a)
    runs = [lambda: factor @ factor, lambda: product_fn(on_device).block_until_ready()]
    if HAS_TORCH:
        import torch

        tensor = torch.from_numpy(factor)
        runs.append(lambda: tensor @ tensor)
    return [Work(run, size**3 / num_products) for run in runs]


def _table(title: str, seconds: Mapping[str, Sequence[float]]) -> str:
    both = {name: np.array([min(each), np.median(each)]) for name, each in seconds.items()}
    rows = [(f"{name}, microseconds", 1e6 * pair, "") for name, pair in both.items()]
    for above, below, aim in AIMS:
        if above in both:
            rows.append((f"{above} / {below}", both[above] / both[below], f"   aim {aim}"))
    lines = [f"{name:<36}{pair[0]:9.1f}{pair[1]:9.1f}{aim}" for name, pair, aim in rows]
    return "\n".join([f"{title:<36}{'minimum':>9}{'median':>9}", *lines])


def _machine() -> str:
    facts = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", facts.read_text()) if facts.exists() else None
    packages = ["jax", "numpy", "torch"] if HAS_TORCH else ["jax", "numpy"]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{model[1] if model else platform.machine()}, {versions}"


if __name__ == "__main__":
    main()
