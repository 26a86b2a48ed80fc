"""What the book reports, in a form that a run can be held against."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.documents.metrics import parse_metric
from nndl_jax.reading.faults import Location
from nndl_jax.reading.record import FieldValue, Identifier, Record, Text, fault
from nndl_jax.reading.validation import METRIC_PATTERN

MetricName = Annotated[str, Field(pattern=METRIC_PATTERN)]
"""A quantity that a document measures, by its name in the results."""

Epoch = Literal["best", "last", "best-validation"] | Annotated[int, Field(ge=0)]
"""The best epoch of a run, its last, that with most validation images classified rightly (the later
one of equals), or a numbered one: 0 is the state after the first pass."""

Choice = Annotated[dict[str, FieldValue], Field(min_length=1)]
"""One variant of a document, named by the varied fields that single it out."""


class NumberClaim(Record):
    """The book prints a number."""

    kind: Literal["number"]
    statement: Text
    """What the number is, in a few words."""
    metric: MetricName
    value: Annotated[float, Field(ge=-1e15, le=1e15)]
    """The printed number; accuracies as a fraction."""
    epoch: Epoch = "last"
    best_of: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of runs of which the book shows the best: by this metric, or for `best-validation` by
    the validation accuracy."""
    exact: bool = False
    """True if every run must give this number, false if it is one draw from a distribution."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Largest difference that still counts as equal: the precision of the printed number."""
    variant: Choice | None = None
    """The variant that the number belongs to; None in a document without `vary`."""

    @model_validator(mode="after")
    def _accuracy_is_a_fraction(self) -> Self:
        _check_fraction(self.metric, self.value, ("value",))
        return self


class CurveClaim(Record):
    """The book prints, or its author recorded, a number for each epoch."""

    kind: Literal["curve"]
    statement: Text
    """What the numbers are, in a few words."""
    metric: MetricName
    values: Annotated[tuple[float, ...], Field(min_length=2, max_length=1000)]
    """The numbers from epoch 0 on, every run of ours must give them; accuracies as fractions."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Largest difference that still counts as equal."""
    variant: Choice | None = None
    """The variant that the numbers belong to; None in a document without `vary`."""

    @model_validator(mode="after")
    def _accuracies_are_fractions(self) -> Self:
        for index, value in enumerate(self.values):
            _check_fraction(self.metric, value, ("values", index))
        return self


class Side(Record):
    """One side of a comparison."""

    document: Identifier | None = None
    """The document compared; None for the one that states the claim."""
    variant: Choice | None = None
    """The variant compared; None in a document without `vary`."""
    metric: MetricName | None = None
    """What is compared; None for the claim's metric."""


class ComparisonClaim(Record):
    """The book says that one thing does better than another: higher, or lower for a cost."""

    kind: Literal["comparison"]
    statement: Text
    """What is said to be better than what."""
    metric: MetricName
    epoch: Epoch = "last"
    better: Side
    worse: Side
    margin: Annotated[float, Field(gt=0, le=1e15)] | None = None
    """The largest difference that counts as none, in the metric's unit; of norms, which are
    compared by their ratio, its distance from 1. None to say nothing of equality."""


Claim = Annotated[NumberClaim | CurveClaim | ComparisonClaim, Field(discriminator="kind")]


def _check_fraction(metric: str, value: float, at: Location) -> None:
    """Refuse per cent."""
    quantity = parse_metric(metric).quantity
    if quantity.unit == "fraction" and not 0 <= value <= 1:
        article = "an" if quantity.name[0] in "aeiou" else "a"
        raise fault(at, f"must be a fraction for {article} {quantity.name}, 0 to 1, got {value}")
