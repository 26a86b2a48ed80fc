"""What documents have in common whose numbers have no epochs, such as calculations."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import ClassVar, Self

from pydantic import model_validator

from nndl_jax.documents.claims import CurveClaim
from nndl_jax.documents.experiment import Experiment
from nndl_jax.reading.faults import SpecError
from nndl_jax.reading.record import fault


class Calculated(Experiment):
    """A document whose numbers follow at once, without epochs."""

    stage = "calculate"
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Fields that decide what is measured, by their names in `quantity` or `network`."""

    def check_finite(self, values: Mapping[str, float]) -> Mapping[str, float]:
        """What was measured of this document.

        Raises:
            SpecError: a value is infinite or not a number; names the first.
        """
        for name, value in values.items():
            if not isfinite(value):
                part = "network" if "network" in type(self).model_fields else "quantity"
                message = (
                    f"gives {name} = {value}, which is no number; make its numbers more moderate"
                )
                raise SpecError.at(self.id, None, part, message)
        return values

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
