"""The memory that a document asks for is counted, and refused where it is more than there is."""

import pytest

from nndl_jax.documents import memory
from nndl_jax.documents.load import load_spec
from nndl_jax.documents.memory import check_memory, num_bytes
from nndl_jax.reading.faults import SpecError

# [784, 30, 10]: weights, gradient and update of 23,860 parameters, and three times the 40
# activations of each of 10 images, in 4 bytes each.
EXPECTED = 4 * (3 * 23_860 + 3 * 10 * 40)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, EXPECTED),
        ({"training.dtype": "float64"}, 2 * EXPECTED),
        ({"optimizer.momentum": 0.5}, EXPECTED + 4 * 23_860),
        (
            {"training.keep_best": True, "monitors": ["validation_accuracy"]},
            EXPECTED + 4 * 23_860,
        ),
        ({"training.batch_size": 20}, EXPECTED + 4 * 3 * 10 * 40),
    ],
)
def test_memory_of_one_run_is_that_of_weights_and_activations(values, expected):
    assert num_bytes(load_spec("ch1-30-hidden", values), 1) == expected


CONVOLUTIONAL = {
    "model.inputs": [1, 28, 28],
    "model.layers": [
        {"kind": "conv", "filters": 20, "kernel": [5, 5], "activation": "sigmoid"},
        {"kind": "max-pool", "window": [2, 2]},
        {"kind": "conv", "filters": 40, "kernel": [5, 3], "activation": "sigmoid"},
        {"kind": "dense", "units": 10, "activation": "sigmoid"},
    ],
}


def test_patches_that_kernels_are_laid_on_are_counted():
    # Kernels, biases and dense weights; then, of an image, patches of 25 pixels at 24 x 24 places,
    # 20 maps of them, 20 of 12 x 12, patches of 20 x 15 at 8 x 10 places, 40 maps of them, outputs.
    num_params = 20 * 25 + 20 + 40 * 20 * 15 + 40 + 40 * 8 * 10 * 10 + 10
    first, second = (25 + 20) * 24 * 24, (20 * 15 + 40) * 8 * 10
    expected = 4 * (3 * num_params + 3 * 10 * (first + 20 * 12 * 12 + second + 10))
    assert num_bytes(load_spec("ch1-30-hidden", CONVOLUTIONAL), 1) == expected


def test_memory_grows_with_the_number_of_runs():
    assert num_bytes(load_spec("ch1-30-hidden"), 7) == 7 * EXPECTED


def test_network_that_fills_the_memory_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "_physical_memory", lambda: EXPECTED)
    check_memory(load_spec("ch1-30-hidden"))


def test_network_that_does_not_fit_is_refused_with_its_largest_layer(monkeypatch):
    spec = load_spec("ch1-30-hidden", {"model.layers[0].units": 300_000})
    monkeypatch.setattr(memory, "_physical_memory", lambda: 4 * 2**30)
    # 784 x 300,000 weights and 300,000 biases, 300,000 x 10 weights and 10 biases.
    with pytest.raises(SpecError) as caught:
        check_memory(spec, num_runs=2)
    assert str(caught.value) == (
        "ch1-30-hidden: model.layers[0]: 2 run(s) of 238,500,010 parameters each need 5.4 GiB and "
        "this machine has 4.0 GiB; make this layer of 235,200,000 weights smaller"
    )
