"""Networks as graphs of ONNX, for runtimes in any language; needs the package `onnx`."""

from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING, assert_never

import numpy as np

from nndl_jax.calculations.activations import Activation
from nndl_jax.training.operations import (
    Activate,
    Convolve,
    Linear,
    Operation,
    Pool,
    Reshape,
)

if TYPE_CHECKING:
    import onnx

_OPSET = 20
"""Version of the operators, the first that has Gelu."""
_IR_VERSION = 9
"""Of the file's format, which came with that."""


def build_onnx(
    operations: Sequence[Operation], *, num_inputs: int, num_outputs: int, dtype: str, about: str
) -> "onnx.ModelProto":
    """A graph from `images` (images, pixels) to `activations` (images, outputs).

    Args:
        operations: what is computed.
        num_inputs: pixels of an image.
        num_outputs: output neurons.
        dtype: of images, weights and activations: float32 or float64.
        about: what it is and how it is used, kept in the file.

    Raises:
        ImportError: onnx is not installed.
    """
    from onnx import checker, helper

    graph = _Graph(dtype)
    last = "images"
    for operation in operations:
        last = _add(graph, operation, last)
    graph.add("Identity", last, output="activations")
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    sides = (("images", num_inputs), ("activations", num_outputs))
    inputs, outputs = (
        [helper.make_tensor_value_info(name, number, ["images", size])] for name, size in sides
    )
    whole = helper.make_graph(graph.nodes, "network", inputs, outputs, graph.arrays)
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(whole, opset_imports=opsets, ir_version=_IR_VERSION, doc_string=about)
    checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Operators and arrays that were added so far."""

    def __init__(self, dtype: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []
        self.dtype = np.dtype(dtype)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add an operator; the name of what it gives."""
        from onnx import helper

        output = output or f"{operator.lower()}{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [output])
        node.attribute.extend(starmap(helper.make_attribute, attributes.items()))
        self.nodes.append(node)
        return output

    def hold(self, values: object, *, dtype: str = "") -> str:
        """Add an array; its name."""
        from onnx import numpy_helper

        name = f"array{len(self.arrays)}"
        array = np.ascontiguousarray(values, dtype or self.dtype)
        self.arrays.append(numpy_helper.from_array(array, name))
        return name


def _add(graph: _Graph, operation: Operation, last: str) -> str:
    """Add an operation on what a name stands for; the name of what it gives."""
    match operation:
        case Reshape(shape):
            return graph.add("Reshape", last, graph.hold([-1, *shape], dtype="int64"))
        case Linear(weight, bias):
            return graph.add("Gemm", last, graph.hold(weight), graph.hold(bias), transB=1)
        case Convolve(weight, bias, stride, before, after):
            held = graph.hold(weight), graph.hold(bias)
            return graph.add("Conv", last, *held, strides=stride, pads=[*before, *after])
        case Activate(name):
            return _add_activation(graph, name, last)
        case Pool(window, pooling):
            return graph.add(pooling.onnx, last, kernel_shape=window, strides=window)
        case unknown:
            assert_never(unknown)


def _add_activation(graph: _Graph, name: Activation, last: str) -> str:
    match name:
        case "sigmoid" | "tanh" | "relu" | "softplus" | "gelu":
            return graph.add(name.capitalize(), last)
        case "linear":
            return last
        case "leaky-relu":
            return graph.add("LeakyRelu", last, alpha=0.01)
        case "softmax":
            return graph.add("Softmax", last, axis=-1)
        case "step":
            is_above = graph.add("Greater", last, graph.hold(0))
            return graph.add("Where", is_above, graph.hold(1), graph.hold(0))
        case "wavy":
            wave = graph.add("Sin", graph.add("Mul", last, graph.hold(10)))
            damping = graph.add("Exp", graph.add("Neg", graph.add("Abs", last)))
            ripple = graph.add("Mul", graph.add("Mul", wave, damping), graph.hold(0.2))
            return graph.add("Add", graph.add("Sigmoid", last), ripple)
        case unknown:
            assert_never(unknown)
