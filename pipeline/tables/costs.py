"""Claims that no runs settle yet: why not, and what it would cost to settle them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median

from nndl_jax.documents import Document, Network
from nndl_jax.documents.claims import ComparisonClaim
from nndl_jax.documents.layers import Conv
from nndl_jax.documents.memory import num_flops
from nndl_jax.documents.variants import variants
from pipeline.store.results import Results
from pipeline.tables.claims import Entry, count_verdicts, markdown

_OPEN = ("not run", "too few runs", "undecided")
_WANTED = {6: 5}
"""Runs of each variant that are asked for, by chapter."""
_OTHERWISE = 30
_CORES = re.compile(r"(\d+) x core of ")


def open_claims(
    entries: Sequence[Entry],
    experiments: Mapping[str, Results],
    recorded: Mapping[str, Results],
) -> str:
    """A table of documents with open claims, and a sentence on how their cost is reckoned.

    Empty where nothing is open.

    Args:
        entries: all claims, as they are settled.
        experiments: all documents, by id.
        recorded: what is recorded of them.
    """
    waiting = [entry for entry in entries if entry["verdict"] in _OPEN and entry["chapter"]]
    if not waiting:
        return ""
    speed = _speed(recorded)
    rows = []
    for name, group in groupby(waiting, key=lambda entry: entry["document"]):
        claims = list(group)
        wanted = _WANTED.get(claims[0]["chapter"] or 0, _OTHERWISE)
        learner = experiments[experiments[name].document.subject()].document
        fewest, work = _lacking(learner, recorded.get(learner.id), wanted)
        cost = _in_hours(work, speed)
        if fewest >= wanted:
            awaited = _awaited(experiments[name].document, experiments, recorded, wanted)
            cost = f"waits for: {', '.join(awaited)}" if awaited else "these leave it open"
        rows.append(
            [claims[0]["chapter"], claims[0]["title"], count_verdicts(claims), fewest, wanted, cost]
        )
    table = markdown(rows, ["ch.", "experiment", "open claims", "runs", "of", "hours of a core"])
    return f"{table}\n\n{_explain(speed)}"


def _awaited(
    document: Document,
    experiments: Mapping[str, Results],
    recorded: Mapping[str, Results],
    wanted: int,
) -> Sequence[str]:
    """Titles of what a document is compared with and has fewer runs than are asked for."""
    compared = [claim for claim in document.claims if isinstance(claim, ComparisonClaim)]
    sides = [side.document for claim in compared for side in (claim.better, claim.worse)]
    names = dict.fromkeys(name for name in sides if name is not None)
    others = [experiments[name].document for name in names if name in experiments]
    return [
        other.title
        for other in others
        if _lacking(other, recorded.get(other.id), wanted)[0] < wanted
    ]


def _lacking(document: Document, recorded: Results | None, wanted: int) -> tuple[int, float]:
    """The fewest runs that are recorded of a variant, and the work of all that lack."""
    runs = recorded.history.runs if recorded is not None and recorded.history is not None else ()
    there = Counter(run.variant for run in runs)
    all_variants = variants(document)
    fewest = min(there[variant.name] for variant in all_variants)
    lacking = {variant.name: max(0, wanted - there[variant.name]) for variant in all_variants}
    return fewest, sum(lacking[variant.name] * _work(variant.spec) for variant in all_variants)


def _work(spec: Document) -> float:
    """Multiplications and additions of the matrix products of a run's training."""
    if not isinstance(spec, Network):
        return 0.0
    num_steps = -(-spec.data.most_train_images() // spec.training.batch_size)
    return float(num_flops(spec)) * num_steps * spec.training.epochs


def _speed(recorded: Mapping[str, Results]) -> float | None:
    """Of a core in such operations a second: the median of what is recorded of convolutions."""
    found = []
    for results in recorded.values():
        document, origin = results.document, results.origin
        if not isinstance(document, Network) or origin is None or results.history is None:
            continue
        cores = {int(number) for number in _CORES.findall(origin.device)}
        has_kernels = any(isinstance(layer, Conv) for layer in document.model.layers)
        if has_kernels and origin.seconds and len(cores) == 1 and ";" not in origin.device:
            work = {variant.name: _work(variant.spec) for variant in results.variants}
            total = sum(work[run.variant] for run in results.history.runs)
            found.append(total / (origin.seconds * cores.pop()))
    return median(found) if found else None


def _in_hours(work: float, speed: float | None) -> str:
    return "not known" if speed is None else f"{work / speed / 3600:.2g}"


def _explain(speed: float | None) -> str:
    asked = (
        f"Asked for are {_WANTED[6]} runs of each variant in chapter 6 and {_OTHERWISE} in the "
        "others; a vote waits for its networks."
    )
    if speed is None:
        return asked
    return (
        f"{asked} Hours are reckoned by the multiplications and additions of training, "
        f"{speed / 1e9:.2g} billion a second of a core, as in the median recording of chapter 6. "
        "`python -m pipeline.record ID --runs N` adds runs to those that are there."
    )
