"""Verdicts in signs and in sentences."""

from collections.abc import Mapping
from typing import NamedTuple, assert_never

from nndl_jax.documents import Claim, ComparisonClaim, CurveClaim, NumberClaim
from nndl_jax.judging.law import LEVEL
from pipeline.pages.inputs import JudgedClaim
from pipeline.store.judged import Entry
from pipeline.tables.format import show, show_departure


class Verdict(NamedTuple):
    """How a verdict is shown."""

    sign: str
    """Told apart without colours."""
    tone: str
    """Which colour it has: for, open, against or none."""
    meaning: str


VERDICTS: Mapping[str, Verdict] = {
    "equal": Verdict(
        "=", "for", "An exact number, or all numbers of a curve, is given by every run of ours."
    ),
    "consistent": Verdict(
        "≈",
        "for",
        "The book's number could be one more draw from what its protocol gives with our runs.",
    ),
    "supported": Verdict("✓", "for", "Our runs show the difference that the book speaks of."),
    "too few runs": Verdict(
        "…",
        "open",
        "The book's number may be one of ours, but few runs would hardly contradict it.",
    ),
    "too varied": Verdict(
        "∼",
        "open",
        "The book's number may be one of ours, but ours differ too much to contradict it.",
    ),
    "undecided": Verdict("?", "open", "Our runs show neither this nor the opposite."),
    "no difference": Verdict(
        "○", "open", "Our runs show that there is no difference beyond the document's margin."
    ),
    "not supported": Verdict("✗", "against", "Our runs show the opposite of what the book says."),
    "inconsistent": Verdict(
        "≉",
        "against",
        "The book's number lies where its protocol gives one in less than 1 % of cases.",
    ),
    "differs": Verdict("≠", "against", "An exact number is missed by at least one run of ours."),
    "not judged": Verdict("·", "none", "Run on other data or with other settings than the book's."),
    "not run": Verdict("–", "none", "Left out by the profile or by params.yaml."),
}


def explain(judged: JudgedClaim) -> str:
    """What a verdict means for one claim, in a sentence."""
    entry = judged.entry
    match entry["verdict"]:
        case "not run":
            return VERDICTS["not run"].meaning
        case "not judged":
            return f"Run with {entry['foreign']}, which says nothing about the book's number."
        case verdict:
            return _explain(judged.claim, entry, verdict)


def _explain(claim: Claim, entry: Entry, verdict: str) -> str:
    match claim:
        case NumberClaim():
            return _of_number(claim, entry, verdict)
        case CurveClaim():
            return _of_curve(entry)
        case ComparisonClaim():
            return _of_comparison(entry, verdict)
        case unknown:
            assert_never(unknown)


def _of_number(claim: NumberClaim, entry: Entry, verdict: str) -> str:
    within = f" within ±{show(claim.metric, claim.tolerance)}" if claim.tolerance else ""
    if claim.exact:
        count = entry["num_runs"]
        if verdict == "equal":
            runs = {1: "Our run gives", 2: "Both runs give"}.get(count, f"All {count} runs give")
            return f"{runs} it{within}."
        return f"{'Our run gives' if count == 1 else 'Some runs give'} another number."
    if entry["probability"] is None:
        if verdict == "undecided":
            return "A single run tells nothing of how much runs vary."
        return f"Our mean is{within} of it."
    share = chance(entry["probability"])
    if verdict == "inconsistent":
        least = chance(LEVEL)
        return f"One more draw would be as far out in {share} of cases, less than {least}."
    message = f"One more draw would be as far out in {share} of cases."
    if entry["departure"] is not None:
        power = show_departure(claim.metric, entry["departure"])
        message += f" A number that departs by {power} would be found out nine times in ten."
    return message


def _of_curve(entry: Entry) -> str:
    equal, epochs, apart = entry["num_equal"], entry["num_epochs"], entry["deviation"]
    if equal == epochs:
        return f"All {epochs} epochs are equal."
    return (
        f"{equal} of {epochs} epochs are equal; the largest difference is "
        f"{show(entry['metric'], apart or 0.0)}."
    )


def _of_comparison(entry: Entry, verdict: str) -> str:
    probability = entry["probability"]
    if probability is None:
        return "A single run tells nothing of how much runs vary."
    if probability in (0.0, 1.0):
        return "Nothing in it is left to chance." if verdict == "supported" else "It is reversed."
    if verdict == "not supported":
        share = chance(1 - probability)
        return f"It is reversed; by chance alone it would be as much so in {share} of cases."
    share, beaten = chance(probability), entry["superiority"]
    message = f"By chance alone such a difference would come up in {share} of cases."
    if beaten is not None:
        message += f" The better side wins {100 * beaten:.0f} of 100 pairs of runs."
    return message


def chance(probability: float) -> str:
    """A probability in per cent.

    >>> chance(0.4447), chance(0.0123), chance(0.000004)
    ('44 %', '1.2 %', 'less than 0.01 %')
    """
    if probability < 0.0001:
        return "less than 0.01 %"
    return f"{100 * probability:.2g} %"
