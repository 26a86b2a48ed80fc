"""A function of several inputs, approximated by towers (ch. 4)."""

from typing import Literal

from nndl_jax.schema.base import Record


class Towers(Record):
    """A function of several inputs, approximated by towers (ch. 4)."""

    form: Literal["towers"]

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return ()
