"""Backpropagation written out (ch. 2): against JAX, the oracle, and numbers by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from flax import nnx
from jax.tree_util import Partial

from nndl_jax import SpecError, build_model
from nndl_jax.calculations.backpropagation import Backpropagation, Neuron
from nndl_jax.networks import backpropagation
from nndl_jax.networks.activations import ACTIVATIONS
from nndl_jax.networks.backpropagation import (
    Layer,
    backpropagate,
    bias_gradient,
    hidden_error,
    output_error,
    weight_gradient,
)
from nndl_jax.networks.gradient_forms import check_backpropagation, largest_difference
from nndl_jax.networks.losses import build_loss
from nndl_jax.networks.targets import encode
from nndl_jax.training.gradients import bias_gradients

KEY = jax.random.key(0)
NUM_IMAGES = 4
# Sizes, activations and loss.
NETWORKS = {
    "one layer": ([3, 2], ["sigmoid"], "quadratic"),
    "five layers": ([3, 4, 4, 4, 4, 2], ["sigmoid"] * 5, "quadratic"),
    "cross-entropy": ([3, 4, 4, 2], ["sigmoid"] * 3, "cross-entropy"),
    "softmax": ([3, 4, 5], ["sigmoid", "softmax"], "log-likelihood"),
    "softmax, quadratic": ([3, 4, 5], ["tanh", "softmax"], "quadratic"),
    "relu": ([3, 9, 9, 2], ["relu", "relu", "linear"], "quadratic"),
    "wavy": ([3, 4, 2], ["wavy", "wavy"], "quadratic"),
    "mixed": ([3, 4, 5, 6, 3], ["tanh", "relu", "linear", "softmax"], "log-likelihood"),
}


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def build(small_network, float64):
    """A function to a network with random inputs, targets that add up to one, and its document."""

    def build_one(sizes, activations, loss):
        rng = np.random.default_rng(0)
        images, targets = rng.random((NUM_IMAGES, sizes[0])), rng.random((NUM_IMAGES, sizes[-1]))
        targets /= targets.sum(axis=1, keepdims=True)
        units = list(zip(sizes[1:], activations, strict=True))
        changes = {
            "data.examples": [{"inputs": images[0].tolist(), "targets": targets[0].tolist()}],
            "model.inputs": sizes[:1],
            "model.layers": [{"kind": "dense", "units": n, "activation": a} for n, a in units],
            "model.initializer.weights": "normal",
            "loss": loss,
            "training.dtype": "float64",
            "monitors": ["train_cost"],
        }
        spec = small_network(changes)
        return build_model(spec, key=KEY), jnp.array(images), jnp.array(targets), spec

    return build_one


def autodiff(model, images, targets, spec):
    """Weights and biases of the gradient, layer by layer, as training has it."""
    graph, params = nnx.split(model)
    loss_fn = build_loss(spec)

    def cost_fn(params):
        return jnp.mean(loss_fn(nnx.merge(graph, params).logits(images), targets))

    layers = nnx.merge(graph, jax.jit(jax.grad(cost_fn))(params)).layers
    return [(layer.weight[...], layer.bias[...]) for layer in layers]


def deviation(model, images, targets, spec):
    """The largest difference of any derivative from JAX's."""
    ours = backpropagate(model, images, targets, spec).gradients
    pairs = zip(ours, autodiff(model, images, targets, spec), strict=True)
    both = [(layer.weight - w, layer.bias - b) for layer, (w, b) in pairs]
    return np.max([np.abs(array).max() for differences in both for array in differences])


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_that_of_jax(build, name):
    assert deviation(*build(*NETWORKS[name])) < 1e-12


# The oracle knows no wavy activation.
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "wavy"])
def test_every_step_is_the_oracles(build, name):
    model, images, targets, spec = build(*NETWORKS[name])
    found, layers = backpropagate(model, images, targets, spec), oracle.copy_layers(model)
    weight_gradients = list(found.image_weight_gradients())
    for image, (x, y) in enumerate(zip(np.array(images), np.array(targets), strict=True)):
        passed = oracle.feedforward(layers, x)
        gradients = oracle.backpropagate(layers, x, y, spec.loss)
        for index, ((z, a), gradient) in enumerate(zip(passed, gradients, strict=True)):
            for ours, expected in (
                (found.weighted_inputs[index], z),
                (found.activations[index + 1], a),
                (found.errors[index], gradient.bias),
                (weight_gradients[index], gradient.weight),
            ):
                np.testing.assert_allclose(ours[image], expected, rtol=1e-10, atol=1e-14)


def layer_of(weight, bias, activation):
    return Layer(jnp.array(weight), jnp.array(bias), Partial(ACTIVATIONS[activation]))


# By hand: sigma(0) = 1/2 and sigma'(0) = 1/4. For the cross-entropy and the log-likelihood the
# error is a - y; two softmax outputs are 1/2 each, with derivatives 1/4 by their own z and -1/4 by
# the other's, so (a - y) = (1/2, -1/2) gives 1/4 (1/2 + 1/2) and its opposite.
OUTPUT_ERRORS = {
    ("sigmoid", "quadratic"): [0.125, -0.125],
    ("linear", "quadratic"): [0.0, -1.0],
    ("sigmoid", "cross-entropy"): [0.5, -0.5],
    ("softmax", "log-likelihood"): [0.5, -0.5],
    ("softmax", "quadratic"): [0.25, -0.25],
}


@pytest.mark.parametrize(("activation", "loss"), OUTPUT_ERRORS)
def test_bp1_is_the_slope_of_the_cost_times_that_of_the_activation(activation, loss):
    layer = layer_of([[0.0], [0.0]], [0.0, 0.0], activation)
    found = output_error(layer, jnp.zeros((1, 2)), jnp.array([[0.0, 1.0]]), loss)
    assert found.tolist() == [OUTPUT_ERRORS[activation, loss]]


def test_bp2_takes_errors_back_through_the_transposed_weights():
    # w^T delta = (1 * 1 + 3 * 10, 2 * 1 + 4 * 10) = (31, 42), each times sigma'(0) = 1/4.
    layer = layer_of([[0.0], [0.0]], [0.0, 0.0], "sigmoid")
    following = layer_of([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0], "tanh")
    found = hidden_error(layer, jnp.zeros((1, 2)), following, jnp.array([[1.0, 10.0]]))
    assert found.tolist() == [[7.75, 10.5]]


def test_bp3_is_the_mean_error():
    assert bias_gradient(jnp.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [2.0, 3.0]


def test_bp4_is_the_mean_of_error_times_input():
    # (1 * 5 + 3 * 6) / 2, (2 * 5 + 4 * 6) / 2, and the same with the inputs 7 and 8.
    errors, inputs = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[5.0, 7.0], [6.0, 8.0]])
    assert weight_gradient(errors, inputs).tolist() == [[11.5, 15.5], [17.0, 23.0]]


MUTATIONS = {
    "BP1 without the slope": ("output_error", lambda layer, z, y, _: layer.activation_fn(z) - y),
    "BP1 with the sign turned": ("output_error", lambda *args: -output_error(*args)),
    "BP2 without the slope": ("hidden_error", lambda _, z, following, e: e @ following.weight),
    "BP2 with weights not transposed": (
        "hidden_error",
        lambda layer, z, following, e: hidden_error(
            layer, z, following._replace(weight=following.weight.T), e
        ),
    ),
    "BP2 with the slope of another layer": (
        "hidden_error",
        lambda layer, z, following, e: hidden_error(layer, 2 * z, following, e),
    ),
    "BP3 as a sum": ("bias_gradient", lambda error: jnp.sum(error, axis=0)),
    "BP4 as a sum": ("weight_gradient", lambda error, inputs: error.T @ inputs),
    "BP4 with means multiplied": (
        "weight_gradient",
        lambda error, inputs: jnp.outer(error.mean(axis=0), inputs.mean(axis=0)),
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_mutation_breaks_the_comparison(build, monkeypatch, mutation):
    built = build([4, 4, 4, 4], ["sigmoid"] * 3, "quadratic")
    monkeypatch.setattr(backpropagation, *mutation)
    assert deviation(*built) > 1e-4


def test_images_are_bytes_as_training_has_them(small_network, small_dataset):
    spec = small_network({"model.layers[0].repeat": 2, "loss": "cross-entropy"})
    model, split = build_model(spec, key=KEY), small_dataset.validation
    targets = encode(jnp.asarray(split.labels), spec.data, jnp.float32)
    found = backpropagate(model, jnp.asarray(split.images), targets, spec)
    expected = bias_gradients(model, split, spec)
    assert [gradient.bias.dtype for gradient in found.gradients] == [jnp.float32] * 3
    for gradient, bias in zip(found.gradients, expected, strict=True):
        np.testing.assert_allclose(gradient.bias, bias, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("activation", "loss"), [("sigmoid", "cross-entropy"), ("softmax", "log-likelihood")]
)
def test_error_stays_finite_where_outputs_saturate(activation, loss):
    # The outputs are 1 and 0 to the last bit, and the wrong way round.
    layer, z = layer_of([[0.0], [0.0]], [0.0, 0.0], activation), jnp.array([[200.0, -200.0]])
    assert output_error(layer, z, jnp.array([[0.0, 1.0]]), loss).tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("number", [1, 4])
def test_networks_that_are_checked_have_their_modified_neuron(float64, number):
    plain = Backpropagation(
        kind="backpropagation",
        sizes=(3, 4, 2),
        activations=("sigmoid", "sigmoid"),
        loss="quadratic",
        batch_size=1,
        against=("one-sided-differences",),
        step=0.1,
    )
    own = {"neuron": Neuron(layer=1, number=number, activation="tanh")}
    modified = check_backpropagation(plain.model_copy(update=own), seed=0)
    assert modified != check_backpropagation(plain, seed=0)


def test_largest_difference_passes_over_nothing():
    some = layer_of([[1.0, 2.0]], [3.0], "tanh"), layer_of([[4.0]], [5.0], "tanh")
    for bias, expected in ((5.5, 0.5), (2.0, 3.0), (np.nan, np.nan)):
        others = some[0]._replace(bias=jnp.array([3.25])), layer_of([[4.0]], [bias], "tanh")
        assert largest_difference(some, others) == pytest.approx(expected, nan_ok=True)


CONV = {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"}
REFUSED = {
    "model.layers[0].kind: chapter 2 knows dense layers only, got 'conv'; let JAX differentiate": {
        "model.inputs": [1, 28, 28],
        "model.layers[0]": CONV,
    },
    "model.layers[1].dropout: chapter 2 knows no dropout, got 0.5; let JAX differentiate": {
        "model.layers[1].dropout": 0.5
    },
    "loss: is no gradient of a cost, got 'cross-entropy-by-activation'; use cross-entropy": {
        "loss": "cross-entropy-by-activation"
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_the_chapter_does_not_know_is_refused(small_network, message):
    spec = small_network(REFUSED[message])
    images, targets = jnp.zeros((1, 784)), jnp.zeros((1, 10))
    with pytest.raises(SpecError) as caught:
        backpropagate(build_model(spec, key=KEY), images, targets, spec)
    assert str(caught.value) == f"small: {message}"
