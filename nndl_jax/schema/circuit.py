"""Neurons that are wired by hand (ch. 1)."""

from typing import Literal

from nndl_jax.schema.base import Record


class Circuit(Record):
    """Neurons that are wired by hand (ch. 1)."""

    form: Literal["circuit"]

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return ()
