"""The Hessian technique: derivatives against JAX's, steps against what Newton's do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nndl_jax.calculations.hessian import HessianStep, local_cost
from nndl_jax.documents.load import load_spec, override
from nndl_jax.networks.calculated import run_calculation
from nndl_jax.reading.faults import SpecError

EXAMPLES = ((1.0, 0.1), (2.0, 0.3), (3.0, 0.8), (4.0, 0.9))


def measure(changes=None):
    return run_calculation(override(load_spec("ch3-hessian").bare(), changes or {}), seed=0)


def test_derivatives_are_those_of_the_cost():
    def cost(variables):
        x, y = jnp.array(EXAMPLES).T
        a = jax.nn.sigmoid(variables[0] * x + variables[1])
        return -jnp.mean(y * jnp.log(a) + (1 - y) * jnp.log(1 - a))

    with jax.enable_x64(True):
        place = jnp.array([0.7, -1.2])
        expected = cost(place), jax.grad(cost)(place), jax.hessian(cost)(place)
    for ours, theirs in zip(local_cost(EXAMPLES, 0.7, -1.2), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_step_solves_the_system_of_the_second_order():
    here = local_cost(EXAMPLES, 0.7, -1.2)
    np.testing.assert_allclose(here.hessian @ here.newton_step(), -here.gradient, atol=1e-15)


def test_whole_steps_double_the_digits_and_lead_to_the_minimum():
    quantity = load_spec("ch3-hessian", {"vary": []}).quantity
    assert isinstance(quantity, HessianStep)
    by_hessian, _ = quantity.paths()
    distances = np.linalg.norm(by_hessian - by_hessian[-1], axis=1)
    # Each is of the order of the square of the one before, until rounding.
    assert np.all(distances[2:5] < distances[1:4] ** 2)
    gradient = local_cost(EXAMPLES, *by_hessian[-1]).gradient
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


def test_small_steps_change_the_cost_as_the_second_order_says():
    ratios = [measure({"quantity.learning_rate": eta})["change_ratio"] for eta in (0.5, 0.05)]
    # What is left is of the third order: less by a hundred for steps of a tenth, by the change.
    assert abs(ratios[1] - 1) < abs(ratios[0] - 1) / 10


def test_a_start_from_which_whole_steps_leave_everything_is_told():
    with pytest.raises(SpecError, match="gives hessian_cost = nan, which is no number; make its"):
        measure({"quantity.start": [-1, 1]})
