"""Fixtures that several test files share, and how JAX works while they run."""

import gc
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from jax_settings import CACHE, JAX_SETTINGS
from jaxtyping import install_import_hook

from nndl_jax.training.jax_setup import portable_flags

# JAX reads these when it is imported, which no test of documents does.
os.environ |= JAX_SETTINGS
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = portable_flags(os.environ.get("XLA_FLAGS", ""))

# Rooms whose annotations are held against the arrays that pass.
_CHECKED = ("calculations", "data", "networks", "training", "judging")
install_import_hook([f"nndl_jax.{room}" for room in _CHECKED], "beartype.beartype")

_SMALL_NETWORK = """
kind: network
id: small
title: A small network
source: {chapter: 1, section: none}
model:
  inputs: [784]
  layers:
    - {kind: dense, units: 8, activation: sigmoid}
    - {kind: dense, units: 10, activation: sigmoid}
  initializer: {weights: normal-fan-in, biases: normal}
loss: quadratic
optimizer: {learning_rate: 3.0}
training: {epochs: 1, batch_size: 10}
monitors: [test_accuracy, test_cost]
"""


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs from one session to the next, the same for all workers."""
    os.environ[CACHE] = str(config.cache.mkdir("xla"))
    # An entry that was cut short by a kill, or that another worker is writing, is compiled anew.
    config.addinivalue_line("filterwarnings", "ignore:Error reading persistent compilation cache")
    # Flax's nnx.State names typing.Hashable.
    category = "beartype.roar.BeartypeDecorHintPep585DeprecationWarning"
    config.addinivalue_line("filterwarnings", f"ignore::{category}")


def pytest_collection_finish() -> None:
    """Look for garbage seldom: what JAX keeps of programs is much, and none of it is garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Have processes that tests start end by these signals, whatever ours was told to ignore.

    A shell without job control has what it starts with `&` ignore an interrupt, and what is ignored
    stays so in every process below; a handler gives way to the default there.
    """
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ignored = [number for number in defaults if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, defaults[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder with the four published files; a test that needs it is skipped without it."""
    from nndl_jax.data.mnist import MNIST_FILES

    beside_the_repository = Path(__file__).parents[2] / "shared" / "mnist"
    folder = Path(os.environ.get("NNDL_MNIST_MIRROR") or beside_the_repository)
    if not all((folder / name).is_file() for name in MNIST_FILES):
        pytest.skip(f"needs MNIST, not found in {folder}: set NNDL_MNIST_MIRROR to its folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def small_dataset():
    """Noisy copies of ten random pictures: 120 to train on, 60 to validate, 70 for the test."""
    from nndl_jax.data.datasets import Dataset, Split

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (10, 784))

    def split(num_images: int) -> Split:
        labels = rng.integers(0, 10, num_images).astype(np.int32)
        noise = rng.integers(0, 256, (num_images, 784))
        return Split(((pictures[labels] + noise) // 2).astype(np.uint8), labels)

    return Dataset("small", split(120), split(60), split(70))


@pytest.fixture(scope="session")
def small_network() -> Callable:
    """A function from changed fields to the document of a network of 784, 8 and 10 neurons."""
    from nndl_jax.documents.load import override, parse_spec

    spec = parse_spec(_SMALL_NETWORK, Path("small.yaml"))

    def build(changes: Mapping[str, object] | None = None):
        return override(spec, changes or {})

    return build


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that workers end together."""
    longest = ("test_pipeline.py", "test_kills.py", "test_train_stage.py", "test_train.py")
    longest += (
        "test_replays.py",
        "test_spans.py",
        "test_recordings.py",
        "test_stopped_training.py",
    )
    items.sort(key=lambda item: item.path.name not in longest)
