"""What works with one experiment refuses a document of several: its own values are of none."""

import jax
import jax.numpy as jnp
import pytest

from nndl_jax import (
    SpecError,
    backpropagate,
    bias_gradients,
    build_construction,
    build_model,
    evaluate,
    load_spec,
    measure_construction,
    predict,
    run_calculation,
    save,
    variants,
    vote,
)
from nndl_jax.documents.load import override
from nndl_jax.training.baselines import run_baseline

REFUSAL = (
    "vary: one experiment is meant here, and this document describes several; give that of one, "
    "variants(spec)[i].spec or, of a result of training, result.spec(i)"
)
AXIS = {"vary": [{"regularizer.l2": [0.0, 5.0]}]}


def refusal(call, *args, **keywords):
    with pytest.raises(SpecError) as caught:
        call(*args, **keywords)
    return str(caught.value)


@pytest.fixture
def network(small_network):
    return build_model(small_network(), key=jax.random.key(0))


@pytest.mark.parametrize("ask_fn", [evaluate, predict, bias_gradients])
def test_a_network_is_not_measured_by_a_document_of_several(
    small_network, small_dataset, network, ask_fn
):
    spec = small_network(AXIS)
    message = refusal(ask_fn, network, small_dataset.test, spec)
    assert message == f"small: {REFUSAL}"
    assert ask_fn(network, small_dataset.test, variants(spec)[1].spec) is not None


def test_networks_do_not_vote_by_a_document_of_several(small_network, small_dataset, network):
    message = refusal(vote, [network], small_dataset.test, small_network(AXIS))
    assert message == f"small: {REFUSAL}"


def test_a_network_is_not_saved_with_a_document_of_several(small_network, network, tmp_path):
    message = refusal(save, network, small_network(AXIS), tmp_path / "net.safetensors")
    assert message == f"small: {REFUSAL}"
    assert not list(tmp_path.iterdir())


def test_backpropagation_is_not_by_a_document_of_several(small_network, network):
    images, targets = jnp.zeros((2, 784)), jnp.zeros((2, 10))
    message = refusal(backpropagate, network, images, targets, small_network(AXIS))
    assert message == f"small: {REFUSAL}"


@pytest.mark.parametrize("call", [build_construction, measure_construction])
def test_a_construction_is_not_built_by_a_document_of_several(call):
    assert refusal(call, load_spec("ch4-step")) == f"ch4-step: {REFUSAL}"


def test_a_calculation_is_not_run_by_a_document_of_several():
    assert refusal(run_calculation, load_spec("ch3-softmax"), seed=0) == f"ch3-softmax: {REFUSAL}"


def test_a_baseline_is_not_run_by_a_document_of_several(small_dataset):
    spec = override(load_spec("ch1-svm"), {"vary": [{"data.train_images": [10, 20]}]})
    assert refusal(run_baseline, spec, small_dataset, seed=0) == f"ch1-svm: {REFUSAL}"
