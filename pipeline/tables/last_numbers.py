"""What was measured at the end of a run, in a sentence for each variant."""

from collections.abc import Sequence

from nndl_jax.documents import Network
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.documents.variants import Variant
from pipeline.store.results import Results
from pipeline.tables.format import quantity_name, show_mean, variant_labels

_MOST_VARIANTS = 12


def last_numbers(results: Results) -> str:
    """Means of the runs of a document of one's own, which has no claims to show them beside.

    Of the book's documents only what is counted, by variant. Empty where there is nothing to tell,
    or nothing was run.
    """
    document = results.document
    metrics = [
        metric
        for metric in results.metrics()
        if document.source is None or (isinstance(document, Network) and _is_counted(metric))
    ]
    if not metrics or results.history is None:
        return ""
    begin = "At the end" if isinstance(document, Network) else "Measured"
    variants = results.variants[:_MOST_VARIANTS]
    labels = variant_labels([variant.name for variant in results.variants])
    lines = []
    for variant, label in zip(variants, labels, strict=False):
        found = ", ".join(_measured(results, variant, metrics))
        lines.append(f"{begin if variant.name == 'base' else label}: {found}.")
    more = len(results.variants) - len(variants)
    return " ".join([*lines, *([f"{more} variants more."] if more else [])])


def _is_counted(metric: str) -> bool:
    return parse_metric(metric).quantity.unit == "whole"


def _measured(results: Results, variant: Variant, metrics: Sequence[str]) -> list[str]:
    """Each metric of a variant in words, but for those by layer, digit, row and the like."""
    message = []
    for metric in metrics:
        values = results.at_epoch("last", metric, variant.values)
        if values is None or parse_metric(metric).part:
            continue
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        message.append(f"{quantity_name(metric)} {show_mean(metric, float(values.mean()), spread)}")
    return message
