"""Claims of the book held against runs of ours.

A printed number is one draw from whatever distribution its protocol gives: "the best epoch of the
best of three runs" is the largest of three. So it is judged by its place in that distribution, as
far as our runs determine it, and never by a bare difference.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from nndl_jax.schema import ComparisonClaim, NumberClaim

Verdict = Literal[
    "equal",
    "differs",
    "consistent",
    "inconsistent",
    "supported",
    "not supported",
    "undecided",
    "not judged",
    "not run",
]

CONSISTENT = 0.01
"""Least two-sided probability at which a number still counts as drawn from our distribution."""
SIGNIFICANT = 0.05
"""Largest one-sided probability at which a difference between two networks counts as shown."""
_NUM_DRAWS = 200_000


class Judgement(NamedTuple):
    """What our runs say of a claim."""

    verdict: Verdict
    mean: float | None = None
    """Mean of our runs, by the claim's epoch; of a comparison, the mean difference."""
    spread: float | None = None
    """Standard deviation of our runs; None for fewer than two."""
    num_runs: int = 0
    expected: tuple[float, float] | None = None
    """Range that holds 98 % of what the protocol gives, as far as our runs tell."""
    probability: float | None = None
    """Of a number: two-sided, of a draw at least as extreme. Of a comparison: one-sided, of such a
    difference if there were none."""


def at_epoch(
    claim: NumberClaim | ComparisonClaim, curves: Float[np.ndarray, "runs epochs"]
) -> Float[np.ndarray, " runs"] | None:
    """Each run's measurement at the epoch that a claim speaks of, or None if none goes so far."""
    match claim.epoch:
        case "last":
            return curves[:, -1]
        case "best":
            return best_epoch(claim.metric, curves)
        case epoch:
            return curves[:, epoch] if epoch < curves.shape[1] else None


def best_epoch(metric: str, curves: Float[np.ndarray, "runs epochs"]) -> Float[np.ndarray, " runs"]:
    """Each run's measurement at its best epoch: the highest accuracy, or the lowest cost."""
    return curves.min(axis=1) if metric.endswith("cost") else curves.max(axis=1)


def judge_number(claim: NumberClaim, values: Float[np.ndarray, " runs"]) -> Judgement:
    """Hold a printed number against one measurement from each run.

    An exact claim asks that every run is within its tolerance. Any other is a draw from a normal
    distribution whose mean and variance our runs determine only so far: both are drawn from their
    posterior (Jeffreys prior), then the runs of the protocol, then the best of those.
    """
    mean, num_runs = float(values.mean()), len(values)
    spread = float(values.std(ddof=1)) if num_runs > 1 else None
    if claim.exact:
        # Half of the last bit that a float carries of a fraction of 10,000.
        is_equal = bool(np.all(np.abs(values - claim.value) <= claim.tolerance + 1e-12))
        return Judgement("equal" if is_equal else "differs", mean, spread, num_runs)
    if claim.tolerance and abs(mean - claim.value) <= claim.tolerance:
        return Judgement("consistent", mean, spread, num_runs)
    if spread is None:
        return Judgement("undecided", mean, None, num_runs)
    draws = _protocol_draws(claim, mean, spread, num_runs)
    below, above = np.mean(draws <= claim.value), np.mean(draws >= claim.value)
    probability = float(min(1.0, 2 * min(below, above)))
    low, high = np.quantile(draws, [0.01, 0.99])
    verdict = "consistent" if probability >= CONSISTENT else "inconsistent"
    return Judgement(verdict, mean, spread, num_runs, (float(low), float(high)), probability)


def judge_comparison(
    claim: ComparisonClaim,
    better: Float[np.ndarray, " runs"],
    worse: Float[np.ndarray, " other_runs"],
) -> Judgement:
    """Hold "this does better than that" against runs of both, by Welch's t-test."""
    sign = -1.0 if claim.metric.endswith("cost") else 1.0
    gains, losses = sign * better, sign * worse
    difference, num_runs = float(better.mean() - worse.mean()), min(len(better), len(worse))
    if num_runs < 2:
        return Judgement("undecided", difference, None, num_runs)
    spread = float(np.hypot(better.std(ddof=1), worse.std(ddof=1)))
    if spread == 0:
        probability = 0.5 if difference == 0 else float(gains[0] < losses[0])
    else:
        test = stats.ttest_ind(gains, losses, equal_var=False, alternative="greater")
        probability = float(np.asarray(test)[1])
    return Judgement(_compare(probability), difference, spread, num_runs, probability=probability)


def _compare(probability: float) -> Verdict:
    if probability <= SIGNIFICANT:
        return "supported"
    return "not supported" if probability >= 1 - SIGNIFICANT else "undecided"


def _protocol_draws(
    claim: NumberClaim, mean: float, spread: float, num_runs: int
) -> Float[np.ndarray, " draws"]:
    """What the claim's protocol would print, over and over."""
    rng = np.random.default_rng(0)  # The same draws each time: a verdict must not flicker.
    degrees = num_runs - 1
    deviation = spread * np.sqrt(degrees / rng.chisquare(degrees, _NUM_DRAWS))
    center = mean + deviation / np.sqrt(num_runs) * rng.standard_normal(_NUM_DRAWS)
    runs = center[:, None] + deviation[:, None] * rng.standard_normal((_NUM_DRAWS, claim.best_of))
    if claim.metric.endswith("cost"):
        return runs.min(axis=1)
    return np.clip(runs, 0.0, 1.0).max(axis=1)
