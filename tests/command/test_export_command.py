"""Networks that are written for other programs, and used there without this library."""

import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
import torch_oracle
from safetensors import safe_open
from safetensors.numpy import load_file

import nndl_jax
from nndl_jax.calculations import activations
from nndl_jax.training import export, operations
from nndl_jax.training.onnx_graph import build_onnx

CONV = [
    {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"},
    {"kind": "max-pool", "window": [2, 2]},
    {"kind": "dense", "units": 10, "activation": "softmax", "dropout": 0.5},
]
# All kinds of layers and all activations, with windows and strides that leave pixels out.
MANY = [
    {"kind": "conv", "filters": 3, "kernel": [4, 5], "activation": "gelu", "padding": "same"}
    | {"stride": [2, 3]},
    {"kind": "max-pool", "window": [2, 3]},
    {"kind": "conv", "filters": 2, "kernel": [2, 2], "activation": "sigmoid"},
    {"kind": "average-pool", "window": [2, 1]},
    {"kind": "l2-pool", "window": [1, 2]},
    {"kind": "dense", "units": 6, "activation": "softplus"},
    {"kind": "dense", "units": 6, "activation": "leaky-relu", "dropout": 0.25},
    {"kind": "dense", "units": 6, "activation": "relu"},
    {"kind": "dense", "units": 6, "activation": "tanh"},
    {"kind": "dense", "units": 6, "activation": "linear"},
    {"kind": "dense", "units": 10, "activation": "softmax", "dropout": 0.5},
]
MIXED = {"model.inputs": [1, 28, 28], "model.layers": MANY, "loss": "log-likelihood"}
CONVOLVING = {"model.inputs": [1, 28, 28], "model.layers": CONV, "loss": "log-likelihood"}
IMAGES = np.random.default_rng(1).integers(0, 256, (7, 784)).astype(np.uint8)


def save(spec) -> nndl_jax.FeedforwardNetwork:
    """A network of the document, also as small.safetensors."""
    model = nndl_jax.build_model(spec, key=jax.random.key(0))
    nndl_jax.save(model, spec, "small.safetensors")
    return model


def outputs(model) -> np.ndarray:
    """What the network gives for the images."""
    return jax.jit(lambda images: model(images))(jnp.asarray(IMAGES, jnp.float32) / 256)


@pytest.mark.parametrize("changes", [{}, CONVOLVING], ids=["dense", "convolving"])
def test_stablehlo_runs_for_any_number_of_images_on_any_platform(
    nndl, small_network, changes
) -> None:
    pytest.importorskip("flatbuffers")
    model = save(small_network(changes))
    done = nndl("export", "small.safetensors", "--to", "stablehlo")
    assert done.exit_code == 0, done.stderr
    program = jax.export.deserialize(bytearray(Path("small.stablehlo").read_bytes()))
    assert set(program.platforms) == {"cpu", "cuda", "tpu"}
    pixels = jnp.asarray(IMAGES, jnp.float32) / 256
    for count in (1, 7):
        expected = nndl_jax.activations(model, IMAGES[:count])[-1]
        np.testing.assert_allclose(program.call(pixels[:count]), expected, atol=1e-5)


def test_arrays_say_how_numpy_uses_them(nndl, small_network) -> None:
    model = save(small_network({"model.layers[1].dropout": 0.25}))
    assert nndl("export", "small.safetensors", "--to", "numpy").exit_code == 0
    with np.load("small.npz") as arrays:
        known = {"arrays": arrays, "images": IMAGES, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
        exec(str(arrays["usage"]), known)  # noqa: S102 -- the text that we wrote.
    np.testing.assert_allclose(known["a"], outputs(model), atol=1e-5)


def test_inputs_are_scaled_as_the_network_learnt_them(nndl, small_network) -> None:
    scaling = {"means": [0.25], "deviations": [0.5]}
    model = save(small_network({"data.standardize": True, "data.scaling": scaling}))
    done = nndl("export", "small.safetensors", "--to", "numpy")
    message = "(inputs, numbers), bytes / 256 in images, less [0.25], divided by [0.5]"
    assert done.stdout.splitlines()[1] == f"its inputs are {message}"
    with np.load("small.npz") as arrays:
        known = {"arrays": arrays, "inputs": IMAGES / 256}
        known["sigmoid"] = lambda z: 1 / (1 + np.exp(-z))
        exec(str(arrays["usage"]), known)  # noqa: S102 -- the text that we wrote.
    np.testing.assert_allclose(known["a"], nndl_jax.activations(model, IMAGES)[-1], atol=1e-5)
    nndl("export", "small.safetensors", "--to", "torch")
    with safe_open("small.torch.safetensors", "numpy") as file:
        assert f"# model(images): {message}, to output" in file.metadata()["usage"]


def test_numbers_of_a_table_are_not_said_to_be_bytes(nndl, small_network) -> None:
    save(small_network({"data.name": "./own.csv"}))
    nndl("export", "small.safetensors", "--to", "numpy")
    with np.load("small.npz") as arrays:
        assert str(arrays["usage"]).startswith("a = inputs  # (inputs, numbers), bytes / 256 and")


@pytest.mark.parametrize("changes", [{"model.layers[1].dropout": 0.25}, MIXED])
def test_an_onnx_graph_gives_what_the_network_gives(nndl, small_network, changes) -> None:
    reference = pytest.importorskip("onnx.reference")
    model = save(small_network(changes))
    done = nndl("export", "small.safetensors", "--to", "onnx")
    assert done.exit_code == 0, done.stderr
    graph = reference.ReferenceEvaluator("small.onnx")
    for count in (1, 7):
        (found,) = graph.run(None, {"images": IMAGES[:count].astype(np.float32) / 256})
        np.testing.assert_allclose(found, outputs(model)[:count], atol=1e-5)


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_onnx_and_numpy_have_the_same_activations(name) -> None:
    reference = pytest.importorskip("onnx.reference")
    operation = operations.Activate(name)
    shape = {"num_inputs": 5, "num_outputs": 5, "dtype": "float64"}
    graph = reference.ReferenceEvaluator(build_onnx([operation], **shape, about="one activation"))
    values = np.array([[-3.0, -0.75, 0.0, 0.125, 2.0]])
    (found,) = graph.run(None, {"images": values})
    np.testing.assert_allclose(found, operations.run_operations([operation], values), atol=1e-8)


@pytest.mark.parametrize("changes", [{"model.layers[1].dropout": 0.25}, MIXED])
def test_a_state_dict_says_which_modules_use_it(
    nndl, small_network, changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save(small_network(changes))
    done = nndl("export", "small.safetensors", "--to", "torch")
    assert done.exit_code == 0, done.stderr
    with safe_open("small.torch.safetensors", "numpy") as file:
        usage = file.metadata()["usage"]
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(nn=torch_oracle.nn))
    monkeypatch.setitem(sys.modules, "safetensors.torch", SimpleNamespace(load_file=load_file))
    known: dict = {}
    exec(usage, known)  # noqa: S102 -- the text that we wrote.
    found = known["model"](IMAGES / 256)
    np.testing.assert_allclose(found, outputs(model), atol=1e-5)


def test_a_state_dict_is_pytorchs_where_that_is_installed(nndl, small_network) -> None:
    torch = pytest.importorskip("torch")
    model = save(small_network(MIXED))
    nndl("export", "small.safetensors", "--to", "torch")
    with safe_open("small.torch.safetensors", "numpy") as file:
        known: dict = {}
        exec(file.metadata()["usage"], known)  # noqa: S102 -- the text that we wrote.
    found = known["model"](torch.tensor(IMAGES / np.float32(256))).detach().numpy()
    np.testing.assert_allclose(found, outputs(model), atol=1e-5)


def test_what_differs_from_the_network_is_not_written(
    nndl, small_network, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(small_network())
    wrong = {**export._WRITTEN, "sigmoid": np.tanh}
    monkeypatch.setattr(export, "_WRITTEN", wrong)
    done = nndl("export", "small.safetensors", "--to", "numpy")
    assert done.exit_code == 1
    assert "what was exported is not the network: outputs differ by up to" in done.stderr
    assert not Path("small.npz").exists()


REFUSED = {
    "convolutions for NumPy": ("small.safetensors --to numpy", "only networks of dense layers"),
    "what would take the network's place": (
        "small.safetensors --to torch --out small.safetensors",
        "--out small.safetensors: must end in .torch.safetensors",
    ),
    "out of another kind": (
        "small.safetensors --to numpy --out a.txt",
        "--out a.txt: must end in .npz",
    ),
    "no such network": ("ch1-31-hidden --to numpy", "did you mean 'ch1-30-hidden'?"),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_what_cannot_be_exported_gets_a_sentence(nndl, small_network, situation: str) -> None:
    save(small_network(CONVOLVING))
    words, message = REFUSED[situation]
    done = nndl("export", *words.split())
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["small.safetensors"]


def test_layers_and_activations_of_ones_own_have_no_name_elsewhere(small_network) -> None:
    model = nndl_jax.build_model(small_network(), key=jax.random.key(0))
    for name in ("torch", "onnx"):
        model.layers[1].activation = jnp.sin
        with pytest.raises(ValueError, match="a function sin of one's own"):
            export.EXPORTS[name](model, Path("never"))
        model.layers[1].activation = "wavy"
    with pytest.raises(ValueError, match="PyTorch has no module for wavy"):
        export.export_torch(model, Path("never"))


@pytest.mark.parametrize("words", ["ch1-30-hidden", "ch1-30-hidden --to tflite"])
def test_a_format_that_is_none_gets_the_usage(nndl, words: str) -> None:
    done = nndl("export", *words.split())
    assert done.exit_code == 2
    assert "Usage: nndl" in done.stderr


@pytest.mark.parametrize(
    ("format_name", "package"), [("stablehlo", "flatbuffers"), ("onnx", "onnx.reference")]
)
def test_what_an_export_lacks_is_said_with_how_to_install_it(
    nndl, small_network, monkeypatch, format_name: str, package: str
) -> None:
    save(small_network())
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization", raising=False)
    done = nndl("export", "small.safetensors", "--to", format_name)
    assert done.exit_code == 1
    message = f"is written with {package.partition('.')[0]}: pip install 'nndl-jax[export]'\n"
    assert done.stderr.endswith(message)
