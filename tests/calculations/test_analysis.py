"""Analyses: what the book derives, against the definitions and against brute force."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import settings
from project import environment
from scipy import special

from nndl_jax.calculations.activations import sigmoid_slope
from nndl_jax.calculations.analysis import (
    PLOTTED,
    best_identity_neuron,
    identity_neuron,
    steep_width,
    weighted_inputs,
    widest_weight,
)
from nndl_jax.documents import ComparisonClaim
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.networks.calculated import run_calculation

drawn = settings(deadline=None, derandomize=True, database=None)


def measure(name, changes=None, seed=0):
    return run_calculation(override(load_spec(name).bare(), changes or {}), seed=seed)


@pytest.mark.parametrize(
    "name",
    ["ch1-gradient-descent", "ch1-small-change", "ch2-learning-speed", "ch6-relu-scaling"],
)
def test_what_is_said_to_be_better_is_so_in_every_run(name):
    claims = [claim for claim in load_spec(name).claims if isinstance(claim, ComparisonClaim)]
    assert claims
    for claim, seed in product(claims, range(4)):
        better, worse = (
            measure(name, side.variant, seed=seed)[side.metric or claim.metric]
            for side in (claim.better, claim.worse)
        )
        is_lowest = parse_metric(claim.metric).quantity.best == "lowest"
        assert better < worse if is_lowest else better > worse, claim


def test_slope_of_the_sigmoid_is_its_derivative():
    z = np.linspace(-8, 8, 161)
    differences = (special.expit(z + 1e-5) - special.expit(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(sigmoid_slope(z), differences, atol=1e-10)


def test_activations_are_those_plotted():
    values = {name: fn(np.array([-2.0, 0.0, 2.0])).tolist() for name, fn in PLOTTED.items()}
    # 1 / (1 + e^-2) = 0.8808, tanh 2 = 0.9640, and 0.8808 (1 - 0.8808) = 0.1050.
    expected = {"sigmoid": [0.1192, 0.5, 0.8808], "step": [0, 1, 1], "tanh": [-0.964, 0, 0.964]}
    expected |= {"rectified linear": [0, 0, 2], "slope of the sigmoid": [0.105, 0.25, 0.105]}
    assert values == {name: pytest.approx(value, abs=5e-5) for name, value in expected.items()}


@pytest.mark.parametrize("weight", [4.2, 6.894, -6.894, 11.0, 60.0])
@pytest.mark.parametrize("bias", [-3.0, 0.0, 5.0])
def test_width_is_that_of_all_inputs_that_qualify(weight, bias):
    # Everything where |w s'(w a + b)| >= 1 lies within 1 of a = -b / w, where s' is largest.
    a = np.linspace(-1, 1, 400_001) - bias / weight
    qualify = np.abs(weight * sigmoid_slope(weight * a + bias)) >= 1
    assert steep_width(weight) == pytest.approx(qualify.sum() * 5e-6, abs=1.5e-5)


@pytest.mark.parametrize("weight", [-4.0, -1.0, 0.0, 3.999, 4.0])
def test_no_input_qualifies_for_a_weight_up_to_four(weight):
    assert steep_width(weight) == 0
    assert np.all(np.abs(weight * sigmoid_slope(np.linspace(-9, 9, 1801))) <= 1)


def test_widest_interval_is_the_widest_of_many():
    weights = np.linspace(4, 20, 16_001)
    widths = np.array([steep_width(weight) for weight in weights])
    assert widest_weight() == pytest.approx(weights[widths.argmax()], abs=0.001)
    assert round(widest_weight(), 3) == 6.894
    assert steep_width(widest_weight()) >= widths.max() - 1e-12
    assert steep_width(1e6) < 1e-4


@pytest.mark.parametrize("weight", [0.5, 0.01])
def test_identity_is_short_of_x_by_a_cubic(weight):
    # (4 / w) s(u) = 2 / w + u / w - u^3 / (12 w) + ..., u = w (x - 1/2): at the ends w^2 / 96.
    x = np.array([0.0, 0.25, 1.0])
    short = x + 2 / weight - 0.5 - identity_neuron(x, weight)
    expected = weight**2 * (x - 0.5) ** 3 / 12
    np.testing.assert_allclose(short, expected, rtol=0.03, atol=1e-12)
    measured = measure("ch5-identity-neuron", {"quantity.weight": weight})
    assert measured["largest_error"] == pytest.approx(weight**2 / 96, rel=0.03)
    assert measured["constant"] == 2 / weight - 0.5


def test_best_identity_neuron_errs_equally_at_its_worst_places():
    # Three numbers to choose: the best one errs by the same four times, with changing sign.
    weight, bias, output_weight, error = best_identity_neuron()
    x = np.linspace(0, 1, 100_001)
    deviation = output_weight * special.expit(weight * x + bias) - x
    assert np.abs(deviation).max() == pytest.approx(error, abs=2e-6)
    inner = np.flatnonzero(np.diff(np.sign(np.diff(deviation)))) + 1
    extremes = deviation[[0, *inner, -1]]
    np.testing.assert_allclose(extremes, error * np.array([1, -1, 1, -1]), atol=2e-6)


def test_no_neuron_of_many_is_nearer_to_the_identity():
    rng, x = np.random.default_rng(0), np.linspace(0, 1, 101)
    weight, bias, output_weight, error = best_identity_neuron()
    for spread in (0.01, 0.1, 1.0, 10.0):
        weights, biases, outs = rng.normal((weight, bias, output_weight), spread, (5_000, 3)).T
        outputs = special.expit(weights[:, None] * x + biases[:, None])
        worst = np.abs(outs[:, None] * outputs - x).max(axis=1)
        assert worst.min() > error - 1e-4


def test_weighted_inputs_are_sums_over_rectified_neurons():
    rng = np.random.default_rng(0)
    weights, biases = [rng.normal(size=(4, 4)) for _ in range(3)], rng.normal(size=(3, 4))
    inputs = rng.normal(size=4)
    a = inputs
    for weight, bias in zip(weights, biases, strict=True):
        z = [sum(weight[j, k] * a[k] for k in range(4)) + bias[j] for j in range(4)]
        a = [max(value, 0.0) for value in z]
    np.testing.assert_allclose(weighted_inputs(weights, list(biases), inputs[None]), [z])


@pytest.mark.parametrize("layers", [1, 2, 5])
@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_outputs_grow_once_for_each_layer_of_weights(layers, factor):
    changes = {"quantity.layers": layers, "quantity.factor": factor}
    measured = measure("ch6-relu-scaling", changes)
    assert measured["ratio"] == pytest.approx(factor**layers, rel=1e-12)
    zeros = ("deviation", "scaled_biases_deviation", "softmax_deviation")
    assert [measured[metric] for metric in zeros] == pytest.approx([0, 0, 0], abs=1e-12)
    assert measured["biases_deviation"] > 0.1
    assert abs(measured["biases_ratio"] / factor**layers - 1) > 0.1
    surer = measured["scaled_largest_activation"] > measured["largest_activation"]
    assert surer == (factor > 1)


def test_a_factor_of_one_changes_nothing():
    measured = measure("ch6-relu-scaling", {"quantity.factor": 1.0})
    assert (measured["ratio"], measured["biases_ratio"]) == (1, 1)
    assert measured["biases_deviation"] == 0
    assert measured["scaled_largest_activation"] == measured["largest_activation"]


def test_calculations_do_not_import_jax():
    code = (
        "import sys, nndl_jax.networks.calculated, pipeline.figures.calculations;"
        "print({'jax', 'jaxlib', 'flax', 'optax'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
