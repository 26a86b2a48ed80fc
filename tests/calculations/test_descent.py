"""Descent: what the book says of gradients, against the definitions and against brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from nndl_jax.calculations.descent import descend, learning_speed, sample_decreases
from nndl_jax.documents.load import load_spec, override
from nndl_jax.networks.calculated import run_calculation

drawn = settings(deadline=None, derandomize=True, database=None)
places = st.lists(st.floats(-10, 10), min_size=1, max_size=5).filter(lambda v: max(map(abs, v)) > 1)


def measure(name, changes=None, seed=0):
    return run_calculation(override(load_spec(name).bare(), changes or {}), seed=seed)


@given(places, st.floats(0.001, 2), st.integers(1, 50))
@drawn
def test_descent_multiplies_each_variable_by_the_same(start, rate, steps):
    # grad C = 2 v, so v' = (1 - 2 eta) v.
    expected = np.outer((1 - 2 * rate) ** np.arange(steps + 1), start)
    np.testing.assert_allclose(descend(start, rate, steps), expected, rtol=1e-9, atol=1e-12)


@given(st.tuples(st.floats(-10, 10), st.floats(1, 10)), st.floats(0.001, 1.5))
@drawn
def test_cost_rises_in_every_step_or_in_none(start, rate):
    if abs(rate - 1) < 0.001 or abs(rate - 0.5) < 0.1:
        return  # C stays as it is, or gets too small to compare.
    changes = {"quantity.start": list(start), "quantity.learning_rate": rate}
    measured = measure("ch1-gradient-descent", changes)
    factor = (1 - 2 * rate) ** 2
    assert measured["num_rises"] == (20 if rate > 1 else 0)
    assert measured["last_cost"] == pytest.approx(factor**20 * measured["first_cost"], rel=1e-6)


@pytest.mark.parametrize("rate", [1e-6, 0.01, 0.9, 1.1])
def test_first_change_is_one_less_the_rate_of_that_predicted(rate):
    # C (1 - 2 eta)^2 - C = -4 eta C (1 - eta), against -eta |grad C|^2 = -4 eta C.
    measured = measure("ch1-gradient-descent", {"quantity.learning_rate": rate})
    assert measured["first_cost"] == pytest.approx(0.9**2 + 0.7**2)
    assert measured["change_ratio"] == pytest.approx(1 - rate, abs=1e-8)


@given(places, st.floats(0.01, 10), st.integers(0, 100))
@drawn
def test_no_direction_is_better_than_the_gradients(point, length, seed):
    decreases = sample_decreases(point, length, 50, rng=np.random.default_rng(seed))
    steepest = 2 * length * np.linalg.norm(point)
    assert np.all(np.abs(decreases) <= steepest * (1 + 1e-12))
    changes = {"quantity.point": point, "quantity.length": length, "quantity.directions": 50}
    measured = measure("ch1-steepest-descent", changes, seed=seed)
    assert measured["steepest_decrease"] == pytest.approx(steepest)
    assert measured["best_decrease"] == decreases.max()
    assert measured["best_share"] == pytest.approx(decreases.max() / steepest)
    assert measured["num_better"] == 0


def test_one_variable_has_two_directions():
    decreases = sample_decreases([-3.0], 0.5, 100, rng=np.random.default_rng(0))
    assert sorted({*decreases.tolist()}) == [-3.0, 3.0]


def test_decreases_are_those_of_short_steps():
    # C(v) - C(v + dv) = -grad C . dv - |dv|^2.
    point, length, rng = np.array([1.0, -2.0, 0.5]), 1e-5, np.random.default_rng(3)
    steps = rng.standard_normal((20, 3))
    steps *= length / np.linalg.norm(steps, axis=1, keepdims=True)
    exact = (point**2).sum() - ((point + steps) ** 2).sum(axis=1) + length**2
    first_order = sample_decreases(point.tolist(), length, 20, rng=np.random.default_rng(3))
    np.testing.assert_allclose(first_order, exact, atol=1e-14)


def test_first_order_change_is_the_sum_over_weights_and_bias():
    # Partial derivatives by central differences, a step of 1e-6 in each weight and in the bias.
    neuron = load_spec("ch1-small-change").quantity

    def output(weights, bias):
        return special.expit(np.dot(weights, neuron.inputs) + bias)

    weights, step = np.array(neuron.weights), 1e-6
    slopes = [
        output(weights + shift, neuron.bias) - output(weights - shift, neuron.bias)
        for shift in step * np.eye(3)
    ]
    slopes.append(output(weights, neuron.bias + step) - output(weights, neuron.bias - step))
    changes = [*neuron.weight_changes, neuron.bias_change]
    measured = measure("ch1-small-change")
    predicted = np.dot(slopes, changes) / (2 * step)
    change = output(weights + neuron.weight_changes, 0.6) - output(weights, 0.3)
    assert measured["predicted_change"] == pytest.approx(predicted, rel=1e-8)
    assert measured["change"] == pytest.approx(change)
    assert measured["ratio"] == pytest.approx(change / predicted, rel=1e-8)


def test_error_of_first_order_shrinks_with_the_change():
    errors = [
        measure("ch1-small-change", {"quantity.factor": factor})["relative_error"]
        for factor in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.01)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.01)


@given(st.floats(0, 1), st.floats(-8, 8), st.floats(0, 1))
@drawn
def test_learning_speed_is_the_derivative_of_the_cost(activation, z, target):
    # C = (s(w a + b) - y)^2 / 2, with w = 0.5 and the b that gives z.
    bias = z - 0.5 * activation

    def cost(weight):
        return (jax.nn.sigmoid(weight * activation + bias) - target) ** 2 / 2

    with jax.enable_x64(True):
        expected = jax.grad(cost)(jnp.array(0.5))
        np.testing.assert_allclose(learning_speed(activation, z, target), expected, atol=1e-12)


def test_learning_speed_is_measured_in_its_parts():
    changes = {"quantity.weighted_input": 2.0, "quantity.input_activation": 0.5}
    measured = measure("ch2-learning-speed", changes)
    slope = special.expit(2.0) * special.expit(-2.0)
    assert measured["slope"] == pytest.approx(slope)
    assert measured["output_error"] == pytest.approx(abs(special.expit(2.0) - 1) * slope)
    assert measured["gradient"] == pytest.approx(measured["output_error"] / 2)


def test_second_derivatives_are_one_for_each_pair_of_variables():
    changes = {"quantity.variables": 4, "quantity.images": 30, "quantity.batch_size": 12}
    measured = measure("ch1-gradient-cost", changes)
    hessian = jax.hessian(lambda v: jnp.prod(v) + jnp.sum(v**2))(jnp.arange(1.0, 5.0))
    assert measured["second_derivatives"] == hessian.size
    assert measured["distinct_second_derivatives"] == len(np.triu_indices(4)[0])
    assert measured["speed_up"] == 2.5
