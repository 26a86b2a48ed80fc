"""Activations: the same values in NumPy and JAX, and the slopes that networks learn by."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from nndl_jax.calculations import activations
from nndl_jax.calculations.activations import Activation, NeuronActivation
from nndl_jax.networks.activations import ACTIVATIONS, FALLING, LARGEST_SLOPES, is_saturated
from nndl_jax.reading.faults import SpecError

# With the kinks and where exponentials overflow; a power of two apart, so that differences are.
PLACES = np.array([-1000.0, -40.0, -3.0, -0.75, -0.125, 0.0, 0.125, 0.75, 3.0, 40.0, 1000.0])


def test_both_tables_have_all_names():
    assert set(ACTIVATIONS) == set(activations.ACTIVATIONS) == set(get_args(Activation))
    assert set(activations.RANGES) < set(get_args(Activation))
    assert set(LARGEST_SLOPES) == set(get_args(Activation)) - {"step"}


@pytest.mark.parametrize("name", get_args(Activation))
def test_numpy_and_jax_give_the_same_values(name):
    with jax.enable_x64(True):
        found = ACTIVATIONS[name](jnp.asarray(PLACES))
    np.testing.assert_allclose(activations.ACTIVATIONS[name](PLACES), found, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", get_args(NeuronActivation))
def test_values_and_slopes_are_the_oracles(name):
    z = PLACES[PLACES != 0]
    with jax.enable_x64(True):
        values, slopes = jax.jvp(ACTIVATIONS[name], (jnp.asarray(z),), (jnp.ones_like(z),))
    np.testing.assert_allclose(values, oracle.activate(name, z), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(slopes, oracle.slope(name, z), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", get_args(NeuronActivation))
def test_float32_stays_finite_where_exponentials_overflow(name):
    z = jnp.asarray(PLACES, jnp.float32)
    values, slopes = jax.jvp(ACTIVATIONS[name], (z,), (jnp.ones_like(z),))
    assert values.dtype == slopes.dtype == jnp.float32
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("name", activations.RANGES)
def test_targets_may_be_what_an_output_layer_can_give(name):
    low, high = activations.RANGES[name]
    z = np.linspace(-50, 50, 10_001)[:, None] * (np.arange(2) if name == "softmax" else 1)
    values = activations.ACTIVATIONS[name](z)
    assert values.min() == pytest.approx(low, abs=1e-6)
    assert values.max() == pytest.approx(high, abs=1e-6) or (values.max() > 49 and high == np.inf)


@pytest.mark.parametrize("name", get_args(NeuronActivation))
def test_an_activation_is_known_to_fall_where_it_does(name):
    values = activations.ACTIVATIONS[name](np.linspace(-30, 30, 10_001))
    assert (np.diff(values) < 0).any() == (name in FALLING)


def test_what_softmax_is_to_be_replaced_by_are_all_activations_of_neurons(small_network):
    names = list(get_args(NeuronActivation))
    message = f"use {', '.join(names[:-1])} or {names[-1]} here"
    with pytest.raises(SpecError, match=message):
        small_network({"model.layers[0].activation": "softmax"})


@pytest.mark.parametrize("name", sorted(set(LARGEST_SLOPES) - {"softmax"}))
def test_no_slope_is_larger_than_the_largest(name):
    # A step of 1/1024 hits the places of the maxima, 0 and nearly sqrt(2), and reaches all limits.
    z = np.arange(-40, 40, 1 / 1024)
    with jax.enable_x64(True):
        slopes = jax.jvp(ACTIVATIONS[name], (jnp.asarray(z),), (jnp.ones_like(z),))[1]
    assert np.abs(slopes).max() == pytest.approx(LARGEST_SLOPES[name], rel=1e-7)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        # s (1 - s) = 0.025 at s = (1 +- sqrt(0.9)) / 2, and z is ln(s / (1 - s)).
        ("sigmoid", -3.6368934, 3.6368934),
        # 1 - tanh^2 = 0.1 where tanh is sqrt(0.9): half as far out.
        ("tanh", -1.8184467, 1.8184467),
        ("relu", 0.0, np.inf),
        ("leaky-relu", 0.0, np.inf),
        # The sigmoid is 0.1 at -ln 9.
        ("softplus", -2.1972246, np.inf),
        ("linear", -np.inf, np.inf),
    ],
)
def test_a_neuron_is_saturated_where_its_slope_is_below_a_tenth_of_the_largest(name, low, high):
    z = np.array([-50, low - 1e-4, low + 1e-4, high - 1e-4, high + 1e-4, 50], np.float32)
    z = z[np.isfinite(z)]
    found = is_saturated(name, jnp.asarray(z))
    np.testing.assert_array_equal(found, (z < low) | (z > high))


def test_a_softmax_is_saturated_by_output():
    # 0.02 (1 - 0.02) < 0.025 and 0.03 (1 - 0.03) > 0.025; 0.95 (1 - 0.95) > 0.025.
    found = is_saturated("softmax", jnp.log(jnp.array([0.02, 0.03, 0.95])))
    assert found.tolist() == [True, False, False]


def test_nobody_knows_when_a_function_of_ones_own_is_saturated():
    with pytest.raises(ValueError, match=r"saturation is known of activations that documents name"):
        is_saturated(jnp.sin, jnp.zeros(3))
