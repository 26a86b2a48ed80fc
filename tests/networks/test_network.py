"""Networks: shapes, first weights, the forward pass against the oracle, and use by other code."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import oracle
import pytest
from flax import nnx

from nndl_jax import SpecError, build_model, dump_spec, load_dataset, train, variants
from nndl_jax.data.datasets import Dataset, save_dataset
from nndl_jax.networks.network import FeedforwardNetwork

KEY = jax.random.key(0)
DENSE = {"kind": "dense", "units": 10, "activation": "sigmoid"}


def few_images(dataset: Dataset) -> jax.Array:
    return jnp.asarray(dataset.test.images[:5] / np.float32(256))


def params_of(model: FeedforwardNetwork) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


def test_weights_are_out_by_in_as_the_book_writes_them(small_network):
    model = build_model(small_network(), key=KEY)
    shapes = [(layer.weight[...].shape, layer.bias[...].shape) for layer in model.layers]
    assert shapes == [((8, 784), (8,)), ((10, 8), (10,))]


def test_parameters_are_float32(small_network):
    assert {p.dtype.name for p in params_of(build_model(small_network(), key=KEY))} == {"float32"}


def test_parameters_are_float64_where_the_document_asks(small_network):
    with jax.enable_x64(True):
        model = build_model(small_network({"training.dtype": "float64"}), key=KEY)
    assert {p.dtype.name for p in params_of(model)} == {"float64"}


@pytest.mark.parametrize(
    ("weights", "deviation"),
    [("normal", 1.0), ("normal-fan-in", 784**-0.5), ("normal-fan-out", 400**-0.5), ("zeros", 0.0)],
)
def test_first_weights_have_the_mean_and_deviation_of_their_law(small_network, weights, deviation):
    wide = {"model.layers[0].units": 400, "model.initializer.weights": weights}
    drawn = params_of(build_model(small_network(wide), key=KEY))[1]
    # Standard errors: of the mean sd/sqrt(n), of the deviation sd/sqrt(2n); five of each.
    assert drawn.mean() == pytest.approx(0, abs=5 * deviation / drawn.size**0.5)
    assert drawn.std() == pytest.approx(deviation, abs=5 * deviation / (2 * drawn.size) ** 0.5)


def test_fan_out_counts_the_layers_own_neurons(small_network):
    fan_out = small_network({"model.initializer.weights": "normal-fan-out"})
    large = small_network({"model.initializer.weights": "normal"})
    ours, drawn = (build_model(spec, key=KEY).layers[0].weight[...] for spec in (fan_out, large))
    np.testing.assert_allclose(ours, drawn * 8**-0.5, rtol=1e-6)


def test_first_biases_have_unit_deviation(small_network):
    drawn = params_of(build_model(small_network({"model.layers[0].units": 4000}), key=KEY))[0]
    # Five standard errors of 4,000 draws: 5/sqrt(4000) = 0.079 and 5/sqrt(8000) = 0.056.
    assert drawn.mean() == pytest.approx(0, abs=0.079)
    assert drawn.std() == pytest.approx(1, abs=0.056)


@pytest.mark.parametrize("value", [0.25, "zeros"])
def test_first_parameters_are_the_number_given(small_network, value):
    initializer = {"weights": value, "biases": value}
    model = build_model(small_network({"model.initializer": initializer}), key=KEY)
    assert {float(x) for p in params_of(model) for x in p.flat} == {0.25 if value == 0.25 else 0.0}


def test_layers_own_initializer_comes_before_the_networks(small_network):
    own = {"model.layers[1].initializer": {"weights": 0.5, "biases": "zeros"}}
    model = build_model(small_network(own), key=KEY)
    assert [bool((layer.weight[...] == 0.5).all()) for layer in model.layers] == [False, True]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
@pytest.mark.parametrize("last", ["sigmoid", "softmax", "linear"])
def test_forward_pass_is_the_oracles(small_network, small_dataset, activation, last):
    spec = small_network(
        {"model.layers[0].activation": activation, "model.layers[1].activation": last}
    )
    model = build_model(spec, key=KEY)
    images = few_images(small_dataset)
    expected = [oracle.feedforward(oracle.copy_layers(model), image)[-1][1] for image in images]
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-6)


def test_logits_are_the_oracles_weighted_inputs(small_network, small_dataset):
    model = build_model(small_network(), key=KEY)
    images = few_images(small_dataset)
    expected = [oracle.feedforward(oracle.copy_layers(model), image)[-1][0] for image in images]
    np.testing.assert_allclose(model.logits(images), expected, rtol=1e-4, atol=1e-6)


def test_one_image_gives_its_row_of_the_batch(small_network, small_dataset):
    model = build_model(small_network(), key=KEY)
    images = few_images(small_dataset)
    np.testing.assert_allclose(model(images[3]), model(images)[3], rtol=1e-6)


def test_one_key_gives_one_network(small_network):
    first, second = (params_of(build_model(small_network(), key=KEY)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_two_keys_give_two_networks(small_network):
    first, second = (params_of(build_model(small_network(), key=jax.random.key(k))) for k in (0, 1))
    assert not any(np.any(a == b) for a, b in zip(first, second, strict=True))


def test_layers_of_one_shape_are_drawn_apart(small_network):
    hidden = {**DENSE, "units": 784}
    model = build_model(small_network({"model.layers": [hidden, hidden, DENSE]}), key=KEY)
    first, second, _ = model.layers
    assert (first.weight[...] == second.weight[...]).mean() < 1e-3


def test_repeated_layer_is_as_many_layers(small_network, small_dataset):
    hidden = {**DENSE, "units": 8}
    repeated = small_network({"model.layers[0].repeat": 3})
    written_out = small_network({"model.layers": [hidden, hidden, hidden, DENSE]})
    ours, theirs = (build_model(spec, key=KEY) for spec in (repeated, written_out))
    assert len(ours.layers) == 4
    for a, b in zip(params_of(ours), params_of(theirs), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    images = few_images(small_dataset)
    np.testing.assert_array_equal(ours(images), theirs(images))


def test_network_with_axes_is_refused(small_network):
    spec = small_network({"vary": [{"optimizer.learning_rate": [0.5, 3.0]}]})
    with pytest.raises(SpecError) as caught:
        build_model(spec, key=KEY)
    assert str(caught.value) == (
        "small: vary: one experiment is meant here, and this document describes several; give that "
        "of one, variants(spec)[i].spec or, of a result of training, result.spec(i)"
    )
    assert build_model(variants(spec)[1].spec, key=KEY)


def test_float64_without_64_bit_mode_is_refused(small_network):
    with pytest.raises(SpecError) as caught:
        build_model(small_network({"training.dtype": "float64"}), key=KEY)
    assert str(caught.value) == (
        "small: training.dtype: float64 needs JAX's 64-bit mode; set JAX_ENABLE_X64=1 before "
        "Python starts"
    )


def test_users_jit_and_grad_take_a_model(small_network, small_dataset):
    model = build_model(small_network(), key=KEY)
    images = few_images(small_dataset)
    grads = jax.jit(jax.grad(lambda model, x: model(x).sum()))(model, images)
    # The sum of sigmoids has the slopes a (1 - a) at the output biases.
    outputs = np.asarray(model(images))
    np.testing.assert_allclose(
        grads.layers[1].bias[...], (outputs * (1 - outputs)).sum(axis=0), rtol=1e-5
    )


def test_users_optax_loop_lowers_the_cost(small_network, small_dataset):
    graph, params = nnx.split(build_model(small_network(), key=KEY))
    images = jnp.asarray(small_dataset.train.images / np.float32(256))
    targets = jax.nn.one_hot(small_dataset.train.labels, 10)
    optimizer = optax.sgd(1.0, momentum=0.9)
    opt_state = optimizer.init(params)

    @jax.jit
    @jax.value_and_grad
    def cost_fn(params):
        return jnp.mean((nnx.merge(graph, params)(images) - targets) ** 2)

    costs = []
    for _ in range(10):
        cost, grads = cost_fn(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        costs.append(float(cost))
    assert costs[-1] < 0.5 * costs[0]


_IN_TREE_MODE = """
import sys
import nndl_jax
from flax import configurations
assert not configurations.config.nnx_graph_mode
spec = nndl_jax.load_spec(sys.argv[1])
for result in nndl_jax.train(spec, nndl_jax.load_dataset(sys.argv[2])):
    print(result.metrics["batch_cost"].tobytes().hex())
"""


def test_training_in_nnx_tree_mode_gives_the_same_bits(small_network, small_dataset, tmp_path):
    # The default that Flax announces; its version 0.12.8 reads NNX_GRAPH_MODE.
    spec, data = tmp_path / "small.yaml", tmp_path / "data.safetensors"
    spec.write_text(dump_spec(small_network()))
    save_dataset(small_dataset, data)
    message = subprocess.run(
        [sys.executable, "-c", _IN_TREE_MODE, spec, data],
        env={**os.environ, "NNX_GRAPH_MODE": "false"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (result,) = train(small_network(), load_dataset(data))
    assert message.strip() == result.metrics["batch_cost"].tobytes().hex()
