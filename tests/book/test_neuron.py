"""The single neuron of chapter 3's interactive figures, which learns to turn a 1 into a 0."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nndl_jax import build_model, load_spec, train, variants
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.documents import Initializer

KEY = jax.random.key(0)
NOTHING = Split(np.zeros((1, 784), np.uint8), np.zeros(1, np.int32))
NUM_UPDATES = 301


class Neuron(NamedTuple):
    """A press on "Run" of one figure: 301 updates from a first weight and bias."""

    loss: str
    weight: float
    bias: float
    rate: float
    outputs: dict[int, float]
    """By the number of updates before."""
    ends: tuple[float, float] | None = None
    """Weight and bias after all updates."""


def _after(*outputs: float) -> dict[int, float]:
    return dict(zip((50, 100, 150, 200, 250, 300, 301), outputs, strict=True))


RIGHT, WRONG = "cross-entropy", "cross-entropy-by-activation"
# What the pages' own program (js/saturation1.js to saturation4.js) gave when it was run again.
NEURONS = {
    "quadratic cost": Neuron(
        "quadratic", 0.6, 0.9, 0.15,
        _after(0.3870, 0.2110, 0.1527, 0.1237, 0.1061, 0.0940, 0.0938), (-1.2843, -0.9843),
    ),
    "quadratic cost, badly wrong": Neuron(
        "quadratic", 2.0, 2.0, 0.15,
        _after(0.9759, 0.9641, 0.9334, 0.7887, 0.3572, 0.2028, 0.2013), (-0.6892, -0.6892),
    ),
    "the pages' cross-entropy": Neuron(
        WRONG, 0.6, 0.9, 0.005,
        _after(0.4933, 0.2987, 0.1811, 0.1098, 0.0666, 0.0404, 0.0400), (-1.7395, -1.4395),
    ),
    "the pages' cross-entropy, badly wrong": Neuron(
        WRONG, 2.0, 2.0, 0.005,
        _after(0.5857, 0.3545, 0.2148, 0.1302, 0.0789, 0.0479, 0.0474), (-1.5003, -1.5003),
    ),
    # The pages' learning rate with the right gradient, and that of the quadratic cost.
    "cross-entropy, slow": Neuron(RIGHT, 0.6, 0.9, 0.005, {301: 0.4167}),
    "cross-entropy, slow, badly wrong": Neuron(RIGHT, 2.0, 2.0, 0.005, {301: 0.7782}),
    "cross-entropy": Neuron(RIGHT, 0.6, 0.9, 0.15, {50: 0.0792, 301: 0.0116}),
    "cross-entropy, badly wrong": Neuron(RIGHT, 2.0, 2.0, 0.15, {50: 0.0985, 301: 0.0120}),
}  # fmt: skip
# By the weighted input z, for the target 0: a sigma'(z); dC/da, the pages' slip; a - 0.
SLOPES = {
    "quadratic": lambda a: a * a * (1 - a),
    WRONG: lambda a: 1 / (1 - a),
    RIGHT: lambda a: a,
}
every_neuron = pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)


@pytest.fixture(scope="module")
def trained():
    """The document's variants: output of each after every update, last weight and bias."""
    dataset = Dataset("none", NOTHING, NOTHING, NOTHING)
    with jax.enable_x64(True):
        results = list(train(load_spec("ch3-neuron"), dataset))
        layers = [results[-1].model(index).layers[0] for index in range(len(NEURONS))]
        ends = [(float(layer.weight[0, 0]), float(layer.bias[0])) for layer in layers]
    return np.array([result.metrics["train_output"] for result in results]).T, ends


def index_of(neuron):
    """Which of the document's variants a neuron is."""
    (index,) = [
        index
        for index, variant in enumerate(variants(load_spec("ch3-neuron")))
        if variant.spec.model.initializer == Initializer(weights=neuron.weight, biases=neuron.bias)
        and (variant.spec.loss, variant.spec.optimizer.learning_rate) == (neuron.loss, neuron.rate)
    ]
    return index


def simulate(neuron):
    """Outputs after each update, last weight and bias: the figures' program in plain Python."""
    weight, bias, outputs = neuron.weight, neuron.bias, []
    for _ in range(NUM_UPDATES):
        slope = SLOPES[neuron.loss](1 / (1 + math.exp(-(weight + bias))))
        weight, bias = weight - neuron.rate * slope, bias - neuron.rate * slope
        outputs.append(1 / (1 + math.exp(-(weight + bias))))
    return outputs, (weight, bias)


@every_neuron
def test_first_output_is_the_books(neuron):
    # "the initial output from the neuron is 0.82", and 0.98 from the badly wrong start.
    with jax.enable_x64(True):
        model = build_model(variants(load_spec("ch3-neuron"))[index_of(neuron)].spec, key=KEY)
        first = float(model(jnp.ones(1))[0])
    assert round(first, 2) == (0.82 if neuron.weight == 0.6 else 0.98)


@every_neuron
def test_every_update_is_the_figures(trained, neuron):
    outputs, ends = trained
    expected, last = simulate(neuron)
    np.testing.assert_allclose(outputs[index_of(neuron)], expected, rtol=1e-12)
    np.testing.assert_allclose(ends[index_of(neuron)], last, rtol=1e-12)


@every_neuron
def test_outputs_on_the_way_are_the_figures(trained, neuron):
    updates = sorted(neuron.outputs)
    # The output after the first update is that of epoch 0.
    found = trained[0][index_of(neuron), [number - 1 for number in updates]]
    expected = [neuron.outputs[number] for number in updates]
    np.testing.assert_allclose(found, expected, atol=0.00005)


@pytest.mark.parametrize("name", [name for name, neuron in NEURONS.items() if neuron.ends])
def test_last_weight_and_bias_are_the_figures(trained, name):
    neuron = NEURONS[name]
    np.testing.assert_allclose(trained[1][index_of(neuron)], neuron.ends, atol=0.00005)


def test_document_has_these_neurons_and_no_other():
    found = sorted(index_of(neuron) for neuron in NEURONS.values())
    assert found == list(range(len(variants(load_spec("ch3-neuron")))))
