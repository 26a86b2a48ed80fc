"""Softmax layers (ch. 3)."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import Number


class Softmax(Quantity):
    """Activations of a softmax layer: a_j = exp(c z_j) / sum_k exp(c z_k)."""

    equations = (("softmax", r"a_j = \frac{e^{c z_j}}{\sum_k e^{c z_k}}"),)
    kind: Literal["softmax"]
    weighted_inputs: Annotated[tuple[Number, ...], Field(min_length=1, max_length=64)]
    """The z_j, one for each neuron of the layer."""
    scale: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """The c above; the larger it is, the nearer is the softmax to the maximum."""

    def metrics(self) -> tuple[str, ...]:
        """The activations, counted from 1."""
        return tuple(f"activation.{number}" for number in range(1, 1 + len(self.weighted_inputs)))

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """The activations."""
        return softmax(self.weighted_inputs, self.scale)


def softmax(weighted_inputs: Sequence[float], scale: float) -> Float[np.ndarray, " neurons"]:
    """Activations of a softmax layer, a_j = exp(c z_j) / sum_k exp(c z_k).

    >>> softmax([2.5, -1.0, 3.2, 0.5], 1.0).round(3).tolist()
    [0.315, 0.009, 0.633, 0.043]

    Args:
        weighted_inputs: the z_j.
        scale: the c of the exercise, above 0; 1 is the softmax itself, and the larger c, the nearer
            it is to the maximum.

    References:
        Nielsen, 2015, ch. 3, section "Softmax", eq. 78.
    """
    z = np.asarray(weighted_inputs, dtype=np.float64)
    # exp of a large number would overflow; a common shift of all z changes no activation.
    powers = np.exp(scale * (z - z.max()))
    return powers / powers.sum()
