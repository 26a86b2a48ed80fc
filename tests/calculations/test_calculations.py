"""Calculations: the numbers that chapter 3 prints, and what must hold of any others."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax.calculations.polynomial import fit_polynomial
from nndl_jax.calculations.softmax import softmax
from nndl_jax.calculations.weighted_input import tail_probability, weighted_input_deviation
from nndl_jax.documents import NumberClaim
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import list_runs, variants
from nndl_jax.judging.judge import judge_number
from nndl_jax.networks.calculated import run_calculation
from nndl_jax.reading.faults import SpecError
from pipeline import calculate
from pipeline.machine.paths import run_folder
from pipeline.plan.plans import Plan, save_plan
from pipeline.plan.resolving import without_words
from pipeline.store.runs import read_history

DOCUMENTS = (
    *("ch1-gradient-cost", "ch1-gradient-descent", "ch1-small-change", "ch1-steepest-descent"),
    *("ch2-learning-speed", "ch3-activations"),
    *("ch3-hessian", "ch3-softmax", "ch3-polynomial", "ch3-weighted-input"),
    *("ch5-identity-neuron", "ch5-width", "ch6-relu-scaling"),
)
# Points, and coefficients from x^9 down, of the program that draws the polynomial of chapter 3.
POINTS = (
    *((0.7, 1.8), (1.3, 2.2), (1.9, 4.0), (2.6, 5.0), (2.9, 6.1)),
    *((3.6, 7.0), (3.8, 7.4), (3.95, 8.0), (4.4, 9.1), (4.9, 10.0)),
)
COEFFICIENTS = (
    *(0.220539187, -5.49142821, 58.7844045, -353.892824, 1315.49254),
    *(-3118.09836, 4690.80366, -4296.12493, 2162.28823, -450.983951),
)

weighted_inputs = st.lists(st.floats(-5, 5), min_size=2, max_size=8)
drawn = settings(deadline=None, derandomize=True, database=None)


def measure(name, changes=None, seed=0):
    return run_calculation(override(load_spec(name).bare(), changes or {}), seed=seed)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_number_of_the_book_comes_back(name):
    spec = load_spec(name)
    claims = [claim for claim in spec.claims if isinstance(claim, NumberClaim)]
    for variant in variants(spec):
        runs = [run_calculation(variant.spec, seed=seed) for seed in range(4)]
        for claim in claims:
            if (claim.variant or {}).items() <= variant.values.items():
                judged = judge_number(claim, np.array([run[claim.metric] for run in runs]))
                assert judged.verdict == ("equal" if claim.exact else "consistent"), claim


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_measured_is_what_claims_may_speak_of(name):
    assert tuple(measure(name)) == load_spec(name).metrics()


def test_coefficients_claimed_are_those_printed():
    claims = [claim for claim in load_spec("ch3-polynomial").claims if "coeff" in claim.metric]
    assert tuple(claim.value for claim in claims) == COEFFICIENTS
    assert [claim.metric for claim in claims] == [f"coefficient.{k}" for k in range(9, -1, -1)]
    # Half a unit of the eighth of nine digits.
    digits = [8 - math.floor(math.log10(abs(value))) for value in COEFFICIENTS]
    tolerances = [5 * 10.0**-places for places in digits]
    assert [claim.tolerance for claim in claims] == pytest.approx(tolerances)


def test_softmax_is_exponentials_by_their_sum():
    # e^2.5 = 12.18, e^-1 = 0.37, e^3.2 = 24.53, e^0.5 = 1.65; together 38.73.
    powers = [math.exp(z) for z in (2.5, -1.0, 3.2, 0.5)]
    expected = {f"activation.{j}": power / sum(powers) for j, power in enumerate(powers, 1)}
    assert measure("ch3-softmax") == pytest.approx(expected, rel=1e-14)


def test_softmax_does_not_overflow():
    assert softmax([1e6, 1e6, -1e6], 1e6).tolist() == [0.5, 0.5, 0.0]


@given(weighted_inputs, st.floats(0.1, 10))
@drawn
def test_softmax_activations_are_positive_and_sum_to_one(z, scale):
    activations = softmax(z, scale)
    assert (activations > 0).all()
    assert activations.sum() == pytest.approx(1, abs=1e-14)


@given(weighted_inputs, st.integers(0, 7), st.floats(0.01, 3))
@drawn
def test_softmax_activation_rises_with_its_own_input_and_no_other(z, place, rise):
    place %= len(z)
    before = softmax(z, 1.0)
    change = softmax([*z[:place], z[place] + rise, *z[place + 1 :]], 1.0) - before
    assert change[place] > 0
    assert (np.delete(change, place) < 0).all()


@given(weighted_inputs, st.floats(-100, 100))
@drawn
def test_softmax_inputs_are_known_up_to_a_constant(z, constant):
    # z_j = ln a_j + constant, so a common constant changes no activation.
    np.testing.assert_allclose(softmax(np.add(z, constant).tolist(), 1.0), softmax(z, 1.0))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
@drawn
def test_softmax_with_a_large_factor_shares_one_among_the_largest(z):
    expected = [(value == max(z)) / z.count(max(z)) for value in z]
    assert softmax([float(value) for value in z], 1e4).tolist() == expected


def test_polynomial_through_points_is_that_of_exact_fractions():
    # Newton's divided differences of the decimals as printed, multiplied out.
    xs, table = (
        [Fraction(str(number)) for number in column] for column in zip(*POINTS, strict=True)
    )
    for order in range(1, 10):
        for i in range(9, order - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (xs[i] - xs[i - order])
    exact = [table[9]]
    for i in range(8, -1, -1):
        exact = [a - xs[i] * b for a, b in zip([Fraction(0), *exact], [*exact, 0], strict=True)]
        exact[0] += table[i]
    expected = [float(number) for number in exact]
    np.testing.assert_allclose(fit_polynomial(POINTS, 9), expected, rtol=1e-13)


def test_polynomial_solves_the_system_of_powers():
    # The powers of x up to 9 are so nearly dependent that solving for them loses eight digits.
    x, y = np.transpose(POINTS)
    expected = np.linalg.solve(np.vander(x, increasing=True), y)
    np.testing.assert_allclose(fit_polynomial(POINTS, 9), expected, rtol=1e-7)


def test_line_of_least_squares_is_that_of_the_moments():
    # Slope: covariance of x and y by the variance of x; the line goes through the means.
    x, y = np.transpose(POINTS)
    slope = np.mean((x - x.mean()) * (y - y.mean())) / np.mean((x - x.mean()) ** 2)
    measured = measure("ch3-polynomial")
    assert measured["slope"] == pytest.approx(slope, rel=1e-12)
    assert measured["intercept"] == pytest.approx(y.mean() - slope * x.mean(), rel=1e-10)


def test_polynomial_and_line_are_compared_at_the_given_places():
    # 1 + 2 x^2 through three of its points, beside y = 3 x with residuals 1, 0 and 3.
    points = {"quantity.points": [[0, 1], [1, 3], [2, 9]], "quantity.degree": 2}
    measured = measure("ch3-polynomial", {**points, "quantity.line": 3, "quantity.at": [10, -1]})
    expected = {"coefficient.0": 1, "coefficient.1": 0, "coefficient.2": 2}
    expected |= {"value.1": 201, "value.2": 3, "line_value.1": 30, "line_value.2": -3}
    # Least squares: means 1 and 13/3, covariance by variance 8/2.
    expected |= {"line_residual": math.sqrt(10 / 3), "slope": 4, "intercept": 1 / 3}
    assert measured == pytest.approx(expected, abs=1e-12)


def test_coefficients_that_vanish_are_not_left_out():
    assert fit_polynomial([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)], 2).tolist() == [0, 0, 0]


def test_points_too_close_together_determine_no_polynomial():
    points = [(0.0, 0.0), (1e-6, 1.0), (2e-6, 0.0), (1e6, 1.0)]
    with pytest.raises(ValueError, match="determine no polynomial of degree 3; lower the degree"):
        fit_polynomial(points, 3)


@pytest.mark.parametrize(("weights", "variance"), [("normal", 501), ("normal-fan-in", 1.5)])
def test_variance_of_the_weighted_input_is_the_sum_of_variances(weights, variance):
    # 500 weights of variance 1 or 1/1000, and a bias of variance 1.
    assert weighted_input_deviation(1000, 500, weights) == pytest.approx(math.sqrt(variance))


@pytest.mark.parametrize("variance", [501, 1.5])
def test_tail_is_the_complementary_error_function(variance):
    # P(|z| > t) = erfc(t / sqrt(2 variance)).
    tail = tail_probability(math.sqrt(variance), 5.0)
    assert tail == pytest.approx(math.erfc(5 / math.sqrt(2 * variance)), rel=1e-12)


@pytest.mark.parametrize("weights", ["normal", "normal-fan-in"])
def test_sample_has_the_spread_of_the_formula(weights):
    # Five standard deviations of a spread of 10,000 draws: 5 / sqrt(2 * 10,000) = 0.035.
    measured = measure("ch3-weighted-input", {"quantity.weights": weights})
    spread = measured["standard_deviation"]
    assert measured["sampled_standard_deviation"] == pytest.approx(spread, rel=0.035)


def test_only_the_sample_depends_on_the_seed():
    first, again, other = (measure("ch3-weighted-input", seed=seed) for seed in (0, 0, 1))
    assert first == again
    changed = {name for name in first if first[name] != other[name]}
    assert changed == {"sampled_standard_deviation"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_runs_differ_where_a_document_says_that_it_is_random(name):
    assert load_spec(name).is_random() == (measure(name, seed=0) != measure(name, seed=1))


@pytest.mark.parametrize("field", ["kind", "degree", "[degree]"])
def test_what_is_measured_cannot_be_varied(field):
    spec = load_spec("ch3-polynomial")
    with pytest.raises(SpecError, match="changes what is measured"):
        override(spec, {"vary": [{f"quantity.{field}": [3, 4]}]})


@pytest.fixture
def calculate_all(tmp_path, monkeypatch):
    """The stage in a folder of its own, with JAX left as it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calculate, "set_up_jax", lambda *_, **__: None)
    return calculate.main


def test_stage_writes_a_row_for_each_run(calculate_all):
    spec = without_words(load_spec("ch3-weighted-input"))
    save_plan(spec.id, Plan.of(spec, (3, 4)))
    calculate_all()
    history = read_history(run_folder(spec.id))
    assert (history.data, list(history.runs)) == ("none", list_runs(spec, (3, 4)))
    specs = [variant.spec for variant in variants(spec)]
    expected = [run_calculation(spec, seed=seed) for spec in specs for seed in (3, 4)]
    for metric, curves in history.metrics.items():
        assert curves.tolist() == [[run[metric]] for run in expected]
    assert tuple(history.metrics) == spec.metrics()


def test_stage_writes_no_row_of_a_document_not_selected(calculate_all):
    spec = without_words(load_spec("ch3-softmax"))
    save_plan(spec.id, Plan.of(spec, (0,), selected=False))
    calculate_all()
    assert read_history(run_folder(spec.id)) is None
