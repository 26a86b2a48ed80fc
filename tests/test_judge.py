"""Verdicts: exact claims, distributions, and comparisons, on values whose law is known."""

import numpy as np
import pytest
from scipy import stats

from nndl_jax.judge import at_epoch, judge_comparison, judge_number
from nndl_jax.schema import ComparisonClaim, NumberClaim, Side

MEAN, SD = 0.95, 0.002
# Quantiles of the normal law, so that ten runs have its mean and nearly its deviation.
TEN = MEAN + SD * stats.norm.ppf((np.arange(10) + 0.5) / 10)


def number(value, **rest):
    return NumberClaim(
        kind="number",
        statement="a number",
        metric=rest.pop("metric", "test_accuracy"),
        value=value,
        **rest,
    )


def comparison(metric="test_accuracy", **rest):
    return ComparisonClaim(
        kind="comparison", statement="better", metric=metric, better=Side(), worse=Side(), **rest
    )


def test_exact_claim_holds_where_every_run_gives_the_number():
    assert judge_number(number(0.2225, exact=True), np.full(3, 2225 / 10_000)).verdict == "equal"


def test_exact_claim_fails_where_one_run_is_one_image_off():
    values = np.array([0.2225, 0.2225, 0.2226])
    assert judge_number(number(0.2225, exact=True), values).verdict == "differs"


def test_exact_claim_holds_within_its_tolerance():
    claim = number(0.2225, exact=True, tolerance=0.0002)
    assert judge_number(claim, np.array([0.2225, 0.2227])).verdict == "equal"
    assert judge_number(claim, np.array([0.2225, 0.2228])).verdict == "differs"


def test_exact_claim_is_judged_by_a_single_run():
    assert judge_number(number(0.2225, exact=True), np.array([0.2225])).verdict == "equal"


def test_mean_within_the_printed_precision_is_consistent():
    # A law as narrow as this one would not give 0.951 otherwise.
    values = np.array([0.95, 0.95 + 1e-9])
    assert judge_number(number(0.951), values).verdict == "inconsistent"
    assert judge_number(number(0.951, tolerance=0.002), values).verdict == "consistent"


@pytest.mark.parametrize(
    ("distance", "verdict"),
    [(0, "consistent"), (1, "consistent"), (-1, "consistent"), (10, "inconsistent")],
)
def test_number_is_judged_by_its_distance_in_deviations(distance, verdict):
    assert judge_number(number(MEAN + distance * SD), TEN).verdict == verdict


def test_few_runs_leave_more_numbers_consistent():
    # Five deviations off: t = 5 / sqrt(1 + 1/n). Of two runs, t = 4.08 with one degree of freedom
    # is exceeded with probability 0.15; of ten, t = 4.77 with nine, with probability 0.001.
    two = MEAN + SD * np.array([-1, 1]) / np.sqrt(2)
    assert judge_number(number(MEAN - 5 * SD), two).verdict == "consistent"
    assert judge_number(number(MEAN - 5 * SD), TEN).verdict == "inconsistent"


@pytest.mark.parametrize("distance", [-3, -1, -0.2, 0.5, 2])
@pytest.mark.parametrize("num_runs", [2, 3, 10])
def test_probability_of_a_single_draw_is_students(num_runs, distance):
    # t = (x - mean) / (s sqrt(1 + 1/n)) with n - 1 degrees of freedom, two-sided.
    values = np.linspace(0.5 - SD, 0.5 + SD, num_runs)
    spread = values.std(ddof=1)
    t = distance / np.sqrt(1 + 1 / num_runs)
    found = judge_number(number(0.5 + distance * spread), values)
    assert found.probability == pytest.approx(2 * stats.t.sf(abs(t), num_runs - 1), abs=0.01)


def test_expected_range_of_a_single_draw_is_students():
    spread = TEN.std(ddof=1) * np.sqrt(1 + 1 / 10)
    low, high = (TEN.mean() + stats.t.ppf(q, 9) * spread for q in (0.01, 0.99))
    assert judge_number(number(MEAN), TEN).expected == pytest.approx((low, high), abs=SD / 20)


def test_best_of_three_is_expected_higher_than_one():
    one, three = (judge_number(number(MEAN, best_of=n), TEN).expected for n in (1, 3))
    assert three[0] > one[0]
    assert three[1] > one[1]


def test_best_of_three_costs_is_expected_lower_than_one():
    claims = (number(MEAN, best_of=n, metric="test_cost") for n in (1, 3))
    one, three = (judge_number(claim, TEN).expected for claim in claims)
    assert three[0] < one[0]
    assert three[1] < one[1]


def test_best_of_three_is_the_largest_of_three_draws():
    # With a thousand runs the law is known: the median of the largest of three is the quantile
    # 0.5^(1/3) = 0.794 of one, 0.819 deviations above the mean.
    known = MEAN + SD * stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    median = MEAN + SD * stats.norm.ppf(0.5 ** (1 / 3))
    found = judge_number(number(median, best_of=3), known)
    assert found.probability == pytest.approx(1, abs=0.02)


def test_expected_accuracies_stay_fractions():
    low, high = judge_number(number(0.5), np.array([0.1, 0.9])).expected
    assert (low, high) == (0, 1)


def test_single_run_leaves_a_number_undecided():
    found = judge_number(number(0.95), np.array([0.94]))
    assert (found.verdict, found.mean, found.spread, found.num_runs) == ("undecided", 0.94, None, 1)


def test_judgement_says_what_our_runs_gave():
    found = judge_number(number(0.95), np.array([0.94, 0.95, 0.96]))
    assert found.mean == pytest.approx(0.95)
    assert found.spread == pytest.approx(0.01)
    assert found.num_runs == 3


def test_verdicts_do_not_flicker():
    assert judge_number(number(0.951), TEN) == judge_number(number(0.951), TEN)


@pytest.mark.parametrize(
    ("gain", "verdict"), [(3 * SD, "supported"), (-3 * SD, "not supported"), (0, "undecided")]
)
def test_comparison_is_judged_by_its_gain(gain, verdict):
    assert judge_comparison(comparison(), TEN + gain, TEN).verdict == verdict


@pytest.mark.parametrize(
    ("gain", "verdict"), [(3 * SD, "not supported"), (-3 * SD, "supported"), (0, "undecided")]
)
def test_lower_costs_are_better(gain, verdict):
    assert judge_comparison(comparison("test_cost"), TEN + gain, TEN).verdict == verdict


def test_comparison_is_welchs_test():
    wide = MEAN + 0.001 + 4 * (TEN[::2] - MEAN)
    found = judge_comparison(comparison(), wide, TEN)
    expected = stats.ttest_ind(wide, TEN, equal_var=False, alternative="greater").pvalue
    assert found.probability == pytest.approx(expected)


@pytest.mark.parametrize("gain", [1, 0, -1])
def test_comparison_of_runs_without_spread_is_judged_by_the_difference(gain):
    verdict = {1: "supported", 0: "undecided", -1: "not supported"}[gain]
    same = np.full(3, 0.5)
    assert judge_comparison(comparison(), same + 0.25 * gain, same).verdict == verdict


def test_single_runs_leave_a_comparison_undecided():
    found = judge_comparison(comparison(), np.array([0.9]), np.array([0.1, 0.2]))
    assert found.verdict == "undecided"


@pytest.mark.parametrize(
    ("epoch", "metric", "expected"),
    [
        ("last", "test_accuracy", [0.2, 0.5]),
        ("best", "test_accuracy", [0.3, 0.6]),
        ("best", "test_cost", [0.1, 0.4]),
        (0, "test_accuracy", [0.1, 0.6]),
        (2, "test_accuracy", [0.2, 0.5]),
    ],
)
def test_claim_speaks_of_its_epoch(epoch, metric, expected):
    curves = np.array([[0.1, 0.3, 0.2], [0.6, 0.4, 0.5]])
    claim = number(0.5, epoch=epoch, metric=metric)
    assert at_epoch(claim, curves).tolist() == expected


def test_epoch_that_was_not_reached_gives_nothing():
    assert at_epoch(number(0.5, epoch=3), np.zeros((2, 3))) is None
