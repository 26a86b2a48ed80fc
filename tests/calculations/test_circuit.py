"""Circuits: every row of the book's logic, and networks held against neurons evaluated by name."""

import math
import re
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax.calculations import circuit
from nndl_jax.calculations.circuit import Neuron
from nndl_jax.documents import Circuit, ComparisonClaim, Data, Document
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import find_variant, variants
from nndl_jax.judging.judge import judge_comparison, judge_number
from nndl_jax.networks.activations import ACTIVATIONS
from nndl_jax.networks.constructed import build_construction, measure_construction
from nndl_jax.networks.targets import encode
from nndl_jax.reading.faults import SpecError

ADDERS = ("ch1-half-adder", "ch1-half-adder-merged", "ch1-perceptron-scaling")
SIGMOIDS = ("ch1-bitwise", "ch1-perceptron-limit", "ch1-perceptron-undecided")
DOCUMENTS = ("ch1-cheese", "ch1-nand", *ADDERS, *SIGMOIDS)
BITS = [(0, 0), (0, 1), (1, 0), (1, 1)]
drawn = settings(deadline=None, derandomize=True, database=None)


def measure(name, changes=None):
    with jax.enable_x64(True):
        return measure_construction(override(load_spec(name).bare(), changes or {}))


def outputs_of(spec, inputs):
    """Rows of outputs in JAX's 64-bit mode."""
    with jax.enable_x64(True):
        return np.asarray(build_construction(spec)(jnp.asarray(inputs, jnp.float64)))


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def evaluate(network, row):
    """Outputs of a circuit for one row of inputs, neuron by neuron."""
    values = dict(zip(network.inputs, row, strict=True))
    for neuron in network.neurons:
        z = network.scale * neuron.bias
        for source, weights in neuron.weights.items():
            for weight in weights if isinstance(weights, tuple) else (weights,):
                z += network.scale * weight * values[source]
        values[neuron.name] = sigmoid(z) if network.activation == "sigmoid" else float(z > 0)
    return [values[name] for name in network.outputs]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_claim_of_the_book_holds(name):
    spec = load_spec(name)
    all_variants = variants(spec)

    def value(choice, metric):
        return measure(name, find_variant(all_variants, choice).values)[metric]

    for claim in spec.claims:
        if isinstance(claim, ComparisonClaim):
            sides = [value(side.variant, claim.metric) for side in (claim.better, claim.worse)]
            assert judge_comparison(claim, *sides, is_paired=False).verdict == "supported", claim
        else:
            assert claim.exact
            values = np.array([value(claim.variant, claim.metric)])
            assert judge_number(claim, values).verdict == "equal", claim


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_measured_is_what_claims_may_speak_of(name):
    for variant in variants(load_spec(name)):
        assert tuple(measure_construction(variant.spec)) == load_spec(name).metrics()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_network_gives_what_its_neurons_give(name):
    for variant in variants(load_spec(name)):
        network = variant.spec.network
        rows = [row.inputs for row in network.truth_table]
        expected = [evaluate(network, row) for row in rows]
        np.testing.assert_allclose(
            outputs_of(variant.spec, rows), expected, rtol=1e-13, atol=1e-300
        )


def test_decisions_follow_the_weather_or_are_content_with_companion_and_transit():
    rows = list(np.ndindex(2, 2, 2))
    high, low = (outputs_of(variant.spec, rows) for variant in variants(load_spec("ch1-cheese")))
    assert high[:, 0].tolist() == [weather for weather, _, _ in rows]
    assert low[:, 0].tolist() == [weather or (mate and transit) for weather, mate, transit in rows]


def test_nand_is_false_for_two_ones_only():
    assert outputs_of(load_spec("ch1-nand"), BITS).tolist() == [[1], [1], [1], [0]]


@pytest.mark.parametrize("name", ADDERS)
def test_half_adder_gives_exclusive_or_and_and(name):
    for variant in variants(load_spec(name)):
        assert outputs_of(variant.spec, BITS).tolist() == [[a ^ b, a & b] for a, b in BITS]


def test_two_connections_and_their_sum_make_the_same_network():
    ours, merged = (
        [layer.weight[...].tolist() for layer in build_construction(load_spec(name)).layers]
        for name in ADDERS[:2]
    )
    assert ours == merged
    assert any(-4 in row for layer in ours for row in layer)


@pytest.mark.parametrize("weights", [{"x2": -4}, {"x2": -4, "x1": 2}])
def test_inputs_keep_their_order_also_where_nothing_listens_to_one(weights):
    spec = override(load_spec("ch1-nand"), {"network.neurons[0].weights": weights})
    # 3 - 4 x2, with or without 2 x1.
    assert outputs_of(spec, BITS).tolist() == [[1], [0], [1], ["x1" in weights]]


def test_relays_and_neurons_computed_twice_are_not_counted():
    # Inputs -> p1 and two relays -> p2, p3 and p1 once more -> sum and carry.
    layers = build_construction(load_spec("ch1-half-adder")).layers
    assert [layer.bias[...].size for layer in layers] == [3, 3, 2]
    measured = measure("ch1-half-adder")
    assert (measured["num_neurons"], measured["num_connections"]) == (5, 10)


@st.composite
def circuits(draw):
    """Circuits of two inputs and four neurons, each of which listens to any that stand above."""
    names, neurons = ["x1", "x2"], []
    numbers = st.floats(-3, 3)
    for name in ("p1", "p2", "p3", "p4"):
        sources = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        weights = {source: draw(numbers | st.tuples(numbers, numbers)) for source in sources}
        neurons.append({"name": name, "weights": weights, "bias": draw(numbers)})
        names.append(name)
    heard = {source for neuron in neurons for source in neuron["weights"]}
    extra = draw(st.sets(st.sampled_from(names[2:])))
    outputs = tuple(name for name in names[2:] if name not in heard or name in extra)
    return {
        "form": "circuit",
        "activation": draw(st.sampled_from(["step", "sigmoid"])),
        "scale": draw(st.floats(0.1, 10)),
        "inputs": ("x1", "x2"),
        "neurons": tuple(neurons),
        "outputs": outputs,
        "truth_table": tuple({"inputs": row, "outputs": (0,) * len(outputs)} for row in BITS),
    }


@given(circuits())
@settings(drawn, max_examples=60)
def test_any_circuit_gives_what_its_neurons_give(fields):
    network = Circuit.model_validate(fields)
    spec = load_spec("ch1-nand").bare().model_copy(update={"network": network})
    expected = [evaluate(network, row) for row in BITS]
    np.testing.assert_allclose(outputs_of(spec, BITS), expected, rtol=1e-12, atol=1e-300)


@given(st.floats(0.01, 100))
@settings(drawn, max_examples=20)
def test_scaled_perceptrons_compute_the_same(scale):
    assert measure("ch1-perceptron-scaling", {"network.scale": scale})["num_wrong"] == 0


@pytest.mark.parametrize("c", [20.0, 50.0, 100.0])
def test_error_of_sigmoid_neurons_falls_exponentially(c):
    # The least of all weighted inputs is c in absolute value, and sigma(-c) = exp(-c), nearly.
    error = measure("ch1-perceptron-limit", {"network.scale": c})["largest_error"]
    assert error == pytest.approx(math.exp(-c), rel=1e-6)


@pytest.mark.parametrize("c", [0.1, 1.0, 1e3, 1e6])
def test_weighted_input_of_zero_gives_one_half_for_every_factor(c):
    changes = {"network.activation": "sigmoid", "network.scale": c}
    measured = measure("ch1-perceptron-undecided", changes)
    assert measured["weighted_input.nor.01"] == measured["weighted_input.nor.10"] == 0
    assert (measured["greatest_zero"], measured["num_wrong"]) == (0.5, 2)


def test_bits_are_those_that_targets_in_binary_have():
    table = load_spec("ch1-bitwise").network.truth_table
    digits = jnp.array([row.inputs.index(1) for row in table])
    assert digits.tolist() == list(range(10))
    expected = encode(digits, Data(targets="binary"), jnp.float32)
    assert [list(row.outputs) for row in table] == expected.tolist()


def test_bits_listen_to_the_digits_that_have_them():
    (layer,) = build_construction(load_spec("ch1-bitwise")).layers
    expected = [[10 if digit >> bit & 1 else -10 for digit in range(10)] for bit in range(4)]
    assert layer.weight[...].tolist() == expected
    assert layer.bias[...].tolist() == [0, 0, 0, 0]


def test_worst_bits_are_those_of_most_digits_against_them():
    # Bit 3 of 8 and 9: 0.99 from the right digit, and 0.01 from each of the eight without it. Bit 0
    # of an even digit: -0.99 from that, and 0.01 from each of the five odd ones.
    measured = measure("ch1-bitwise")
    assert measured["least_one"] == pytest.approx(sigmoid(10 * (0.99 - 8 * 0.01)), rel=1e-12)
    assert measured["greatest_zero"] == pytest.approx(sigmoid(10 * (-0.99 + 5 * 0.01)), rel=1e-12)
    assert measured["largest_error"] == pytest.approx(1 - measured["least_one"], rel=1e-9)


def test_no_activations_that_are_allowed_give_worse_bits():
    spec, rng = load_spec("ch1-bitwise"), np.random.default_rng(0)
    ones = np.repeat(np.eye(10), 1000, axis=0)
    inputs = np.abs(ones - rng.choice([0, 0.005, 0.01], ones.shape))
    outputs = outputs_of(spec, inputs)
    is_one = np.repeat([row.outputs for row in spec.network.truth_table], 1000, axis=0) == 1
    measured = measure("ch1-bitwise")
    assert outputs[is_one].min() >= measured["least_one"] - 1e-15
    assert outputs[~is_one].max() <= measured["greatest_zero"] + 1e-15


def test_errors_are_found_row_by_row():
    changes = {"network.truth_table[0].outputs[0]": 0, "network.truth_table[3].outputs[0]": 1}
    measured = measure("ch1-nand", changes)
    assert (measured["num_wrong"], measured["largest_error"]) == (2, 1)
    assert (measured["least_one"], measured["greatest_zero"]) == (0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relay_hands_on_bits_unchanged_through_a_sigmoid(dtype):
    with jax.enable_x64(True):
        z = jnp.array([-circuit.RELAY / 2, circuit.RELAY / 2], dtype)
        assert ACTIVATIONS["sigmoid"](z).tolist() == [0, 1]


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_relay_too_weak_would_be_found(weight, monkeypatch):
    right = measure("ch1-perceptron-limit")["largest_error"]
    monkeypatch.setattr(circuit, "RELAY", weight)
    assert measure("ch1-perceptron-limit")["largest_error"] > right + 0.01


def test_step_that_is_one_at_equality_would_be_found(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "step", lambda z: (z >= 0).astype(z.dtype))
    assert measure("ch1-perceptron-undecided")["num_wrong"] == 2


def test_second_connection_left_out_would_be_found(monkeypatch):
    right = Neuron.weights_from
    monkeypatch.setattr(Neuron, "weights_from", lambda *given: right(*given)[:1])
    measured = measure("ch1-half-adder")
    assert (measured["num_wrong"], measured["num_connections"]) == (3, 9)


def _large(num_scales: int, num_biases: int) -> Document:
    """A neuron with 1,024 rows, varied."""
    names = [f"input-{number}" for number in range(10)]
    neuron = {"name": "all", "weights": dict.fromkeys(names, 1.0), "bias": -9.5}
    rows = [
        {"inputs": bits, "outputs": [int(all(bits))]} for bits in product((0, 1), repeat=len(names))
    ]
    network = {"inputs": names, "neurons": [neuron], "outputs": ["all"], "truth_table": rows}
    vary = [
        {"network.scale": np.arange(1.0, num_scales + 1)},
        {"network.neurons[0].bias": -9.5 - np.arange(num_biases) / 100},
    ]
    return load_spec("ch1-nand", {"network": network, "vary": vary})


def test_a_circuit_of_1024_rows_and_64_variants_is_read():
    assert len(_large(64, 1).vary[0]["network.scale"]) == 64


def test_a_circuit_of_1024_rows_and_1024_variants_is_refused_before_any_of_them_is_read(
    monkeypatch,
):
    monkeypatch.setattr("nndl_jax.documents.load._check_variant", None)
    with pytest.raises(SpecError) as caught:
        _large(64, 16)
    message = re.sub(r"of [\d,]+ characters", "of N characters", str(caught.value))
    assert message == (
        "ch1-nand: vary: makes 1,024 documents of N characters; at most 10,000,000 are read in "
        "all: vary over less, or shorten the lists of this document"
    )
