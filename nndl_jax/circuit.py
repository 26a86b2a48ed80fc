"""Neurons that are wired by hand (ch. 1)."""

from collections.abc import Mapping, Sequence

from nndl_jax.layer_values import DenseValues
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Circuit


def build(spec: Circuit) -> Sequence[DenseValues]:
    """The layers of the network."""
    raise NotImplementedError


def measure(spec: Circuit, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    raise NotImplementedError
