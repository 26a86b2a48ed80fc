"""The peers of `benchmarks.whole_training` train what they say they train."""

import importlib
import importlib.util

import numpy as np
import pytest

from benchmarks.peers.ours import document
from benchmarks.peers.task import LEARNING_RATES, Images, Kind, Task
from benchmarks.whole_training import PEERS

LABELS = np.tile(np.arange(10, dtype=np.int32), 40)
STRIPES = np.repeat(np.arange(28) % 10, 28) == np.arange(10)[:, None]
PIXELS = (255 * STRIPES[LABELS]).astype(np.uint8)
"""Of each class other rows of pixels are black."""


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_learns_what_is_easy(name: str) -> None:
    peer = PEERS[name]
    if peer.needs and not importlib.util.find_spec(peer.needs):
        pytest.skip(f"{peer.needs} is not installed: pip install {peer.needs}")
    program = importlib.import_module(f"benchmarks.peers.{peer.module}")
    images = Images(PIXELS, LABELS, PIXELS, LABELS)
    assert program.main(Task("dense", 10, images)) > 0.5


@pytest.mark.parametrize(("kind", "num_layers"), [("dense", 2), ("convolutional", 6)])
def test_our_document_of_each_kind_is_one_network(kind: Kind, num_layers: int) -> None:
    spec = document(kind, 3)
    assert (spec.training.epochs, spec.vary, spec.monitors) == (3, (), ("test_accuracy",))
    assert len(spec.model.stack()) == num_layers
    assert spec.optimizer.learning_rate == LEARNING_RATES[kind]
