"""Claims of the book held against runs of ours.

A printed number is one draw from whatever distribution its protocol gives: "the best epoch of the
best of three runs" is the largest of three. So it is judged by its place in that distribution, as
far as our runs determine it, and never by a bare difference. What they determine is worked out in
`law.py` and `statistics.py`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.documents import ComparisonClaim, CurveClaim, NumberClaim
from nndl_jax.documents.claims import Epoch
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.judging.law import LEVEL, MANY_RUNS, departure, protocol_law, split
from nndl_jax.judging.statistics import (
    ROUNDING,
    Values,
    from_scale,
    one_sample,
    superiority,
    to_scale,
    two_samples,
)
from nndl_jax.judging.verdicts import Verdict

Curves = Float[np.ndarray, "runs epochs"]
"""A measurement for each run and epoch, NaN where there is none."""

RANGE = np.array([0.01, 0.99])
"""Probabilities below the ends of the range that is shown."""
SIGNIFICANT = 0.05
"""Largest one-sided probability at which a difference between two networks counts as shown."""


class Judgement(NamedTuple):
    """What our runs say of a claim."""

    verdict: Verdict
    mean: float | None = None
    """Mean of our runs, by the claim's epoch; of a comparison, the mean difference, or the ratio
    of the geometric means of gradient norms."""
    spread: float | None = None
    """Standard deviation of our runs, or the factor that it is of a ratio; None for fewer than two
    runs."""
    num_runs: int = 0
    expected: tuple[float, float] | None = None
    """Range that holds 98 % of what the protocol gives, as far as our runs tell."""
    probability: float | None = None
    """Of a number: two-sided, of a draw at least as extreme. Of a comparison: one-sided, of such a
    difference if there were none."""
    departure: float | None = None
    """Of a number: the least that it would have to depart from ours to be found inconsistent nine
    times in ten; of norms, the factor."""
    interval: tuple[float, float] | None = None
    """Of a comparison: what holds the true difference, or ratio, with a probability of 95 %."""
    superiority: float | None = None
    """Of a comparison: in which share of pairs a run of the better side beats one of the worse."""
    kinds: tuple[float, float] | None = None
    """Of a number by runs of two kinds: the share of the upper ones, and where they part."""
    num_equal: int | None = None
    """Of a curve: epochs at which all of our runs are equal to the book's."""
    deviation: float | None = None
    """Of a curve: the largest difference at any epoch of any run."""


def at_epoch(
    epoch: Epoch, metric: str, curves: Curves, validation: Curves | None = None
) -> Values | None:
    """Each run's measurement at the epoch that a claim speaks of, or None if one has none there.

    Args:
        epoch: the claim's.
        metric: name of the quantity.
        curves: its measurements.
        validation: accuracies on validation images of the same runs; None if not measured.
    """
    match epoch:
        case "best":
            values = best_epoch(metric, curves)
        case "last":
            values = last_epoch(curves)
        case "best-validation":
            if validation is None:
                return None
            values = best_validation_epoch(curves, validation)
        case int() as number:
            values = curves[:, number] if number < curves.shape[1] else np.full(len(curves), np.nan)
    return None if np.isnan(values).any() else values


def best_epoch(metric: str, curves: Curves) -> Values:
    """Each run's best measurement: the highest accuracy, or the lowest cost."""
    is_lowest = parse_metric(metric).quantity.best == "lowest"
    best = np.fmin if is_lowest else np.fmax  # Both pass over NaN.
    return best.reduce(curves, axis=1)


def last_epoch(curves: Curves) -> Values:
    """Each run's last measurement."""
    is_measured = ~np.isnan(curves)
    last = curves.shape[1] - 1 - is_measured[:, ::-1].argmax(axis=1)
    return curves[np.arange(len(curves)), last]


def best_validation_epoch(curves: Curves, validation: Curves) -> Values:
    """Each run's measurement where its validation accuracy is highest; of equals, at the last."""
    backwards = np.where(np.isnan(validation), -np.inf, validation)[:, ::-1]
    epochs = validation.shape[1] - 1 - backwards.argmax(axis=1)
    return curves[np.arange(len(curves)), epochs]


def judge_number(claim: NumberClaim, values: Values, validation: Values | None = None) -> Judgement:
    """Hold a printed number against one measurement from each run.

    An exact claim asks that every run is within its tolerance. Any other is one draw from the law
    of its protocol, as far as our runs tell it (see `protocol_law`). What that law could hardly
    contradict is not called consistent: a number whose departure by the metric's margin would be
    overlooked is one of too few runs, or where there are thirty, of runs that vary too much.

    Args:
        claim: the number and its protocol.
        values: one measurement from each run.
        validation: the validation accuracies by which the protocol chooses the best of its runs;
            None if it chooses by the measurement itself.
    """
    mean, num_runs = float(values.mean()), len(values)
    spread = float(values.std(ddof=1)) if num_runs > 1 else None
    if claim.exact:
        # A tolerance may be far below ROUNDING, as that of a printed 9e-14 is.
        allowed = claim.tolerance * (1 + 1e-9) or ROUNDING
        is_equal = bool(np.all(np.abs(values - claim.value) <= allowed))
        return Judgement("equal" if is_equal else "differs", mean, spread, num_runs)
    if claim.tolerance and abs(mean - claim.value) <= claim.tolerance:
        return Judgement("consistent", mean, spread, num_runs)
    if spread is None:
        return Judgement("undecided", mean, None, num_runs)
    quantity = parse_metric(claim.metric).quantity
    law = protocol_law(quantity, values, best_of=claim.best_of, chosen_by=validation)
    if law is None:
        is_equal = abs(mean - claim.value) <= ROUNDING
        return Judgement("consistent" if is_equal else "inconsistent", mean, spread, num_runs)
    (value,) = to_scale(quantity, claim.value)
    probability = min(1.0, 2 * min(law.tails(float(value))))
    low, high = (from_scale(quantity, float(end)) for end in law.quantiles(RANGE))
    shift = departure(law)
    verdict = "inconsistent" if probability < LEVEL else "consistent"
    if verdict == "consistent" and shift > quantity.margin(
        float(to_scale(quantity, values).mean())
    ):
        verdict = "too few runs" if num_runs < MANY_RUNS else "too varied"
    return Judgement(
        verdict,
        mean,
        spread,
        num_runs,
        (low, high),
        probability,
        departure=from_scale(quantity, shift),
        kinds=_kinds(values),
    )


def _kinds(values: Values) -> tuple[float, float] | None:
    """The share of the upper runs and where they part, if many runs are of two kinds."""
    place = split(values) if len(values) >= MANY_RUNS else None
    return None if place is None else (float(np.mean(values > place)), place)


def judge_curve(claim: CurveClaim, curves: Curves) -> Judgement:
    """Hold the book's numbers, epoch by epoch, against all runs; an epoch not measured differs."""
    book, num_runs = np.array(claim.values), len(curves)
    ours = np.full((num_runs, len(book)), np.nan)
    width = min(len(book), curves.shape[1])
    ours[:, :width] = curves[:, :width]
    deviations = np.abs(ours - book)
    if np.isnan(deviations).all():
        return Judgement("not run")
    num_equal = int((deviations <= claim.tolerance + ROUNDING).all(axis=0).sum())
    return Judgement(
        "equal" if num_equal == len(book) else "differs",
        num_runs=num_runs,
        num_equal=num_equal,
        deviation=float(np.nanmax(deviations)),
    )


def judge_comparison(
    claim: ComparisonClaim,
    better: Float[np.ndarray, " runs"] | float,
    worse: Float[np.ndarray, " other_runs"] | float,
    *,
    is_paired: bool,
) -> Judgement:
    """Hold "this does better than that" against runs of both, by a moderated t-test.

    See `one_sample` and `two_samples`. Where that shows nothing, but that the difference is smaller
    than the claim's margin, there is none.

    Args:
        claim: says what is compared.
        better: one measurement from each run, or a number if nothing in it is random.
        worse: the same of the other side.
        is_paired: both sides are measurements of the same runs, in the same order.
    """
    quantity = parse_metric(claim.metric).quantity
    sign = -1.0 if quantity.best == "lowest" else 1.0
    counts = [len(side) for side in (better, worse) if isinstance(side, np.ndarray)]
    ours, theirs = (to_scale(quantity, side) for side in (better, worse))
    difference, num_runs = float(ours.mean() - theirs.mean()), min(counts, default=1)
    shown = from_scale(quantity, difference)
    if counts and num_runs < 2:
        return Judgement("undecided", shown, None, num_runs)
    prior = quantity.prior(float(np.append(ours, theirs).mean()))
    is_paired |= len(counts) < 2
    if is_paired:
        tested = one_sample(sign * (ours - theirs), prior=len(counts) * prior)
    else:
        tested = two_samples(sign * ours, sign * theirs, prior=prior)
    deviation = None if tested.deviation is None else from_scale(quantity, tested.deviation)
    verdict = _compare(tested.probability)
    if verdict == "undecided" and claim.margin is not None and counts:
        margin = np.log1p(claim.margin) if quantity.scale == "logarithmic" else claim.margin
        if tested.beyond(difference, float(margin)) <= SIGNIFICANT:
            verdict = "no difference"
    judgement = Judgement(verdict, shown, deviation, num_runs, probability=tested.probability)
    if not counts:
        return judgement
    low, high = (from_scale(quantity, end) for end in tested.interval(difference))
    beaten = superiority(sign * ours, sign * theirs, is_paired=is_paired)
    return judgement._replace(interval=(low, high), superiority=beaten)


def _compare(probability: float) -> Verdict:
    if probability <= SIGNIFICANT:
        return "supported"
    return "not supported" if probability >= 1 - SIGNIFICANT else "undecided"
