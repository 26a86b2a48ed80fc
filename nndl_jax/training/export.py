"""Trained networks for other programs, checked against the network before they are written."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from safetensors.numpy import load, save

from nndl_jax.calculations.activations import ACTIVATIONS
from nndl_jax.data.files import replace_file
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.networks.network import FeedforwardNetwork, split_model
from nndl_jax.training.onnx_graph import build_onnx
from nndl_jax.training.operations import (
    Convolve,
    Linear,
    Operation,
    operations_of,
    run_operations,
)
from nndl_jax.training.torch_modules import state_dict, torch_modules
from nndl_jax.training.trees import name_leaves

NUM_CHECKED = 100
"""Inputs on which an export is held against its network."""
_TOLERANCE = 1e-4
"""Largest difference of an output that roundings may make."""

_UNWRITTEN = ("gelu", "step", "wavy")
_WRITTEN: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    name: activate for name, activate in ACTIVATIONS.items() if name not in _UNWRITTEN
}
"""Activations that networks are written for NumPy with."""


def export_stablehlo(model: FeedforwardNetwork, path: Path) -> None:
    """Write a network as a program of StableHLO for CPUs, CUDA and TPUs, for any number of images.

    `jax.export.deserialize(path.read_bytes()).call(images)` runs it, without this library: from
    floats (images, pixels), 0 white to 1 black, to output activations.

    Args:
        model: the network.
        path: its folder must exist.

    Raises:
        ImportError: flatbuffers is not installed (`pip install nndl-jax[export]`).
        ValueError: the program gives something else than the network; nothing is written.
    """
    graph, params = split_model(model)
    precision = "highest" if model.spec is None else model.spec.training.matmul_precision

    def run(images: Float[Array, "images pixels"]) -> Float[Array, "images out"]:
        with jax.default_matmul_precision(precision):
            return nnx.merge(graph, params)(images)

    probes = _probes(model)
    (images,) = jax.export.symbolic_shape("images")
    shape = jax.ShapeDtypeStruct((images, probes.shape[1]), probes.dtype)
    exported = jax.export.export(jax.jit(run), platforms=("cpu", "cuda", "tpu"))(shape)
    try:
        content = bytes(exported.serialize())
    except ImportError:
        message = "StableHLO is written with flatbuffers: pip install 'nndl-jax[export]'"
        raise ImportError(message) from None
    _check(jax.export.deserialize(bytearray(content)).call(jnp.asarray(probes)), model, probes)
    replace_file(path, content)


def export_numpy(model: FeedforwardNetwork, path: Path) -> None:
    """Write the arrays of a network as .npz, and how they are used as a text in it, `usage`.

    Args:
        model: a network of dense layers only, that knows its document.
        path: its folder must exist.

    Raises:
        ValueError: it has other layers or activations, or NumPy computes something else with the
            arrays than the network does; nothing is written.
    """
    arrays = dict(name_leaves(split_model(model)[1]))
    layers = [layer for layer in model.layers if isinstance(layer, DenseLayer)]
    names = [str(layer.activation) for layer in layers]
    if len(layers) < len(model.layers) or not _WRITTEN.keys() >= set(names):
        message = "only networks of dense layers with the book's activations are written for NumPy"
        raise ValueError(f"{message}; use --to stablehlo")
    lines = ["a = images / 256  # (images, pixels), bytes"]
    if model.spec is not None and (scaling := model.spec.data.scaling) is not None:
        arrays |= {"means": np.array(scaling.means), "deviations": np.array(scaling.deviations)}
        lines = ['a = (inputs - arrays["means"]) / arrays["deviations"]  # bytes / 256 in images']
    elif model.spec is not None and not model.spec.data.is_of_images():
        lines = ["a = inputs  # (inputs, numbers), bytes / 256 and other numbers as they are"]
    probes = _probes(model)
    activations = probes
    for index, (layer, name) in enumerate(zip(layers, names, strict=True)):
        keep = 1 - layer.dropout
        weight, bias = (arrays[f"layers.{index}.{part}"] for part in ("weight", "bias"))
        activations = _WRITTEN[name]((keep * activations) @ weight.T + bias[None])
        inputs = f"({keep:g} * a)" if layer.dropout else "a"
        at = f"layers.{index}"
        lines.append(f'a = {name}({inputs} @ arrays["{at}.weight"].T + arrays["{at}.bias"])')
    _check(activations, model, probes)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, usage=np.array("\n".join(lines)))
    replace_file(path, buffer.getvalue())


def export_torch(model: FeedforwardNetwork, path: Path) -> None:
    """Write a network as the `state_dict` of a `torch.nn.Sequential`, in a file of safetensors.

    How PyTorch makes the modules and loads the file stands in its header, `usage`. PyTorch is not
    needed to write it.

    Args:
        model: the network.
        path: its folder must exist.

    Raises:
        ValueError: it has layers or activations that PyTorch has no module for, or the arrays give
            something else than the network; nothing is written.
    """
    operations = operations_of(model)
    modules = torch_modules(operations)
    texts = "\n".join(f"    {module.text}," for module in modules)
    usage = (
        "from safetensors.torch import load_file\nfrom torch import nn\n\n"
        f"model = nn.Sequential(\n{texts}\n)\n"
        f"model.load_state_dict(load_file({path.name!r}))\nmodel.eval()\n"
        f"# model(images): {inputs_in_words(model)}, to output activations\n"
    )
    content = save(state_dict(modules), metadata={"format": "pt", "usage": usage})
    arrays, probes = load(content), _probes(model)
    places = iter([index for index, module in enumerate(modules) if module.weight is not None])

    def reread(operation: Operation) -> Operation:
        if not isinstance(operation, Linear | Convolve):
            return operation
        at = next(places)
        return operation._replace(weight=arrays[f"{at}.weight"], bias=arrays[f"{at}.bias"])

    written = list(map(reread, operations))
    _check(run_operations(written, probes), model, probes)
    replace_file(path, content)


def export_onnx(model: FeedforwardNetwork, path: Path) -> None:
    """Write a network as a graph of ONNX, for any number of images.

    It takes `images` (images, pixels), as its text says, and gives `activations`.

    Args:
        model: the network.
        path: its folder must exist.

    Raises:
        ImportError: onnx is not installed (`pip install nndl-jax[export]`).
        ValueError: it has layers or activations of one's own, or the graph gives something else
            than the network; nothing is written.
    """
    operations, probes = operations_of(model), _probes(model)
    name = "a network" if model.spec is None else model.spec.id
    try:
        from onnx.reference import ReferenceEvaluator
    except ModuleNotFoundError:
        raise ImportError("ONNX is written with onnx: pip install 'nndl-jax[export]'") from None
    graph = build_onnx(
        operations,
        num_inputs=probes.shape[1],
        num_outputs=model.num_outputs,
        dtype=str(probes.dtype),
        about=f"{name}: images {inputs_in_words(model)}, to output activations",
    )
    content = graph.SerializeToString()
    (found,) = ReferenceEvaluator(content).run(None, {"images": probes})
    _check(np.asarray(found), model, probes)
    replace_file(path, content)


EXPORTS = {
    "stablehlo": export_stablehlo,
    "onnx": export_onnx,
    "torch": export_torch,
    "numpy": export_numpy,
}
SUFFIXES = {
    "stablehlo": ".stablehlo",
    "onnx": ".onnx",
    "torch": ".torch.safetensors",
    "numpy": ".npz",
}


def inputs_in_words(model: FeedforwardNetwork) -> str:
    """What another program gives the network, with the numbers by which inputs are scaled."""
    data = None if model.spec is None else model.spec.data
    if data is None or (data.is_of_images() and data.scaling is None):
        return "(images, pixels), bytes / 256"
    if data.scaling is None:
        return "(inputs, numbers), bytes / 256 and other numbers as they are"
    means, deviations = json.dumps(data.scaling.means), json.dumps(data.scaling.deviations)
    return f"(inputs, numbers), bytes / 256 in images, less {means}, divided by {deviations}"


def _probes(model: FeedforwardNetwork) -> Float[np.ndarray, "images pixels"]:
    """Inputs on which the network and what is exported must agree."""
    dtype = "float32" if model.spec is None else model.spec.training.dtype
    size = int(np.prod(model.inputs))
    return np.random.default_rng(0).uniform(0, 1, (NUM_CHECKED, size)).astype(dtype)


def _check(
    found: Array | np.ndarray, model: FeedforwardNetwork, probes: Float[np.ndarray, "images pixels"]
) -> None:
    graph, params = split_model(model)
    with jax.default_matmul_precision("highest"):
        expected = np.asarray(jax.jit(lambda: nnx.merge(graph, params)(jnp.asarray(probes)))())
    difference = np.abs(np.asarray(found) - expected).max()
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        message = f"outputs differ by up to {difference:.2g} on {NUM_CHECKED} inputs"
        raise ValueError(f"what was exported is not the network: {message}; nothing is written")
