"""Functions that a document of another kind, or none, is handed to."""

from pathlib import Path

import jax
import numpy as np
import pytest

import nndl_jax
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.documents.load import load_spec, of_kind
from nndl_jax.training.baselines import run_baseline

MODEL = nndl_jax.build_model(load_spec("ch1-no-hidden-layer"), key=jax.random.key(0))
SPLIT = Split(np.zeros((10, 784), np.uint8), np.arange(10, dtype=np.int32))
DATASET = Dataset("mnist", SPLIT, SPLIT, SPLIT)
NETWORK = "network is needed here"
FUNCTIONS = {
    "build_model": (lambda spec: nndl_jax.build_model(spec, key=jax.random.key(0)), NETWORK),
    "train": (lambda spec: next(iter(nndl_jax.train(spec, DATASET))), NETWORK),
    "abstract_states": (lambda spec: nndl_jax.abstract_states(spec, [0]), NETWORK),
    "evaluate": (lambda spec: nndl_jax.evaluate(MODEL, SPLIT, spec), NETWORK),
    "predict": (lambda spec: nndl_jax.predict(MODEL, SPLIT, spec), NETWORK),
    "vote": (lambda spec: nndl_jax.vote([MODEL], SPLIT, spec), NETWORK),
    "save": (lambda spec: nndl_jax.save(MODEL, spec, Path("never.safetensors")), NETWORK),
    "bias_gradients": (lambda spec: nndl_jax.bias_gradients(MODEL, SPLIT, spec), NETWORK),
    "backpropagate": (
        lambda spec: nndl_jax.backpropagate(
            MODEL, jax.numpy.zeros((1, 784)), jax.numpy.zeros((1, 10)), spec
        ),
        NETWORK,
    ),
    "build_construction": (nndl_jax.build_construction, "construction is needed here"),
    "measure_construction": (nndl_jax.measure_construction, "construction is needed here"),
    "run_calculation": (
        lambda spec: nndl_jax.run_calculation(spec, seed=0),
        "calculation is needed here",
    ),
    "run_baseline": (
        lambda spec: run_baseline(spec, DATASET, seed=0),
        "baseline is needed here",
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_document_of_another_kind_is_refused_with_its_own_function(name):
    function, needed = FUNCTIONS[name]
    with pytest.raises(TypeError) as caught:
        function(load_spec("ch6-ensemble"))
    remedy = "load the document of its members, and let their networks vote"
    message = f"ch6-ensemble is of kind ensemble, and {needed}; {remedy}"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ch1-30-hidden", "build_model and train take it"),
        ("ch1-nand", "build_construction and measure_construction take it"),
        ("ch3-softmax", "run_calculation takes it"),
        ("ch1-svm", "nndl_jax.training.baselines.run_baseline takes it"),
    ],
)
def test_each_kind_is_sent_where_it_belongs(name, remedy):
    spec = load_spec(name)
    wanted = nndl_jax.Ensemble
    with pytest.raises(TypeError) as caught:
        of_kind(spec, wanted)
    message = f"{name} is of kind {spec.kind}, and ensemble is needed here; {remedy}"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "function",
    [
        lambda spec: of_kind(spec, nndl_jax.Network),
        nndl_jax.variants,
        lambda spec: nndl_jax.list_runs(spec, [0]),
    ],
)
def test_an_id_in_place_of_a_document_is_answered_with_load_spec(function):
    with pytest.raises(TypeError) as caught:
        function("ch1-30-hidden")
    message = "a document is needed here, got 'ch1-30-hidden'; load_spec(id or path) gives one"
    assert str(caught.value) == message


def test_runs_of_any_kind_of_document_are_listed():
    assert [run.variant for run in nndl_jax.list_runs(load_spec("ch1-nand"), [0])] == ["base"]
