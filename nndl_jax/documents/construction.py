"""Documents of kind `construction`: networks whose weights are set, not trained (ch. 1, 4, 5)."""

from typing import Annotated, Literal

from pydantic import Field

from nndl_jax.calculations.bumps import Bumps
from nndl_jax.calculations.chain import Chain
from nndl_jax.calculations.circuit import Circuit
from nndl_jax.calculations.parity import Parity
from nndl_jax.calculations.ridges import Ridges
from nndl_jax.calculations.towers import Towers
from nndl_jax.documents.calculated import Calculated

Built = Annotated[Circuit | Bumps | Ridges | Towers | Chain | Parity, Field(discriminator="form")]


class Construction(Calculated):
    """A network that is built by hand or by a rule, and what the book says of it."""

    taken_by = "build_construction and measure_construction take it"
    fixed = frozenset({"form", "one_hot", "outputs"})
    kind: Literal["construction"]
    network: Built
    """What is built."""

    def content(self) -> Built:
        """The network."""
        return self.network

    def metrics(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return self.network.metrics()

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return False
