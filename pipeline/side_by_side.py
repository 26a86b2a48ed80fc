"""Tables of chapter 6: its networks as the book's program trained them, and with its slips mended.

Both are variants of one document: the first weights of the program have a standard deviation of
1/sqrt(n_out), the corrected ones of 1/sqrt(n_in), and other fields change along with them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.schema import Ensemble, FieldValue, Network, NumberClaim
from pipeline.experiments import Experiment
from pipeline.tables import markdown
from pipeline.wording import show, show_gain, show_mean, variant_labels

_PRINTED, _CORRECTED = "normal-fan-out", "normal-fan-in"
_METRIC = "test_accuracy"


class _Pair(NamedTuple):
    """A network in both forms."""

    title: str
    book: float | None
    printed: Float[np.ndarray, " runs"]
    corrected: Float[np.ndarray, " runs"]


def pairs_table(experiments: Iterable[Experiment]) -> str:
    """Test accuracies at the best validation epoch, in both forms; empty if nothing was run.

    Networks stand in the order of the book's numbers.
    """
    pairs = [pair for experiment in experiments for pair in _pairs(experiment)]
    rows = [
        [
            pair.title,
            "" if pair.book is None else show(_METRIC, pair.book),
            _mean(pair.printed),
            _mean(pair.corrected),
            show_gain(_METRIC, float(pair.corrected.mean() - pair.printed.mean()), None),
            ", ".join(dict.fromkeys((f"{len(pair.printed)}", f"{len(pair.corrected)}"))),
        ]
        for pair in sorted(pairs, key=lambda pair: pair.book or 1.0)
    ]
    headers = ["network", "book", "as the program did", "corrected", "difference", "runs"]
    return markdown(rows, headers) if rows else ""


def best_and_last_table(experiment: Experiment) -> str:
    """Test accuracies of each variant at its best validation epoch and at its last."""
    document = experiment.document
    if not isinstance(document, Network) or not document.training.keep_best:
        return ""
    labels = variant_labels([point.name for point in experiment.points])
    rows = []
    for point, label in zip(experiment.points, labels, strict=True):
        best, last = (
            experiment.at_epoch(epoch, _METRIC, point.values)
            for epoch in ("best-validation", "last")
        )
        if best is not None and last is not None:
            row = [_mean(best), _mean(last), len(best)]
            rows.append([document.title if point.name == "base" else label, *row])
    headers = ["variant", "test, best validation epoch", "test, last epoch", "runs"]
    return markdown(rows, headers) if rows else ""


def errors_line(experiment: Experiment) -> str:
    """How many images a vote got wrong, and how many of those the book's did; empty if not run."""
    document = experiment.document
    wrong, common = (experiment.curves(name, None) for name in ("num_errors", "num_common_errors"))
    if not isinstance(document, Ensemble) or wrong is None or common is None:
        return ""
    known = len(document.known_errors)
    return (
        f"The vote gets {int(wrong[0, 0])} test images wrong. The book's gets {known} wrong, of "
        f"which ours gets {int(common[0, 0])} wrong, too."
    )


def _pairs(experiment: Experiment) -> Iterable[_Pair]:
    points = {point.name: point.values for point in experiment.points}
    for name, values in points.items():
        mended = points.get(name.replace(_PRINTED, _CORRECTED), values)
        if mended is values:
            continue
        printed, corrected = (
            experiment.at_epoch("best-validation", _METRIC, each) for each in (values, mended)
        )
        if printed is None or corrected is None:
            continue
        if "training.shuffle" not in values:
            continue  # It compares initializations only.
        others = ",".join(part for part in name.split(",") if _PRINTED not in part)
        title = ", ".join(filter(None, [experiment.document.title, *variant_labels([others])]))
        yield _Pair(title, _book(experiment, values), printed, corrected)


def _book(experiment: Experiment, values: Mapping[str, FieldValue]) -> float | None:
    """The number that the book prints of a variant."""
    numbers = [
        claim.value
        for claim in experiment.document.claims
        if isinstance(claim, NumberClaim)
        and claim.metric == _METRIC
        and (claim.variant or {}).items() <= values.items()
    ]
    return next(iter(numbers), None)


def _mean(values: Float[np.ndarray, " runs"]) -> str:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return show_mean(_METRIC, float(values.mean()), spread)
