"""What was measured at the end of a training, in a sentence for each variant."""

from nndl_jax.documents import Baseline, Network
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.documents.variants import Variant
from pipeline.store.results import Results
from pipeline.tables.format import quantity_name, show_mean, variant_labels

_MOST_VARIANTS = 12


def last_numbers(results: Results) -> str:
    """Means of the runs of a document of one's own, which has no claims to show them beside.

    Empty for what the book has, and where nothing was run.
    """
    document = results.document
    is_own = isinstance(document, Network | Baseline) and document.source is None
    if not is_own or results.history is None:
        return ""
    points = results.points[:_MOST_VARIANTS]
    labels = variant_labels([point.name for point in results.points])
    lines = []
    for point, label in zip(points, labels, strict=False):
        found = ", ".join(_measured(results, point))
        lines.append(f"{'At the end' if point.name == 'base' else label}: {found}.")
    more = len(results.points) - len(points)
    return " ".join([*lines, *([f"{more} variants more."] if more else [])])


def _measured(results: Results, point: Variant) -> list[str]:
    """Each metric of a variant in words; those by layer, digit or neuron have pictures."""
    said = []
    for metric in results.metrics():
        values = results.at_epoch("last", metric, point.values)
        if values is None or parse_metric(metric).quantity.by is not None:
            continue
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        said.append(f"{quantity_name(metric)} {show_mean(metric, float(values.mean()), spread)}")
    return said
