"""The variance of runs with a guess of it, against the model that it is derived from."""

import numpy as np
import pytest
from scipy import stats

from nndl_jax.documents.metrics import COST, GRADIENT_NORM, parse_metric
from nndl_jax.judging.statistics import (
    from_scale,
    moderate,
    one_sample,
    protocol_draws,
    to_scale,
    two_samples,
)

PRIOR = 0.25
NUM_EXPERIMENTS = 4000


def experiments(num_runs: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """Runs of many networks with mean 0, and a deviation of each network as it is guessed.

    The guess says that PRIOR / variance follows the chi-squared law of one degree of freedom.
    """
    rng = np.random.default_rng(1)
    deviations = np.sqrt(PRIOR / rng.chisquare(1, NUM_EXPERIMENTS))
    runs = deviations[:, None] * rng.standard_normal((NUM_EXPERIMENTS, num_runs))
    return rng, deviations, runs


def test_a_guess_weighs_one_degree_of_freedom():
    assert moderate(2.0, 1, prior=4.0) == (3.0, 2)
    assert moderate(2.0, 3, prior=4.0) == (2.5, 4)


def test_no_guess_leaves_a_variance_as_it_is():
    assert moderate(2.0, 3, prior=0.0) == (2.0, 3)


def test_a_guess_vanishes_with_many_runs():
    variance, degrees = moderate(2.0, 10**6, prior=4.0)
    assert variance == pytest.approx(2, rel=1e-5)
    assert degrees == 10**6 + 1


@pytest.mark.parametrize(
    ("metric", "mean", "expected"),
    [
        ("test_accuracy", 0.9, 0.003**2),  # 0.9 * 0.1 / 10,000
        ("train_accuracy", 1.0, 0.0),
        ("validation_cost", 2.0, 0.06**2),
        ("gradient_norm.1", -7.0, 0.25**2),
        ("gradient.1.1", 2.0, 0.0),
        ("train_output", 0.5, 0.0),
    ],
)
def test_variances_are_guessed_by_quantity(metric, mean, expected):
    assert parse_metric(metric).quantity.prior(mean) == pytest.approx(expected)


def test_norms_are_put_on_a_scale_of_logarithms_and_back():
    norms = np.array([1e-300, 1.0, 1e300])
    found = to_scale(GRADIENT_NORM, norms)
    assert found == pytest.approx(np.log(norms))
    assert [from_scale(GRADIENT_NORM, value) for value in found] == pytest.approx(norms)


def test_other_quantities_stay_on_their_own_scale():
    assert to_scale(COST, -1000.0).tolist() == [-1000]
    assert from_scale(COST, -1000.0) == -1000


def test_a_norm_of_zero_has_a_logarithm():
    assert np.isfinite(to_scale(GRADIENT_NORM, 0.0)).all()


def test_a_norm_beyond_the_floats_is_finite():
    assert from_scale(GRADIENT_NORM, 1e6) == pytest.approx(np.finfo(np.float64).max)
    assert from_scale(GRADIENT_NORM, -1e6) == 0


@pytest.mark.parametrize("num_runs", [2, 5])
def test_probabilities_are_uniform_where_there_is_no_gain_and_the_guess_holds(num_runs):
    # That is what makes them probabilities: a test at 5 % is wrong 1 time in 20.
    _, _, runs = experiments(num_runs)
    found = [one_sample(gains, prior=PRIOR).probability for gains in runs]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_probabilities_of_two_samples_err_rarely_where_there_is_no_gain():
    # Welch's law is an approximation, and on the safe side for few runs: at most 5 % and three
    # deviations of a fraction of 4,000, 0.05 + 3 sqrt(0.05 * 0.95 / 4,000) = 0.06.
    rng, deviations, runs = experiments(3)
    others = deviations[:, None] * rng.standard_normal((NUM_EXPERIMENTS, 3))
    found = [two_samples(*pair, prior=PRIOR).probability for pair in zip(runs, others, strict=True)]
    assert 0.02 < np.mean(np.array(found) <= 0.05) < 0.06


def test_a_third_run_falls_anywhere_among_the_draws_where_the_guess_holds():
    # Of a gradient norm, whose guess does not depend on the mean: it is 1/16, a quarter of PRIOR.
    _, _, runs = experiments(3)
    logarithms = runs[:400] / 2
    places = [
        np.mean(protocol_draws(GRADIENT_NORM, np.exp(known[:2]), best_of=1) < known[2])
        for known in logarithms
    ]
    assert stats.kstest(places, "uniform").pvalue > 0.01


@pytest.mark.parametrize(("metric", "sign"), [("train_output", 1), ("test_cost", -1)])
def test_best_of_three_is_the_best_of_three_draws(metric, sign):
    # With a thousand runs the law is known: the median of the largest of three is the quantile
    # 0.5^(1/3) = 0.794 of one, 0.819 deviations above the mean.
    known = 1 + 0.1 * stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    median = 1 + sign * 0.1 * stats.norm.ppf(0.5 ** (1 / 3))
    draws = protocol_draws(parse_metric(metric).quantity, known, best_of=3)
    assert np.mean(draws > median) == pytest.approx(0.5, abs=0.01)


def test_a_single_gain_has_no_deviation_and_is_judged_by_its_sign():
    for gain, probability in ((0.1, 0), (0.0, 0.5), (-0.1, 1)):
        assert one_sample(np.array([gain]), prior=PRIOR)[:2] == (None, probability)
