"""Documents of kind `ensemble`: a vote of several networks (ch. 6)."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nndl_jax.documents.claims import Choice
from nndl_jax.documents.experiment import Experiment, Reference, Vary
from nndl_jax.reading.record import Identifier, Record, fault


class KnownError(Record):
    """A test image that the book's ensemble gets wrong."""

    image: Annotated[int, Field(ge=0, lt=10_000)]
    """Its number among the test images, from 0."""
    output: Annotated[int, Field(ge=0, le=9)]
    """The digit that the vote took it for."""


class Ensemble(Experiment):
    """A vote of the runs of another document.

    Each network has one vote for the digit that it takes an image for. Of digits with equally many
    votes, that of the earliest network wins.
    """

    stage = "ensemble"
    taken_by = "load the document of its members, and let their networks vote"
    equations = (("most votes", r"\max_d \, \#\{ i : \max_j a^{(i)}_j = a^{(i)}_d \}"),)
    kind: Literal["ensemble"]
    members: Identifier
    """The document whose runs vote."""
    variant: Choice | None = None
    """Its variant; None in a document without `vary`."""
    size: Annotated[int, Field(ge=2, le=100)]
    """Number of networks, one for each seed."""
    network: Literal["last", "best"] = "last"
    """Which network of each run votes: the last, or the best by validation accuracy."""
    known_errors: Annotated[tuple[KnownError, ...], Field(max_length=1000)] = ()
    """What the book's ensemble got wrong, for comparison."""

    def metrics(self) -> tuple[str, ...]:
        """Of the vote on the test images; `mean_accuracy` is that of the networks one by one."""
        return ("test_accuracy", "num_errors", "num_common_errors", "mean_accuracy")

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return True

    def reference(self) -> Reference:
        """The members."""
        return Reference("members", self.members, self.variant)

    @field_validator("vary")
    @classmethod
    def _has_one_form(cls, vary: Vary) -> Vary:
        if vary:
            raise fault((), "an ensemble has no variants; write one document for each")
        return vary

    @model_validator(mode="after")
    def _known_errors_are_told_once(self) -> Self:
        images = [error.image for error in self.known_errors]
        for index, image in enumerate(images):
            if image in images[:index]:
                raise fault(("known_errors", index, "image"), f"{image} is there already")
        return self
