"""What every calculation and construction has: metrics, and a way to their values."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from nndl_jax.calculations.dense import DenseValues, Run
from nndl_jax.reading.record import Record

Equations = tuple[tuple[str, str], ...]
"""What is computed, in the order in which it is: the name of each equation, and its LaTeX."""


class Quantity(Record):
    """What the book works out by a formula or a few draws."""

    equations: ClassVar[Equations] = ()
    is_random: ClassVar[bool] = False
    """Whether it differs from seed to seed."""

    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured, in order."""
        raise NotImplementedError

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics, in order; whatever is random is drawn by `rng`."""
        raise NotImplementedError


class Form(Record):
    """A network whose weights are set by hand or by a rule."""

    equations: ClassVar[Equations] = ()

    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured, in order."""
        raise NotImplementedError

    def layers(self) -> Sequence[DenseValues]:
        """Its layers, in order of evaluation."""
        raise NotImplementedError

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics, in order, of the network of these layers."""
        raise NotImplementedError
