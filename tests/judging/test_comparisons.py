"""Verdicts on "this does better than that", against the tests of the textbooks."""

import numpy as np
import pytest
from scipy import stats

from nndl_jax.documents import ComparisonClaim, Side
from nndl_jax.judging.judge import judge_comparison

MEAN, SD = 0.95, 0.002
# Quantiles of the normal law, so that ten runs have its mean and nearly its deviation.
TEN = MEAN + SD * stats.norm.ppf((np.arange(10) + 0.5) / 10)
UNGUESSED = "train_output"
"""A quantity whose variance is not guessed: the tests of the textbooks as they are."""


def compare(better, worse, metric="test_accuracy", *, is_paired=False):
    claim = ComparisonClaim(
        kind="comparison", statement="better", metric=metric, better=Side(), worse=Side()
    )
    return judge_comparison(claim, better, worse, is_paired=is_paired)


@pytest.mark.parametrize(
    ("gain", "verdict"), [(3 * SD, "supported"), (-3 * SD, "not supported"), (0, "undecided")]
)
def test_comparison_is_judged_by_its_gain(gain, verdict):
    assert compare(TEN + gain, TEN).verdict == verdict


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.05, "not supported"), (1 / 1.05, "supported"), (1, "undecided")]
)
def test_lower_costs_are_better(factor, verdict):
    assert compare(TEN * factor, TEN, "test_cost").verdict == verdict
    assert compare(TEN * factor, TEN, "test_cost", is_paired=True).verdict == verdict


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.5, "supported"), (1 / 1.5, "not supported"), (1, "undecided")]
)
def test_higher_gradient_norms_are_better(factor, verdict):
    assert compare(TEN * factor, TEN, "gradient_norm.2").verdict == verdict


def test_comparison_of_what_is_not_guessed_is_welchs_test():
    wide = MEAN + 0.001 + 4 * (TEN[::2] - MEAN)
    expected = stats.ttest_ind(wide, TEN, equal_var=False, alternative="greater").pvalue
    found = compare(wide, TEN, UNGUESSED)
    assert found.probability == pytest.approx(expected)
    assert found.spread == pytest.approx(np.hypot(wide.std(ddof=1), TEN.std(ddof=1)))


def test_comparison_is_welchs_test_with_a_guess_of_one_degree_of_freedom():
    # Five runs and ten: with the binomial variance of all fifteen, five and ten degrees of freedom.
    wide = MEAN + 0.001 + 4 * (TEN[::2] - MEAN)
    mean = (wide.sum() + TEN.sum()) / 15
    guess = mean * (1 - mean) / 10_000
    wide_error = (4 * wide.var(ddof=1) + guess) / 5 / 5
    ten_error = (9 * TEN.var(ddof=1) + guess) / 10 / 10
    t = (wide.mean() - TEN.mean()) / np.sqrt(wide_error + ten_error)
    degrees = (wide_error + ten_error) ** 2 / (wide_error**2 / 5 + ten_error**2 / 10)
    found = compare(wide, TEN)
    assert found.probability == pytest.approx(stats.t.sf(t, degrees))
    assert found.spread == pytest.approx(np.hypot(wide.std(ddof=1), TEN.std(ddof=1)))


def test_two_runs_that_agree_do_not_show_a_gain_of_a_binomial_deviation():
    # Unmoderated, this difference would be certain. Two equal runs and the guess have half of its
    # variance, so that t = 1 / sqrt(1/4 + 1/4), with 2 + 2 degrees of freedom.
    low = np.full(2, 0.5)
    found = compare(low + 0.005, low)
    assert (found.verdict, found.spread) == ("undecided", 0)
    assert found.probability == pytest.approx(stats.t.sf(np.sqrt(2), 4), rel=1e-3)


def test_many_runs_are_taken_at_their_word():
    # A quarter of the guessed deviation; the guess makes up 1/1,000 of the degrees of freedom.
    quantiles = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    many = 0.5 + 0.005 / 4 * quantiles
    expected = stats.ttest_ind(many + 1e-4, many, equal_var=False, alternative="greater").pvalue
    assert compare(many + 1e-4, many).probability == pytest.approx(expected, abs=0.002)


def test_runs_that_are_equal_on_one_side_leave_the_spread_of_the_other():
    # Then Welch's degrees of freedom are those of the other side.
    found = compare(np.full(5, MEAN + SD), TEN, UNGUESSED)
    t = SD / (TEN.std(ddof=1) / np.sqrt(10))
    assert found.probability == pytest.approx(stats.t.sf(t, 9))


def test_gradient_norms_are_compared_by_their_ratio():
    # Each norm is ten times the other; of norms as they are, the largest alone would decide. The
    # logarithms of five runs and a guess of 1/4 have five degrees of freedom on each side, ten in
    # all, as both variances are equal.
    norms = 10.0 ** np.arange(-5, 0)
    found = compare(10 * norms, norms, "gradient_norm.2", is_paired=True)
    assert (found.mean, found.verdict) == (pytest.approx(10), "supported")
    unpaired = compare(10 * norms, norms, "gradient_norm.2")
    logarithms = np.log(norms)
    variance = (4 * logarithms.var(ddof=1) + 1 / 16) / 5
    t = np.log(10) / np.sqrt(variance / 5 + variance / 5)
    assert unpaired.probability == pytest.approx(stats.t.sf(t, 10))
    assert unpaired.spread == pytest.approx(np.exp(np.sqrt(2) * logarithms.std(ddof=1)))


def test_a_ratio_may_leave_the_floats():
    found = compare(np.array([100.0, 200.0]), 0.0, "gradient_norm.2")
    assert (found.verdict, found.mean) == ("supported", pytest.approx(np.finfo(np.float64).max))


def test_a_gradient_norm_of_zero_is_the_smallest():
    assert compare(np.array([1e-9, 2e-9]), 0.0, "gradient_norm.2").verdict == "supported"


def test_measurements_of_the_same_runs_are_compared_run_by_run():
    gains = np.array([1, 2, 1, 2, 1]) * 1e-5
    assert compare(TEN[:5] + gains, TEN[:5], UNGUESSED).verdict == "undecided"
    found = compare(TEN[:5] + gains, TEN[:5], UNGUESSED, is_paired=True)
    expected = stats.ttest_1samp(gains, 0, alternative="greater").pvalue
    assert (found.verdict, found.num_runs) == ("supported", 5)
    assert found.probability == pytest.approx(expected, rel=1e-6)
    assert found.spread == pytest.approx(gains.std(ddof=1))


def test_two_measurements_of_a_run_are_guessed_to_vary_each():
    # Five gains have four degrees of freedom; a fifth has twice the binomial variance.
    gains = np.array([1, 2, 1, 2, 1]) * 1e-3
    mean = (TEN[:5].mean() + (TEN[:5] + gains).mean()) / 2
    variance = (4 * gains.var(ddof=1) + 2 * mean * (1 - mean) / 10_000) / 5
    found = compare(TEN[:5] + gains, TEN[:5], is_paired=True)
    expected = stats.t.sf(gains.mean() / np.sqrt(variance / 5), 5)
    assert found.probability == pytest.approx(expected)
    assert found.spread == pytest.approx(gains.std(ddof=1))


@pytest.mark.parametrize("margin", [-0.001, 0.0002, 0.001])
def test_a_side_without_chance_is_a_number(margin):
    bar = MEAN - margin
    expected = stats.ttest_1samp(TEN, bar, alternative="greater").pvalue
    found = compare(TEN, bar, UNGUESSED)
    assert (found.probability, found.num_runs) == (pytest.approx(expected), 10)
    assert found.spread == pytest.approx(TEN.std(ddof=1))
    assert compare(bar, TEN, UNGUESSED).probability == pytest.approx(1 - expected)


def test_a_side_without_chance_is_not_guessed_to_vary():
    # Ten runs have nine degrees of freedom; a tenth has the binomial variance once.
    bar = MEAN - 0.001
    mean = (TEN.sum() + bar) / 11
    variance = (9 * TEN.var(ddof=1) + mean * (1 - mean) / 10_000) / 10
    expected = stats.t.sf((TEN.mean() - bar) / np.sqrt(variance / 10), 10)
    assert compare(TEN, bar).probability == pytest.approx(expected)
    assert compare(bar, TEN).probability == pytest.approx(1 - expected)


@pytest.mark.parametrize("gain", [1, 0, -1])
def test_two_sides_without_chance_are_judged_by_their_difference(gain):
    verdict = {1: "supported", 0: "undecided", -1: "not supported"}[gain]
    found = compare(0.5 + 0.25 * gain, 0.5)
    assert (found.verdict, found.num_runs, found.spread) == (verdict, 1, None)


@pytest.mark.parametrize("is_paired", [True, False])
@pytest.mark.parametrize(("gain", "probability"), [(1, 0), (0, 0.5), (-1, 1)])
def test_comparison_of_runs_without_spread_is_judged_by_the_difference(
    gain, probability, is_paired
):
    same = np.full(3, 0.5)
    found = compare(same + 0.25 * gain, same, UNGUESSED, is_paired=is_paired)
    assert (found.probability, found.spread) == (probability, 0)


@pytest.mark.parametrize("is_paired", [True, False])
def test_runs_without_any_mistake_on_both_sides_show_nothing(is_paired):
    # p (1 - p) is 0 there: nothing is guessed, and nothing varies.
    found = compare(np.ones(3), np.ones(3), is_paired=is_paired)
    assert (found.verdict, found.probability, found.spread) == ("undecided", 0.5, 0)


def test_single_runs_leave_a_comparison_undecided():
    assert compare(np.array([0.9]), np.array([0.1, 0.2])).verdict == "undecided"
    assert compare(np.array([0.9]), 0.1).verdict == "undecided"
