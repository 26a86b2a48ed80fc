"""First weights by other laws than the book's: He's and Glorot's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nndl_jax.documents import Initializer
from nndl_jax.networks.layers import draw_weights


@pytest.mark.parametrize(("units", "num_inputs"), [(300, 200), (1, 60_000)])
def test_he_draws_normal_weights_by_what_comes_in(units, num_inputs):
    weights = first_weights("he", units, num_inputs)
    # Five standard errors of the deviation; a normal law has deviates beyond any bound.
    deviation = (2 / num_inputs) ** 0.5
    assert weights.std() == pytest.approx(deviation, rel=5 / (2 * weights.size) ** 0.5)
    assert np.abs(weights).max() > 3.5 * deviation


@pytest.mark.parametrize(("units", "num_inputs"), [(300, 200), (1, 60_000)])
def test_glorot_draws_weights_evenly_by_what_comes_in_and_goes_out(units, num_inputs):
    weights, bound = first_weights("glorot", units, num_inputs), (6 / (units + num_inputs)) ** 0.5
    assert np.abs(weights).max() <= bound * (1 + 1e-6)
    # The share below each tenth of the way; five standard errors of 60,000 draws.
    shares = [np.mean(weights < bound * (2 * tenth - 1)) for tenth in np.linspace(0.1, 0.9, 9)]
    np.testing.assert_allclose(shares, np.linspace(0.1, 0.9, 9), atol=5 * 0.5 / weights.size**0.5)


def first_weights(law, units, num_inputs):
    initializer = Initializer(weights=law, biases="zeros")
    shape = (units, num_inputs)
    weights = draw_weights(jax.random.key(0), shape, units, initializer, jnp.float32)
    assert weights.dtype == jnp.float32
    return np.asarray(weights, float)


def test_networks_with_drawn_weights_are_random_and_others_not(small_network):
    fixed = {"training.shuffle": False, "model.initializer.biases": "zeros"}
    for law, is_drawn in [("he", True), ("glorot", True), ("zeros", False), (0.1, False)]:
        assert small_network({**fixed, "model.initializer.weights": law}).is_random() == is_drawn
