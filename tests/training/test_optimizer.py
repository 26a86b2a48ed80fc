"""Steps of gradient descent with penalties and momentum, against the oracle and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from flax import nnx

from nndl_jax import build_model
from nndl_jax.training.optimizer import (
    build_optimizer,
    hyperparameters,
    hyperparameters_of,
    weights_only,
)

NUM_IMAGES = 120

RULES = {
    "plain": {},
    "L2": {"regularizer.l2": 5.0},
    "L1": {"regularizer.l1": 3.0},
    "momentum": {"optimizer.momentum": 0.9},
    "negative momentum": {"optimizer.momentum": -0.5},
    "all": {"regularizer.l2": 5.0, "regularizer.l1": 3.0, "optimizer.momentum": 0.9},
}


def steps(spec, params, gradients, *, divisor=NUM_IMAGES):
    """Parameters after a step by each of the gradients."""
    optimizer = build_optimizer(spec, hyperparameters_of(spec), divisor=divisor)
    opt_state = optimizer.init(params)
    for grads in gradients:
        updates, opt_state = optimizer.update(grads, opt_state, params)
        params = jax.tree.map(jnp.add, params, updates)
    return params


def params_of(spec):
    return nnx.state(build_model(spec, key=jax.random.key(0)), nnx.Param)


def drawn_like(params, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), p.dtype), params)


def as_oracle(params):
    layers = nnx.to_pure_dict(params)["layers"]
    return [
        oracle.Layer(np.asarray(layers[at]["weight"], float), np.asarray(layers[at]["bias"], float))
        for at in sorted(layers)
    ]


def worst_deviation(spec):
    """The largest difference from the oracle in any parameter after three steps."""
    params = params_of(spec)
    gradients = [drawn_like(params, seed) for seed in range(3)]
    rate, momentum, l1, l2 = map(float, jax.tree.leaves(hyperparameters_of(spec))[:4])
    rule = oracle.Rule(rate, momentum, l1, l2, NUM_IMAGES)
    layers = as_oracle(params)
    velocities = [oracle.Layer(0 * layer.weight, 0 * layer.bias) for layer in layers]
    for grads in gradients:
        layers, velocities = oracle.sgd_step(layers, velocities, as_oracle(grads), rule)
    ours = as_oracle(steps(spec, params, gradients))
    return max(
        np.abs(a - b).max()
        for mine, theirs in zip(ours, layers, strict=True)
        for a, b in zip(mine[:2], theirs[:2], strict=True)
    )


@pytest.mark.parametrize("changes", RULES.values(), ids=RULES)
def test_steps_are_the_oracles_in_float64(small_network, changes):
    with jax.enable_x64(True):
        assert worst_deviation(small_network({"training.dtype": "float64", **changes})) < 1e-13


@pytest.mark.parametrize("changes", RULES.values(), ids=RULES)
def test_steps_are_the_oracles_in_float32(small_network, changes):
    # Parameters grow to about 50 here, of which a float32 carries 4e-6.
    assert worst_deviation(small_network(changes)) < 2e-5


def after_zero_gradients(spec, num_steps, *, divisor=NUM_IMAGES):
    """First weights and biases of the first layer, and the same after steps without a gradient."""
    params = params_of(spec)
    zeros = [jax.tree.map(jnp.zeros_like, params)] * num_steps
    before, after = as_oracle(params)[0], as_oracle(steps(spec, params, zeros, divisor=divisor))[0]
    return before, after


def test_l2_decays_weights_by_the_number_of_images(small_network):
    # (1 - eta lambda / n) per step, n the 120 images and not the 10 of a mini-batch:
    # 1 - 3 * 5 / 120 = 0.875, three times.
    spec = small_network({"regularizer.l2": 5.0})
    before, after = after_zero_gradients(spec, 3)
    np.testing.assert_allclose(after.weight, 0.875**3 * before.weight, rtol=1e-6)


def test_l1_moves_weights_by_a_constant_towards_zero(small_network):
    # eta lambda / n sgn(w) = 3 * 0.01 / 120 = 0.00025.
    spec = small_network({"regularizer.l1": 0.01})
    before, after = after_zero_gradients(spec, 1)
    expected = before.weight - 0.00025 * np.sign(before.weight)
    np.testing.assert_allclose(after.weight, expected, atol=1e-8)


def test_l1_leaves_weights_of_zero_alone(small_network):
    spec = small_network({"regularizer.l1": 0.01, "model.initializer.weights": "zeros"})
    _, after = after_zero_gradients(spec, 1)
    assert not after.weight.any()


@pytest.mark.parametrize("penalty", ["regularizer.l1", "regularizer.l2"])
def test_biases_have_no_penalty(small_network, penalty):
    before, after = after_zero_gradients(small_network({penalty: 5.0}), 3)
    np.testing.assert_array_equal(after.bias, before.bias)


def test_mask_is_true_for_weights_alone(small_network):
    mask = nnx.to_pure_dict(weights_only(params_of(small_network())))["layers"]
    assert mask == {at: {"weight": True, "bias": False} for at in (0, 1)}


def test_momentum_adds_what_is_left_of_the_velocity(small_network):
    # v <- mu v - eta g, w <- w + v with mu = 0.5, eta = 3 and gradients 1 and 0:
    # v = -3 and then -1.5, so w falls by 4.5.
    spec = small_network({"optimizer.momentum": 0.5})
    params = params_of(spec)
    ones, zeros = (jax.tree.map(lambda p, x=x: jnp.full_like(p, x), params) for x in (1.0, 0.0))
    after = steps(spec, params, [ones, zeros])
    fall = as_oracle(params)[1].weight - as_oracle(after)[1].weight
    np.testing.assert_allclose(fall, 4.5, rtol=1e-6)


def test_numbers_of_several_documents_are_columns(small_network):
    rates = [0.5, 3.0]
    specs = [small_network({"optimizer.learning_rate": rate}) for rate in rates]
    numbers = hyperparameters(specs)
    assert numbers.learning_rate.tolist() == rates
    assert {column.dtype.name for column in jax.tree.leaves(numbers)[:4]} == {"float32"}


@pytest.mark.parametrize(
    ("field", "values", "name"),
    [
        ("regularizer.per", ["image", "batch"], "per_batch"),
        ("training.shuffle", [False, True], "shuffle"),
        ("training.dropout_streams", ["common", "separate"], "separate_streams"),
    ],
)
def test_choices_of_several_documents_are_columns(small_network, field, values, name):
    numbers = hyperparameters([small_network({field: value}) for value in values])
    assert getattr(numbers, name).tolist() == [False, True]
