"""Optimisers beside gradient descent, against the papers' equations and against optax's own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import update_oracle

from nndl_jax import abstract_states, load_snapshot, save_snapshot, train
from nndl_jax.documents.memory import num_bytes
from nndl_jax.documents.optimizers import Sgd
from nndl_jax.documents.variants import variants
from nndl_jax.training.groups import groups
from nndl_jax.training.optimizer import build_optimizer, hyperparameters_of

NUM_STEPS, NUM_WEIGHTS = 30, 4
NESTEROV = {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}
RMSPROP = {"kind": "rmsprop", "learning_rate": 0.05, "decay": 0.8, "epsilon": 0.001}
ADAM = {"kind": "adam", "learning_rate": 0.05, "beta1": 0.7, "beta2": 0.95, "epsilon": 0.001}
ADAMW = {**ADAM, "kind": "adamw", "weight_decay": 0.5}
CLIPPED = {"learning_rate": 0.05, "clip_norm": 2.0}

_draws = np.random.default_rng(0)
START = _draws.normal(size=7)
"""Four weights and three biases."""
IS_WEIGHT = np.arange(7) < NUM_WEIGHTS
_bowl = _draws.normal(size=(7, 7))


def slope(theta):
    """The gradient of a bowl, steeper one way than another, with its lowest point at ones."""
    return _bowl @ _bowl.T @ (theta - 1)


def apart(theta):
    return {"weight": jnp.asarray(theta[:NUM_WEIGHTS]), "bias": jnp.asarray(theta[NUM_WEIGHTS:])}


def walk(optimizer, promotion="strict"):
    """The places that an optimiser comes to on the bowl."""

    @jax.jit
    def step(params, opt_state):
        theta = jnp.concatenate([params["weight"], params["bias"]])
        updates, opt_state = optimizer.update(apart(slope(theta)), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    params, places = apart(START), []
    opt_state = optimizer.init(params)
    for _ in range(NUM_STEPS):
        with jax.numpy_dtype_promotion(promotion):
            params, opt_state = step(params, opt_state)
        places.append(np.concatenate([params["weight"], params["bias"]]))
    return np.array(places)


def ours(small_network, record, changes=None):
    """The same with the optimiser of a document, computed in float64."""
    spec = small_network({"optimizer": record, "training.dtype": "float64", **(changes or {})})
    return walk(build_optimizer(spec, hyperparameters_of(spec), divisor=1))


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


PAPERS = {
    "nesterov": (NESTEROV, lambda: update_oracle.nesterov(START, slope, 0.05, 0.8, NUM_STEPS)),
    "rmsprop": (RMSPROP, lambda: update_oracle.rmsprop(START, slope, 0.05, 0.8, 1e-3, NUM_STEPS)),
    "adam": (
        ADAM,
        lambda: update_oracle.adam(START, slope, 0.05, 0.7, 0.95, 1e-3, NUM_STEPS),
    ),
    # The paper's lambda is the learning rate times ours; biases do not decay.
    "adamw": (
        ADAMW,
        lambda: update_oracle.adamw(
            START, slope, 0.05, 0.7, 0.95, 1e-3, 0.05 * 0.5 * IS_WEIGHT, NUM_STEPS
        ),
    ),
    "clipped": (
        CLIPPED,
        lambda: update_oracle.descent(START, update_oracle.clipped(slope, 2.0), 0.05, NUM_STEPS),
    ),
}
OPTAX = {
    "nesterov": (NESTEROV, lambda: optax.sgd(0.05, 0.8, nesterov=True)),
    "rmsprop": (RMSPROP, lambda: optax.rmsprop(0.05, 0.8, 0.001, eps_in_sqrt=False)),
    "clipped": (CLIPPED, lambda: optax.chain(optax.clip_by_global_norm(2.0), optax.sgd(0.05))),
    "adam": (ADAM, lambda: optax.adam(0.05, 0.7, 0.95, 0.001)),
    "adamw": (
        ADAMW,
        lambda: optax.adamw(
            0.05, 0.7, 0.95, 0.001, weight_decay=0.5, mask={"weight": True, "bias": False}
        ),
    ),
}


def test_clipping_shortens_the_long_gradients_alone():
    lengths = [np.linalg.norm(slope(theta)) for theta in PAPERS["clipped"][1]()]
    assert lengths[0] > 2 > lengths[-1]


def test_clipping_counts_penalties_as_part_of_the_gradient(small_network):
    def with_penalty(theta):
        return slope(theta) + 3 * theta * IS_WEIGHT

    gradient_fn = update_oracle.clipped(with_penalty, 2.0)
    expected = update_oracle.descent(START, gradient_fn, 0.05, NUM_STEPS)
    found = ours(small_network, CLIPPED, {"regularizer.l2": 3.0})
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", PAPERS)
def test_places_are_those_of_the_papers_equations(small_network, name):
    record, oracle_fn = PAPERS[name]
    expected = oracle_fn()
    np.testing.assert_allclose(ours(small_network, record), expected, rtol=1e-11, atol=1e-11)
    assert np.abs(expected[-1] - expected[0]).max() > 0.1


@pytest.mark.parametrize("name", OPTAX)
def test_places_are_those_of_optax(small_network, name):
    record, optax_fn = OPTAX[name]
    expected = walk(optax_fn(), "standard")
    np.testing.assert_allclose(ours(small_network, record), expected, rtol=1e-13, atol=1e-13)


# What is remembered beside weights, gradient and update: [784, 8, 10] has 6,370 parameters.
SLOTS = {
    "plain": ({}, 0),
    "momentum": ({"momentum": 0.5}, 1),
    "nesterov": (NESTEROV, 1),
    "rmsprop": (RMSPROP, 1),
    "clipped": (CLIPPED, 0),
    "adam": (ADAM, 2),
    "adamw": (ADAMW, 2),
}


@pytest.mark.parametrize("name", SLOTS)
def test_memory_counts_the_numbers_that_are_remembered(small_network, name):
    record, num_slots = SLOTS[name]
    spec, plain = small_network({"optimizer": record}), small_network()
    assert num_bytes(spec, 1) - num_bytes(plain, 1) == 4 * 6_370 * num_slots
    state = build_optimizer(spec, hyperparameters_of(spec), divisor=1).init(apart(START))
    remembered = [leaf for leaf in jax.tree.leaves(state) if leaf.ndim]
    assert sum(leaf.size for leaf in remembered) == START.size * num_slots


# Of each kind, numbers in which its runs may differ.
SWEPT = {
    "nesterov": (NESTEROV, {"learning_rate": [0.1, 0.2], "momentum": [0.5, 0.9]}),
    "rmsprop": (RMSPROP, {"decay": [0.0, 0.9], "epsilon": [1e-3, 1e-8]}),
    "adam": (ADAM, {"learning_rate": [0.01, 0.1], "beta1": [0.9, 0.0], "beta2": [0.999, 0.9]}),
    "adamw": (ADAMW, {"weight_decay": [0.0, 0.1]}),
    "clipped": (CLIPPED, {"clip_norm": [0.01, 5.0]}),
}


def swept(small_network, name):
    """A document of two runs that differ in the numbers of their optimiser."""
    record, numbers = SWEPT[name]
    axis = {f"optimizer.{field}": values for field, values in numbers.items()}
    return small_network({"optimizer": record, "vary": [axis]})


@pytest.mark.parametrize("name", SWEPT)
def test_runs_that_differ_in_numbers_share_a_program(small_network, name):
    (group,) = groups(swept(small_network, name), [0])
    assert len(group.runs) == 2


@pytest.mark.parametrize("name", ["adamw", "clipped"])
def test_runs_that_share_a_program_have_the_bits_that_they_have_alone(
    small_network, small_dataset, name
):
    spec = swept(small_network, name)
    with jax.enable_x64(False):
        *_, together = train(spec, small_dataset)
        for index, variant in enumerate(variants(spec)):
            *_, alone = train(variant.spec, small_dataset)
            for metric, values in alone.metrics.items():
                assert together.metrics[metric][index] == values[0]


def test_nesterov_is_another_program_than_momentum(small_network):
    axis = {"optimizer.nesterov": [False, True]}
    assert len(groups(small_network({"optimizer.momentum": 0.5, "vary": [axis]}), [0])) == 2


def test_nesterov_without_momentum_is_gradient_descent(small_network):
    assert Sgd(learning_rate=1.0, nesterov=True).num_slots() == 0
    plain = ours(small_network, {"learning_rate": 0.05})
    np.testing.assert_array_equal(
        ours(small_network, {"learning_rate": 0.05, "nesterov": True}), plain
    )


def test_training_goes_on_from_a_file_with_the_same_bits(small_network, small_dataset, tmp_path):
    spec = small_network({"optimizer": ADAM, "training.epochs": 2})
    path = tmp_path / "snapshot"
    with jax.enable_x64(False):
        results = train(spec, small_dataset)
        save_snapshot(next(results).snapshot(), path, identity={})
        last = next(results).snapshot()
        like = abstract_states(spec, [0])
        snapshot, problems = load_snapshot(path, identity={}, like=like)
        (resumed,) = train(spec, small_dataset, resume=snapshot)
        states = last.states, resumed.snapshot().states
    assert problems == []
    assert len(jax.tree.leaves(states[0])) > 3 * 4
    for whole, again in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_array_equal(whole, again)
