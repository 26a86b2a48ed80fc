"""What documents say of optimisers: a kind, its own numbers, and how it is overridden."""

import pytest

from nndl_jax.documents.load import dump_spec, load_spec, parse_spec
from nndl_jax.documents.optimizers import AdamW, RmsProp, Sgd
from nndl_jax.documents.variants import variants
from nndl_jax.reading.faults import SpecError

ADAM = {"kind": "adam", "learning_rate": 0.001}


def refusal(values):
    with pytest.raises(SpecError) as caught:
        load_spec("ch1-30-hidden", values)
    return str(caught.value).removeprefix("ch1-30-hidden: ")


def test_an_optimiser_without_a_kind_is_gradient_descent_and_is_written_without_one():
    spec = load_spec("ch3-momentum")
    assert spec.optimizer == Sgd(learning_rate=0.025)
    assert "optimizer: {learning_rate: 0.025}\n" in dump_spec(spec)


def test_a_document_of_another_kind_is_read_back_as_an_equal_one(tmp_path):
    adamw = {**ADAM, "kind": "adamw", "weight_decay": 0.1, "clip_norm": 1.0}
    spec = load_spec("ch1-30-hidden", {"optimizer": adamw})
    assert isinstance(spec.optimizer, AdamW)
    assert parse_spec(dump_spec(spec), tmp_path / "ch1-30-hidden.yaml") == spec


def test_another_kind_begins_the_record_anew():
    half = {"optimizer.momentum": 0.5, "optimizer.clip_norm": 1.0}
    values = {"optimizer.kind": "rmsprop", "optimizer.learning_rate": 0.01}
    rmsprop = RmsProp(kind="rmsprop", learning_rate=0.01)
    assert load_spec("ch1-30-hidden", values).optimizer == rmsprop
    message = (
        "optimizer.momentum: is not a known field; known are 'clip_norm', 'decay', 'epsilon', "
    )
    assert refusal(half | values) == f"{message}'kind', 'learning_rate', 'schedule'"


def test_another_kind_alone_lacks_its_learning_rate():
    assert refusal({"optimizer.kind": "adam"}) == "optimizer.learning_rate: is missing; add it"


def test_an_unknown_kind_is_refused_with_those_that_are_known():
    message = "must be one of sgd, rmsprop, adam, adamw, got 'adamm'; did you mean 'adam'?"
    assert refusal({"optimizer": {**ADAM, "kind": "adamm"}}) == f"optimizer.kind: {message}"


def test_kinds_are_varied_together_with_their_learning_rates():
    axis = {"optimizer.kind": ["sgd", "adam"], "optimizer.learning_rate": [3.0, 0.001]}
    all_variants = variants(load_spec("ch1-30-hidden", {"vary": [axis]}))
    assert [variant.name for variant in all_variants] == ["kind=sgd", "kind=adam"]
    assert [variant.spec.optimizer.learning_rate for variant in all_variants] == [3.0, 0.001]


def test_a_decay_that_float32_rounds_to_one_is_refused():
    message = (
        "must be < 1 in float32 as well, got 0.9999999999; move it away, or make training.dtype"
    )
    assert refusal({"optimizer": {**ADAM, "beta2": 0.9999999999}}) == (
        f"optimizer.beta2: {message} float64"
    )
