"""Networks that are written for other programs, and used there without this library."""

from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import nndl_jax
from nndl_jax.training import export

CONV = [
    {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"},
    {"kind": "max-pool", "window": [2, 2]},
    {"kind": "dense", "units": 10, "activation": "softmax", "dropout": 0.5},
]
CONVOLVING = {"model.inputs": [1, 28, 28], "model.layers": CONV, "loss": "log-likelihood"}
IMAGES = np.random.default_rng(1).integers(0, 256, (7, 784)).astype(np.uint8)


def save(spec) -> nndl_jax.FeedforwardNetwork:
    """A network of the document, also as small.safetensors."""
    model = nndl_jax.build_model(spec, key=jax.random.key(0))
    nndl_jax.save(model, spec, "small.safetensors")
    return model


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
    np.testing.assert_allclose(known["a"], nndl_jax.activations(model, IMAGES)[-1], atol=1e-5)


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
    "out of another kind": (
        "small.safetensors --to numpy --out a.txt",
        "--out a.txt: must end in .npz",
    ),
    "no such network": ("ch1-31-hidden --to numpy", "did you mean 'ch1-30-hidden'?"),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_what_cannot_be_exported_gets_a_sentence(nndl, small_network, situation: str) -> None:
    save(small_network(CONVOLVING))
    words, said = REFUSED[situation]
    done = nndl("export", *words.split())
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["small.safetensors"]


@pytest.mark.parametrize("words", ["ch1-30-hidden", "ch1-30-hidden --to tflite"])
def test_a_format_that_is_none_gets_the_usage(nndl, words: str) -> None:
    done = nndl("export", *words.split())
    assert done.exit_code == 2
    assert "Usage: nndl" in done.stderr
