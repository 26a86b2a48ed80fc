"""Time of one training step on one core: ours, the book's loop in NumPy, PyTorch, the floor.

The step is the book's of chapter 1, "Implementing our network to classify digits": a mini-batch of
10 of 50,000 images, sigmoid layers, quadratic cost, weights from N(0, 1), learning rate 3. The data
are synthetic, since no time here depends on what a picture shows; README.md says what is counted.
"""

import os

# Thread pools are sized when libraries are loaded, so this comes before the imports.
for _name in ("PJRT_NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import importlib.util
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float, Int

from nndl_jax import load_spec
from nndl_jax.datasets import Dataset, Split
from nndl_jax.engine import Engine
from nndl_jax.schema import Network
from nndl_jax.variants import groups

NUM_TRAIN = 50_000
NUM_INPUTS = 784
NUM_CLASSES = 10
BATCH_SIZE = 10
NUM_STEPS = NUM_TRAIN // BATCH_SIZE
LEARNING_RATE = 3.0

OURS, BOOK, TORCH, FLOOR = "nndl_jax", "NumPy, the book's loop", "PyTorch eager", "floor"

TimeStepFn = Callable[[], float]
"""Trains, or multiplies, for a while; gives the seconds of one step."""


def main() -> None:
    """Prints a table for 784-30-10 and one for 784-100-10."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="timings of each contender (7)")
    num_rounds = parser.parse_args().rounds
    if num_rounds < 1:
        parser.error(f"--rounds must be at least 1, got {num_rounds}")
    print(f"{_cpu()}, pinned: {_pin()}; {_versions()}")
    if not _has_torch():
        print("PyTorch is skipped: it is not installed (pip install 'nndl-jax[benchmarks]')")
    dataset = synthetic_dataset()
    for num_hidden in (30, 100):
        _print_table(num_hidden, measure(contenders(num_hidden, dataset), num_rounds))


def synthetic_dataset() -> Dataset:
    """Random bytes from a fixed seed, four of five of them 0 as in MNIST, with random labels.

    Ten images are there for the test, so that the epoch's monitor costs next to nothing.
    """
    rng = np.random.default_rng(0)

    def draw(num_images: int) -> Split:
        ink = rng.integers(256, size=(num_images, NUM_INPUTS), dtype=np.uint8)
        ink[rng.random(ink.shape, np.float32) < 0.8] = 0
        return Split(ink, rng.integers(NUM_CLASSES, size=num_images, dtype=np.int32))

    return Dataset("synthetic", draw(NUM_TRAIN), draw(10), draw(10))


def contenders(num_hidden: int, dataset: Dataset) -> dict[str, Sequence[TimeStepFn]]:
    """What is timed, by name; where there are several ways, the fastest counts."""
    found: dict[str, Sequence[TimeStepFn]] = {
        OURS: [time_engine(num_hidden, dataset)],
        BOOK: [time_book(num_hidden, dataset.train)],
        FLOOR: time_products(num_hidden),
    }
    if _has_torch():
        found[TORCH] = [time_torch(num_hidden, dataset.train)]
    return found


def measure(
    contenders: Mapping[str, Sequence[TimeStepFn]], num_rounds: int
) -> dict[str, list[float]]:
    """Seconds of one step, by contender and round.

    The contenders take turns, so that what else the machine does falls on all of them alike.
    """
    rounds = [
        {name: min(time_fn() for time_fn in ways) for name, ways in contenders.items()}
        for _ in range(1 + num_rounds)
    ]
    # The first round compiles and warms up.
    return {name: [each[name] for each in rounds[1:]] for name in contenders}


def time_engine(num_hidden: int, dataset: Dataset) -> TimeStepFn:
    """The engine as `train` drives it: a whole epoch, shuffling, costs and monitor included."""
    spec = load_spec(
        "ch1-30-hidden",
        {
            "model.layers[0].units": num_hidden,
            "optimizer.learning_rate": LEARNING_RATE,
            "training.batch_size": BATCH_SIZE,
        },
    )
    if not isinstance(spec, Network):
        raise TypeError(f"{spec.id} must be a network, got a {spec.kind}")
    engine = Engine(groups(spec, [0])[0], dataset, jax.devices()[:1])
    state, epoch = engine.init(), 0

    def time_step() -> float:
        nonlocal state, epoch
        start = time.perf_counter()
        state, _, _ = jax.block_until_ready(engine.run_epoch(state, epoch))
        seconds = time.perf_counter() - start
        epoch += 1
        return seconds / NUM_STEPS

    return time_step


def time_book(num_hidden: int, train: Split, *, num_steps: int = 500) -> TimeStepFn:
    """Part of an epoch the way one wrote it in 2013: float64 columns, one example at a time."""
    rng = np.random.default_rng(0)
    sizes = (NUM_INPUTS, num_hidden, NUM_CLASSES)
    weights = [rng.standard_normal((m, n)) for n, m in zip(sizes, sizes[1:], strict=False)]
    biases = [rng.standard_normal((m, 1)) for m in sizes[1:]]
    columns = (train.images / 256)[:, :, None]
    targets = np.eye(NUM_CLASSES)[train.labels][:, :, None]

    def time_step() -> float:
        nonlocal weights, biases
        order = rng.permutation(NUM_TRAIN)[: num_steps * BATCH_SIZE]
        start = time.perf_counter()
        for batch in order.reshape(-1, BATCH_SIZE):
            weights, biases = _book_step(weights, biases, columns, targets, batch)
        return (time.perf_counter() - start) / num_steps

    return time_step


Arrays = list[Float[np.ndarray, "..."]]


def _book_step(
    weights: Arrays,
    biases: Arrays,
    columns: Float[np.ndarray, "images pixels 1"],
    targets: Float[np.ndarray, "images classes 1"],
    batch: Int[np.ndarray, " batch"],
) -> tuple[Arrays, Arrays]:
    """Weights and biases after a mini-batch: w <- w - eta / m sum_x dC_x/dw, b alike.

    References:
        Nielsen (2015), ch. 1, eq. 20-21.
    """
    weight_sums = [np.zeros(w.shape) for w in weights]
    bias_sums = [np.zeros(b.shape) for b in biases]
    for index in batch:
        weight_grads, bias_grads = _backpropagate(weights, biases, columns[index], targets[index])
        weight_sums = [total + grad for total, grad in zip(weight_sums, weight_grads, strict=True)]
        bias_sums = [total + grad for total, grad in zip(bias_sums, bias_grads, strict=True)]
    rate = LEARNING_RATE / len(batch)
    return (
        [w - rate * total for w, total in zip(weights, weight_sums, strict=True)],
        [b - rate * total for b, total in zip(biases, bias_sums, strict=True)],
    )


def _backpropagate(
    weights: Arrays,
    biases: Arrays,
    x: Float[np.ndarray, "pixels 1"],
    y: Float[np.ndarray, "classes 1"],
) -> tuple[Arrays, Arrays]:
    """Gradients dC/dw and dC/db of every layer for one example x with target y.

    With z = w a + b, a = sigma(z) and delta = dC/dz of a layer, delta is (a - y) * sigma'(z) in the
    last layer and (w'^T delta') * sigma'(z) before the layer with w' and delta'; dC/db = delta and
    dC/dw = delta a^T, with a of the layer before.

    References:
        Nielsen (2015), ch. 2, BP1-BP4.
    """
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1.0 / (1.0 + np.exp(-(np.dot(w, activations[-1]) + b))))
    slopes = [a * (1.0 - a) for a in activations]
    deltas = [(activations[-1] - y) * slopes[-1]]
    for w, slope in zip(weights[:0:-1], slopes[-2:0:-1], strict=True):
        deltas.insert(0, np.dot(w.T, deltas[0]) * slope)
    grads = [np.dot(delta, a.T) for delta, a in zip(deltas, activations[:-1], strict=True)]
    return grads, deltas


def time_torch(num_hidden: int, train: Split) -> TimeStepFn:
    """A whole epoch of eager PyTorch, in the fastest of the plain ways that were tried.

    Pixels and targets are float32 before the clock starts (bytes cost 10 to 20 microseconds a
    step), and parameters are updated one by one (`foreach` and `fused` cost as much).
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = torch.nn.Linear(NUM_INPUTS, num_hidden), torch.nn.Linear(num_hidden, NUM_CLASSES)
    model = torch.nn.Sequential(layers[0], torch.nn.Sigmoid(), layers[1], torch.nn.Sigmoid())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    # A mean over outputs too is one operation less than 1/2 |y - a|^2; the rate makes up for it.
    loss_fn = torch.nn.MSELoss()
    rate = LEARNING_RATE * NUM_CLASSES / 2
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, foreach=False)
    images = torch.from_numpy(train.images).float() / 256
    targets = torch.eye(NUM_CLASSES)[torch.from_numpy(train.labels)]

    def time_step() -> float:
        start = time.perf_counter()
        for batch in torch.randperm(NUM_TRAIN).split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(images[batch]), targets[batch]).backward()
            optimizer.step()
        return (time.perf_counter() - start) / NUM_STEPS

    return time_step


def time_products(num_hidden: int, *, size: int = 1024) -> list[TimeStepFn]:
    """A step's matrix products at the rate of a large float32 product, in each library.

    A product of (m, k) by (k, n) takes 2 m k n operations. A layer has one forward and one for the
    gradient of its weights; all but the first have one for the gradient of their inputs.
    """
    first, second = NUM_INPUTS * num_hidden, num_hidden * NUM_CLASSES
    share = BATCH_SIZE * (2 * first + 3 * second) / size**3
    factor = np.random.default_rng(0).standard_normal((size, size), np.float32)
    on_device = jax.device_put(factor)
    product_fn = jax.jit(lambda a: a @ a)
    ways: list[Callable[[], object]] = [
        lambda: factor @ factor,
        lambda: product_fn(on_device).block_until_ready(),
    ]
    if _has_torch():
        import torch

        tensor = torch.from_numpy(factor)
        ways.append(lambda: tensor @ tensor)
    return [lambda way=way: share * min(_seconds(way) for _ in range(3)) for way in ways]


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _print_table(num_hidden: int, seconds: Mapping[str, Sequence[float]]) -> None:
    shape = f"{NUM_INPUTS}-{num_hidden}-{NUM_CLASSES}"
    print(f"\n{shape}, microseconds a step{'minimum':>13}{'median':>11}   ratios of both")
    ours = _summary(seconds[OURS])
    for name in (OURS, BOOK, TORCH, FLOOR):
        if name not in seconds:
            continue
        summary = _summary(seconds[name])
        columns = "".join(f"{1e6 * value:11.1f}" for value in summary)
        print(f"{name:<35}{columns}   {_ratios(name, ours, summary)}")


def _summary(seconds: Sequence[float]) -> tuple[float, float]:
    return min(seconds), statistics.median(seconds)


def _ratios(name: str, ours: tuple[float, float], other: tuple[float, float]) -> str:
    if name == OURS:
        return ""
    quotients = [b / a for a, b in zip(ours, other, strict=True)]
    if name == FLOOR:
        low, mid = (1 / quotient for quotient in quotients)
        return f"ours / floor {low:.1f}, {mid:.1f} (aim < 5)"
    return f"{name.split(',')[0]} / ours {quotients[0]:.1f}, {quotients[1]:.1f}"


def _pin() -> str:
    """Keeps this process on one core; says which, or that it could not."""
    if sys.platform != "linux":
        return "no (only one thread a library)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"core {core}"


def _cpu() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _versions() -> str:
    packages = ["jax", "numpy", *(["torch"] if _has_torch() else [])]
    python = f"Python {platform.python_version()}"
    return ", ".join([python, *(f"{package} {version(package)}" for package in packages)])


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


if __name__ == "__main__":
    main()
