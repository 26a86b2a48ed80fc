"""Whether an accelerator trains as a CPU does, and twice the same: fifty steps of five networks.

How far apart the two may be follows from the network. A CPU trains it a second time from first
weights of which each was moved to the float32 number above or below, at random: that is what one
rounding of everything comes to after the fifty steps. Each step rounds every weight once more, by
its update, whose own error of a few dozen roundings is that of a step a hundred times smaller than
the weight. So fifty steps may part the two by fifty times what one rounding did, and not more.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Float

from benchmarks.timing import BATCH_SIZE, load_network, synthetic_dataset
from nndl_jax.data.datasets import Dataset
from nndl_jax.data.selection import select
from nndl_jax.documents import Network
from nndl_jax.training.engine import Engine
from nndl_jax.training.groups import groups
from nndl_jax.training.state import TrainState

NUM_STEPS = 50
SEEDS = (0, 1)
_FEW = NUM_STEPS * BATCH_SIZE
_ONE_EPOCH = {"training.epochs": 1, "data.train_images": _FEW}
NETWORKS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "784-30-10": ("ch1-30-hidden", _ONE_EPOCH),
    "dropout": ("ch3-dropout", _ONE_EPOCH),
    # Ten measurements for the rule to look at.
    "early stopping": (
        "ch3-early-stopping",
        {"training.epochs": 10, "data.train_images": _FEW // 10},
    ),
    # Of each image there are five shifted copies.
    "two convolutions with everything": (
        "ch6-dropout",
        {"training.epochs": 1, "data.train_images": _FEW // 5},
    ),
    "elastic distortions": ("ch6-elastic", _ONE_EPOCH),
}
"""What is trained: the last variant of a document with some fields changed."""


class Agreement(NamedTuple):
    """What came of training one network on two devices."""

    network: str
    deviation: float
    """Largest distance of a run's parameters from the CPU's, by the way that they went."""
    tolerance: float
    """What rounding explains, in the same unit."""
    is_repeatable: bool
    """Whether the accelerator gave the same bits twice."""
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether the devices agree."""
        return self.is_repeatable and self.deviation <= self.tolerance

    def __str__(self) -> str:
        bits = "the same bits twice" if self.is_repeatable else "OTHER BITS THE SECOND TIME"
        found = "agrees" if self.deviation <= self.tolerance else "DISAGREES"
        return (
            f"{self.network}: {found}, deviation {self.deviation:.1e} of at most "
            f"{self.tolerance:.1e}; {bits}; {self.seconds:.0f} s"
        )


def compare(title: str, device: Mesh, reference: Mesh) -> Agreement:
    """The agreement of one network.

    Args:
        title: in `NETWORKS`.
        device: trains the runs of the network side by side; the mesh of it alone.
        reference: a CPU, which trains them one after another, likewise.
    """
    begin = time.monotonic()
    name, overrides = NETWORKS[title]
    spec, dataset = load_network(name, overrides), synthetic_dataset(_FEW)
    on_cpu = _Trainer(spec, dataset, reference, side_by_side=False)
    on_device = _Trainer(spec, dataset, device, side_by_side=True)
    first = on_cpu.draw()
    expected = on_cpu.train(first)
    moved = on_cpu.train(first._replace(params=_disturb(first.params)))
    found, again = (on_device.train(on_device.draw()) for _ in range(2))
    way = _distance(first.params, expected.params)
    deviation = np.max(_distance(found.params, expected.params) / way)
    tolerance = NUM_STEPS * np.max(_distance(moved.params, expected.params) / way)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(again), strict=True)
    is_repeatable = all(np.array_equal(one, other) for one, other in pairs)
    seconds = time.monotonic() - begin
    return Agreement(title, float(deviation), float(tolerance), is_repeatable, seconds)


class _Trainer:
    """Trains the runs of a network on one device."""

    def __init__(self, spec: Network, dataset: Dataset, mesh: Mesh, *, side_by_side: bool) -> None:
        (group,) = groups(spec, SEEDS)
        self._device = mesh.devices.flat[0]
        self._engine = Engine(group, select(dataset, spec), mesh, side_by_side=side_by_side)

    def draw(self) -> TrainState:
        """The state before the first step, as this device draws it, in host memory."""
        with jax.default_device(self._device):
            return self._engine.to_host(self._engine.init())

    def train(self, first: TrainState) -> TrainState:
        """The state after the last step, in host memory."""
        engine = self._engine
        with jax.default_device(self._device):
            state = engine.to_devices(first)
            number = 0
            while engine.goes_on(state.progress.is_active, number):
                state, _ = engine.run(state, number)
                number += 1
            return engine.to_host(state)


def _disturb(params: nnx.State) -> nnx.State:
    """Each parameter moved to one of its neighbours among the numbers of its type."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: np.nextafter(
            leaf, rng.choice([-np.inf, np.inf], leaf.shape), dtype=leaf.dtype
        ),
        params,
    )


def _distance(one: nnx.State, other: nnx.State) -> Float[np.ndarray, " runs"]:
    """How far apart the parameters of each run are, as one long vector."""
    squares = jax.tree.map(
        lambda a, b: np.sum((np.asarray(a, np.float64) - b).reshape(len(a), -1) ** 2, axis=1),
        one,
        other,
    )
    return np.sqrt(sum(jax.tree.leaves(squares)))
