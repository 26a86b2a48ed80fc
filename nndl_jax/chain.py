"""Layers of one neuron each (ch. 5)."""

from collections.abc import Mapping, Sequence

from nndl_jax.layer_values import DenseValues
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Chain


def build(spec: Chain) -> Sequence[DenseValues]:
    """The layers of the network."""
    raise NotImplementedError


def measure(spec: Chain, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    raise NotImplementedError
