"""Documents of kind `construction`: networks whose weights are set, not trained (ch. 1, 4, 5)."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.schema.base import fault
from nndl_jax.schema.bumps import Bumps
from nndl_jax.schema.chain import Chain
from nndl_jax.schema.circuit import Circuit
from nndl_jax.schema.claims import CurveClaim
from nndl_jax.schema.experiment import Experiment
from nndl_jax.schema.towers import Towers

Built = Annotated[Circuit | Bumps | Towers | Chain, Field(discriminator="form")]


class Construction(Experiment):
    """A network that is built by hand or by a rule, and what the book says of it."""

    kind: Literal["construction"]
    network: Built
    """What is built."""

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network."""
        return self.network.quantities()

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return False

    @model_validator(mode="after")
    def _variants_measure_the_same(self) -> Self:
        for index, axis in enumerate(self.vary):
            for field in axis:
                if {"form", "one_hot", "outputs"} & set(re.split(r"[.\[\]]+", field)) and (
                    "truth_table" not in field
                ):
                    raise fault(
                        ("vary", index, field),
                        "cannot be varied, as it changes what is measured; write a document for "
                        "each value",
                    )
        return self

    @model_validator(mode="after")
    def _claims_have_no_epoch(self) -> Self:
        for index, claim in enumerate(self.claims):
            if isinstance(claim, CurveClaim) or claim.epoch != "last":
                raise fault(
                    ("claims", index, "kind" if isinstance(claim, CurveClaim) else "epoch"),
                    "a construction has no epochs; claim numbers, without an epoch",
                )
        return self
