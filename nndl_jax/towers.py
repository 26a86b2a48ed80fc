"""A function of several inputs, approximated by towers (ch. 4)."""

from collections.abc import Mapping, Sequence

from nndl_jax.layer_values import DenseValues
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Towers


def build(spec: Towers) -> Sequence[DenseValues]:
    """The layers of the network."""
    raise NotImplementedError


def measure(spec: Towers, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name."""
    raise NotImplementedError
