"""What documents have in common that train nothing: calculations and constructions."""

import re
from typing import ClassVar, Self

from pydantic import model_validator

from nndl_jax.schema.base import fault
from nndl_jax.schema.claims import CurveClaim
from nndl_jax.schema.experiment import Experiment


class Calculated(Experiment):
    """A document whose numbers follow at once, without epochs."""

    fixed: ClassVar[frozenset[str]]
    """Fields that decide what is measured, by their names in `quantity` or `network`."""

    @model_validator(mode="after")
    def _variants_measure_the_same(self) -> Self:
        for index, axis in enumerate(self.vary):
            for field in axis:
                _, *within = re.split(r"[.\[\]]+", field)
                if self.fixed.intersection(within[:1]):
                    raise fault(
                        ("vary", index, field),
                        "cannot be varied, as it changes what is measured; write a document for "
                        "each value",
                    )
        return self

    @model_validator(mode="after")
    def _claims_have_no_epoch(self) -> Self:
        for index, claim in enumerate(self.claims):
            if isinstance(claim, CurveClaim):
                raise fault(
                    ("claims", index, "kind"),
                    "what is calculated has no epochs and so no curve; claim numbers",
                )
            if claim.epoch != "last":
                raise fault(
                    ("claims", index, "epoch"),
                    f"what is calculated has no epochs, got {claim.epoch!r}; leave it out",
                )
        return self
