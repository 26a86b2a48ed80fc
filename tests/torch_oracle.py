"""What PyTorch's documentation says of the modules that an export names, in NumPy."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from scipy.signal import correlate
from scipy.stats import norm

Function = Callable[..., np.ndarray]


class Held(NamedTuple):
    """A module with arrays of its own."""

    run: Function
    shape: tuple[int, ...]


class Sequential:
    """Modules in a row."""

    def __init__(self, *modules: Function | Held) -> None:
        self.modules = modules
        self.arrays: dict[str, np.ndarray] = {}

    def load_state_dict(self, arrays: dict[str, np.ndarray]) -> None:
        """Take the arrays of all modules that hold some, and no others."""
        held = {at: module for at, module in enumerate(self.modules) if isinstance(module, Held)}
        assert set(arrays) == {f"{at}.{part}" for at in held for part in ("weight", "bias")}
        for at, module in held.items():
            assert arrays[f"{at}.weight"].shape == module.shape
            assert arrays[f"{at}.bias"].shape == module.shape[:1]
        self.arrays = arrays

    def eval(self) -> None:
        """Drop nothing, as dropping is not known here."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """What the last gives."""
        for at, module in enumerate(self.modules):
            if isinstance(module, Held):
                values = module.run(values, self.arrays[f"{at}.weight"], self.arrays[f"{at}.bias"])
            else:
                values = module(values)
        return values


def linear(num_inputs: int, units: int) -> Held:
    return Held(lambda a, weight, bias: a @ weight.T + bias, (units, num_inputs))


def convolution(maps: int, filters: int, kernel: tuple, stride: tuple) -> Held:
    def run(images: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        whole = [[correlate(image, one, "valid")[0] for one in weight] for image in images]
        return np.array(whole)[:, :, :: stride[0], :: stride[1]] + bias[:, None, None]

    return Held(run, (filters, maps, *kernel))


def zeros_around(padding: tuple) -> Function:
    left, right, top, bottom = padding
    return lambda images: np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))


def pooling(reduce: Function) -> Callable[[tuple], Function]:
    """Over windows side by side from the first on."""
    view = np.lib.stride_tricks.sliding_window_view

    def build(window: tuple) -> Function:
        down, right = window
        return lambda images: reduce(
            view(images, window, axis=(2, 3))[:, :, ::down, ::right], axis=(4, 5)
        )

    return build


nn = SimpleNamespace(
    Sequential=Sequential,
    Linear=linear,
    Conv2d=convolution,
    ZeroPad2d=zeros_around,
    MaxPool2d=pooling(np.max),
    AvgPool2d=pooling(np.mean),
    LPPool2d=lambda power, window: pooling(
        lambda values, axis: (values**power).sum(axis) ** (1 / power)
    )(window),
    Unflatten=lambda axis, shape: lambda values: values.reshape(-1, *shape),
    Flatten=lambda: lambda values: values.reshape(len(values), -1),
    Dropout=lambda probability: lambda values: values,
    Sigmoid=lambda: lambda z: 1 / (1 + np.exp(-z)),
    Tanh=lambda: np.tanh,
    ReLU=lambda: lambda z: np.maximum(z, 0),
    LeakyReLU=lambda slope: lambda z: np.where(z > 0, z, slope * z),
    Softplus=lambda: lambda z: np.log1p(np.exp(z)),
    GELU=lambda: lambda z: z * norm.cdf(z),
    Identity=lambda: lambda z: z,
    Softmax=lambda dim: lambda z: np.exp(z) / np.exp(z).sum(dim, keepdims=True),
)
"""`torch.nn`, as far as it is named."""
