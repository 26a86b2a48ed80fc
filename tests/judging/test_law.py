"""The law of a protocol, by thirty runs and more: of the runs themselves."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nndl_jax.documents import ComparisonClaim, NumberClaim, Side
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.judging.judge import judge_comparison, judge_number
from nndl_jax.judging.law import MANY_RUNS, Counted, Drawn, chances, departure, protocol_law, split
from nndl_jax.judging.statistics import Mean, superiority

ACCURACY = parse_metric("test_accuracy").quantity
MEAN, SD = 0.95, 0.002
FORTY = MEAN + SD * stats.norm.ppf((np.arange(40) + 0.5) / 40)
TWO_KINDS = np.where(np.arange(40) % 4 == 0, 0.87, 0.96) + (FORTY - MEAN)


def number(value, metric="test_accuracy", **rest):
    return NumberClaim(kind="number", statement="a number", metric=metric, value=value, **rest)


def law(values, best_of=1, chosen_by=None, quantity=ACCURACY):
    found = protocol_law(quantity, values, best_of=best_of, chosen_by=chosen_by)
    assert found is not None
    return found


@pytest.mark.parametrize("best_of", [1, 2, 3])
def test_chances_are_those_of_an_urn_that_returns_two_balls_for_each(best_of):
    # The Bayesian bootstrap draws as Polya's urn does: a run that was drawn is put back twice.
    quality = np.array([0.3, 0.1, 0.4, 0.2])
    expected = np.zeros(4)
    for drawn in itertools.product(range(4), repeat=best_of):
        probability = 1.0
        for index, run in enumerate(drawn):
            probability *= (1 + drawn[:index].count(run)) / (4 + index)
        expected[max(drawn, key=lambda run: quality[run])] += probability
    np.testing.assert_allclose(chances(quality, best_of), expected)


def test_runs_of_equal_quality_share_their_chance():
    found = chances(np.array([0.2, 0.1, 0.2]), 2)
    assert found == pytest.approx([(1 - found[1]) / 2, chances(np.arange(3.0), 2)[0], found[0]])


def test_many_runs_are_their_own_law_and_fewer_are_taken_for_normal():
    assert isinstance(law(FORTY[:MANY_RUNS]), Counted)
    assert isinstance(law(FORTY[: MANY_RUNS - 1]), Drawn)


def test_quantiles_are_where_the_tails_say():
    found = law(TWO_KINDS, best_of=3)
    levels = np.array([0.01, 0.3, 0.5, 0.99])
    for level, value in zip(levels, found.quantiles(levels), strict=True):
        assert found.tails(value) == pytest.approx((level, 1 - level))


def test_no_accuracy_lies_above_one():
    found = law(np.concatenate([FORTY, np.ones(10)]))
    assert found.quantiles(np.array([0.999]))[0] == 1
    below, above = found.tails(1.0)
    assert below == 1
    assert above == pytest.approx(0.1, abs=0.01)  # Half of the kernel of a fifth of the runs.


@pytest.mark.parametrize(("metric", "is_lowest"), [("test_accuracy", False), ("test_cost", True)])
def test_the_best_of_three_is_that_of_three_of_ours(metric, is_lowest):
    rng = np.random.default_rng(0)
    three = rng.choice(FORTY, (20_000, 3))
    expected = three.min(axis=1) if is_lowest else three.max(axis=1)
    found = law(FORTY, 3, quantity=parse_metric(metric).quantity).quantiles(np.array([0.25, 0.75]))
    assert found == pytest.approx(np.quantile(expected, [0.25, 0.75]), abs=SD / 5)


def test_a_choice_by_validation_prints_what_belongs_to_it():
    # The run that validates best has the least accuracy, and of ten drawn it is mostly the tenth
    # part that is lowest.
    found = law(FORTY, 10, chosen_by=-FORTY)
    assert found.quantiles(np.array([0.5]))[0] < np.quantile(FORTY, 0.15)


@pytest.mark.parametrize("best_of", [1, 3])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: MEAN + SD * rng.standard_normal(n),
        lambda rng, n: np.where(rng.random(n) < 0.3, 0.87, 0.96) + SD * rng.standard_normal(n),
        lambda rng, n: 0.97 - 0.003 * rng.gamma(1.5, size=n),
    ],
    ids=["normal", "two kinds", "skew"],
)
def test_a_number_like_ours_is_hardly_ever_inconsistent(draw, best_of):
    # One in a hundred is asked; of 300, 3 are expected, and 12 are exceeded once in 100,000 times.
    rng = np.random.default_rng(1)
    tails = [law(draw(rng, 60), best_of).tails(draw(rng, best_of).max()) for _ in range(300)]
    assert sum(2 * min(pair) < 0.01 for pair in tails) <= 12


def test_equal_runs_of_what_is_not_guessed_have_no_law():
    quantity = parse_metric("train_output").quantity
    assert protocol_law(quantity, np.full(40, 0.5), best_of=1) is None
    assert judge_number(number(0.5, "train_output"), np.full(40, 0.5)).verdict == "consistent"
    assert judge_number(number(0.6, "train_output"), np.full(40, 0.5)).verdict == "inconsistent"


def test_a_departure_is_found_nine_times_in_ten():
    draws = MEAN + SD * stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = departure(Drawn(draws))
    assert found == pytest.approx(SD * (stats.norm.ppf(0.995) + stats.norm.ppf(0.9)), rel=1e-3)
    shifted = draws + found
    assert np.mean(shifted > np.quantile(draws, 0.995)) == pytest.approx(0.9, abs=1e-3)


def test_what_a_point_of_accuracy_could_not_contradict_is_not_consistent():
    wide = MEAN + 5 * (FORTY - MEAN)
    assert judge_number(number(MEAN), FORTY).verdict == "consistent"
    assert judge_number(number(MEAN), wide).verdict == "too varied"
    assert judge_number(number(MEAN), wide[::4]).verdict == "too few runs"
    assert judge_number(number(0.5), wide).verdict == "inconsistent"


def test_what_a_tenth_of_a_cost_could_not_contradict_is_not_consistent():
    costs = 2 + 0.02 * (FORTY - MEAN) / SD
    assert judge_number(number(2.0, "test_cost"), costs).verdict == "consistent"
    assert judge_number(number(2.0, "test_cost"), 3 * costs - 4).verdict == "too varied"


def test_of_what_no_margin_is_asked_everything_that_may_be_ours_is_consistent():
    assert judge_number(number(1.0, "train_output"), np.array([0.0, 2.0])).verdict == "consistent"


def test_runs_of_two_kinds_are_told_apart():
    found = split(TWO_KINDS)
    assert found == pytest.approx(0.915, abs=0.005)
    assert judge_number(number(0.96), TWO_KINDS).kinds == pytest.approx((0.75, found))
    assert split(FORTY) is None
    assert judge_number(number(MEAN), FORTY).kinds is None


def test_a_single_odd_run_is_no_kind():
    assert split(np.append(FORTY, 0.5)) is None


def test_a_run_that_beats_another_counts_and_half_of_those_that_equal_it():
    ours, theirs = np.array([3.0, 2.0]), np.array([2.0, 1.0])
    assert superiority(ours, theirs, is_paired=False) == (1 + 1 + 0.5 + 1) / 4
    assert superiority(ours, np.array([4.0, 1.0]), is_paired=True) == 0.5


def compare(better, worse, *, margin=None, metric="test_accuracy"):
    claim = ComparisonClaim(
        kind="comparison",
        statement="better",
        metric=metric,
        better=Side(),
        worse=Side(),
        margin=margin,
    )
    return judge_comparison(claim, better, worse, is_paired=False)


def test_the_interval_of_a_difference_is_welchs():
    other = FORTY[::2] + 0.001
    found = compare(other, FORTY, metric="train_output").interval
    expected = stats.ttest_ind(other, FORTY, equal_var=False).confidence_interval(0.95)
    assert found == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("margin", "verdict"), [(0.002, "no difference"), (0.0005, "undecided")])
def test_a_difference_below_the_margin_is_none(margin, verdict):
    assert compare(FORTY, FORTY, margin=margin).verdict == verdict
    assert compare(FORTY, FORTY).verdict == "undecided"


def test_a_difference_that_is_shown_is_one_whatever_the_margin():
    assert compare(FORTY + 0.002, FORTY, margin=0.1).verdict == "supported"


def test_equivalence_is_two_one_sided_tests():
    tested = Mean(deviation=1.0, probability=0.4, error=0.5, degrees=8.0)
    assert tested.beyond(0.2, 1.5) == pytest.approx(stats.t.sf((1.5 - 0.2) / 0.5, 8))
    assert Mean(0.0, 0.5, 0.0, 1.0).beyond(0.2, 0.1) == 1


def test_a_margin_of_norms_is_of_their_ratio():
    norms = np.exp((FORTY - MEAN) / SD / 20)
    assert compare(norms, norms, margin=0.05, metric="gradient_norm.1").verdict == "no difference"
