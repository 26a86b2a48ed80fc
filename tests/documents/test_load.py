"""Documents: how they are found, read, written and overridden."""

import json
from pathlib import Path

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax.documents import (
    DOCUMENTS,
    ComparisonClaim,
    CurveClaim,
    Document,
    Network,
    Plateau,
    json_schema,
    memory,
)
from nndl_jax.documents.load import (
    dump_spec,
    list_specs,
    load_spec,
    override,
    parse_spec,
    spec_folder,
)
from nndl_jax.documents.variants import Run, find_variant, list_runs, variants
from nndl_jax.networks.network import build_model
from nndl_jax.reading.faults import SpecError, field_path
from nndl_jax.reading.located_yaml import parse_yaml
from nndl_jax.reading.validation import parse_field_path

SPEC = Path(__file__).parents[2] / "spec"
IDS = list_specs(SPEC)
NOWHERE = Path("spec/nowhere.yaml")


def _text(name: str) -> str:
    return (SPEC / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", IDS)
def test_shipped_document_is_loaded_by_its_file_name(name):
    assert load_spec(name).id == name


@pytest.mark.parametrize("name", IDS)
def test_shipped_document_compares_with_shipped_documents(name):
    claims = [claim for claim in load_spec(name).claims if isinstance(claim, ComparisonClaim)]
    others = {side.document for claim in claims for side in (claim.better, claim.worse)}
    assert others <= {None, *IDS}


def test_schema_file_is_that_of_the_records():
    written = (SPEC / "schema.json").read_text(encoding="utf-8")
    assert written == json.dumps(json_schema(), indent=1) + "\n", "run `make schema`"


def test_misspelt_id_is_answered_with_the_nearest():
    with pytest.raises(SpecError) as caught:
        load_spec("ch1-30-hiden")
    message = f"there is no such document in {spec_folder()}; did you mean 'ch1-30-hidden'?"
    assert str(caught.value) == f"ch1-30-hiden: {message}"


def test_an_id_that_resembles_none_is_answered_with_three_and_the_way_to_all():
    with pytest.raises(SpecError) as caught:
        load_spec("zzzz")
    message = f"there is no such document in {spec_folder()}; the nearest are "
    start, nearest = str(caught.value).split(message)
    assert start == "zzzz: "
    names, semicolon, end = nearest.partition("; ")
    assert (len(names.split(", ")), semicolon + end) == (3, "; list_specs() and `nndl ls` name all")
    assert {name.strip("'") for name in names.split(", ")} <= set(IDS)


def test_document_of_the_book_is_found_from_any_folder(tmp_path, monkeypatch):
    expected = load_spec("ch1-30-hidden")
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec/ch1-30-hidden.yaml").write_text("kind: another\n")
    monkeypatch.chdir(tmp_path)
    assert load_spec("ch1-30-hidden") == expected


def test_any_file_is_a_document_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(_text("ch1-30-hidden").replace("id: ch1-30-hidden", "id: mine"))
    assert load_spec(path) == load_spec(str(path))
    assert load_spec(path).id == "mine"


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "mine.yaml")
    assert str(caught.value) == f"{tmp_path}/mine.yaml: cannot be read: No such file or directory"


def test_numbers_are_read_as_yaml_1_2_and_words_as_texts():
    read = parse_yaml("{a: 1e-3, b: off, c: 010, d: 0o10, e: 2015-99-99, f: 1:30}", NOWHERE).value
    assert read == {"a": 1e-3, "b": "off", "c": 10, "d": 8, "e": "2015-99-99", "f": "1:30"}


@given(st.lists(st.integers(0, 99) | st.text("abc_", min_size=1), max_size=6))
@settings(deadline=None, derandomize=True, database=None)
def test_field_path_leads_back_to_its_location(steps):
    assert parse_field_path(field_path(tuple(steps))) == tuple(steps)


def test_override_changes_its_field_and_nothing_else():
    spec = load_spec("ch1-30-hidden")
    changed = load_spec("ch1-30-hidden", {"optimizer.learning_rate": 0.5})
    assert changed.optimizer.learning_rate == 0.5
    assert override(changed, {"optimizer.learning_rate": 3.0}) == spec


@pytest.mark.parametrize("path", ["model.layers[0].units", "model.layers.0.units"])
def test_override_reaches_into_lists(path):
    assert load_spec("ch1-30-hidden", {path: 50}).model.layers[0].units == 50


def test_override_begins_a_part_that_was_left_out():
    begun = {"rule": "no-improvement", "patience": 10}
    changes = {f"optimizer.schedule.{field}": value for field, value in begun.items()}
    spec = load_spec("ch1-30-hidden", changes | {"monitors": ["validation_accuracy"]})
    assert spec.optimizer.schedule == Plateau(**begun)


def test_override_leaves_claims_what_the_book_says():
    # The claims of this document go up to epoch 27.
    spec = load_spec("ch1-30-hidden")
    assert override(spec, {"training.epochs": 5}).claims == spec.claims


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"optimizer.learning_rat": 1.0},
            "optimizer.learning_rat: is not a known field; did you mean 'learning_rate'?",
        ),
        ({"optimizer.learning_rate": -1}, "optimizer.learning_rate: must be > 0.0, got -1"),
        ({"model.layers[9].units": 1}, "model.layers[9].units: is not a field of this document"),
        ({"5": 1}, "5: is not a field of this document"),
        ({"loss.name": 1}, "loss.name: is not a field of this document"),
    ],
)
def test_override_that_does_not_fit_is_refused(values, message):
    with pytest.raises(SpecError) as caught:
        load_spec("ch1-30-hidden", values)
    assert str(caught.value) == f"ch1-30-hidden: {message}"


def test_a_document_for_a_larger_machine_is_read_and_not_built(monkeypatch):
    monkeypatch.setattr(memory, "_physical_memory", lambda: 2**30)
    spec = load_spec("ch1-30-hidden", {"model.layers[0].units": 1_000_000})
    assert list_runs(spec, [0]) == [Run("base", 0)]
    with pytest.raises(SpecError, match="GiB"):
        build_model(spec, key=jax.random.key(0))


def test_a_machine_that_does_not_tell_its_memory_takes_any_document(monkeypatch):
    monkeypatch.delattr(memory.os, "sysconf")
    memory.check_memory(load_spec("ch1-30-hidden", {"model.layers[0].units": 10**6}), 10**6)


def test_axes_that_cross_to_millions_of_variants_are_refused():
    fields = ("optimizer.learning_rate", "training.batch_size", "training.epochs", "regularizer.l2")
    axes = "".join(f"  - {field}: {list(range(1, 65))}\n" for field in fields)
    with pytest.raises(SpecError, match="16,777,216 variants"):
        parse_spec(_text("ch1-no-hidden-layer") + "vary:\n" + axes, NOWHERE)


@pytest.mark.parametrize("name", IDS)
def test_shipped_document_is_read_back_as_it_was_written(name):
    spec = load_spec(name)
    assert parse_spec(dump_spec(spec), NOWHERE) == spec


@pytest.mark.parametrize("text", ["?0", "\xa0?", "1e3", "null", "2015-01-01", "a: b", "- a", " # "])
def test_unusual_text_is_read_back_as_it_was_written(text):
    spec = load_spec("ch1-30-hidden", {"title": text, "source.section": text, "deviations": [text]})
    assert parse_spec(dump_spec(spec), NOWHERE) == spec


def _numbers(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, exclude_min=True)


@pytest.mark.parametrize("name", IDS)
def test_claims_of_shipped_documents_are_on_epochs_that_are_measured(name):
    spec = load_spec(name)
    all_variants = variants(spec)
    for claim in spec.claims if isinstance(spec, Network) else ():
        sides = (claim,)
        if isinstance(claim, ComparisonClaim):
            sides = [side for side in (claim.better, claim.worse) if side.document is None]
        for side in sides:
            training = find_variant(all_variants, side.variant).spec.training
            if isinstance(claim, CurveClaim):
                assert len(claim.values) <= training.epochs
                assert training.evaluate_every == 1
            elif isinstance(claim.epoch, int):
                assert claim.epoch < training.epochs
                is_last = claim.epoch == training.epochs - 1
                assert is_last or (claim.epoch + 1) % training.evaluate_every == 0


@st.composite
def _networks(draw: st.DrawFn) -> Document:
    """Any small network, with texts and numbers that a writer of YAML could get wrong."""
    usual = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
    texts = st.text(usual, min_size=1, max_size=30)
    activations = st.sampled_from(["sigmoid", "tanh", "relu", "linear"])
    hidden = st.fixed_dictionaries(
        {"kind": st.just("dense"), "units": st.integers(1, 99), "activation": activations},
        optional={"dropout": st.floats(0, 1, exclude_max=True)},
    )
    conv = {"kind": "conv", "filters": 2, "kernel": [5, 3], "activation": draw(activations)}
    start = draw(st.sampled_from([[], [conv], [conv, {"kind": "max-pool", "window": [2, 2]}]]))
    loss, last, targets = draw(
        st.sampled_from(
            [
                ("quadratic", "tanh", "one-hot"),
                ("cross-entropy", "sigmoid", "binary"),
                ("log-likelihood", "softmax", "one-hot"),
            ]
        )
    )
    output = {"kind": "dense", "units": 10 if targets == "one-hot" else 4, "activation": last}
    distorted = {"kind": "distortions", "elastic": draw(st.floats(1, 1000))}
    augmentation = draw(st.sampled_from([None, {"kind": "shifts"}, distorted]))
    rates = st.lists(_numbers(0, 1e6), min_size=1, max_size=3, unique=True)
    plain = {
        "kind": "network",
        "id": draw(st.from_regex(r"[a-z][a-z0-9-]{0,63}", fullmatch=True)),
        "title": draw(texts),
        "source": {"chapter": draw(st.integers(1, 6)), "section": draw(texts)},
        "model": {
            "inputs": [1, 28, 28],
            "layers": [*start, *draw(st.lists(hidden, max_size=2)), output],
            "initializer": {
                "weights": draw(st.sampled_from(["normal", "normal-fan-in"]) | _numbers(-9, 9)),
                "biases": draw(st.sampled_from(["normal", "zeros"]) | _numbers(-9, 9)),
            },
        },
        "data": {
            "targets": targets,
            "train_images": draw(st.none() | st.integers(1, 50_000)),
            "augmentation": augmentation,
        },
        "loss": loss,
        "optimizer": {"learning_rate": draw(_numbers(0, 1e6)), "momentum": draw(_numbers(-10, 10))},
        "regularizer": {"l2": draw(_numbers(0, 1e9)), "per": "batch"},
        "training": {"epochs": draw(st.integers(1, 99)), "batch_size": 10, "dtype": "float64"},
        "monitors": ["test_accuracy"],
        "vary": draw(st.sampled_from([[], [{"optimizer.learning_rate": draw(rates)}]])),
        "deviations": draw(st.lists(texts, max_size=2)),
    }
    return DOCUMENTS.validate_json(json.dumps(plain))


@given(_networks())
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_any_network_is_read_back_as_it_was_written(spec):
    assert parse_spec(dump_spec(spec), NOWHERE) == spec


def test_override_leaves_the_values_that_it_is_given_as_they_are():
    training = {"epochs": 2, "batch_size": 10}
    override(load_spec("ch1-30-hidden"), {"training": training, "training.epochs": 3})
    assert training == {"epochs": 2, "batch_size": 10}


def test_a_document_that_was_changed_in_place_is_read_anew():
    first = load_spec("ch6-dropout")
    first.vary[0].clear()
    assert load_spec("ch6-dropout").vary[0]


@pytest.mark.parametrize("name", IDS)
def test_nothing_measured_is_named_as_dvc_or_a_file_of_metrics_names_its_own(name):
    # DVC takes a key `error` for a file that it could not read.
    assert not {"error", "data", "runs"} & set(load_spec(name).metrics())
