"""A function of one input, approximated by bumps (ch. 4)."""

from typing import Literal

from nndl_jax.schema.base import Record


class Bumps(Record):
    """A function of one input, approximated by bumps (ch. 4)."""

    form: Literal["bumps"]

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return ()
