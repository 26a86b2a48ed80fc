"""Layers of one neuron each (ch. 5)."""

from typing import Literal

from nndl_jax.schema.base import Record


class Chain(Record):
    """Layers of one neuron each (ch. 5)."""

    form: Literal["chain"]

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return ()
