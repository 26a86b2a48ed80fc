"""Tables of chapter 6: its networks as the book's program trained them, and with its slips mended.

Both are variants of one document: the first weights of the program have a standard deviation of
1/sqrt(n_out), the corrected ones of 1/sqrt(n_in), and other fields change along with them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.documents import Ensemble, FieldValue, NumberClaim
from pipeline.store.confusions import read_confusion
from pipeline.store.results import Results
from pipeline.tables.claims import markdown
from pipeline.tables.format import show, show_gain, show_mean, variant_labels
from pipeline.tables.last_numbers import last_numbers

_PRINTED, _CORRECTED = "normal-fan-out", "normal-fan-in"
_METRIC = "test_accuracy"
_MOST_CONFUSIONS = 3


class _Pair(NamedTuple):
    """A network in both forms."""

    title: str
    book: float | None
    printed: Float[np.ndarray, " runs"]
    corrected: Float[np.ndarray, " runs"] | None
    """Votes may have been held in one form only."""

    def cells(self) -> list[str]:
        """Its row of the table."""
        book = "" if self.book is None else show(_METRIC, self.book)
        named = [self.title, book, _mean(self.printed)]
        if self.corrected is None:
            return [*named, "not run", "", f"{len(self.printed)}"]
        gain = float(self.corrected.mean() - self.printed.mean())
        runs = dict.fromkeys((f"{len(self.printed)}", f"{len(self.corrected)}"))
        return [*named, _mean(self.corrected), show_gain(_METRIC, gain, None), ", ".join(runs)]


def pairs_table(experiments: Sequence[Results]) -> str:
    """Test accuracies at the best validation epoch, in both forms; empty if nothing was run.

    Networks and votes stand in the order of the book's numbers.
    """
    pairs = [pair for results in experiments for pair in _pairs(results)]
    pairs += _votes(experiments)
    rows = [pair.cells() for pair in sorted(pairs, key=lambda pair: pair.book or 1.0)]
    headers = ["network", "book", "as the program did", "corrected", "difference", "runs"]
    return markdown(rows, headers) if rows else ""


def best_and_last_table(results: Results) -> str:
    """Test accuracies of each variant at its best validation epoch and at its last."""
    document = results.document
    training = document.learning()
    if training is None or not training.keep_best:
        return ""
    labels = variant_labels([variant.name for variant in results.variants])
    rows = []
    for variant, label in zip(results.variants, labels, strict=True):
        best, last = (
            results.at_epoch(epoch, _METRIC, variant.values)
            for epoch in ("best-validation", "last")
        )
        if best is not None and last is not None:
            row = [_mean(best), _mean(last), len(best)]
            rows.append([document.title if variant.name == "base" else label, *row])
    headers = ["variant", "test, best validation epoch", "test, last epoch", "runs"]
    return markdown(rows, headers) if rows else ""


def list_details(results: Results) -> Sequence[str]:
    """What there is to say of a document besides its claims, some of it empty."""
    message = [last_numbers(results), errors_line(results), confusions_line(results)]
    return [*message, best_and_last_table(results)]


def confusions_line(results: Results) -> str:
    """Which classes are taken for which most often; empty where that is not kept."""
    found = read_confusion(results)
    mistakes = found.mistakes()[:_MOST_CONFUSIONS] if found else ()
    named = [f"{label} for {guess} ({100 * share:.1f} %)" for share, label, guess in mistakes]
    message = "Taken for another most often, by the share of a class's test images"
    return f"{message}: {', '.join(named)}." if named else ""


def errors_line(results: Results) -> str:
    """How many images a vote got wrong, and how many of those the book's did; empty if not run."""
    document = results.document
    wrong, common = (results.curves(name, None) for name in ("num_errors", "num_common_errors"))
    if not isinstance(document, Ensemble) or wrong is None or common is None:
        return ""
    ours = f"The vote gets {int(wrong[0, 0])} test images wrong."
    if not document.known_errors:
        return ours
    again = f"of which ours gets {int(common[0, 0])} wrong, too"
    return f"{ours} The book's gets {len(document.known_errors)} wrong, {again}."


def _pairs(results: Results) -> Iterable[_Pair]:
    variants = {variant.name: variant.values for variant in results.variants}
    for name, values in variants.items():
        mended = variants.get(name.replace(_PRINTED, _CORRECTED), values)
        if mended is values:
            continue
        printed, corrected = (
            results.at_epoch("best-validation", _METRIC, choice) for choice in (values, mended)
        )
        if printed is None or corrected is None:
            continue
        if "training.shuffle" not in values:
            continue  # It compares initializations only.
        others = ",".join(part for part in name.split(",") if _PRINTED not in part)
        title = ", ".join(filter(None, [results.document.title, *variant_labels([others])]))
        yield _Pair(title, _book(results, values), printed, corrected)


def _votes(experiments: Iterable[Results]) -> Iterable[_Pair]:
    """Votes of networks of either form, which are documents of their own."""
    held = {}
    for vote in experiments:
        accuracy = vote.at_epoch("last", _METRIC, None)
        if isinstance(vote.document, Ensemble) and accuracy is not None:
            for form in (vote.document.variant or {}).values():
                held[vote.document.members, form] = vote, accuracy
    for (members, form), (vote, printed) in held.items():
        if form == _PRINTED:
            _, corrected = held.get((members, _CORRECTED), (None, None))
            yield _Pair(vote.document.title, _book(vote, {}), printed, corrected)


def _book(results: Results, values: Mapping[str, FieldValue]) -> float | None:
    """The number that the book prints of a variant."""
    numbers = [
        claim.value
        for claim in results.document.claims
        if isinstance(claim, NumberClaim)
        and claim.metric == _METRIC
        and (claim.variant or {}).items() <= values.items()
    ]
    return next(iter(numbers), None)


def _mean(values: Float[np.ndarray, " runs"]) -> str:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return show_mean(_METRIC, float(values.mean()), spread)
