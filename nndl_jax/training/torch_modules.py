"""Networks as PyTorch's `nn.Sequential`: its modules in words, and its `state_dict` as arrays.

PyTorch is not needed for that: its Linear holds weights as (out, in) and its Conv2d kernels as
(filters, maps, height, width), which is how ours lie.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

import numpy as np
from jaxtyping import Float

from nndl_jax.calculations.activations import Activation
from nndl_jax.training.operations import (
    Activate,
    Convolve,
    Linear,
    Operation,
    Pool,
    Reshape,
)

_ACTIVATIONS: Mapping[Activation, str] = {
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "relu": "nn.ReLU()",
    "linear": "nn.Identity()",
    "leaky-relu": "nn.LeakyReLU(0.01)",
    "softplus": "nn.Softplus()",
    "gelu": "nn.GELU()",
    "softmax": "nn.Softmax(dim=-1)",
}


class TorchModule(NamedTuple):
    """A module of an `nn.Sequential`."""

    text: str
    """How Python makes it, `nn` being `torch.nn`."""
    weight: Float[np.ndarray, "out in *kernel"] | None = None
    bias: Float[np.ndarray, " out"] | None = None


def torch_modules(operations: Sequence[Operation]) -> list[TorchModule]:
    """The modules that compute the same, in order.

    `nn.Dropout` scales up in training what is kept, and the weights after it are weakened by as
    much: PyTorch goes on training as the book trains.

    Raises:
        ValueError: PyTorch has no module for an activation.
    """
    return [module for operation in operations for module in _modules(operation)]


def state_dict(modules: Sequence[TorchModule]) -> dict[str, np.ndarray]:
    """The arrays by the names that an `nn.Sequential` of the modules gives them."""
    arrays: dict[str, np.ndarray] = {}
    for index, module in enumerate(modules):
        if module.weight is not None and module.bias is not None:
            arrays[f"{index}.weight"] = np.ascontiguousarray(module.weight)
            arrays[f"{index}.bias"] = np.ascontiguousarray(module.bias)
    return arrays


def _modules(operation: Operation) -> Iterator[TorchModule]:
    match operation:
        case Reshape(shape):
            text = "nn.Flatten()" if len(shape) == 1 else f"nn.Unflatten(1, {shape})"
            yield TorchModule(text)
        case Linear(weight, bias, dropout):
            if dropout:
                yield TorchModule(f"nn.Dropout({dropout:g})")
            units, num_inputs = weight.shape
            yield TorchModule(f"nn.Linear({num_inputs}, {units})", weight, bias)
        case Convolve(weight, bias, stride, before, after):
            (top, left), (bottom, right) = before, after
            if any((*before, *after)):
                yield TorchModule(f"nn.ZeroPad2d({(left, right, top, bottom)})")
            filters, maps, *kernel = weight.shape
            text = f"nn.Conv2d({maps}, {filters}, {tuple(kernel)}, stride={stride})"
            yield TorchModule(text, weight, bias)
        case Activate(name):
            if name not in _ACTIVATIONS:
                raise ValueError(f"PyTorch has no module for {name}; use --to onnx or stablehlo")
            yield TorchModule(_ACTIVATIONS[name])
        case Pool(window, pooling):
            yield TorchModule(pooling.torch.format(window))
        case unknown:
            assert_never(unknown)
