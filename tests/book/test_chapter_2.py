"""What chapter 2 says of backpropagation: its documents, its problems and its exercises."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from pydantic import TypeAdapter, ValidationError

from nndl_jax.calculations.backpropagation import Backpropagation
from nndl_jax.documents import Claim, NumberClaim
from nndl_jax.judging.judge import judge_number
from nndl_jax.networks.activations import ACTIVATIONS
from nndl_jax.networks.backpropagation import Layer, backpropagate_layers, with_neuron
from nndl_jax.networks.gradient_forms import (
    at_once,
    by_matrices,
    central_differences,
    check_backpropagation,
    one_by_one,
    one_sided_differences,
    over_paths,
    passes_of_backpropagation,
    passes_of_differences,
)
from nndl_jax.reading.located_yaml import read_yaml

SPEC = Path(__file__).parents[2] / "spec"
NAMES = ("backpropagation", "linear", "million-weights", "minibatch", "modified-neuron")
SIGMOID, MIXED, SOFTMAX = ("sigmoid",) * 3, ("tanh", "relu", "sigmoid"), ("wavy", "tanh", "softmax")
FORMS = [
    *((SIGMOID, "quadratic", form) for form in (one_by_one, by_matrices, over_paths)),
    *((MIXED, "cross-entropy", form) for form in (one_by_one, by_matrices, over_paths)),
    *((SOFTMAX, "log-likelihood", form) for form in (one_by_one, by_matrices)),
    (SOFTMAX, "quadratic", by_matrices),
]
TINY = {
    "kind": "backpropagation",
    "sizes": [3, 4, 3, 2],
    "activations": SIGMOID,
    "loss": "quadratic",
    "batch_size": 2,
    "against": ["paths"],
}


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def quantity_of(changes):
    return Backpropagation.model_validate_json(json.dumps({**TINY, **changes}))


def read_document(name):
    """The quantity of a document and its claims."""
    document = read_yaml(SPEC / f"ch2-{name}.yaml").value
    claims = TypeAdapter(tuple[Claim, ...]).validate_json(json.dumps(document["claims"]))
    return quantity_of(document["quantity"]), claims


def drawn(activations=SIGMOID, sizes=(3, 4, 3, 2)):
    """Layers with random weights, and three images with targets that add up to one."""
    rng = np.random.default_rng(0)
    layers = tuple(
        Layer(
            jnp.array(rng.standard_normal((units, num_inputs))),
            jnp.array(rng.standard_normal(units)),
            Partial(ACTIVATIONS[activation]),
        )
        for num_inputs, units, activation in zip(sizes[:-1], sizes[1:], activations, strict=True)
    )
    targets = rng.random((3, sizes[-1]))
    targets /= targets.sum(axis=1, keepdims=True)
    return layers, jnp.array(rng.random((3, sizes[0]))), jnp.array(targets)


def assert_equal(some, others, tolerance=1e-12):
    for one, other in zip(jax.tree.leaves(some), jax.tree.leaves(others), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def cost_of(layers, images, targets, loss="quadratic", f=jax.nn.sigmoid, place=None):
    """The cost of sigmoid neurons, but for one in the layer of this place that has f."""
    a = images
    for index, layer in enumerate(layers):
        columns = (a @ layer.weight.T + layer.bias[None]).T
        own = (place, 1)
        fns = [f if (index, j) == own else jax.nn.sigmoid for j in range(len(columns))]
        a = jnp.stack([fn(z) for fn, z in zip(fns, columns, strict=True)], axis=1)
    if loss == "quadratic":
        return jnp.mean(jnp.sum((a - targets) ** 2, axis=1)) / 2
    return -jnp.mean(jnp.sum(targets * jnp.log(a) + (1 - targets) * jnp.log(1 - a), axis=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("float64")
def test_every_number_of_a_document_comes_back(name):
    quantity, claims = read_document(name)
    quantity = quantity.model_copy(update={"rounds": min(quantity.rounds, 1)})
    runs = [check_backpropagation(quantity, seed=seed) for seed in (0, 1)]
    assert tuple(runs[0]) == quantity.metrics()
    for claim in claims:
        assert claim.metric in runs[0]
        if isinstance(claim, NumberClaim):
            judged = judge_number(claim, np.array([run[claim.metric] for run in runs]))
            assert judged.verdict == "equal", claim


def test_differences_in_32_bits_are_refused():
    with pytest.raises(RuntimeError, match="JAX_ENABLE_X64=1"):
        check_backpropagation(quantity_of({}), seed=0)


@pytest.mark.usefixtures("float64")
def test_networks_are_drawn_by_the_seed():
    step = {"against": ["one-sided-differences"], "step": 1e-3}
    first, again, other = [
        check_backpropagation(quantity_of(step), seed=seed) for seed in (0, 0, 1)
    ]
    assert first == again != other


@pytest.mark.usefixtures("float64")
def test_speeds_are_measured_where_a_document_asks():
    measured = check_backpropagation(quantity_of({"rounds": 2}), seed=0)
    batched, one_by_one = (
        measured[f"images_per_second.{way}"] for way in ("batched", "one_by_one")
    )
    assert measured["speed_up"] == pytest.approx(batched / one_by_one)


@pytest.mark.parametrize(("activations", "loss", "form"), FORMS)
@pytest.mark.usefixtures("float64")
def test_all_forms_give_the_same_gradient(activations, loss, form):
    case = drawn(activations)
    assert_equal(form(*case, loss), at_once(*case, loss))


@pytest.mark.usefixtures("float64")
def test_differences_close_in_on_the_gradient_by_the_order_of_their_error():
    # One-sided ones err by a multiple of the step, central ones by one of its square.
    layers, images, targets = drawn()
    cost_fn = jax.jit(lambda layers: cost_of(layers, images, targets))
    gradient = at_once(layers, images, targets, "quadratic")[0].weight
    for method, ratio in ((one_sided_differences, 10), (central_differences, 100)):
        far, near = (
            np.abs(method(cost_fn, layers, step=step)[0].weight - gradient).max()
            for step in (1e-2, 1e-3)
        )
        assert far / near == pytest.approx(ratio, rel=0.1)


def test_finite_differences_pass_once_for_each_weight_and_once_more():
    layers, images, targets = drawn()
    num_passes = 0

    def cost_fn(layers):
        nonlocal num_passes
        num_passes += 1
        return cost_of(layers, images, targets)

    one_sided_differences(cost_fn, layers, step=1e-3)
    assert num_passes == passes_of_differences(layers) + 4 + 3 + 2  # The last are biases.


def test_passes_are_those_of_the_weights():
    # 12 + 12 + 6 weights take two products each; all but the first 12 a third: 2 + 18/30.
    layers, _, _ = drawn()
    assert passes_of_differences(layers) == 31
    assert passes_of_backpropagation(layers) == pytest.approx(2.6)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first layer", "second layer", "output"])
@pytest.mark.parametrize("loss", ["quadratic", "cross-entropy"])
@pytest.mark.usefixtures("float64")
def test_single_modified_neuron_has_the_slope_of_its_own_function(place, loss):
    # Exercise: f' takes the place of sigma' at this neuron.
    def f(z):
        return 0.5 + z / (4 + 4 * jnp.abs(z))

    plain, images, targets = drawn()
    layers = list(plain)
    layers[place] = with_neuron(plain[place], 1, f)
    found = backpropagate_layers(layers, images, targets, loss).gradients
    assert_equal(found, jax.grad(cost_of)(layers, images, targets, loss, f, place))
    unmodified = backpropagate_layers(plain, images, targets, loss).gradients
    assert np.abs(found[place].weight - unmodified[place].weight).max() > 1e-4


@pytest.mark.usefixtures("float64")
def test_errors_of_linear_neurons_go_back_through_the_weights_alone():
    # Exercise: with sigma(z) = z, delta^L = a - y and delta^l = (w^(l+1))^T delta^(l+1).
    layers, images, targets = drawn(("linear",) * 3)
    found = backpropagate_layers(layers, images, targets, "quadratic")
    expected = found.activations[-1] - targets
    for layer, error in zip(reversed(layers), reversed(found.errors), strict=True):
        np.testing.assert_allclose(error, expected, rtol=1e-12)
        expected = expected @ layer.weight


def test_weights_of_a_small_input_learn_slowly():
    # BP4: the gradient by a weight is proportional to its input.
    layers, images, targets = drawn()
    gradient = at_once(layers, images.at[:, 1].set(1e-3), targets, "quadratic")[0].weight
    assert jnp.abs(gradient[:, 1]).max() < 1e-2 * jnp.abs(gradient).max()


@pytest.mark.parametrize("bias", [-20.0, 20.0])
def test_saturated_output_neuron_learns_slowly_with_the_quadratic_cost_alone(bias):
    # BP1: sigma'(z) is near zero where the neuron's output is near 0 or 1.
    (*hidden, output), images, targets = drawn()
    saturated = (*hidden, output._replace(bias=output.bias.at[0].set(bias)))
    slow, fast = (
        jnp.abs(at_once(saturated, images, targets, loss)[-1].weight).max(axis=1)
        for loss in ("quadratic", "cross-entropy")
    )
    assert slow[0] < 1e-4 * slow[1]
    assert fast[0] > 0.1


NEURON = {"layer": 1, "number": 1, "activation": "tanh"}
FAULTS = {
    "must be 2, one for each of sizes but the first, got 3": {"sizes": [3, 4, 2]},
    "a step has no slope to learn by; use sigmoid": {"activations": ["step", "tanh", "sigmoid"]},
    "softmax belongs to the last layer": {"activations": ["softmax", "tanh", "sigmoid"]},
    "log-likelihood needs a softmax output layer, got 'sigmoid'": {"loss": "log-likelihood"},
    "must be at most the number of hidden layers, 2, got 3": {"neuron": {**NEURON, "layer": 3}},
    "must be at most sizes[1] = 4, got 5": {"neuron": {**NEURON, "number": 5}},
    "must have a slope at a neuron of its own, got 'step'": {
        "neuron": {**NEURON, "activation": "step"}
    },
    "'paths' is there already; leave it out": {"against": ["paths", "paths"]},
    # 81 x 40 + 41 x 1 + 2 x 1 and 10 x 10 x 11 + 10 x 11 + 11.
    "'paths' is for at most 2,000 weights and biases, got 3,283": {"sizes": [80, 40, 1, 1]},
    "at most 1,000 paths are gone, and there are 1,221": {"sizes": [1, 10, 10, 11]},
    "a softmax joins all paths": {"activations": SOFTMAX, "loss": "log-likelihood"},
}


@pytest.mark.parametrize("message", FAULTS)
def test_what_cannot_be_compared_is_refused(message):
    with pytest.raises(ValidationError) as caught:
        quantity_of(FAULTS[message])
    assert caught.value.errors()[0]["msg"].startswith(message)
