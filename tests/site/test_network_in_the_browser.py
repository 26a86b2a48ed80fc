"""The page's network reads what `save` writes, and computes what `nndl_jax` computes."""

import base64
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from in_node import NEEDS_NODE, in_node
from safetensors import safe_open
from safetensors.numpy import load_file

import nndl_jax

pytestmark = NEEDS_NODE
ROOT = Path(__file__).parents[2]
RUN = """
    const { readNetwork, bytesOf, run } = NNDL.network;
    return data.map(({ weights, image }) => {
      const layers = run(readNetwork(bytesOf(weights)), image);
      return { shapes: layers.map((l) => l.shape), outputs: Array.from(layers.at(-1).values) };
    });
"""
HEAD = """\
kind: network
id: tiny
title: A tiny network
source: {chapter: 6, section: Tests}
model:
  inputs: [1, 28, 28]
  initializer: {weights: normal-fan-in, biases: normal}
  layers:
"""
TAIL = """
optimizer: {learning_rate: 1.0}
training: {epochs: 1, batch_size: 10}
monitors: [test_accuracy]
"""
SIGMOID = "    - {kind: dense, units: 10, activation: sigmoid}\nloss: quadratic"
SOFTMAX = """\
    - {kind: dense, units: 10, activation: softmax, dropout: 0.25}
loss: log-likelihood"""
POOLED = "    - {kind: max-pool, window: [2, 2]}\n"
LAYERS = {
    "all activations": "".join(
        f"    - {{kind: dense, units: 5, activation: {name}}}\n"
        for name in ("relu", "tanh", "sigmoid", "linear", "leaky-relu", "softplus", "gelu")
    )
    + SIGMOID,
    "repeated layers and dropout": "    - {kind: dense, units: 6, activation: relu, dropout: 0.5, "
    "repeat: 3}\n" + SOFTMAX,
    "a convolution and a pooling": "    - {kind: conv, filters: 3, kernel: [5, 5], activation: "
    f"sigmoid}}\n{POOLED}{SOFTMAX}",
    "zeros around the image": "    - {kind: conv, filters: 2, kernel: [4, 3], activation: tanh, "
    f"padding: same, stride: [2, 3]}}\n{SIGMOID}",
    "strides": "    - {kind: conv, filters: 2, kernel: [3, 4], activation: relu, stride: [2, 3]}\n"
    + SIGMOID,
    "falling activations, pooled": "    - {kind: conv, filters: 2, kernel: [3, 3], activation: "
    f"gelu}}\n{POOLED}    - {{kind: conv, filters: 3, kernel: [3, 3], activation: leaky-relu}}\n"
    f"    - {{kind: average-pool, window: [2, 3]}}\n{POOLED}{SIGMOID}",
}


def test_outputs_are_those_of_the_library_for_every_kind_of_layer(tmp_path: Path):
    image = np.random.default_rng(1).random(784, np.float32)
    cases, wanted = [], []
    for number, (name, layers) in enumerate(LAYERS.items()):
        path = tmp_path / "tiny.yaml"
        path.write_text(HEAD + layers + TAIL)
        spec = nndl_jax.load_spec(path)
        model = nndl_jax.build_model(spec, key=jax.random.key(number))
        weights = tmp_path / "tiny.safetensors"
        nndl_jax.save(model, spec, weights)
        cases.append({"weights": _in_base64(weights), "image": image.tolist()})
        wanted.append((name, spec, np.asarray(model(jnp.asarray(image)))))
    for (name, spec, outputs), found in zip(wanted, in_node(RUN, cases), strict=True):
        assert found["outputs"] == pytest.approx(outputs.tolist(), abs=1e-5), name
        shapes = [list(shape.outputs) for shape in spec.model.shapes()]
        assert found["shapes"] == [[1, 28, 28], *shapes], name


def test_outputs_are_those_of_the_library_for_all_weights_of_todays_runs():
    files = {path.parts[-3]: path for path in sorted(ROOT.glob("runs/*/weights/*.safetensors"))}
    if not files:
        pytest.skip("needs the weights of today's runs: make")
    cases, wanted = [], []
    for path in files.values():
        arrays, texts = load_file(path), read_texts(path)
        size = int(np.prod(texts["model"]["inputs"]))
        image = np.random.default_rng(1).random(size, np.float32)
        cases.append({"weights": _in_base64(path), "image": image.tolist()})
        if texts["training"]["dtype"] == "float64":  # It cannot be loaded in JAX's 32-bit mode.
            wanted.append(_dense_outputs(arrays, image))
        else:
            wanted.append(np.asarray(nndl_jax.load(path)[0](jnp.asarray(image))))
    for path, outputs, found in zip(files.values(), wanted, in_node(RUN, cases), strict=True):
        assert found["outputs"] == pytest.approx(outputs.tolist(), abs=1e-5), path


def test_what_is_no_file_of_a_network_is_refused():
    header = json.dumps({"__metadata__": {}}).encode()
    layers = {"model": {"layers": [{"kind": "median-pool", "window": [2, 2]}]}}
    other = json.dumps({"__metadata__": {"spec": json.dumps(layers)}}).encode()
    files = [b"\xff" * 16, *(len(text).to_bytes(8, "little") + text for text in (header, other))]
    read = """const { readNetwork, bytesOf } = NNDL.network;
      return data.map((file) => {
        try { return readNetwork(bytesOf(file)).id; } catch (error) { return error.message; }
      });"""
    message = in_node(read, [base64.b64encode(file).decode() for file in files])
    assert message == [
        "this is no whole safetensors file",
        "there is no document in this file",
        "layers of kind median-pool are not run here",
    ]


def read_texts(path: Path) -> dict:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["spec"])


def _dense_outputs(arrays: dict[str, np.ndarray], activations: np.ndarray) -> np.ndarray:
    """The outputs of sigmoid layers."""
    for layer in range(len(arrays) // 2):
        z = arrays[f"layers.{layer}.weight"] @ activations + arrays[f"layers.{layer}.bias"]
        activations = 1 / (1 + np.exp(-z))
    return activations


def _in_base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
