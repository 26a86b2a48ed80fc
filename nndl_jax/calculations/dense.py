"""Networks written out as weights and biases, and what is asked of them, without JAX."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nndl_jax.calculations.activations import Activation

BATCH = 1000
"""Places evaluated at once: with a thousand hidden neurons, more would fill the memory."""

Points = Float[np.ndarray, "points inputs"]
Outputs = Float[np.ndarray, "points outputs"]


class DenseValues(NamedTuple):
    """A fully-connected layer written out."""

    weight: Float[np.ndarray, "out in"]
    bias: Float[np.ndarray, " out"]
    activation: Activation


class LayerOutputs(NamedTuple):
    """What a layer gives at some points, in the type that its network computes with."""

    weighted: Outputs
    """The weighted inputs z = w a + b."""
    activations: Outputs


@runtime_checkable
class Run(Protocol):
    """A network that was built of layers, to be evaluated."""

    def __call__(self, points: Points, layer: int = -1) -> LayerOutputs:
        """What a layer gives, the last or that of an index from 0, with the points as inputs."""
        ...


def map_batches(fn: Callable[[np.ndarray], np.ndarray], places: np.ndarray) -> np.ndarray:
    """Apply a function to each batch of places, and join what it gives.

    >>> import numpy as np
    >>> map_batches(lambda part: 2 * part, np.arange(2500)).shape
    (2500,)

    Args:
        fn: gives a row for each place.
        places: (places, ...), at least one.
    """
    parts = np.split(places, range(BATCH, len(places), BATCH))
    return np.concatenate([fn(part) for part in parts])
