"""Documents of kind `calculation`: what the book computes without training anything."""

from typing import Annotated, Literal

from pydantic import Field

from nndl_jax.calculations.analysis import Analysis
from nndl_jax.calculations.backpropagation import Backpropagation
from nndl_jax.calculations.hessian import HessianStep
from nndl_jax.calculations.polynomial import Polynomial
from nndl_jax.calculations.softmax import Softmax
from nndl_jax.calculations.weighted_input import WeightedInput
from nndl_jax.documents.calculated import Calculated

Quantity = Annotated[
    Softmax | Polynomial | WeightedInput | Analysis | Backpropagation | HessianStep,
    Field(discriminator="kind"),
]


class Calculation(Calculated):
    """Numbers that follow from a formula, and what the book reports of them."""

    taken_by = "run_calculation takes it"
    fixed = frozenset({"kind", "degree", "against", "rounds"})
    kind: Literal["calculation"]
    quantity: Quantity
    """What is calculated."""

    def content(self) -> Quantity:
        """The quantity."""
        return self.quantity

    def metrics(self) -> tuple[str, ...]:
        """The numbers that the calculation gives."""
        return self.quantity.metrics()

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return self.quantity.is_random
