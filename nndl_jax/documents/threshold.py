"""Documents of kind `threshold`: the largest learning rate with which a network learns (ch. 3)."""

from typing import Annotated, Literal

from pydantic import Field

from nndl_jax.documents.calculated import Calculated
from nndl_jax.documents.claims import Choice
from nndl_jax.documents.experiment import Reference
from nndl_jax.reading.record import Identifier, Record


class Search(Record):
    """Which learning rates are tried: each has the network begin anew."""

    start: Annotated[float, Field(ge=1e-6, le=1e6)] = 0.01
    """The first."""
    factor: Annotated[float, Field(ge=1.1, le=1000)] = 10.0
    """While the cost falls, the next one is larger by this; if it does not, smaller."""
    steps: Annotated[int, Field(ge=1, le=32)] = 6
    """Most rates beyond the first."""
    refine: Annotated[
        tuple[Annotated[float, Field(gt=1, le=1000)], ...], Field(min_length=1, max_length=16)
    ] = (2.0, 5.0)
    """Multiples of the largest of these that are tried as well."""
    epochs: Annotated[int, Field(ge=2, le=100)] = 3
    """A cost falls if that on the training images is lower after each of so many first epochs than
    after the one before; it neither oscillates nor rises then."""


class Threshold(Calculated):
    """A search for the largest learning rate with which the cost of a network falls from the start.

    Whoever trains the network takes half of it.
    """

    stage = "threshold"
    taken_by = "find_thresholds takes it, with the document of its network"
    equations = (
        ("threshold", r"\eta^* = \max \, \{ \eta : C_1 > C_2 > \cdots > C_n \}"),
        ("suggested rate", r"\eta = \frac{\eta^*}{2}"),
    )
    kind: Literal["threshold"]
    learner: Identifier
    """The document of the network. Its schedule and its rules for stopping are left out."""
    variant: Choice | None = None
    """Its variant; None in a document without `vary`."""
    method: Search = Search()

    def metrics(self) -> tuple[str, ...]:
        """The largest rate of the first row, the largest of all, and half of that."""
        return ("order", "threshold", "half")

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return True

    def reference(self) -> Reference:
        """The network."""
        return Reference("learner", self.learner, self.variant)
