"""What is handed to the library's functions in the place of what they take."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

import nndl_jax
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.documents.load import override
from nndl_jax.training.baselines import run_baseline

NETWORK = nndl_jax.load_spec("ch1-30-hidden")
CONSTRUCTION = nndl_jax.load_spec("ch1-nand", {"vary": []})
CALCULATION = nndl_jax.load_spec("ch3-softmax", {"vary": []})
KEY = jax.random.key(0)
MODEL = nndl_jax.build_model(NETWORK, key=KEY)
SPLIT = Split(np.zeros((3, 784), np.uint8), np.arange(3, dtype=np.int32))
DATASET = Dataset("own", SPLIT, SPLIT, SPLIT)
TARGETS = np.eye(10)[:3]


def plain(function: Callable) -> Callable:
    """A function as users have it: tests hold its annotations against what is handed to it."""
    return inspect.unwrap(function)


def message(kind: type[Exception], function: Callable, *args: object, **named: object) -> str:
    with pytest.raises(kind) as caught:
        plain(function)(*args, **named)
    assert caught.type is kind
    return str(caught.value)


FUNCTIONS_OF_A_NETWORK = {
    "evaluate": lambda model: plain(nndl_jax.evaluate)(model, SPLIT, NETWORK),
    "predict": lambda model: plain(nndl_jax.predict)(model, SPLIT, NETWORK),
    "vote": lambda model: plain(nndl_jax.vote)([MODEL, model], SPLIT, NETWORK),
    "bias_gradients": lambda model: plain(nndl_jax.bias_gradients)(model, SPLIT, NETWORK),
    "backpropagate": lambda model: plain(nndl_jax.backpropagate)(
        model, SPLIT.images, TARGETS, NETWORK
    ),
    "save": lambda model: plain(nndl_jax.save)(model, NETWORK, Path("never.safetensors")),
}


@pytest.fixture
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has `vote` hand its networks to `predict` as users have it."""
    monkeypatch.setattr("nndl_jax.training.vote.predict", plain(nndl_jax.predict))


@pytest.mark.usefixtures("_unchecked")
@pytest.mark.parametrize("model", [None, (MODEL, NETWORK), NETWORK, "weights.safetensors"])
@pytest.mark.parametrize("name", FUNCTIONS_OF_A_NETWORK)
def test_what_is_no_network_is_answered_with_what_gives_one(name: str, model: object) -> None:
    assert message(TypeError, FUNCTIONS_OF_A_NETWORK[name], model) == (
        "a network is needed here, which build_model(spec, key=key), load(path)[0] or model(i) of "
        f"a result of training give; got {type(model).__name__}"
    )


OTHERS = {
    "4 outputs": {"data.targets": "binary", "model.layers[1].units": 4},
    "2 inputs": {
        "model.inputs": [2],
        "data.examples": [{"inputs": [0.0, 1.0], "targets": [1.0] + [0.0] * 9}],
        "monitors": ["train_cost"],
    },
}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS_OF_A_NETWORK if name != "save"])
@pytest.mark.parametrize("other", OTHERS)
def test_a_network_of_another_document_is_refused_where_it_cannot_fit(
    name: str, other: str
) -> None:
    model = nndl_jax.build_model(nndl_jax.load_spec("ch1-30-hidden", OTHERS[other]), key=KEY)
    counts = {"4 outputs": "784 inputs and 4", "2 inputs": "2 inputs and 10"}[other]
    assert message(ValueError, FUNCTIONS_OF_A_NETWORK[name], model) == (
        f"the network has {counts} outputs, and that of ch1-30-hidden 784 and 10; give the "
        "document that it was built from"
    )


def test_a_network_alone_does_not_vote() -> None:
    sentence = "networks that vote are given as a list, [model] of one; got FeedforwardNetwork"
    assert message(TypeError, nndl_jax.vote, MODEL, SPLIT, NETWORK) == sentence


@pytest.mark.parametrize("spec", ["ch1-30-hidden", None, {"id": "mine"}])
def test_what_is_no_document_is_not_written_as_one(spec: object) -> None:
    sentence = f"a document is needed here, got {spec!r}; load_spec(id or path) gives one"
    assert message(TypeError, nndl_jax.dump_spec, spec) == sentence


@pytest.mark.parametrize("name", [5, None, {"id": "mine"}, ["ch1-30-hidden"]])
def test_a_document_is_asked_for_by_its_id_or_path(name: object) -> None:
    assert message(TypeError, nndl_jax.load_spec, name) == (
        "a document is found by its id, such as 'ch1-30-hidden', or by the path of its file; "
        f"got {name!r}"
    )


@pytest.mark.parametrize("path", ["a\0b.yaml", "\ud800.yaml"])
def test_a_path_that_no_file_can_have_is_refused(path: str) -> None:
    sentence = message(nndl_jax.SpecError, nndl_jax.load_spec, path)
    assert sentence.endswith(": cannot be read: its name holds what no name of a file can")
    assert sentence.isprintable()


def test_documents_are_listed_of_a_folder_by_its_name() -> None:
    folder = Path(__file__).parents[2] / "spec"
    assert nndl_jax.list_specs(str(folder)) == nndl_jax.list_specs()


@pytest.mark.parametrize("values", [["a"], [("training.epochs", 3)], "training.epochs", 3, ()])
@pytest.mark.parametrize(
    "function",
    [lambda overrides: nndl_jax.load_spec("ch1-nand", overrides), lambda e: override(NETWORK, e)],
)
def test_overrides_that_are_no_mapping_are_refused(function: Callable, values: object) -> None:
    assert message(TypeError, function, values) == (
        "overrides are a mapping of field paths to values, such as {'training.epochs': 3}; "
        f"got {values!r}"
    )


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (0, "0"),
        (None, "None"),
        (np.int32(3), r"np.int32\(3\)"),
        (jax.random.split(KEY), r"key<\w+> \(2,\)"),
        (jax.numpy.zeros(2), r"float32 \(2,\)"),
    ],
)
def test_a_seed_in_the_place_of_a_key_is_answered_with_how_to_make_one(
    key: object, found: str
) -> None:
    wanted = re.escape("key must be one random key, such as jax.random.key(0); got ") + found
    assert re.fullmatch(wanted, message(TypeError, nndl_jax.build_model, NETWORK, key=key))


def test_a_key_of_the_older_form_is_a_key() -> None:
    model = plain(nndl_jax.build_model)(NETWORK, key=jax.random.PRNGKey(0))
    np.testing.assert_array_equal(model.layers[0].weight[...], MODEL.layers[0].weight[...])


@pytest.mark.parametrize(
    "labels", [SPLIT.labels, jax.numpy.asarray(SPLIT.labels), SPLIT.labels[:, None], [0, 1, 2]]
)
def test_labels_in_the_place_of_targets_are_answered_with_what_makes_them(labels) -> None:
    assert message(ValueError, nndl_jax.backpropagate, MODEL, SPLIT.images, labels, NETWORK) == (
        "targets (nndl_jax.networks.targets.encode makes them of labels) have the shape "
        f"{np.shape(labels)}; give (examples, 10)"
    )


@pytest.mark.parametrize("compile_fn", [lambda function: function, jax.jit])
def test_as_many_targets_as_images_are_asked_for(compile_fn: Callable) -> None:
    def run(targets: jax.Array) -> object:
        return plain(nndl_jax.backpropagate)(MODEL, SPLIT.images, targets, NETWORK).errors

    assert message(ValueError, compile_fn(run), jax.numpy.asarray(TARGETS[:2])) == (
        "targets (nndl_jax.networks.targets.encode makes them of labels) have the shape (2, 10); "
        "give (3, 10), as of the images"
    )


@pytest.mark.parametrize("dtype", [np.float64, np.int64, bool])
def test_targets_of_other_types_are_the_same_numbers(dtype: type) -> None:
    expected = nndl_jax.backpropagate(MODEL, SPLIT.images, TARGETS.astype(np.float32), NETWORK)
    found = nndl_jax.backpropagate(MODEL, SPLIT.images, TARGETS.astype(dtype), NETWORK)
    np.testing.assert_array_equal(found.errors[0], expected.errors[0])


@pytest.mark.parametrize("seed", ["a", -1, 2**32, 1.5, None, True])
def test_one_rule_holds_for_every_seed(seed: object) -> None:
    sentence = f"at least one, such as range(3); got ({seed!r},)"
    baseline = nndl_jax.load_spec("ch1-random-guess")
    assert message(ValueError, nndl_jax.run_calculation, CALCULATION, seed=seed).endswith(sentence)
    assert message(ValueError, run_baseline, baseline, DATASET, seed=seed).endswith(sentence)


@pytest.mark.parametrize("dtype", [int, "int8", "nosuch", bool, complex])
def test_a_construction_has_no_weights_but_floats(dtype: object) -> None:
    sentence = f"dtype must be one of floats, such as 'float32'; got {dtype!r}"
    assert message(TypeError, nndl_jax.build_construction, CONSTRUCTION, dtype) == sentence


@pytest.mark.parametrize("dtype", ["float16", np.float32, jax.numpy.bfloat16])
def test_a_construction_has_floats_of_any_size(dtype) -> None:
    model = nndl_jax.build_construction(CONSTRUCTION, dtype)
    assert model.layers[0].weight.dtype == dtype


NO_SNAPSHOT = (
    "a snapshot is needed here, which snapshot() of a result of training or "
    "load_snapshot(path, ...)[0] give; got "
)


def test_what_is_no_snapshot_is_neither_gone_on_from_nor_written(tmp_path: Path) -> None:
    for wrong in ("snapshot.safetensors", (None, [])):
        sentence = NO_SNAPSHOT + type(wrong).__name__
        training = plain(nndl_jax.train)(NETWORK, DATASET, resume=wrong)
        assert message(TypeError, lambda results: next(results), training) == sentence
        path = tmp_path / "snapshot.safetensors"
        assert message(TypeError, nndl_jax.save_snapshot, wrong, path, identity={}) == sentence
    assert list(tmp_path.iterdir()) == []


def test_a_number_of_devices_is_no_mesh() -> None:
    training = plain(nndl_jax.train)(NETWORK, DATASET, mesh=2)
    sentence = "mesh must be a jax.sharding.Mesh of devices to train on, got 2"
    assert message(TypeError, lambda results: next(results), training) == sentence


def test_a_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError  # As JAX does for CUDA without its plugin.

    monkeypatch.setattr(jax, "devices", fail)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    sentence = "JAX has nothing to compute on, with JAX_PLATFORMS=cuda: there is no plugin; unset "
    training = nndl_jax.train(NETWORK, DATASET)
    for function in (nndl_jax.describe_devices, lambda: next(training)):
        assert message(OSError, function).startswith(sentence)


def test_a_snapshot_is_written_and_read_by_the_name_of_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "snapshot.safetensors")
    assert nndl_jax.load_snapshot(path, identity={}, like=()) == (None, [])
    snapshot = nndl_jax.Snapshot(3, ())
    nndl_jax.save_snapshot(snapshot, path, identity={})
    assert nndl_jax.load_snapshot(path, identity={}, like=()) == (snapshot, [])


@pytest.mark.parametrize("path", ["~nosuchuser/x", "nosuch"])
@pytest.mark.parametrize("load", [nndl_jax.load_mnist, nndl_jax.load_dataset, nndl_jax.load])
def test_a_folder_that_is_not_there_is_named(load: Callable, path: str) -> None:
    assert message(FileNotFoundError, load, path).startswith(path)
