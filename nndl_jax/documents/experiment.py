"""What documents of every kind say of themselves: their name, their variants and their claims."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from nndl_jax.calculations.quantity import Equations
from nndl_jax.documents.claims import Choice, Claim, ComparisonClaim, CurveClaim, NumberClaim
from nndl_jax.documents.data import Data
from nndl_jax.documents.learning import Training
from nndl_jax.documents.metrics import VALIDATION
from nndl_jax.reading.html import html_table
from nndl_jax.reading.record import FieldValue, Identifier, Record, Text, fault
from nndl_jax.reading.validation import MAX_LISTED, closest

MAX_VARIANTS = 1024
VARIED = (
    "data",
    "model",
    "loss",
    "optimizer",
    "regularizer",
    "training",
    "method",
    "quantity",
    "network",
)
"""Parts of a document that its variants may differ in."""

Values = Annotated[tuple[FieldValue, ...], Field(min_length=1, max_length=64)]
Vary = tuple[dict[str, Values], ...]


class Source(Record):
    """Where in the book an experiment stands."""

    chapter: Annotated[int, Field(ge=1, le=6)]
    """The chapter, 1 to 6."""
    section: Text
    """The section's title."""


class Reference(NamedTuple):
    """A network of another document."""

    field: str
    """That names the document."""
    document: str
    variant: Choice | None
    """None in a document without `vary`."""


class Experiment(Record):
    """What documents of every kind say of themselves."""

    stage: ClassVar[str]
    """The stage of the pipeline that runs documents of this kind."""
    taken_by: ClassVar[str]
    """What takes documents of this kind, a sentence for who hands one to something else."""
    equations: ClassVar[Equations] = ()
    """Of every document of this kind; parts of it may have others."""

    id: Identifier
    """The document's name, and that of its file, `<id>.yaml`."""
    title: Text
    source: Source | None = None
    """Where in the book it stands; left out in a document of one's own."""
    vary: Annotated[Vary, Field(max_length=4)] = ()
    """Axes of variation. The fields of one axis change together, the axes cross each other; a
    field is written as in messages: `model.layers[1].units`."""
    claims: Annotated[tuple[Claim, ...], Field(max_length=64)] = ()
    """What the book reports."""
    deviations: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    """Where the book's own program differs from its text, or this document from the book."""
    errata: Annotated[tuple[Text, ...], Field(max_length=64)] = ()
    """What the book or its program has wrong here, in a sentence or two each."""

    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured, for claims to speak of."""
        raise NotImplementedError

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        raise NotImplementedError

    def reference(self) -> Reference | None:
        """The network of another document that this one is about; None if it needs no other."""
        return None

    def learning(self) -> Training | None:
        """How its own network is trained; None if it trains none."""
        return None

    def data_learnt(self) -> Data | None:
        """The data of its own network; None if it has none."""
        return None

    def content(self) -> object:
        """What it works out or builds: a quantity or a network of weights that are set, or None."""
        return None

    def subject(self) -> str:
        """The id of the document whose networks this one is about: its own if it needs no other."""
        reference = self.reference()
        return self.id if reference is None else reference.document

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.title}>"

    def _repr_html_(self) -> str:
        """What notebooks show: every field that is not its default."""
        about = {"id", "title", "kind", "source", "claims", "deviations", "errata", "vary"}
        message = self.model_dump(mode="json", exclude=about, exclude_defaults=True)
        rows = [(name, value) for name, value in message.items()]
        rows += [("varied", ", ".join(axis)) for axis in self.vary]
        rows += [("claims", len(self.claims))] if self.claims else []
        return html_table(f"{self.id}: {self.title}", (), rows)

    def bare(self) -> Self:
        """The document without its axes and without what the book says of it."""
        return self.model_copy(update={"vary": (), "claims": (), "deviations": (), "errata": ()})

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
                parts = [part for part in VARIED if part in type(self).model_fields]
                part = re.split(r"[.\[]", field)[0]
                if part in type(self).model_fields and part not in parts:
                    raise fault(
                        ("vary", index, field),
                        f"cannot be varied; vary a field of {', '.join(parts)}",
                    )
                if field in axis_of:
                    raise fault(
                        ("vary", index, field),
                        f"is already varied by vary[{axis_of[field]}]; keep one",
                    )
                axis_of[field] = index
            rows = list(zip(*axis.values(), strict=True))
            for position, row in enumerate(rows):
                if row in rows[:position]:
                    raise fault(
                        ("vary", index, next(iter(axis))),
                        "an axis must not hold the same values twice, got "
                        f"{', '.join(map(repr, row))} again",
                    )
        count = prod(len(next(iter(axis.values()))) for axis in self.vary)
        if count > MAX_VARIANTS:
            raise fault(
                ("vary",), f"the axes cross to {count:,} variants; at most {MAX_VARIANTS:,} are run"
            )
        return self

    @model_validator(mode="after")
    def _claims_are_measured(self) -> Self:
        measured = dict.fromkeys(self.metrics() if self.claims else ())
        for index, claim in enumerate(self.claims):
            for at, metric in _metrics(claim):
                if metric not in measured:
                    hint = f"what is: {', '.join(measured)}"
                    if len(measured) > MAX_LISTED:
                        hint = closest(metric, list(measured))
                    message = f"{metric!r} is not measured here; {hint}"
                    raise fault(("claims", index, *at), message)
            is_measured = VALIDATION in measured or not any(_choices(claim))
            if getattr(claim, "epoch", None) == "best-validation" and not is_measured:
                message = f"'best-validation' needs {VALIDATION}, which is not measured; monitor it"
                raise fault(("claims", index, "epoch"), message)
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
        named = choice or {}
        for field, value in named.items():
            known = next(axis[field] for axis in self.vary if field in axis)
            if value not in known:
                raise fault(
                    (*at, "variant") if at[-1] != "variant" else at,
                    f"{field} is not varied over {value!r}; it is varied over {list(known)}",
                )
        for axis in self.vary:
            own = axis.keys() & named.keys()
            rows = zip(*(axis[field] for field in own), strict=True)
            wanted = tuple(named[field] for field in own)
            if not own or sum(row == wanted for row in rows) != 1:
                raise fault(
                    at,
                    "variant must name one of the document's variants by fields of each axis of "
                    f"vary, got {choice or 'none'}",
                )


def naming_fields(axis: Mapping[str, Sequence[FieldValue]]) -> list[str]:
    """The fields that name the variants of an axis: the first, and others until names differ."""
    fields = list(axis)
    for count in range(1, len(fields)):
        rows = list(zip(*(axis[field] for field in fields[:count]), strict=True))
        if len(set(rows)) == len(rows):
            return fields[:count]
    return fields


def _metrics(claim: Claim) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a claim speaks of in its own document, each with its field."""
    match claim:
        case ComparisonClaim():
            for name, side in (("better", claim.better), ("worse", claim.worse)):
                if side.document is None:
                    at = ("metric",) if side.metric is None else (name, "metric")
                    yield at, side.metric or claim.metric
        case _:
            yield ("metric",), claim.metric


def _choices(claim: Claim) -> Iterator[tuple[tuple[str, ...], Choice | None]]:
    """The variants of its own document that a claim names, each with its field."""
    match claim:
        case NumberClaim() | CurveClaim():
            yield ("variant",), claim.variant
        case ComparisonClaim():
            for name, side in (("better", claim.better), ("worse", claim.worse)):
                if side.document is None:
                    yield (name,), side.variant
