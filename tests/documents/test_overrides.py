"""One rule for all overrides: of `load_spec`, of `params.yaml`, of variants."""

import json

import numpy as np
import pytest

from nndl_jax.documents import DISCRIMINATORS, Conv, GeneralizationLoss, Plateau, json_schema
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import variants
from nndl_jax.reading.faults import SpecError


def _refusal(name: str, values: dict) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(name, values)
    return str(caught.value)


@pytest.mark.parametrize("written", ["optimizer.momentum", "optimizer"])
def test_a_varied_field_is_overridden_together_with_its_axis_or_not_at_all(written):
    values = {"momentum": 0.99} if written == "optimizer" else 0.99
    message = "is varied by vary[0]; set vary as well, [] for this value alone"
    assert _refusal("ch3-momentum", {written: values}) == (
        f"ch3-momentum: optimizer.momentum: {message}"
    )
    alone = load_spec("ch3-momentum", {"vary": [], written: values})
    assert [variant.spec.optimizer.momentum for variant in variants(alone)] == [0.99]


def test_a_field_may_be_given_beside_the_axis_of_it_that_is_set_as_in_a_document():
    schedule = {"rule": "no-improvement", "patience": 3}
    axis = {"optimizer.schedule.patience": [1, 2]}
    spec = load_spec("ch3-early-stopping", {"vary": [axis], "optimizer.schedule": schedule})
    assert [variant.spec.optimizer.schedule.patience for variant in variants(spec)] == [1, 2]


def test_a_mapping_changes_what_it_names_and_leaves_the_rest():
    spec = load_spec("ch6-relu", {"vary": [], "regularizer": {"l2": 0.5}})
    assert (spec.regularizer.l2, spec.regularizer.per) == (0.5, "batch")
    assert spec == load_spec("ch6-relu", {"vary": [], "regularizer.l2": 0.5})


def test_a_mapping_changes_one_layer_of_a_list():
    spec = load_spec("ch1-30-hidden", {"model.layers[0]": {"units": 50}})
    assert spec == load_spec("ch1-30-hidden", {"model.layers[0].units": 50})


def test_an_empty_mapping_changes_nothing():
    assert load_spec("ch6-relu", {"regularizer": {}}) == load_spec("ch6-relu")


def test_a_list_takes_the_place_of_the_whole_list():
    spec = load_spec("ch1-30-hidden", {"monitors": ["test_cost"]})
    assert spec.monitors == ("test_cost",)


DENSE = {"kind": "dense", "units": 5, "activation": "sigmoid"}
OUTPUT = {"kind": "dense", "units": 10, "activation": "sigmoid"}


@pytest.mark.parametrize("make", [list, tuple, lambda layers: np.array(layers, dtype=object)])
def test_a_record_that_a_list_holds_twice_is_changed_in_one_place(make):
    layers = make([DENSE, DENSE, OUTPUT])
    spec = load_spec("ch1-30-hidden", {"model.layers": layers, "model.layers[1].units": 7})
    assert [layer.units for layer in spec.model.layers] == [5, 7, 10]
    assert DENSE["units"] == 5


CONV = {"kind": "conv", "filters": 4, "kernel": [5, 5], "activation": "relu"}


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        ({"model.layers[0].units": 7}, DENSE | {"units": 7}),
        ({"model.layers[0]": {"units": 7}}, DENSE | {"units": 7}),
        ({"model.layers[0]": CONV}, CONV),
        ({f"model.layers[0].{field}": value for field, value in CONV.items()}, CONV),
    ],
)
def test_a_part_is_set_after_the_whole_in_whatever_order_they_stand(part, kept):
    whole = {"model.inputs": [1, 28, 28], "model.layers": [DENSE, OUTPUT]}
    wanted = load_spec("ch1-30-hidden", whole | {"model.layers": [kept, OUTPUT]})
    assert load_spec("ch1-30-hidden", whole | part) == wanted
    assert load_spec("ch1-30-hidden", part | whole) == wanted


STOPPING = {"rule": "generalization-loss", "threshold": 0.05}


@pytest.mark.parametrize(
    "values",
    [
        {"training.early_stopping": STOPPING},
        {"training": {"early_stopping": STOPPING}},
        {f"training.early_stopping.{name}": value for name, value in STOPPING.items()},
        {f"training.early_stopping.{name}": STOPPING[name] for name in ("threshold", "rule")},
    ],
)
def test_another_rule_takes_the_place_of_the_whole_rule(values):
    watched = {"monitors": ["validation_accuracy", "validation_cost"]}
    first = {"training.early_stopping": {"rule": "no-improvement", "patience": 10}}
    spec = override(load_spec("ch1-30-hidden", watched | first), values)
    assert spec.training.early_stopping == GeneralizationLoss(**STOPPING)


def test_another_schedule_takes_the_place_of_the_whole_schedule():
    decay = {"optimizer.schedule": {"rule": "exponential", "half_life": 3.0}}
    plateau = {"optimizer.schedule": {"rule": "no-improvement", "patience": 10}}
    spec = load_spec("ch1-30-hidden", {"monitors": ["validation_accuracy"], **decay})
    assert override(spec, plateau).optimizer.schedule == Plateau(rule="no-improvement", patience=10)


def test_another_kind_of_layer_takes_the_place_of_the_whole_layer():
    conv = {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"}
    values = {"model.inputs": [1, 28, 28], "model.layers[0]": conv}
    layer = load_spec("ch1-30-hidden", values).model.layers[0]
    assert layer == Conv(kind="conv", filters=2, kernel=(5, 5), activation="relu")


def test_the_same_rule_keeps_what_is_not_named():
    watched = {"monitors": ["validation_accuracy"]}
    first = {"optimizer.schedule": {"rule": "no-improvement", "patience": 10, "factor": 3.0}}
    again = {"optimizer.schedule": {"rule": "no-improvement", "patience": 20}}
    schedule = override(load_spec("ch1-30-hidden", watched | first), again).optimizer.schedule
    assert schedule == Plateau(rule="no-improvement", patience=20, factor=3.0)


def test_an_input_that_is_named_like_a_discriminator_keeps_its_siblings():
    neuron = {"name": "n", "weights": {"kind": 1.0, "a": 1.0}, "bias": -1.0}
    rows = [{"inputs": [a, b], "outputs": [a & b]} for a in (0, 1) for b in (0, 1)]
    fields = {"inputs": ["kind", "a"], "neurons": [neuron], "outputs": ["n"], "truth_table": rows}
    spec = load_spec("ch1-nand", {"vary": [], "network": fields})
    weights = override(spec, {"network.neurons[0].weights.kind": 2.0}).network.neurons[0].weights
    assert weights == {"kind": 2.0, "a": 1.0}


def test_discriminators_are_those_of_the_schema():
    text = json.dumps(json_schema())
    found = {part.split('"')[0] for part in text.split('"propertyName": "')[1:]}
    assert found == DISCRIMINATORS


@pytest.mark.parametrize(
    ("path", "value", "plain"),
    [
        ("training.epochs", np.int64(3), 3),
        ("training.epochs", np.array(3), 3),
        ("optimizer.learning_rate", np.float32(0.5), 0.5),
        ("optimizer.learning_rate", np.float64(0.1), 0.1),
        ("training.shuffle", np.bool_(False), False),
        ("loss", np.str_("cross-entropy"), "cross-entropy"),
        ("model.inputs", np.array([784]), [784]),
        ("model.inputs", (np.int32(784),), [784]),
        ("training", {"epochs": np.uint8(3)}, {"epochs": 3}),
        ("vary", [{"training.epochs": range(1, 4)}], [{"training.epochs": [1, 2, 3]}]),
        (
            "vary",
            [{"optimizer.learning_rate": np.logspace(-1, 0, 3)}],
            [{"optimizer.learning_rate": [0.1, 10**-0.5, 1.0]}],
        ),
    ],
)
def test_values_of_numpy_are_numbers(path, value, plain):
    assert load_spec("ch1-30-hidden", {path: value}) == load_spec("ch1-30-hidden", {path: plain})


def test_arrays_of_jax_are_numbers():
    import jax.numpy as jnp

    values = {"training.epochs": jnp.int32(3), "optimizer.learning_rate": jnp.float32(0.5)}
    spec = load_spec("ch1-30-hidden", values)
    assert (spec.training.epochs, spec.optimizer.learning_rate) == (3, 0.5)


def test_a_part_of_another_document_is_a_value():
    training = load_spec("ch3-overfitting", {"vary": []}).training
    assert load_spec("ch1-30-hidden", {"training": training}).training == training


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.epochs", np.float32(2.5), "must be a whole number, got 2.5"),
        ("training.epochs", np.array([1, 2]), "must be a whole number, got [1, 2]"),
        ("optimizer.learning_rate", np.nan, "must be a finite number, got nan"),
    ],
)
def test_values_of_numpy_that_do_not_fit_are_shown_as_numbers(path, value, message):
    assert _refusal("ch1-30-hidden", {path: value}) == f"ch1-30-hidden: {path}: {message}"


@pytest.mark.parametrize("depth", [40, 250, 900, None])
@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_values_that_are_nested_without_end_are_refused(depth, make):
    value = make(0)
    if depth is None:
        value[next(iter(value)) if isinstance(value, dict) else 0] = value
    for _ in range(depth or 0):
        value = make(value)
    message = "ch1-30-hidden: title: nested more than 32 deep"
    assert _refusal("ch1-30-hidden", {"title": value}) == message


HALF = "holds half of a surrogate pair, which is no character; leave it out"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": "a\ud800"}, "title"),
        ({"deviations": ["a", "\udfffb"]}, "deviations[1]"),
        ({"training": {"ep\ud800ochs": 3}}, r"training.ep\ud800ochs"),
    ],
)
def test_half_a_character_is_named_by_its_field(values, field):
    assert _refusal("ch1-30-hidden", values) == f"ch1-30-hidden: {field}: {HALF}"


def test_a_path_that_is_no_text_is_refused():
    assert _refusal("ch1-30-hidden", {3: 1}) == "ch1-30-hidden: 3: is not a field of this document"
