"""What documents say of each other: sides of comparisons, and the networks of a vote."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nndl_jax.documents import ComparisonClaim, Document, Ensemble, FieldValue, Network, Side
from nndl_jax.documents.metrics import VALIDATION
from nndl_jax.documents.variants import variants
from nndl_jax.reading.faults import Fault, field_path
from nndl_jax.reading.located_yaml import read_yaml
from nndl_jax.reading.validation import closest

_Finding = tuple[tuple[str | int, ...], str]
"""A field, and what is wrong with it."""


def faulty_references(
    spec: Document, specs: Mapping[str, Document], names: Sequence[str], path: Path
) -> Iterator[Fault]:
    """What a document says of others that is not so, at its line.

    Args:
        spec: the document.
        specs: the documents that could be read; faults of the others are told on their own.
        names: of all documents that there are.
        path: of its file.
    """
    found = list(_unfit_sides(spec, specs, names))
    found += unfit_reference(spec, specs, names)
    for at, message in found:
        text = read_yaml(path)
        _, line = text.follow(at)
        yield Fault(text.where, line, field_path(at), message)


def unfit_reference(
    spec: Document, specs: Mapping[str, Document], names: Sequence[str]
) -> Iterator[_Finding]:
    """A document to be about that is no network, or no variant of it."""
    reference = spec.reference()
    if reference is None:
        return
    other = specs.get(reference.document)
    if reference.document not in names:
        yield (reference.field,), _no_document(reference.document, names)
    elif other is None:
        return  # Its own faults are told.
    elif not isinstance(other, Network):
        yield (reference.field,), f"must be a network, and {other.id} is of kind {other.kind}"
    elif _count_variants(other, reference.variant) != 1:
        yield ("variant",), _one_variant(other)
    elif isinstance(spec, Ensemble) and spec.network == "best" and not other.training.keep_best:
        yield ("network",), f"training.keep_best of {other.id} is false; take the last"


def _unfit_sides(
    spec: Document, specs: Mapping[str, Document], names: Sequence[str]
) -> Iterator[_Finding]:
    """Comparisons with documents that do not exist, or do not measure what is compared."""
    for index, claim in enumerate(spec.claims):
        if not isinstance(claim, ComparisonClaim):
            continue
        for name in ("better", "worse"):
            side, at = getattr(claim, name), ("claims", index, name)
            if side.document is None:
                continue
            if side.document not in names:
                yield (*at, "document"), _no_document(side.document, names)
            elif side.document in specs:
                for field, message in _unfit_side(claim, side, specs[side.document]):
                    yield (*at, field), message


def _unfit_side(claim: ComparisonClaim, side: Side, other: Document) -> Iterator[tuple[str, str]]:
    metric, measured = side.metric or claim.metric, other.metrics()
    if metric not in measured:
        field = "document" if side.metric is None else "metric"
        yield field, f"{metric!r} is not measured by {other.id}; what is: {', '.join(measured)}"
    elif claim.epoch == "best-validation" and VALIDATION not in measured:
        yield "document", f"'best-validation' needs {VALIDATION}, which {other.id} does not measure"
    elif _count_variants(other, side.variant) != 1:
        yield "document" if side.variant is None else "variant", _one_variant(other)


def _count_variants(spec: Document, choice: Mapping[str, FieldValue] | None) -> int:
    wanted = (choice or {}).items()
    return sum(wanted <= variant.values.items() for variant in variants(spec))


def _one_variant(spec: Document) -> str:
    names = ", ".join(variant.name for variant in variants(spec))
    return f"must name one variant of {spec.id}: {names}"


def _no_document(name: str, names: Sequence[str]) -> str:
    return f"there is no document {name!r}; {closest(name, names)}"
