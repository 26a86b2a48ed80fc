"""What the stages share whose experiments are measured once, and not epoch by epoch."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import TypeVar

from nndl_jax.documents.experiment import Experiment
from pipeline.plan.plans import Plan
from pipeline.store.runs import Row

Kind = TypeVar("Kind", bound=Experiment)


def list_points(plan: Plan, kind: type[Kind]) -> list[tuple[Kind, int]]:
    """The variants that are run, each with every seed; none if the document is not selected."""
    return [
        (point.spec, seed)
        for point, seed in product(plan.points(), plan.seeds)
        if plan.selected and isinstance(point.spec, kind)
    ]


def rows_of(results: Iterable[Mapping[str, float]]) -> list[Row]:
    """The history of runs measured once: a row with a value for each run, or none without runs."""
    row: dict[str, list[float]] = {}
    for measured in results:
        for metric, value in {"epoch": 0.0, **measured}.items():
            row.setdefault(metric, []).append(value)
    return [row] if row else []
