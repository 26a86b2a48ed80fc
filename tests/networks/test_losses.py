"""Costs against the oracle, their properties, and targets to and from labels."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nndl_jax.documents import Data
from nndl_jax.networks.activations import ACTIVATIONS
from nndl_jax.networks.losses import (
    build_loss,
    cross_entropy,
    cross_entropy_by_activation,
    quadratic,
)
from nndl_jax.networks.targets import decode, encode

ONE_HOT, BINARY = Data(), Data(targets="binary")
# Each cost with the output layers that it may stand behind.
PAIRS = [
    ("quadratic", "sigmoid"),
    ("quadratic", "tanh"),
    ("quadratic", "linear"),
    ("quadratic", "softmax"),
    ("cross-entropy", "sigmoid"),
    ("log-likelihood", "softmax"),
]
LOGITS = hnp.arrays(np.float32, (3, 10), elements=st.floats(-15, 15, width=32))

every_pair = pytest.mark.parametrize(("loss", "activation"), PAIRS)


def loss_fn_of(small_network, loss, activation):
    changes = {"loss": loss, "model.layers[1].activation": activation}
    return build_loss(small_network(changes))


def examples(dtype):
    """Weighted inputs of five images, with a one-hot target for each."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 3, (5, 10)).astype(dtype), np.eye(10, dtype=dtype)[[3, 1, 4, 1, 5]]


@every_pair
def test_cost_is_the_oracles_in_float64(small_network, loss, activation):
    z, y = examples(np.float64)
    expected = [
        oracle.cost(loss, oracle.activate(activation, row), target)
        for row, target in zip(z, y, strict=True)
    ]
    with jax.enable_x64(True):
        costs = loss_fn_of(small_network, loss, activation)(jnp.asarray(z), jnp.asarray(y))
    np.testing.assert_allclose(costs, expected, rtol=1e-12, strict=True)


@every_pair
def test_cost_is_the_oracles_in_float32(small_network, loss, activation):
    z, y = examples(np.float32)
    expected = [
        oracle.cost(loss, oracle.activate(activation, row.astype(float)), target)
        for row, target in zip(z, y, strict=True)
    ]
    costs = loss_fn_of(small_network, loss, activation)(jnp.asarray(z), jnp.asarray(y))
    np.testing.assert_allclose(costs, np.float32(expected), rtol=1e-5, strict=True)


@every_pair
def test_gradient_is_the_oracles_output_error(small_network, loss, activation):
    z, y = examples(np.float64)
    expected = [
        oracle.output_error(loss, activation, row, target) for row, target in zip(z, y, strict=True)
    ]
    with jax.enable_x64(True):
        loss_fn = loss_fn_of(small_network, loss, activation)
        grads = jax.grad(lambda z: loss_fn(z, jnp.asarray(y)).sum())(jnp.asarray(z))
    np.testing.assert_allclose(grads, expected, rtol=1e-9, atol=1e-15)


@every_pair
@settings(max_examples=25, deadline=None)
@given(logits=LOGITS, labels=hnp.arrays(np.int32, 3, elements=st.integers(0, 9)))
def test_cost_is_never_negative(small_network, loss, activation, logits, labels):
    targets = encode(jnp.asarray(labels), ONE_HOT, "float32")
    costs = loss_fn_of(small_network, loss, activation)(jnp.asarray(logits), targets)
    assert float(costs.min()) >= 0


@every_pair
@settings(max_examples=25, deadline=None)
@given(logits=LOGITS)
def test_gradient_is_zero_at_the_target(small_network, loss, activation, logits):
    loss_fn = loss_fn_of(small_network, loss, activation)
    targets = ACTIVATIONS[activation](jnp.asarray(logits))
    grads = jax.grad(lambda z: loss_fn(z, targets).sum())(jnp.asarray(logits))
    np.testing.assert_allclose(grads, np.zeros_like(logits), atol=1e-6)


def test_quadratic_cost_is_half_the_squared_distance():
    # Outputs (0.5, 0.5) and targets (1, 0): 1/2 (1/4 + 1/4).
    logits, targets = jnp.zeros((1, 2)), jnp.array([[1.0, 0.0]])
    assert quadratic("sigmoid")(logits, targets).tolist() == [0.25]


def test_cross_entropy_sums_over_outputs_in_nats():
    # Ten outputs of 1/2, each ln 2 away from its target.
    costs = cross_entropy(jnp.zeros((1, 10)), jnp.eye(10)[:1])
    assert float(costs[0]) == pytest.approx(10 * np.log(2))


@every_pair
def test_saturated_outputs_have_finite_costs_and_gradients(small_network, loss, activation):
    loss_fn = loss_fn_of(small_network, loss, activation)
    logits, targets = jnp.where(jnp.eye(10) == 1, -1000.0, 1000.0), jnp.eye(10)
    cost, grads = jax.value_and_grad(lambda z: loss_fn(z, targets).sum())(logits)
    assert np.isfinite(cost)
    assert np.isfinite(grads).all()


def test_saturated_cross_entropy_still_learns():
    # a - y = 1 - 0, where the quadratic cost's slope has died out (ch. 3).
    slope = jax.grad(lambda z: cross_entropy(z, jnp.zeros((1, 1))).sum())
    assert float(slope(jnp.full((1, 1), 100.0))[0, 0]) == 1.0


def test_cross_entropy_by_activation_costs_what_the_cross_entropy_does():
    z, y = examples(np.float64)
    expected = [
        oracle.cost("cross-entropy", oracle.activate("sigmoid", row), target)
        for row, target in zip(z, y, strict=True)
    ]
    with jax.enable_x64(True):
        costs = cross_entropy_by_activation(jnp.asarray(z), jnp.asarray(y))
    np.testing.assert_allclose(costs, expected, rtol=1e-12, strict=True)


def test_cross_entropy_by_activation_has_the_gradient_of_the_books_pages():
    # dC/da of -y ln a - (1 - y) ln(1 - a): 1/(1 - a) for the target 0, -1/a for the target 1,
    # where dC/dz = a - y would be right.
    z, y = examples(np.float64)
    a = 1 / (1 + np.exp(-z))
    with jax.enable_x64(True):
        targets = jnp.asarray(y)
        grad_fn = jax.grad(lambda z: cross_entropy_by_activation(z, targets).sum())
        grads = grad_fn(jnp.asarray(z))
    np.testing.assert_allclose(grads, np.where(y == 1, -1 / a, 1 / (1 - a)), rtol=1e-12)


def test_cross_entropy_by_activation_has_a_slope_where_the_output_is_its_target():
    # a is 0 and 1 to a float32 here; 1/(1 - a) and -1/a are 1 and -1.
    logits, targets = jnp.array([[-200.0, 200.0]]), jnp.array([[0.0, 1.0]])
    grads = jax.grad(lambda z: cross_entropy_by_activation(z, targets).sum())(logits)
    assert grads.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("data", [ONE_HOT, BINARY], ids=lambda data: data.targets)
@pytest.mark.parametrize("digit", range(10))
def test_targets_are_the_oracles(data, digit):
    encoded = encode(jnp.array([digit]), data, "float32")
    np.testing.assert_array_equal(
        encoded, oracle.target(digit, data.targets)[None].astype(np.float32), strict=True
    )


@pytest.mark.parametrize("data", [ONE_HOT, BINARY], ids=lambda data: data.targets)
def test_targets_decode_to_their_digits(data):
    digits = jnp.arange(10)
    assert decode(encode(digits, data, "float32"), data).tolist() == list(range(10))


@pytest.mark.parametrize("number", range(16))
def test_four_bits_decode_to_the_number_that_they_spell(number):
    # Lowest first: 6 is (0, 1, 1, 0).
    bits = [number % 2, number // 2 % 2, number // 4 % 2, number // 8]
    outputs = jnp.array([[0.9 if bit else 0.1 for bit in bits]])
    assert decode(outputs, BINARY).tolist() == [number]


def test_largest_of_ten_outputs_wins():
    outputs = jnp.array([[0.1] * 7 + [0.3, 0.2, 0.1]])
    assert decode(outputs, ONE_HOT).tolist() == [7]
