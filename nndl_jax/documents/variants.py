"""From one document to its runs: variants times seeds."""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import NamedTuple, SupportsIndex, TypeVar, cast

from nndl_jax.documents import Document, FieldValue
from nndl_jax.documents.experiment import Experiment, naming_fields
from nndl_jax.documents.load import crossings, of_kind, variant
from nndl_jax.reading.faults import SpecError
from nndl_jax.reading.html import html_table

Kind = TypeVar("Kind", bound=Experiment)


class Variant(NamedTuple):
    """One crossing of a document's axes."""

    name: str
    """Values of the first field of each axis, such as `learning_rate=0.1`; `base` without axes."""
    values: Mapping[str, FieldValue]
    """Values by field path."""
    spec: Document
    """The document with these values, without axes and claims."""

    def __repr__(self) -> str:
        return f"<Variant {self.name} of {self.spec.id}>"

    def _repr_html_(self) -> str:
        """What notebooks show: the values, by field path."""
        return html_table(
            f"{self.spec.id}, {self.name}", ("field", "value"), [*self.values.items()]
        )


Variants = Document | Sequence[Variant]
"""A document, for all its variants, or some of them."""


class Run(NamedTuple):
    """One training of one variant."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """The variant and the seed in one text."""
        return f"{self.variant},seed={self.seed}"


def variants(spec: Document) -> list[Variant]:
    """All variants of a document, the last axis changing fastest."""
    of_kind(spec, Experiment)
    leads = [field for axis in spec.vary for field in naming_fields(axis)]
    return [
        Variant(_name(values, leads), values, variant(spec, values))
        for values in crossings(spec.vary)
    ]


def find_variant(
    candidates: Sequence[Variant], choice: Mapping[str, FieldValue] | None
) -> Variant | None:
    """The first variant with these values, or None; without values, the first of all."""
    wanted = (choice or {}).items()
    return next((variant for variant in candidates if wanted <= variant.values.items()), None)


def single(spec: Document, kind: type[Kind]) -> Kind:
    """The document, where that of one experiment of a kind is meant.

    Raises:
        TypeError: it is of another kind, or no document.
        SpecError: it has axes; names `vary`.
    """
    found = of_kind(spec, kind)
    if found.vary:
        message = (
            "one experiment is meant here, and this document describes several; give that of "
            "one, variants(spec)[i].spec or, of a result of training, result.spec(i)"
        )
        raise SpecError.at(found.id, None, "vary", message)
    return found


def expand(spec: Variants) -> Sequence[Variant]:
    """The variants of a document, or those that are given.

    Raises:
        TypeError: it is neither a document nor a list of variants.
    """
    if isinstance(spec, list | tuple) and spec and all(isinstance(v, Variant) for v in spec):
        return spec
    return variants(cast(Document, spec))  # It refuses whatever else there is.


def list_runs(spec: Variants, seeds: Iterable[SupportsIndex]) -> list[Run]:
    """The batch of runs of a document or of some of its variants, each with every seed.

    Raises:
        ValueError: the seeds are not whole numbers from 0 to 2^32 - 1.
    """
    checked = check_seeds(seeds)
    return [Run(variant.name, seed) for variant in expand(spec) for seed in checked]


def check_seeds(seeds: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """The same seeds as plain numbers.

    Raises:
        ValueError: they are not whole numbers from 0 to 2^32 - 1, or one stands there twice.
    """
    try:
        listed = tuple(seeds)
        whole = tuple(index(seed) for seed in listed if not isinstance(seed, bool))
    except TypeError:
        listed = whole = ()
    if len(whole) < max(1, len(listed)) or not all(0 <= seed < 2**32 for seed in whole):
        message = (
            "seeds must be whole numbers from 0 to 4,294,967,295, at least one, such as range(3)"
        )
        raise ValueError(f"{message}; got {reprlib.repr(seeds)}")
    if len(set(whole)) < len(whole):
        message = "seeds must differ, as runs of one seed are the same in every bit"
        raise ValueError(f"{message}; got {reprlib.repr(list(whole))}")
    return whole


def _name(values: Mapping[str, FieldValue], leads: Sequence[str]) -> str:
    return ",".join(f"{lead.rsplit('.', 1)[-1]}={values[lead]}" for lead in leads) or "base"
