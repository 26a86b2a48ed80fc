"""Stage `evaluate`: metrics of every experiment, and the book's claims held against them."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.faults import SpecError
from nndl_jax.judge import Judgement, at_epoch, best_epoch, judge_comparison, judge_number
from nndl_jax.schema import Claim, ComparisonClaim, Document, NumberClaim, Side
from nndl_jax.specs import load_spec
from nndl_jax.variants import Variant, variants
from pipeline.paths import CURVES, JUDGEMENTS, METRICS, SPEC
from pipeline.resolve import resolve_all, without_words
from pipeline.resolved import Resolved
from pipeline.runs import History, read_history
from pipeline.settings import Settings


def main() -> None:
    """Write `metrics/`, `report/curves/` and `report/judgements.json`."""
    try:
        settings, resolved = resolve_all()
    except SpecError as error:
        sys.exit(str(error))
    experiments = {name: Experiment.load(name, each, settings) for name, each in resolved.items()}
    for folder in (METRICS, CURVES):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for experiment in experiments.values():
        if experiment.history is not None:
            _write_metrics(experiment, experiment.history)
            _write_curves(experiment, experiment.history)
    content = {
        "profile": settings.profile,
        "judgements": [
            _describe(experiment.document, claim, _judge(experiment, claim, experiments))
            for experiment in experiments.values()
            for claim in experiment.document.claims
        ],
    }
    JUDGEMENTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class Experiment(NamedTuple):
    """A document with what was run of it."""

    document: Document
    """As the book has it."""
    points: Sequence[Variant]
    """The variants that were run."""
    history: History | None
    """What was measured; None if the document was not selected."""
    foreign: str | None
    """Why its numbers say nothing about the book's; None if they do."""

    @classmethod
    def load(cls, name: str, resolved: Resolved, settings: Settings) -> "Experiment":
        """The experiment of this name."""
        document, history = load_spec(SPEC / f"{name}.yaml"), read_history(name)
        # Variants that a profile leaves out do not change the others.
        is_changed = without_words(document).bare() != resolved.spec.bare()
        foreign = None
        if is_changed or name in settings.overrides:
            foreign = "other settings"
        if history is not None and history.data != "mnist":
            foreign = "not MNIST"
        return cls(document, variants(resolved.spec), history, foreign)


def select(
    history: History, points: Sequence[Variant], metric: str, choice: Mapping[str, object] | None
) -> Float[np.ndarray, "runs epochs"] | None:
    """Curves of the runs of one variant, or None if it was not run or not measured."""
    names = [
        point.name
        for point in points
        if all(point.values.get(field) == value for field, value in (choice or {}).items())
    ]
    chosen = [run.variant in names[:1] for run in history.runs]
    if metric not in history.metrics or not any(chosen):
        return None
    return history.metrics[metric][chosen]


def _judge(
    experiment: Experiment, claim: Claim, experiments: Mapping[str, Experiment]
) -> tuple[Judgement, str | None]:
    """What our runs say of a claim, and why they may say nothing."""

    def values(side: Side) -> Float[np.ndarray, " runs"] | None:
        other = experiments[side.document] if side.document else experiment
        if other.history is None:
            return None
        curves = select(other.history, other.points, claim.metric, side.variant)
        return None if curves is None else at_epoch(claim, curves)

    match claim:
        case NumberClaim():
            sides = [Side(variant=claim.variant)]
            measured = values(sides[0])
            judgement = Judgement("not run") if measured is None else judge_number(claim, measured)
        case ComparisonClaim():
            sides = [claim.better, claim.worse]
            better, worse = map(values, sides)
            if better is None or worse is None:
                judgement = Judgement("not run")
            else:
                judgement = judge_comparison(claim, better, worse)
    involved = [experiments[side.document] if side.document else experiment for side in sides]
    foreign = next((each.foreign for each in involved if each.foreign), None)
    if foreign is not None and judgement.verdict != "not run":
        judgement = judgement._replace(verdict="not judged", expected=None, probability=None)
    return judgement, foreign


def _describe(
    spec: Document, claim: Claim, judged: tuple[Judgement, str | None]
) -> dict[str, object]:
    judgement, foreign = judged
    book = claim.value if isinstance(claim, NumberClaim) else None
    best_of = claim.best_of if isinstance(claim, NumberClaim) else 1
    return {
        "document": spec.id,
        "title": spec.title,
        "chapter": spec.source.chapter,
        "statement": claim.statement,
        "metric": claim.metric,
        "epoch": claim.epoch,
        "best_of": best_of,
        "book": book,
        **judgement._asdict(),
        "foreign": foreign,
    }


def _write_metrics(experiment: Experiment, history: History) -> None:
    """A small flat file for each variant: what `dvc metrics` shows and compares."""
    name, points = experiment.document.id, experiment.points
    for point in points:
        flat: dict[str, object] = {"data": history.data}
        for metric in history.metrics:
            if metric == "batch_cost":
                continue
            curves = select(history, points, metric, point.values)
            if curves is None:
                continue
            flat |= {
                f"{metric}.last": round(float(curves[:, -1].mean()), 6),
                f"{metric}.best": round(float(best_epoch(metric, curves).mean()), 6),
            }
            flat["runs"] = len(curves)
        suffix = "" if point.name == "base" else f"@{point.name}"
        path = METRICS / f"{name}{suffix}.json"
        path.write_text(json.dumps(flat, indent=1) + "\n", encoding="utf-8")


def _write_curves(experiment: Experiment, history: History) -> None:
    """Means over the runs by epoch, a column for each variant: what `dvc plots` draws."""
    name, points = experiment.document.id, experiment.points
    metric = next(metric for metric in history.metrics if metric != "batch_cost")
    columns = {
        (metric if point.name == "base" else f"{metric} {point.name}"): curves.mean(axis=0)
        for point in points
        if (curves := select(history, points, metric, point.values)) is not None
    }
    lines = [",".join(["epoch", *columns])]
    for epoch, values in enumerate(zip(*columns.values(), strict=True)):
        lines.append(",".join([str(epoch), *(f"{value:.6f}" for value in values)]))
    (CURVES / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
