"""Verdicts on numbers and curves: exact ones, and draws whose law is known."""

import numpy as np
import pytest
from scipy import stats

from nndl_jax.documents import CurveClaim, NumberClaim
from nndl_jax.judging.judge import at_epoch, judge_curve, judge_number

MEAN, SD = 0.95, 0.002
# Quantiles of the normal law, so that ten runs have its mean and nearly its deviation.
TEN = MEAN + SD * stats.norm.ppf((np.arange(10) + 0.5) / 10)
# The guess of the variance of accuracies with this mean: each of 10,000 images a draw of its own.
BINOMIAL = MEAN * (1 - MEAN) / 10_000


def number(value, **rest):
    return NumberClaim(
        kind="number",
        statement="a number",
        metric=rest.pop("metric", "test_accuracy"),
        value=value,
        **rest,
    )


def curve(values, tolerance=0.0):
    return CurveClaim(
        kind="curve",
        statement="a curve",
        metric="test_accuracy",
        values=tuple(values),
        tolerance=tolerance,
    )


def test_exact_claim_holds_where_every_run_gives_the_number():
    assert judge_number(number(0.2225, exact=True), np.full(3, 2225 / 10_000)).verdict == "equal"


def test_exact_claim_fails_where_one_run_is_one_image_off():
    values = np.array([0.2225, 0.2225, 0.2226])
    assert judge_number(number(0.2225, exact=True), values).verdict == "differs"


@pytest.mark.parametrize(("found", "verdict"), [(9.4e-14, "equal"), (0.0, "differs")])
def test_a_tolerance_may_be_smaller_than_any_rounding(found, verdict):
    claim = number(9e-14, exact=True, tolerance=5e-15, metric="outside")
    assert judge_number(claim, np.array([found])).verdict == verdict


def test_exact_claim_holds_within_its_tolerance():
    claim = number(0.2225, exact=True, tolerance=0.0002)
    assert judge_number(claim, np.array([0.2225, 0.2227])).verdict == "equal"
    assert judge_number(claim, np.array([0.2225, 0.2228])).verdict == "differs"


def test_exact_claim_is_judged_by_a_single_run():
    assert judge_number(number(0.2225, exact=True), np.array([0.2225])).verdict == "equal"


def test_mean_within_the_printed_precision_is_consistent():
    # A law as narrow as this one would not give 0.951 otherwise; of outputs nothing is guessed.
    values, metric = np.array([0.95, 0.95 + 1e-9]), "train_output"
    assert judge_number(number(0.951, metric=metric), values).verdict == "inconsistent"
    near = number(0.951, metric=metric, tolerance=0.002)
    assert judge_number(near, values).verdict == "consistent"


@pytest.mark.parametrize(
    ("distance", "verdict"),
    [(0, "consistent"), (1, "consistent"), (-1, "consistent"), (10, "inconsistent")],
)
def test_number_is_judged_by_its_distance_in_deviations(distance, verdict):
    assert judge_number(number(MEAN + distance * SD), TEN).verdict == verdict


def test_few_runs_leave_more_numbers_consistent():
    # Five deviations off. Two runs and the guess have a variance of (0.002^2 + 0.00218^2) / 2 =
    # 0.00209^2, so that t = 4.78 / sqrt(1 + 1/2) = 3.90 with two degrees of freedom, which is
    # exceeded with probability 0.06; of ten runs, about 5 / sqrt(1 + 1/10) = 4.8 with ten degrees,
    # 0.001.
    two = MEAN + SD * np.array([-1, 1]) / np.sqrt(2)
    assert judge_number(number(MEAN - 5 * SD), two).verdict == "too few runs"
    assert judge_number(number(MEAN - 5 * SD), TEN).verdict == "inconsistent"


@pytest.mark.parametrize("distance", [-3, -1, -0.2, 0.5, 2])
@pytest.mark.parametrize("num_runs", [2, 3, 10])
def test_probability_of_a_single_draw_is_students(num_runs, distance):
    # t = (x - mean) / (s sqrt(1 + 1/n)), two-sided. The runs give s^2 with n - 1 degrees of
    # freedom, the guess of a binomial variance gives 0.5 * 0.5 / 10,000 with one: together n.
    values = np.linspace(0.5 - SD, 0.5 + SD, num_runs)
    variance = ((num_runs - 1) * values.var(ddof=1) + 0.005**2) / num_runs
    t = distance / np.sqrt(1 + 1 / num_runs)
    found = judge_number(number(0.5 + distance * np.sqrt(variance)), values)
    assert found.probability == pytest.approx(2 * stats.t.sf(abs(t), num_runs), abs=0.005)


@pytest.mark.parametrize("metric", ["train_output", "weighted_input.1"])
@pytest.mark.parametrize("num_runs", [2, 3, 10])
def test_runs_stand_alone_where_nothing_is_guessed(num_runs, metric):
    # Degrees of freedom are n - 1 then.
    values = np.linspace(0.5 - SD, 0.5 + SD, num_runs)
    t = 2 / np.sqrt(1 + 1 / num_runs)
    found = judge_number(number(0.5 + 2 * values.std(ddof=1), metric=metric), values)
    assert found.probability == pytest.approx(2 * stats.t.sf(t, num_runs - 1), abs=0.005)


def test_two_runs_that_agree_do_not_reject_a_number_a_binomial_deviation_away():
    # Two runs of variance zero and the guess have half of its variance: t = 1 / sqrt(1/2 * 3/2)
    # with two degrees of freedom. Ten deviations off, it is 11.5.
    equal = np.full(2, MEAN)
    near, far = (judge_number(number(MEAN + n * BINOMIAL**0.5), equal) for n in (1, -10))
    assert near.probability == pytest.approx(2 * stats.t.sf(1 / np.sqrt(0.75), 2), abs=0.005)
    assert (near.verdict, near.spread) == ("too few runs", 0)
    assert far.verdict == "inconsistent"


def test_many_runs_are_taken_at_their_word():
    # A quarter of the guessed deviation, two deviations off. The kernel adds its own variance: its
    # bandwidth is 1.06 1000^(-1/5) = 0.266 deviations.
    spread = BINOMIAL**0.5 / 4
    many = MEAN + spread * stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    found = judge_number(number(MEAN + 2 * spread), many)
    expected = 2 * stats.norm.sf(2 / np.sqrt(1 + 0.266**2))
    assert found.probability == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(("value", "probability"), [(1.0, 1.0), (0.9999, 0.0)])
def test_runs_without_any_mistake_leave_no_other_number(value, probability):
    # p (1 - p) is 0 there: nothing is guessed.
    found = judge_number(number(value), np.ones(3))
    assert (found.probability, found.expected) == (probability, (1, 1))


def test_expected_range_of_a_single_draw_is_students():
    variance = (9 * TEN.var(ddof=1) + BINOMIAL) / 10
    scale = np.sqrt(variance * (1 + 1 / 10))
    low, high = (TEN.mean() + stats.t.ppf(q, 10) * scale for q in (0.01, 0.99))
    assert judge_number(number(MEAN), TEN).expected == pytest.approx((low, high), abs=SD / 40)


@pytest.mark.parametrize(("metric", "sign"), [("test_accuracy", 1), ("test_cost", -1)])
def test_best_of_three_is_expected_better_than_one(metric, sign):
    claims = (number(MEAN, best_of=n, metric=metric) for n in (1, 3))
    one, three = (np.array(judge_number(claim, TEN).expected) for claim in claims)
    assert (sign * three > sign * one).all()


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


def test_expected_costs_are_not_fractions():
    low, high = judge_number(number(3.0, metric="test_cost"), np.array([2.9, 3.1])).expected
    assert low < 2.9
    assert high > 3.1


def test_gradient_norms_are_judged_by_their_logarithms():
    # Student's law of ln x: nine degrees of freedom from the runs, one from the guess of 1/4.
    norms = 10 ** (-2 + stats.norm.ppf((np.arange(10) + 0.5) / 10))
    logarithms = np.log(norms)
    scale = np.sqrt((9 * logarithms.var(ddof=1) + 1 / 16) / 10 * (1 + 1 / 10))
    t = (np.log(0.001) - logarithms.mean()) / scale
    found = judge_number(number(0.001, metric="gradient_norm.1"), norms)
    assert found.probability == pytest.approx(2 * stats.t.sf(abs(t), 10), abs=0.005)
    ends = [logarithms.mean() + stats.t.ppf(q, 10) * scale for q in (0.01, 0.99)]
    assert np.log(found.expected) == pytest.approx(ends, abs=scale / 20)
    assert found.mean == pytest.approx(norms.mean())


def test_a_range_of_norms_may_leave_the_floats_on_both_ends():
    # ln x is -700 and 0: the range of Student's law with two degrees of freedom is thousands wide.
    found = judge_number(number(1.0, metric="gradient_norm.1"), np.exp([-700.0, 0.0]))
    assert found.verdict == "too few runs"
    assert found.expected == (0, pytest.approx(np.finfo(np.float64).max))


def test_a_norm_of_zero_is_what_runs_of_zero_give():
    zeros = np.zeros(2)
    found = judge_number(number(0.0, metric="gradient_norm.1"), zeros)
    assert (found.verdict, found.mean) == ("too few runs", 0)
    assert judge_number(number(1e-9, metric="gradient_norm.1"), zeros).verdict == "inconsistent"


def test_a_curve_is_equal_where_every_run_is_at_every_epoch():
    found = judge_curve(curve([0.1, 0.2]), np.array([[0.1, 0.2, 0.9], [0.1, 0.2, 0.9]]))
    assert (found.verdict, found.num_equal) == ("equal", 2)
    assert (found.deviation, found.num_runs) == (0, 2)


def test_a_curve_differs_where_one_run_leaves_its_tolerance_at_one_epoch():
    curves = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.31]])
    found = judge_curve(curve([0.1, 0.2, 0.3], 0.005), curves)
    assert (found.verdict, found.num_equal) == ("differs", 2)
    assert found.deviation == pytest.approx(0.01)
    assert judge_curve(curve([0.1, 0.2, 0.3], 0.01), curves).verdict == "equal"


@pytest.mark.parametrize("curves", [[[0.1, np.nan, 0.3]], [[0.1, 0.2]]])
def test_an_epoch_of_a_curve_that_was_not_measured_differs(curves):
    found = judge_curve(curve([0.1, 0.2, 0.3]), np.array(curves))
    assert (found.verdict, found.num_equal, found.deviation) == ("differs", 2, 0)


def test_a_curve_without_measurements_was_not_run():
    assert judge_curve(curve([0.1, 0.2]), np.full((2, 2), np.nan)).verdict == "not run"


NAN = float("nan")


@pytest.mark.parametrize(
    ("epoch", "metric", "expected"),
    [
        ("last", "test_accuracy", [0.2, 0.5]),
        ("best", "test_accuracy", [0.3, 0.6]),
        ("best", "test_cost", [0.1, 0.4]),
        ("best", "gradient_norm.1", [0.3, 0.6]),
        (0, "test_accuracy", [0.1, 0.6]),
        (3, "test_accuracy", None),
        (4, "test_accuracy", None),
        (9, "test_accuracy", None),
    ],
)
def test_claim_speaks_of_its_epoch_as_far_as_runs_were_measured(epoch, metric, expected):
    # The second run ended earlier, and nothing was measured at epoch 4.
    curves = np.array([[0.1, 0.3, NAN, 0.2, NAN], [0.6, 0.4, 0.5, NAN, NAN]])
    found = at_epoch(epoch, metric, curves)
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize("epoch", ["best", "last", 1])
def test_a_run_without_any_measurement_leaves_nothing_to_judge(epoch):
    assert at_epoch(epoch, "test_cost", np.array([[0.1, 0.3], [NAN, NAN]])) is None
