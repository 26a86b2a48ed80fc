"""Candidates for an accelerator compute what the library computes, and say so of themselves."""

import contextlib
import json
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh

from benchmarks import count_step, forms, one_kernel
from nndl_jax.data.selection import select
from nndl_jax.networks.losses import build_loss
from nndl_jax.networks.network import draw_network
from nndl_jax.training import step as steps
from nndl_jax.training.engine import Engine
from nndl_jax.training.groups import groups
from nndl_jax.training.optimizer import hyperparameters
from nndl_jax.training.state import init_state
from nndl_jax.training.step import StepKeys, build_step

NUM_RUNS = 2


def rounding(num_steps, weights):
    """The largest difference to expect of two orders of summation, in float32.

    Each step rounds each weight once, to half of the last of 24 bits, in either program. What the
    two change a weight by differs less than that: a change is a hundredth of a weight or so, and
    its own rounding errors as much smaller.
    """
    return 2 * num_steps * np.max(np.abs(weights)) * 2.0**-24


def trained_by_the_library(spec, params, split, orders, rate):
    """Parameters and costs of one run after a step for each mini-batch."""
    graph = nnx.split(nnx.eval_shape(lambda: draw_network(spec, key=jax.random.key(0))))[0]
    numbers = hyperparameters([spec])
    numbers = jax.tree.map(lambda column: column[0], numbers)._replace(learning_rate=rate)

    def train(params):
        step_fn = build_step(spec, graph, numbers, len(split.labels))
        state = init_state(spec, jnp.uint32(0))._replace(params=params)
        batches = (jnp.asarray(split.images)[orders], jnp.asarray(split.labels)[orders])
        keys = StepKeys(None, None)
        return jax.lax.scan(lambda state, batch: step_fn(state, batch, keys), state, batches)

    state, costs = jax.jit(train)(params)
    return state.params, costs


@pytest.mark.slow  # Its parts are compared one by one below.
def test_one_kernel_trains_as_the_library_does(small_network, small_dataset):
    # At rates of 0.5 and more these ten pictures are learnt in
    # leaps, which float32 and float64 make at other times.
    num_steps, rates = 200, np.float32([0.2, 0.05])
    spec = small_network({"model.initializer.weights": "normal", "model.layers[0].units": 30})
    split = small_dataset.train
    rng = np.random.default_rng(0)
    orders = rng.integers(len(split.labels), size=(NUM_RUNS, num_steps, 10))
    seeds = jnp.arange(NUM_RUNS, dtype=jnp.uint32)
    params = jax.vmap(partial(init_state, spec))(seeds).params
    found, costs = one_kernel.train_steps(
        one_kernel.Weights.from_params(params),
        split.images,
        split.labels,
        orders.astype(np.int32),
        rates,
        loss="quadratic",
        at_once=2,
        interpret=True,
    )
    for run in range(NUM_RUNS):
        before = jax.tree.map(lambda leaf, run=run: leaf[run], params)
        after, expected = trained_by_the_library(spec, before, split, orders[run], rates[run])
        wanted = one_kernel.Weights.from_params(after)
        for ours, theirs in zip(found, wanted, strict=True):
            tolerance = rounding(num_steps, theirs)
            np.testing.assert_allclose(ours[run], theirs, rtol=0, atol=tolerance)
        np.testing.assert_allclose(costs[run], expected, rtol=0, atol=rounding(num_steps, 1))


@pytest.mark.parametrize(("batch_size", "at_once"), [(20, 1), (10, 3)])
def test_examples_that_the_kernel_would_leave_out_are_refused(batch_size, at_once):
    weights = one_kernel.Weights(
        *(np.zeros(shape) for shape in ((1, 30, 784), (1, 30), (1, 10, 30), (1, 10)))
    )
    orders = np.zeros((1, 5, batch_size), np.int32)
    images, labels = np.zeros((3, 784), np.uint8), np.zeros(3, np.int32)
    with pytest.raises(ValueError, match=f"at_once.*got {batch_size}"):
        one_kernel.train_steps(
            weights, images, labels, orders, np.ones(1), loss="quadratic", at_once=at_once
        )


@pytest.mark.parametrize("loss", ["quadratic", "cross-entropy"])
def test_cost_and_error_of_the_kernel_are_the_losses(small_network, loss):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(10, 10)).astype(np.float32)
    labels = rng.integers(10, size=10)
    loss_fn = build_loss(small_network({"loss": loss}))
    targets = jnp.eye(10)[labels]
    expected, slopes = jax.value_and_grad(lambda z: jnp.sum(loss_fn(z, targets)))(logits)
    # Padding is not zero, so that a missing mask shows.
    padded = jnp.full((16, 16), 5.0).at[:10, :10].set(logits.T)
    cost, delta = one_kernel._cost_and_delta(padded, jnp.pad(labels, (0, 6)), 10, loss)
    # A sum of a hundred numbers below 10, and differences of numbers below 1.
    np.testing.assert_allclose(cost, expected, rtol=0, atol=1000 * 2.0**-24)
    np.testing.assert_allclose(delta[:10, :10], slopes.T, rtol=0, atol=8 * 2.0**-24)
    assert np.count_nonzero(delta[10:]) == np.count_nonzero(delta[:, 10:]) == 0


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
@pytest.mark.skipif(
    jax.__version_info__ >= (0, 11), reason="since JAX 0.11, Pallas asks the GPU what it is"
)
def test_one_kernel_is_lowered_for_cuda():
    float32 = partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    shapes = (2, 30, 784), (2, 30), (2, 10, 30), (2, 10)
    traced = one_kernel.train_steps.trace(
        one_kernel.Weights(*map(float32, shapes)),
        jax.ShapeDtypeStruct((50, 784), jnp.uint8),
        jax.ShapeDtypeStruct((50,), jnp.int32),
        jax.ShapeDtypeStruct((2, 5, 10), jnp.int32),
        float32((2,)),
        loss="quadratic",
    )
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("xla.gpu.triton") == 1


def trained_side_by_side(spec, dataset, form):
    """Runs before and after an epoch, mapped as on an accelerator; the last has ended before."""
    (group,) = groups(spec, range(NUM_RUNS))
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    with form():
        engine = Engine(group, select(dataset, spec), mesh, side_by_side=True)
        state = engine.to_host(engine.init())
        active = np.array([True] * (NUM_RUNS - 1) + [False])
        state = state._replace(progress=state.progress._replace(is_active=active))
        return state, engine.to_host(engine.run(engine.to_devices(state), 0))


@pytest.fixture(scope="module")
def of_the_library(small_network, small_dataset):
    """A network that drops neurons, with a short mini-batch, and what the library makes of it."""
    spec = small_network(
        {"model.layers[1].dropout": 0.5, "training.batch_size": 7, "optimizer.learning_rate": 0.5}
    )
    return spec, *trained_side_by_side(spec, small_dataset, contextlib.nullcontext)


@pytest.mark.parametrize(
    "form",
    [
        forms.sums,
        partial(forms.loop, ahead=17, unroll=2),
    ],
    ids=["sums", "loop"],
)
def test_a_form_trains_as_the_library_does(small_dataset, of_the_library, form):
    spec, before, (after, measured) = of_the_library
    _, (found, found_measured) = trained_side_by_side(spec, small_dataset, form)
    num_steps = measured.batch_costs.shape[-1]
    assert num_steps == 18
    pairs = zip(*map(jax.tree.leaves, (before, after, found)), strict=True)
    for start, theirs, ours in pairs:
        tolerance = rounding(num_steps, theirs)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(ours[-1], start[-1])
    costs, wanted = found_measured.batch_costs, measured.batch_costs
    np.testing.assert_allclose(costs, wanted, rtol=0, atol=rounding(num_steps, 1))
    np.testing.assert_array_equal(found_measured.was_active, [True] * (NUM_RUNS - 1) + [False])


def test_a_form_ends_with_its_context():
    whole = [steps._BATCHES_AHEAD, steps._UNROLL, forms.DenseLayer.weighted_input]
    sums_in_a_loop = partial(forms.together, forms.sums, partial(forms.loop, ahead=500, unroll=5))
    with sums_in_a_loop():
        inside = [steps._BATCHES_AHEAD, steps._UNROLL, forms.DenseLayer.weighted_input]
    assert not set(whole) & set(inside)
    assert whole == [steps._BATCHES_AHEAD, steps._UNROLL, forms.DenseLayer.weighted_input]


def test_every_flag_is_known():
    flags = " ".join(flag.text for flag in forms.XLA_FLAG_SETS.values())
    program = [sys.executable, "-c", "import jax; jax.numpy.zeros(1)"]
    child = subprocess.run(program, env=forms.environment(flags), capture_output=True, text=True)
    assert child.returncode == 0, child.stderr


def test_an_unknown_flag_is_an_error_of_its_set_only(monkeypatch):
    unknown = {"new": forms.Flags("--xla_gpu_is_fast=true", "a flag of another version")}
    monkeypatch.setattr(forms, "XLA_FLAG_SETS", unknown)
    message = "flags 'new' failed with code .*--xla_gpu_is_fast=true"
    with pytest.raises(RuntimeError, match=message):
        forms.time_with_flags("new", "library", "ch1-30-hidden", 1, num_train=20)


def test_a_form_is_timed(small_network, monkeypatch, capsys):
    monkeypatch.setattr(forms, "load_network", lambda name, changes: small_network(changes))
    forms.main(["small", "--runs", "2", "--form", "library", "--train", "20"])
    timed = json.loads(capsys.readouterr().out)
    assert timed["form"] == "library"
    assert timed["seconds"] > 0


def test_kernels_in_loops_are_counted():
    def count(x):
        inner = partial(jax.lax.fori_loop, 0, 7, lambda _, x: jnp.sin(x) @ x)
        return jax.lax.fori_loop(0, 5, lambda _, x: inner(x + 1), x)

    found = count_step.loops(jax.jit(count).lower(jnp.ones((8, 8))).compile().as_text())
    assert sorted(loop.num_trips for loop in found) == [5, 7]
    outer = next(loop for loop in found if loop.num_trips == 5)
    assert outer.kernels["while"] == 1
    assert all(sum(loop.kernels.values()) >= 2 for loop in found)
