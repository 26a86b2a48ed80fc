"""Documents of kind `construction`: networks whose weights are set, not trained (ch. 1, 4, 5)."""

from typing import Annotated, Literal

from pydantic import Field

from nndl_jax.schema.bumps import Bumps
from nndl_jax.schema.calculated import Calculated
from nndl_jax.schema.chain import Chain
from nndl_jax.schema.circuit import Circuit
from nndl_jax.schema.ridges import Ridges
from nndl_jax.schema.towers import Towers

Built = Annotated[Circuit | Bumps | Ridges | Towers | Chain, Field(discriminator="form")]


class Construction(Calculated):
    """A network that is built by hand or by a rule, and what the book says of it."""

    fixed = frozenset({"form", "one_hot", "outputs"})
    kind: Literal["construction"]
    network: Built
    """What is built."""

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return self.network.quantities()

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return False
