"""Circuits that compute parities: right for every setting of their inputs, and how large."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from nndl_jax import load_spec, measure_construction, variants
from nndl_jax.calculations.dense import DenseValues
from nndl_jax.calculations.parity import Parity
from nndl_jax.documents import Construction

SIZES = range(2, 11)


def layers(num_inputs: int, design: str) -> Sequence[DenseValues]:
    return Parity.model_validate(
        {"form": "parity", "inputs": num_inputs, "design": design}
    ).layers()


def outputs(stack: Sequence[DenseValues], settings: np.ndarray) -> np.ndarray:
    values = settings
    for weight, bias, _ in stack:
        values = (values @ weight.T + bias > 0).astype(float)
    return values[:, 0]


@pytest.mark.parametrize("design", ["pairs", "settings", "counts"])
@pytest.mark.parametrize("num_inputs", SIZES)
def test_the_output_is_the_parity_of_every_setting(num_inputs, design):
    settings = np.array(list(product((0, 1), repeat=num_inputs)))
    expected = [np.bitwise_xor.reduce(setting) for setting in settings]
    np.testing.assert_array_equal(outputs(layers(num_inputs, design), settings), expected)


def test_shallow_circuits_of_gates_double_with_each_bit_and_deep_ones_grow_by_three():
    # Bits without a partner take a perceptron more on their way, so powers of two are counted.
    deep = {n: sum(len(layer.bias) for layer in layers(n, "pairs")) for n in (2, 4, 8)}
    assert deep == {2: 3, 4: 9, 8: 21}
    shallow = [sum(len(layer.bias) for layer in layers(n, "settings")) for n in SIZES]
    assert np.diff(shallow).tolist() == [2 ** (n - 1) for n in SIZES[:-1]]


def test_an_and_of_a_setting_is_excited_by_that_alone():
    settings = np.array(list(product((0, 1), repeat=4)))
    hidden = layers(4, "settings")[0]
    excited = settings @ hidden.weight.T + hidden.bias > 0
    assert excited.sum(axis=0).tolist() == [1] * 8


def test_the_document_measures_what_its_claims_say():
    for variant in variants(load_spec("ch5-parity")):
        measured = measure_construction(variant.spec)
        assert isinstance(variant.spec, Construction)
        assert isinstance(variant.spec.network, Parity)
        stack = variant.spec.network.layers()
        assert measured["num_wrong"] == 0
        assert measured["num_layers"] == len(stack)
        assert measured["num_connections"] == sum((layer.weight != 0).sum() for layer in stack)
