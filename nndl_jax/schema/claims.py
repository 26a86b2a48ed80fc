"""What the book reports, in a form that a run can be held against."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.schema.base import FieldValue, Identifier, Record, Text, fault

Metric = Literal[
    "train_accuracy",
    "train_cost",
    "validation_accuracy",
    "validation_cost",
    "test_accuracy",
    "test_cost",
]
"""What is measured after each epoch. Accuracies are fractions, costs include the L2 term."""

Epoch = Literal["best", "last"] | Annotated[int, Field(ge=0)]
"""The best epoch of a run, its last, or a numbered one: 0 is the state after the first pass."""

MAX_VARIANTS = 1024
VARIED = ("data", "model", "loss", "optimizer", "regularizer", "training", "method")
"""Parts of a document that its variants may differ in."""

Choice = Annotated[dict[str, FieldValue], Field(min_length=1)]
"""One variant of a document, named by the varied fields that single it out."""


class Source(Record):
    """Where in the book an experiment stands."""

    chapter: Annotated[int, Field(ge=1, le=6)]
    """The chapter, 1 to 6."""
    section: Text
    """The section's title."""


class NumberClaim(Record):
    """The book prints a number."""

    kind: Literal["number"]
    statement: Text
    """What the number is, in a few words."""
    metric: Metric
    value: Annotated[float, Field(ge=0, le=1e6)]
    """The printed number; accuracies as a fraction."""
    epoch: Epoch = "last"
    best_of: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of runs of which the book shows the best."""
    exact: bool = False
    """True if every run must give this number, false if it is one draw from a distribution."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Largest difference that still counts as equal: the precision of the printed number."""
    variant: Choice | None = None
    """The variant that the number belongs to; None in a document without `vary`."""

    @model_validator(mode="after")
    def _accuracy_is_a_fraction(self) -> Self:
        if self.metric.endswith("accuracy") and self.value > 1:
            message = f"must be a fraction for an accuracy, <= 1, got {self.value}"
            raise fault(("value",), message)
        return self


class Side(Record):
    """One side of a comparison."""

    document: Identifier | None = None
    """The document compared; None for the one that states the claim."""
    variant: Choice | None = None
    """The variant compared; None in a document without `vary`."""


class ComparisonClaim(Record):
    """The book says that one network does better than another."""

    kind: Literal["comparison"]
    statement: Text
    """What is said to be better than what."""
    metric: Metric
    epoch: Epoch = "last"
    better: Side
    worse: Side


Claim = Annotated[NumberClaim | ComparisonClaim, Field(discriminator="kind")]
Values = Annotated[tuple[FieldValue, ...], Field(min_length=1, max_length=64)]
Vary = tuple[dict[str, Values], ...]


class Experiment(Record):
    """What documents of every kind say of themselves."""

    id: Identifier
    """The document's name; its file is `spec/<id>.yaml`."""
    title: Text
    source: Source
    monitors: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=16)]
    """What is measured: after each epoch for a network, once for a baseline."""
    vary: Annotated[Vary, Field(max_length=4)] = ()
    """Axes of variation. The fields of one axis change together, the axes cross each other; a
    field is written as in messages: `model.layers[1].units`."""
    claims: Annotated[tuple[Claim, ...], Field(max_length=64)] = ()
    """What the book reports."""
    deviations: tuple[Text, ...] = ()
    """Where the book's own program differs from its text, or this document from the book."""

    def bare(self) -> Self:
        """The document without its axes and without what the book says of it."""
        return self.model_copy(update={"vary": (), "claims": (), "deviations": ()})

    @model_validator(mode="after")
    def _axes_are_even(self) -> Self:
        for index, axis in enumerate(self.vary):
            lengths = {field: len(values) for field, values in axis.items()}
            if len(set(lengths.values())) != 1:
                counts = ", ".join(f"{field} has {length}" for field, length in lengths.items())
                raise fault(
                    ("vary", index),
                    "the fields of one axis change together and need equally many values, "
                    f"got: {counts or 'no field'}",
                )
        return self

    @model_validator(mode="after")
    def _variants_have_names(self) -> Self:
        axis_of: dict[str, int] = {}
        for index, axis in enumerate(self.vary):
            for field in axis:
                if field.split(".")[0] in Experiment.model_fields or field.startswith("kind"):
                    raise fault(
                        ("vary", index, field),
                        f"cannot be varied; vary a field of {', '.join(VARIED[:-1])}",
                    )
                if field in axis_of:
                    raise fault(
                        ("vary", index, field),
                        f"is already varied by vary[{axis_of[field]}]; keep one",
                    )
                axis_of[field] = index
            lead, values = next(iter(axis.items()))
            for position, value in enumerate(values):
                if value in values[:position]:
                    raise fault(
                        ("vary", index, lead),
                        "variants are named by the first field of each axis, which must not be "
                        f"{value!r} twice",
                    )
        count = prod(len(next(iter(axis.values()))) for axis in self.vary)
        if count > MAX_VARIANTS:
            raise fault(
                ("vary",), f"the axes cross to {count:,} variants; at most {MAX_VARIANTS:,} are run"
            )
        return self

    @model_validator(mode="after")
    def _claims_are_measured(self) -> Self:
        for index, claim in enumerate(self.claims):
            if claim.metric not in self.monitors:
                raise fault(
                    ("claims", index, "metric"),
                    f"{claim.metric!r} is not among the monitors; add it to them",
                )
            for at, choice in _choices(claim):
                self._check_choice(("claims", index, *at), choice)
        return self

    def _check_choice(self, at: tuple[str | int, ...], choice: Choice | None) -> None:
        for field in choice or {}:
            if not any(field in axis for axis in self.vary):
                raise fault(
                    (*at, "variant") if at[-1] != "variant" else at,
                    f"{field} is not varied; name fields of vary only",
                )
        axes = [axis for axis in self.vary if choice and axis.keys() & choice.keys()]
        if len(axes) != len(self.vary):
            raise fault(
                at,
                "variant must name one of the document's variants by a field of each axis of vary, "
                f"got {choice or 'none'}",
            )
        for field, value in (choice or {}).items():
            known = next((axis[field] for axis in axes if field in axis), ())
            if value not in known:
                raise fault(
                    (*at, "variant") if at[-1] != "variant" else at,
                    f"{field} is not varied over {value!r}; it is varied over {list(known)}",
                )


def _choices(
    claim: NumberClaim | ComparisonClaim,
) -> Iterator[tuple[tuple[str, ...], Choice | None]]:
    """The variants of its own document that a claim names, each with its field."""
    match claim:
        case NumberClaim():
            yield ("variant",), claim.variant
        case ComparisonClaim():
            for name, side in (("better", claim.better), ("worse", claim.worse)):
                if side.document is None:
                    yield (name,), side.variant
