"""Epochs that claims of the book name, which a recording must keep."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from nndl_jax.documents import Claim, ComparisonClaim, CurveClaim, NumberClaim
from pipeline.plan.documents import load_document
from pipeline.plan.resolving import all_documents


def claimed_epochs() -> Mapping[str, frozenset[int]]:
    """By the ids of documents, the numbered epochs at which claims speak of them."""
    found: dict[str, set[int]] = {}
    for path in all_documents().values():
        document = load_document(path)
        for claim in document.claims:
            for name in _spoken_of(claim, document.id):
                found.setdefault(name, set()).update(_epochs(claim))
    return {name: frozenset(epochs) for name, epochs in found.items()}


def _spoken_of(claim: Claim, name: str) -> list[str]:
    """The documents that a claim of one is about."""
    match claim:
        case ComparisonClaim():
            return [side.document or name for side in (claim.better, claim.worse)]
        case NumberClaim() | CurveClaim():
            return [name]
        case _:
            assert_never(claim)


def _epochs(claim: Claim) -> Iterable[int]:
    match claim:
        case CurveClaim():
            return range(len(claim.values))
        case NumberClaim() | ComparisonClaim():
            return [claim.epoch] if isinstance(claim.epoch, int) else []
        case _:
            assert_never(claim)
