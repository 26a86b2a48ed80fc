"""What the stages share whose experiments are measured once, and not epoch by epoch."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import TypeVar

from nndl_jax.documents.experiment import Experiment
from pipeline.plan.plans import Plan
from pipeline.store.runs import Row

Kind = TypeVar("Kind", bound=Experiment)


def list_experiments(plan: Plan, kind: type[Kind]) -> list[tuple[Kind, int]]:
    """The variants that are run, each with every seed; none if the document is not selected."""
    return [
        (variant.spec, seed)
        for variant, seed in product(plan.list_variants(), plan.seeds)
        if plan.selected and isinstance(variant.spec, kind)
    ]


def rows_of(results: Iterable[Mapping[str, float]]) -> list[Row]:
    """The history of runs measured once: a row with a value for each run, or none without runs."""
    row: dict[str, list[float]] = {}
    for measured in results:
        for metric, value in {"epoch": 0.0, **measured}.items():
            row.setdefault(metric, []).append(value)
    return [row] if row else []
