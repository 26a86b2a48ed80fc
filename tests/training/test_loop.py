"""A loop of one's own: cost, step, optimiser, activations; networks that know their document."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import nndl_jax
from nndl_jax.training.state import RunKeys

KEY = jax.random.key(0)


@pytest.fixture
def model(small_network):
    return nndl_jax.build_model(small_network(), key=KEY)


def test_steps_of_ones_own_are_those_of_train(small_network, small_dataset):
    spec = small_network({"training.shuffle": False, "regularizer.l2": 0.5})
    *_, result = nndl_jax.train(spec, small_dataset)
    model = nndl_jax.build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init)
    optimizer = nndl_jax.optimizer_of(spec, num_images=120)
    state = optimizer.init(nnx.state(model, nnx.Param))
    step_fn = jax.jit(lambda *args: nndl_jax.train_step(*args, optimizer=optimizer))
    costs = []
    for at in range(0, 120, 10):
        batch = (jnp.asarray(array[at : at + 10]) for array in small_dataset.train)
        model, state, cost = step_fn(model, state, *batch)
        costs.append(float(cost))
    assert np.mean(costs) == pytest.approx(result.metrics["batch_cost"][0], rel=1e-5)
    for ours, theirs in zip(jax.tree.leaves(model), jax.tree.leaves(result.model(0)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert model.spec == spec


def test_the_cost_is_that_of_evaluate_without_penalties(model, small_dataset):
    cost = nndl_jax.loss_fn(model, *small_dataset.test)
    expected = nndl_jax.evaluate(model, small_dataset.test).cost
    assert float(cost) == pytest.approx(float(expected), rel=1e-6)
    wide = small_dataset.test.images.astype(np.int64)  # Bytes of any type.
    assert float(nndl_jax.loss_fn(model, wide, small_dataset.test.labels)) == float(cost)


def test_a_step_takes_any_optimiser_and_cost(model, small_dataset):
    adam = optax.adam(0.01)
    state = adam.init(nnx.state(model, nnx.Param))
    first = None
    loss = optax.losses.softmax_cross_entropy
    for _ in range(3):
        with jax.numpy_dtype_promotion("standard"):  # Optax takes powers of whole numbers.
            step = nndl_jax.train_step(
                model, state, *small_dataset.train, optimizer=adam, loss=loss
            )
        model, state = step.model, step.opt_state
        first = step.cost if first is None else first
    assert step.cost < first


def test_a_step_changes_no_network_but_gives_one(model, small_dataset):
    before = jax.tree.map(np.asarray, nnx.state(model, nnx.Param))
    optimizer = nndl_jax.optimizer_of(model.spec, num_images=120)
    state = optimizer.init(nnx.state(model, nnx.Param))
    nndl_jax.train_step(model, state, *small_dataset.train, optimizer=optimizer)
    jax.tree.map(np.testing.assert_array_equal, before, nnx.state(model, nnx.Param))


def test_dropout_is_drawn_with_keys_alone(small_network, small_dataset):
    model = nndl_jax.build_model(small_network({"model.layers[1].dropout": 0.5}), key=KEY)
    keys = jax.random.split(KEY, 2)
    whole, again = (nndl_jax.loss_fn(model, *small_dataset.test) for _ in (0, 1))
    assert whole == again != nndl_jax.loss_fn(model, *small_dataset.test, dropout_keys=keys)


def test_activations_are_those_of_each_layer(model, small_dataset):
    hidden, outputs = nndl_jax.activations(model, small_dataset.test)
    first, second = model.layers
    pixels = small_dataset.test.images / np.float32(256)
    expected = jax.nn.sigmoid(pixels @ first.weight[...].T + first.bias[...][None])
    np.testing.assert_allclose(hidden, expected, atol=1e-6)
    np.testing.assert_allclose(outputs, second(hidden), atol=1e-6)
    digits = nndl_jax.predict(model, small_dataset.test)
    np.testing.assert_array_equal(outputs.argmax(axis=1), digits)


def test_activations_of_maps_keep_their_rows_and_columns(small_network):
    layers = [
        {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"},
        {"kind": "max-pool", "window": [2, 2]},
        {"kind": "dense", "units": 10, "activation": "sigmoid"},
    ]
    spec = small_network({"model.inputs": [1, 28, 28], "model.layers": layers})
    maps, outputs = nndl_jax.activations(
        nndl_jax.build_model(spec, key=KEY), np.zeros((3, 784), np.uint8)
    )
    assert maps.shape == (3, 2, 12, 12)
    assert outputs.shape == (3, 10)


FROM = {
    "build_model": lambda spec, data, path: nndl_jax.build_model(spec, key=KEY),
    "a result": lambda spec, data, path: next(nndl_jax.train(spec, data)).model(0),
    "a file": lambda spec, data, path: save_and_load(spec, path),
    "a split and merge": lambda spec, data, path: nnx.merge(
        *nnx.split(nndl_jax.build_model(spec, key=KEY))
    ),
}


def save_and_load(spec, path):
    nndl_jax.save(nndl_jax.build_model(spec, key=KEY), spec, path / "small.safetensors")
    return nndl_jax.load(path / "small.safetensors")[0]


@pytest.mark.parametrize("source", FROM)
def test_a_network_knows_its_document(small_network, small_dataset, source, tmp_path):
    spec = small_network()
    model = FROM[source](spec, small_dataset, tmp_path)
    assert model.spec == spec.bare()
    split = small_dataset.test
    assert nndl_jax.evaluate(model, split) == nndl_jax.evaluate(model, split, spec)
    assert nndl_jax.predict(model, split).tolist() == nndl_jax.predict(model, split, spec).tolist()
    assert nndl_jax.vote([model], split).digits.tolist() == nndl_jax.predict(model, split).tolist()
    assert len(nndl_jax.bias_gradients(model, split)) == 2
    targets = np.eye(10)[split.labels]
    assert len(nndl_jax.backpropagate(model, split.images, targets).errors) == 2


def test_a_network_put_together_by_hand_asks_for_its_document(model, small_dataset):
    own = nndl_jax.FeedforwardNetwork(model.layers, model.inputs)
    message = "the network does not know its document, .* give it as well, spec=load_spec"
    with pytest.raises(ValueError, match=message):
        nndl_jax.predict(own, small_dataset.test)
    assert len(nndl_jax.predict(own, small_dataset.test, model.spec)) == 70


def test_an_optimiser_of_no_images_is_refused(small_network):
    with pytest.raises(ValueError, match="num_images must be that of the training set, at least 1"):
        nndl_jax.optimizer_of(small_network(), num_images=0)
