"""Stage `evaluate`: metrics of every experiment, and the book's claims held against them."""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import csv
import json
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from nndl_jax.documents import (
    Backpropagation,
    Claim,
    ComparisonClaim,
    CurveClaim,
    Document,
    NumberClaim,
    Side,
)
from nndl_jax.documents.calculated import Calculated
from nndl_jax.documents.metrics import VALIDATION, OfGradients, parse_metric
from nndl_jax.judging.judge import (
    Judgement,
    best_epoch,
    best_validation_epoch,
    judge_comparison,
    judge_curve,
    judge_number,
    last_epoch,
)
from pipeline.machine.paths import CURVES, METRICS, SUMMARY
from pipeline.machine.process import forget_finished
from pipeline.machine.writing import replacing, write_text
from pipeline.store.judged import Entry, Judged, Summary, read_judgements, write_judgements
from pipeline.store.results import Results, load_all, load_recorded, mean_curve
from pipeline.tables.claims import settle
from pipeline.tables.side_by_side import list_details

_MAX_ROWS = 500


def main() -> None:
    """Write `metrics/`, `report/curves/` and `report/judgements.json`.

    What is there of a document that is left out stays, also where its runs are not at hand.
    """
    today, experiments = load_all()
    recorded, stale = load_recorded()
    for message in stale:
        print(message, file=sys.stderr)
    with replacing(METRICS) as metrics, replacing(CURVES) as curves:
        resting = [name for name in experiments if _rests(experiments[name], metrics)]
        for name, results in experiments.items():
            _write_metrics(results, metrics)
            if name in resting:
                _copy([CURVES / f"{name}.csv"], curves)
            elif results.document.learning() is not None:
                shown = results if results.history else recorded.get(name, results)
                _write_curves(shown, curves)
    judged = _judge_all(today.profile, experiments, recorded, resting)
    write_judgements(judged)
    _write_summary(experiments, judged)
    forget_finished()


def _rests(results: Results, folder: Path) -> bool:
    """Whether of a document that is left out only metrics are left, which go to a folder."""
    if results.history is not None:
        return False
    return _copy([METRICS / f"{results.document.id}.json"], folder)


def _copy(paths: Iterable[Path], folder: Path) -> bool:
    """Copy those of the files that there are; whether there are any."""
    found = [path for path in paths if path.exists()]
    for path in found:
        shutil.copy2(path, folder)
    return bool(found)


def _judge_all(
    profile: str,
    experiments: Mapping[str, Results],
    recorded: Mapping[str, Results],
    resting: Collection[str],
) -> Judged:
    judgements, documents = _describe_all(experiments), {}
    for name, results in experiments.items():
        if results.history is not None:
            documents[name] = _sum_up(results)
    if resting:
        earlier = _read_earlier(profile)
        judgements = [earlier.same(e) if e["document"] in resting else e for e in judgements]
        documents |= {name: earlier.summary(name) for name in resting}
    return Judged(profile, judgements, _describe_all(recorded), documents)


def _read_earlier(profile: str) -> Judged:
    """What was judged last; nothing, with a sentence, if that cannot be read."""
    try:
        return read_judgements()
    except OSError as error:
        print(f"{error}: claims of documents that are left out are not judged", file=sys.stderr)
        return Judged(profile, [], [], {})


def _sum_up(results: Results) -> Summary:
    details = [part for part in list_details(results) if part]
    return Summary(made=results.made, foreign=results.foreign, details=details)


def _describe_all(experiments: Mapping[str, Results]) -> list[Entry]:
    return [
        _describe(results, claim, experiments)
        for results in experiments.values()
        for claim in results.document.claims
    ]


def _describe(results: Results, claim: Claim, experiments: Mapping[str, Results]) -> Entry:
    """A claim and what our runs say of it, for the report."""
    judgement, foreign = _judge(results, claim, experiments)
    document = results.document
    entry = {
        "document": document.id,
        "title": document.title,
        "chapter": document.source and document.source.chapter,
        "kind": claim.kind,
        "statement": claim.statement,
        "metric": claim.metric,
        "epoch": None if isinstance(claim, CurveClaim) else claim.epoch,
        "book": claim.value if isinstance(claim, NumberClaim) else None,
        "num_epochs": len(claim.values) if isinstance(claim, CurveClaim) else None,
        **judgement._asdict(),
        "foreign": foreign,
    }
    return cast(Entry, entry)


def _judge(
    results: Results, claim: Claim, experiments: Mapping[str, Results]
) -> tuple[Judgement, str | None]:
    """What our runs say of a claim, and why they may say nothing."""
    involved = [results]
    match claim:
        case NumberClaim():
            judgement = _judge_number(claim, results)
        case CurveClaim():
            curves = results.curves(claim.metric, claim.variant)
            judgement = Judgement("not run")
            if curves is not None and _is_trained(claim, results):
                judgement = judge_curve(claim, curves)
        case ComparisonClaim():
            names = [side.document or results.document.id for side in (claim.better, claim.worse)]
            if not experiments.keys() >= set(names):
                return Judgement("not run"), None
            involved = [experiments[name] for name in names]
            judgement = _compare(claim, *involved)
    foreign = next((results.foreign for results in involved if results.foreign), None)
    if foreign is not None and judgement.verdict != "not run":
        judgement = judgement._replace(verdict="not judged", expected=None, probability=None)
    return judgement, foreign


def _is_trained(claim: CurveClaim, results: Results) -> bool:
    """Whether training would measure every epoch of a curve, unless a rule ends it."""
    variant = results.find(claim.variant)
    training = None if variant is None else variant.spec.learning()
    if training is None:
        return False
    return training.epochs >= len(claim.values) and training.evaluate_every == 1


def _judge_number(claim: NumberClaim, results: Results) -> Judgement:
    values = results.at_epoch(claim.epoch, claim.metric, claim.variant)
    if values is None:
        return Judgement("not run")
    chosen_by = None
    if claim.epoch == "best-validation":
        chosen_by = results.at_epoch("best", VALIDATION, claim.variant)
    return judge_number(claim, values, chosen_by)


def _compare(claim: ComparisonClaim, better: Results, worse: Results) -> Judgement:
    sides = _measure(claim, claim.better, better), _measure(claim, claim.worse, worse)
    if sides[0] is None or sides[1] is None:
        return Judgement("not run")
    same_variant = better.find(claim.better.variant) == worse.find(claim.worse.variant)
    is_paired = better.document.id == worse.document.id and same_variant
    return judge_comparison(claim, sides[0], sides[1], is_paired=is_paired)


def _measure(
    claim: ComparisonClaim, side: Side, results: Results
) -> Float[np.ndarray, " runs"] | float | None:
    """One side of a comparison: a value of each run, or of all if nothing in them is random."""
    metric = side.metric or claim.metric
    variant = results.find(side.variant)
    values = results.at_epoch(claim.epoch, metric, side.variant)
    if values is None or variant is None or variant.spec.is_random():
        return values
    return float(values[0])


def _write_metrics(results: Results, folder: Path) -> None:
    """What was measured of a document, by variant; no durations, which are never twice the same."""
    history, document = results.history, results.document
    if history is None:
        return
    shown = [
        metric
        for metric in results.metrics()
        if not _is_of_neuron(metric) and metric not in _timings(document)
    ]
    found: dict[str, object] = {"data": history.data, "runs": history.num_runs()}
    for variant in results.variants:
        validation = results.curves(VALIDATION, variant.values)
        own: dict[str, float] = {}
        for metric in shown:
            curves = results.curves(metric, variant.values)
            if curves is not None:
                for name, values in _summaries(metric, curves, document, validation).items():
                    own[name] = float(f"{np.nanmean(values):.6g}")
        found[variant.name] = own
    content = json.dumps(found, indent=1) + "\n"
    (folder / f"{document.id}.json").write_text(content, encoding="utf-8")


def _is_of_neuron(metric: str) -> bool:
    """Whether it is of a single neuron, of which there are too many to sum up."""
    found = parse_metric(metric)
    return found.quantity.by == "neuron" and found.part != ""


def _timings(document: Document) -> Collection[str]:
    """What of a document is a speed of this machine."""
    quantity = document.content()
    return quantity.timings() if isinstance(quantity, Backpropagation) else ()


def _write_summary(experiments: Mapping[str, Results], judged: Judged) -> None:
    """How many claims have which verdict, and the first number of each document."""
    settled = settle(judged.judgements, judged.recorded)
    counts = Counter(str(entry["verdict"]) for entry in settled)
    documents = {}
    for name, results in experiments.items():
        path = METRICS / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            documents[name] = _headline(results, found)
    summary = {"verdicts": dict(sorted(counts.items())), "documents": documents}
    write_text(SUMMARY, json.dumps(summary, indent=1) + "\n")


def _headline(results: Results, found: Mapping[str, Any]) -> dict[str, float]:
    """The metric that a document's first claim is about, of its first variant, or the first."""
    wanted = [claim.metric for claim in results.document.claims[:1]]
    for values in found.values():
        if isinstance(values, dict) and values:
            fitting = [name for name in values if any(name.startswith(metric) for metric in wanted)]
            name = next(iter(fitting or values))
            return {name: values[name]}
    return {}


def _summaries(
    metric: str,
    curves: Float[np.ndarray, "runs epochs"],
    document: Document,
    validation: Float[np.ndarray, "runs epochs"] | None,
) -> Mapping[str, Float[np.ndarray, " runs"]]:
    """The values of each run that stand for its curve, by name."""
    last = last_epoch(curves)
    if isinstance(document, Calculated):
        return {metric: last}
    if isinstance(parse_metric(metric).quantity, OfGradients):
        return {f"{metric}.first": last_epoch(curves[:, ::-1]), f"{metric}.last": last}
    summaries = {f"{metric}.last": last, f"{metric}.best": best_epoch(metric, curves)}
    training = document.learning()
    if training is not None and training.keep_best and validation is not None:
        chosen = best_validation_epoch(curves, validation)
        summaries[f"{metric}.best_validation"] = chosen
    return summaries


def _write_curves(results: Results, folder: Path) -> None:
    """Means over runs by epoch, a column for each metric and variant: what `dvc plots` draws."""
    columns: dict[str, Float[np.ndarray, " epochs"]] = {}
    for metric in results.metrics():
        for variant in results.variants:
            curves = results.curves(metric, variant.values)
            if curves is not None and not _is_of_neuron(metric):
                name = metric if variant.name == "base" else f"{metric} {variant.name}"
                columns[name] = mean_curve(curves)
    if not columns:
        return
    with (folder / f"{results.document.id}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *columns])
        for epoch in _shown_epochs(list(columns.values())):
            values = [float(column[epoch]) for column in columns.values()]
            writer.writerow(
                [epoch, *("" if np.isnan(value) else f"{value:.6g}" for value in values)]
            )


def _shown_epochs(columns: Sequence[Float[np.ndarray, " epochs"]]) -> Sequence[int]:
    """Epochs at which anything was measured, thinned out if they are very many.

    Each column keeps its first and last epoch, and as many between them as columns measured at
    other epochs.
    """
    measured = {tuple(np.flatnonzero(~np.isnan(column))) for column in columns}
    epochs = set().union(*measured)
    if len(epochs) > _MAX_ROWS:
        share = _MAX_ROWS // len(measured)
        places = [
            np.linspace(0, len(numbers) - 1, share).round().astype(int) for numbers in measured
        ]
        epochs = {numbers[i] for numbers, at in zip(measured, places, strict=True) for i in at}
    return sorted(int(epoch) for epoch in epochs)


if __name__ == "__main__":
    run_stage(main, __doc__)
