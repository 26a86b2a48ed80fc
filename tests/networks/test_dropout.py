"""Dropout (ch. 3): which neurons are dropped, when, and what a step on the thinned network does."""

from itertools import chain

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from flax import nnx
from jax.sharding import Mesh

from nndl_jax import build_model, evaluate, train
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.data.selection import select
from nndl_jax.documents import Dense, Initializer, json_schema
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.training.engine import Engine
from nndl_jax.training.groups import groups
from nndl_jax.training.optimizer import hyperparameters_of
from nndl_jax.training.shuffle import permutation
from nndl_jax.training.state import RunKeys, init_state
from nndl_jax.training.step import StepKeys, build_step

KEY = jax.random.key(0)
# A fourth of the pixels and half of the hidden neurons, on 50 + 50 + 20 images.
DROPPING = {
    "model.layers[0].dropout": 0.25,
    "model.layers[1].dropout": 0.5,
    "optimizer.learning_rate": 0.5,
    "regularizer.l2": 5.0,
    "training.batch_size": 50,
    "training.epochs": 2,
    "training.dtype": "float64",
}
NOBODY = Dataset("none", *[Split(np.zeros((1, 784), np.uint8), np.zeros(1, np.int32))] * 3)


def identity_layer(dropout, masks, *, units=16):
    """A layer whose weighted inputs are its inputs, less those that are dropped."""
    spec = Dense(kind="dense", units=units, activation="linear", dropout=dropout)
    nothing = Initializer(weights="zeros", biases="zeros")
    layer = DenseLayer(units, spec, nothing, key=KEY, dtype=jnp.float32, dropout_masks=masks)
    layer.weight[...] = jnp.eye(units)
    return layer


def test_masks_of_a_batch_are_common_to_its_images():
    kept = identity_layer(0.5, "batch").weighted_input(jnp.ones((100, 16)), dropout_key=KEY)
    assert set(map(tuple, kept.tolist())) == {tuple(kept[0].tolist())}
    assert 0 < float(kept[0].sum()) < 16


def test_masks_of_images_differ_from_image_to_image():
    kept = identity_layer(0.5, "image").weighted_input(jnp.ones((100, 16)), dropout_key=KEY)
    # Two of a hundred draws of 16 bits are alike once in 14 tries: 100 * 99 / 2 / 2^16.
    assert len(set(map(tuple, kept.tolist()))) >= 98


@pytest.mark.parametrize("dropout", [0.2, 0.5, 0.9])
def test_share_dropped_is_the_documents(dropout):
    layer = identity_layer(dropout, "image", units=400)
    kept = layer.weighted_input(jnp.ones((400, 400)), dropout_key=KEY)
    # Five standard errors of 160,000 draws.
    error = 5 * (dropout * (1 - dropout) / 160_000) ** 0.5
    assert float((kept == 0).mean()) == pytest.approx(dropout, abs=error)


def test_inputs_that_stay_are_not_rescaled():
    inputs = jnp.linspace(1.0, 2.0, 16)
    kept = identity_layer(0.25, "image").weighted_input(inputs, dropout_key=KEY)
    assert set(kept.tolist()) <= {0.0, *inputs.tolist()}


@pytest.mark.parametrize(("layer", "are_pixels"), [(0, True), (1, False)])
def test_dropout_of_a_layer_is_of_its_inputs_and_the_schema_says_so(
    small_network, layer, are_pixels
):
    model = build_model(small_network({f"model.layers[{layer}].dropout": 0.5}), key=KEY)
    white, keys = jnp.zeros(784), jax.random.split(KEY, 2)
    # Where pixels are dropped, an image without ink loses nothing.
    is_same = jnp.array_equal(model.logits(white, dropout_keys=keys), model.logits(white))
    assert bool(is_same) == are_pixels
    message = json_schema()["$defs"]["Dense"]["properties"]["dropout"]["description"]
    assert "each input of this layer" in message
    assert "To drop hidden neurons, write it on the layer after" in " ".join(message.split())


def test_evaluation_weakens_inputs_and_leaves_biases(small_network, small_dataset):
    # Weights times the share that training keeps, biases as they are (ch. 3, "Dropout").
    dropping = small_network(DROPPING | {"training.dtype": "float32"})
    net = build_model(dropping, key=KEY)
    weakened = [
        layer._replace(weight=share * layer.weight)
        for layer, share in zip(oracle.copy_layers(net), (0.75, 0.5), strict=True)
    ]
    images = small_dataset.test.images / 256
    expected = [oracle.feedforward(weakened, image)[-1][1] for image in images]
    np.testing.assert_allclose(net(jnp.float32(images)), expected, rtol=1e-4, atol=1e-6)
    count = sum(
        int(np.argmax(a)) == y for a, y in zip(expected, small_dataset.test.labels, strict=True)
    )
    assert int(evaluate(net, small_dataset.test, dropping).num_correct) == count


def drawn_masks(seed, num_before, step, shapes):
    """Which inputs of each layer stay in one step: 0 or 1."""
    key = jax.random.fold_in(RunKeys.from_seed(jnp.uint32(seed)).dropout, num_before)
    key = jax.random.fold_in(key, step)
    return [
        np.asarray(
            jax.random.bernoulli(jax.random.fold_in(key, at), np.float32(1 - dropout), shape), float
        )
        for at, (dropout, shape) in enumerate(shapes)
    ]


def thinned_gradient(layers, masks, image, target, loss):
    """The gradient on the network without the weights that leave dropped neurons."""
    thinned = [
        layer._replace(weight=layer.weight * mask)
        for layer, mask in zip(layers, masks, strict=True)
    ]
    gradient = oracle.backpropagate(thinned, image, target, loss)
    return [g._replace(weight=g.weight * mask) for g, mask in zip(gradient, masks, strict=True)]


def thinned_epoch(layers, spec, dataset, num_before):
    """The oracle's layers after an epoch of seed 0."""
    num_images = len(dataset.train.labels)
    rule = oracle.Rule(0.5, 0.0, 0.0, 5.0, num_images)
    shuffle = jax.random.fold_in(RunKeys.from_seed(jnp.uint32(0)).shuffle, num_before)
    order = np.asarray(permutation(shuffle, num_images))
    for step, batch in enumerate(np.split(order, [50, 100])):
        per_image = spec.training.dropout_masks == "image"
        sizes = [(*([len(batch)] if per_image else []), units) for units in (784, 8)]
        masks = drawn_masks(0, num_before, step, zip((0.25, 0.5), sizes, strict=True))
        gradients = []
        for place, image in enumerate(batch):
            own = [mask[place] if per_image else mask for mask in masks]
            pixels, label = dataset.train.images[image] / 256, dataset.train.labels[image]
            target = oracle.target(label, "one-hot")
            gradients.append(thinned_gradient(layers, own, pixels, target, spec.loss))
        mean = [
            oracle.Layer(
                np.mean([g.weight for g in layers], axis=0),
                np.mean([g.bias for g in layers], axis=0),
            )
            for layers in zip(*gradients, strict=True)
        ]
        still = [oracle.Layer(0 * layer.weight, 0 * layer.bias) for layer in layers]
        layers, _ = oracle.sgd_step(layers, still, mean, rule)
    return layers


def worst_deviation(spec, dataset):
    """The largest difference from steps on thinned networks in any parameter, after two epochs."""
    layers = oracle.copy_layers(build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init))
    for num_before in range(2):
        layers = thinned_epoch(layers, spec, dataset, num_before)
    *_, result = train(spec, dataset)
    pairs = zip(oracle.copy_layers(result.model(0)), layers, strict=True)
    both = chain.from_iterable((a.weight - b.weight, a.bias - b.bias) for a, b in pairs)
    return max(np.abs(difference).max() for difference in both)


@pytest.mark.parametrize("masks", ["image", "batch"])
def test_steps_are_the_oracles_on_the_thinned_network(small_network, small_dataset, masks):
    with jax.enable_x64(True):
        spec = small_network(DROPPING | {"training.dropout_masks": masks})
        assert worst_deviation(spec, small_dataset) < 1e-12


DROP = DenseLayer._drop


def rescaled(layer, inputs, key):
    """What other libraries do: inputs that stay are divided by their share, in training already."""
    dropped = DROP(layer, inputs, key)
    return dropped if key is None else dropped / (1 - layer.dropout)


MUTATIONS = {
    "dropout rescaled twice": (DenseLayer, "_drop", rescaled),
    "one mask for all steps": (StepKeys, "fold_in", lambda keys, step: keys),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_breaks_the_comparison(small_network, small_dataset, monkeypatch, mutation):
    monkeypatch.setattr(*mutation)
    with jax.enable_x64(True):
        assert worst_deviation(small_network(DROPPING), small_dataset) > 1e-4


# One output without a bias, 16 inputs of 1/2, 1/4, 1/8 ..., every weight 1, the target 0: half the
# square of the sum over inputs that stay is the cost, which thus tells them from each other.
SPELLING = {
    "data.examples": [{"inputs": [0.5**at for at in range(1, 17)], "targets": [0.0]}] * 3,
    "model.inputs": [16],
    "model.layers": [{"kind": "dense", "units": 1, "activation": "linear", "dropout": 0.5}],
    "model.initializer": {"weights": 1.0, "biases": 0.0},
    "optimizer.learning_rate": 1e-12,
    "monitors": ["train_cost"],
    "training.batch_size": 1,
}


def spelt_masks(spec, seeds):
    """The bits of which inputs stayed, by run and step of two epochs."""
    (group,) = groups(spec, seeds)
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    engine = Engine(group, select(NOBODY, spec), mesh)
    state, first = engine.run(engine.init(), 0)
    _, second = engine.run(state, 1)
    costs = np.concatenate([first.batch_costs, second.batch_costs], axis=1)
    return np.rint(np.sqrt(2 * costs) * 2**16).astype(int)


def test_masks_differ_from_step_to_step_epoch_to_epoch_and_seed_to_seed(small_network):
    masks = spelt_masks(small_network(SPELLING | {"training.epochs": 2}), [0, 1, 2])
    assert masks.shape == (3, 6)
    # Eighteen draws of 16 bits are all different but once in 400 tries.
    assert len(set(masks.flat)) == 18


def test_a_seed_fixes_what_is_dropped(small_network):
    spec = small_network(SPELLING | {"training.epochs": 2})
    np.testing.assert_array_equal(spelt_masks(spec, [7, 1])[0], spelt_masks(spec, [7])[0])


def test_masks_do_not_depend_on_jaxs_64_bit_mode(small_network):
    spec = small_network(SPELLING | {"training.epochs": 2})
    expected = spelt_masks(spec, [0])
    with jax.enable_x64(True):
        np.testing.assert_array_equal(spelt_masks(spec, [0]), expected)


def test_common_masks_are_those_of_every_seed_but_of_one_step_only(small_network):
    common = {"training.dropout_streams": "common", "training.epochs": 2}
    first, second = spelt_masks(small_network(SPELLING | common), [0, 1])
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) == 6


# A half arrives where masks are the same, a fourth where they are not. The cost of ten outputs a of
# which one should be 1 is ((a - 1)^2 + 9 a^2) / 2.
@pytest.mark.parametrize(("streams", "cost"), [("separate", 0.5625), ("common", 1.25)])
def test_two_layers_have_different_masks_unless_common(small_network, streams, cost):
    # Linear layers that pass on what they are given: it arrives if no layer drops it.
    layer = {"kind": "dense", "units": 784, "activation": "linear", "dropout": 0.5}
    last = {"kind": "dense", "units": 10, "activation": "linear"}
    changes = {"model.layers": [layer, layer, last], "training.dropout_streams": streams}
    spec = small_network(changes)
    net = build_model(spec, key=KEY)
    for dense in (net.layers[0], net.layers[1]):
        dense.weight[...], dense.bias[...] = jnp.eye(784), jnp.zeros(784)
    net.layers[2].weight[...] = jnp.ones((10, 784)) / 784
    net.layers[2].bias[...] = jnp.zeros(10)
    graph, params = nnx.split(net)
    numbers = hyperparameters_of(spec)
    state = init_state(spec, jnp.uint32(0))._replace(params=params)
    images = jnp.full((100, 784), 255, jnp.uint8), jnp.zeros(100, jnp.int32)
    step_fn = jax.jit(build_step(spec, graph, numbers, 100))
    _, found = step_fn(state, images, StepKeys(KEY, None))
    # The standard error is 0.009 at most, and pixels are 1/256 below 1.
    assert float(found) == pytest.approx(cost, abs=0.05)
