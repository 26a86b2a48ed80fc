"""The network as a Flax module: replaced layers, training and evaluation, keys of dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from nndl_jax import bias_gradients, build_model, evaluate, load, predict, save
from nndl_jax.documents import Conv, Dense, Initializer
from nndl_jax.networks.layers import ConvLayer, DenseLayer, MaxPoolLayer
from nndl_jax.networks.network import FeedforwardNetwork

KEY = jax.random.key(0)
NORMAL = Initializer(weights="normal", biases="normal")
SMALL = {"kind": "dense", "units": 8, "activation": "sigmoid"}
LAST = {"kind": "dense", "units": 10, "activation": "sigmoid"}
DROPPING = {"model.layers": [{**SMALL, "dropout": 0.25}, {**SMALL, "dropout": 0.5}, SMALL, LAST]}


def dense(units, num_inputs, activation):
    spec = Dense(kind="dense", units=units, activation=activation)
    return DenseLayer(num_inputs, spec, NORMAL, key=KEY, dtype=jnp.float32, dropout_masks="image")


@pytest.fixture
def dropping(small_network):
    """A network of four layers, two of which have dropout."""
    return build_model(small_network(DROPPING), key=KEY)


@pytest.fixture
def images(small_dataset):
    return jnp.asarray(small_dataset.test.images[:5] / np.float32(256))


def test_replaced_output_layer_brings_its_activation(small_network, images):
    model = build_model(small_network(), key=KEY)
    model.layers[-1] = dense(5, 8, "softmax")
    outputs = model(images)
    assert outputs.shape == (5, 5)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(outputs, jax.nn.softmax(model.logits(images)))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear", "softmax"])
def test_changed_activation_of_the_output_layer_is_used(small_network, images, activation):
    model = build_model(small_network(), key=KEY)
    model.layers[-1].activation = activation
    as_built = build_model(small_network({"model.layers[1].activation": activation}), key=KEY)
    np.testing.assert_array_equal(model(images), as_built(images))


def test_appended_layer_is_the_output_layer(small_network, images):
    model = build_model(small_network(), key=KEY)
    model.layers.append(dense(3, 10, "softmax"))
    assert model(images).shape == (5, 3)


@pytest.mark.parametrize(
    "last",
    [
        MaxPoolLayer((2, 2)),
        ConvLayer(
            1,
            Conv(kind="conv", filters=2, kernel=(2, 2), activation="relu"),
            NORMAL,
            window=(1, 1),
            key=KEY,
            dtype=jnp.float32,
        ),
    ],
)
def test_output_layer_that_is_not_dense_is_refused(small_network, images, last):
    model = build_model(small_network(), key=KEY)
    model.layers[-1] = last
    with pytest.raises(TypeError) as caught:
        model(images)
    assert str(caught.value) == (f"the last layer must be a DenseLayer, got {type(last).__name__}")


def test_network_without_layers_is_refused():
    with pytest.raises(TypeError, match="the last layer must be a DenseLayer, got NoneType"):
        FeedforwardNetwork([], (784,))


def test_network_evaluates_until_it_is_trained(dropping, images):
    before = dropping(images)
    dropping.train(rngs=nnx.Rngs(0))
    first, second = dropping(images), dropping(images)
    dropping.eval()
    np.testing.assert_array_equal(dropping(images), before)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, before)


def test_training_mode_drops_as_the_functional_form_does(dropping, images):
    stream = nnx.Rngs(7)["dropout"].fork()
    dropping.train(rngs=nnx.Rngs(7))
    for _ in range(2):
        keys = jax.random.split(stream(), 4)
        expected = dropping.logits(images, dropout_keys=keys)
        np.testing.assert_array_equal(dropping.logits(images), expected)


def test_a_seed_of_rngs_fixes_what_is_dropped(small_network, images):
    def outputs(seed):
        model = build_model(small_network(DROPPING), key=KEY)
        model.train(rngs=nnx.Rngs(dropout=seed))
        return np.asarray(model(images))

    np.testing.assert_array_equal(outputs(1), outputs(1))
    assert not np.array_equal(outputs(1), outputs(2))


def test_a_stream_is_kept_from_one_training_to_the_next(dropping, images):
    dropping.train(rngs=nnx.Rngs(0))
    first = dropping(images)
    dropping.eval()
    dropping.train()
    assert not np.array_equal(first, dropping(images))


def test_training_without_a_stream_is_refused(dropping, images):
    dropping.train()
    with pytest.raises(ValueError, match="no random stream") as caught:
        dropping(images)
    assert str(caught.value) == (
        "the network is to drop neurons and has no random stream for that; start it with "
        "model.train(rngs=nnx.Rngs(0)), or give logits dropout_keys"
    )


def test_network_without_dropout_is_the_same_in_training(small_network, images):
    model = build_model(small_network(), key=KEY)
    before = model(images)
    model.train()
    np.testing.assert_array_equal(model(images), before)


def test_views_of_a_network_train_and_evaluate(dropping, images):
    before = dropping(images)
    dropping.train(rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(nnx.view(dropping, deterministic=True)(images), before)
    assert not np.array_equal(dropping(images), before)
    dropping.eval()
    assert not np.array_equal(nnx.view(dropping, deterministic=False)(images), before)


def test_users_loop_in_flaxes_way_trains_with_dropout(dropping, small_dataset):
    images = jnp.asarray(small_dataset.train.images / np.float32(256))
    targets = jax.nn.one_hot(small_dataset.train.labels, 10)
    dropping.train(rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(dropping, optax.sgd(1.0, momentum=0.9), wrt=nnx.Param)

    @nnx.jit
    def train_step(model, optimizer):
        def cost_fn(model):
            return jnp.mean((model(images) - targets) ** 2)

        cost, grads = nnx.value_and_grad(cost_fn)(model)
        optimizer.update(model, grads)
        return cost

    costs = [float(train_step(dropping, optimizer)) for _ in range(10)]
    assert costs[-1] < costs[0]
    # The stream has gone on with each step.
    assert int(dropping.rngs.count[...]) == 10


@pytest.mark.parametrize("ask_fn", [evaluate, predict, bias_gradients])
def test_measurements_drop_nothing_in_training_mode(small_network, small_dataset, dropping, ask_fn):
    spec = small_network(DROPPING)
    expected = ask_fn(dropping, small_dataset.test, spec)
    dropping.train(rngs=nnx.Rngs(0))
    found = ask_fn(dropping, small_dataset.test, spec)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not dropping.deterministic


def test_network_in_training_mode_is_saved(small_network, dropping, images, tmp_path):
    expected = dropping(images)
    dropping.train(rngs=nnx.Rngs(0))
    save(dropping, small_network(DROPPING), tmp_path / "net.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "net.safetensors")[0](images), expected)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (jax.random.split(KEY, 2), "key<fry> (2,)"),
        (jax.random.split(KEY, 5), "key<fry> (5,)"),
        (jax.random.split(KEY, 0), "key<fry> (0,)"),
    ],
)
def test_another_number_of_dropout_keys_than_of_layers_is_refused(dropping, images, keys, found):
    with pytest.raises(ValueError, match="dropout_keys") as caught:
        dropping.logits(images, dropout_keys=keys)
    assert str(caught.value) == (
        "dropout_keys must be typed keys, one for each of 4 layers, such as "
        f"jax.random.split(jax.random.key(seed), 4); got {found}"
    )


def test_layers_with_equal_keys_drop_the_same(small_network):
    # Equal keys are given on purpose, as documents with common streams ask for.
    layer = {"kind": "dense", "units": 784, "activation": "linear", "dropout": 0.5}
    model = build_model(small_network({"model.layers": [layer, layer, LAST]}), key=KEY)
    for dense in list(model.layers)[:2]:
        dense.weight[...], dense.bias[...] = jnp.eye(784), jnp.zeros(784)
    model.layers[2].weight[...] = jnp.ones((10, 784)) / 784
    model.layers[2].bias[...] = jnp.zeros(10)
    equal = jax.random.wrap_key_data(jnp.stack([jax.random.key_data(KEY)] * 3))
    shares = [
        float(model.logits(jnp.ones(784), dropout_keys=keys)[0])
        for keys in (equal, jax.random.split(KEY, 3))
    ]
    # Five standard errors of 784 draws are 0.09.
    assert shares == pytest.approx([0.5, 0.25], abs=0.09)
