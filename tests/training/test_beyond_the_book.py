"""A document of everything that the book has not: layers, activations, first weights, optimiser."""

import jax
import numpy as np
import pytest
from flax import nnx

from nndl_jax import evaluate, load, save, train
from nndl_jax.training.groups import groups

MODERN = {
    "model.inputs": [1, 28, 28],
    "model.layers": [
        {
            "kind": "conv",
            "filters": 3,
            "kernel": [3, 3],
            "activation": "gelu",
            "padding": "same",
            "stride": [2, 2],
        },
        {"kind": "max-pool", "window": [2, 2]},
        {"kind": "average-pool", "window": [2, 2]},
        {"kind": "dense", "units": 6, "activation": "softplus", "dropout": 0.2},
        {"kind": "dense", "units": 6, "activation": "leaky-relu"},
        {"kind": "dense", "units": 10, "activation": "softmax"},
    ],
    "model.initializer": {"weights": "he", "biases": "zeros"},
    "model.layers[5].initializer": {"weights": "glorot", "biases": "zeros"},
    "loss": "log-likelihood",
    "optimizer": {"kind": "adamw", "learning_rate": 0.01, "clip_norm": 1.0},
    "optimizer.schedule": {"rule": "exponential", "half_life": 2.0},
    "training.epochs": 4,
    "monitors": ["train_cost", "gradient_norms"],
    "vary": [{"optimizer.learning_rate": [0.001, 0.01]}],
}


@pytest.fixture(scope="module")
def trained(small_network, small_dataset):
    spec = small_network(MODERN)
    results = [(result, result.model(1)) for result in train(spec, small_dataset)]
    return spec, results


def test_it_learns_at_each_rate_in_one_program(trained):
    spec, results = trained
    assert len(groups(spec, [0])) == 1
    first, last = (results[at][0].metrics["train_cost"] for at in (0, -1))
    assert (last < first).all()
    assert last[1] < last[0]


def test_gradients_are_measured_of_layers_with_biases(trained):
    spec, results = trained
    names = [name for name in spec.metrics() if name.startswith("gradient_norm")]
    assert names == [f"gradient_norm.{number}" for number in (1, 2, 3, 4)]
    assert all((results[-1][0].metrics[name] > 0).all() for name in names)


def test_a_saved_network_comes_back_and_evaluates_to_the_same(trained, small_dataset, tmp_path):
    _, results = trained
    result, model = results[-1]
    save(model, result.spec(1), tmp_path / "net.safetensors")
    again, spec = load(tmp_path / "net.safetensors")
    for one, other in zip(
        *(jax.tree.leaves(nnx.state(network, nnx.Param)) for network in (model, again)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    found = evaluate(again, small_dataset.train, spec)
    assert float(found.cost) == result.metrics["train_cost"][1]
