"""What a document computes, as equations in the book's symbols, in LaTeX (ch. 1 to 6)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nndl_jax.calculations.activations import EQUATIONS
from nndl_jax.calculations.backpropagation import Backpropagation
from nndl_jax.calculations.bumps import Bumps
from nndl_jax.calculations.circuit import Circuit
from nndl_jax.documents import (
    Baseline,
    Calculation,
    Construction,
    Document,
    Model,
    Network,
)
from nndl_jax.documents.layers import Conv, Dense, Pool
from nndl_jax.documents.optimizers import Sgd

_LOSSES: Mapping[str, tuple[str, str]] = {
    "quadratic": ("quadratic cost", r"C = \frac{1}{2n} \sum_x \| y - a^L \|^2"),
    "cross-entropy": (
        "cross-entropy cost",
        r"C = -\frac{1}{n} \sum_x \sum_j \left[ y_j \ln a^L_j + (1 - y_j) \ln (1 - a^L_j) \right]",
    ),
    "log-likelihood": ("log-likelihood cost", r"C = -\frac{1}{n} \sum_x \ln a^L_y"),
    "cross-entropy-by-activation": (
        "error as chapter 3's pages have it",
        r"\delta^L = \frac{\partial C}{\partial a^L}, \quad "
        r"C = -\left[ y \ln a + (1 - y) \ln (1 - a) \right]",
    ),
}
_WEIGHTS: Mapping[str, str] = {
    "normal": r"w \sim N(0, 1)",
    "normal-fan-in": r"w \sim N(0, 1 / n_{\mathrm{in}})",
    "normal-fan-out": r"w \sim N(0, 1 / n_{\mathrm{out}})",
    "he": r"w \sim N(0, 2 / n_{\mathrm{in}})",
    "glorot": r"w \sim U(-r, r), \quad r^2 = \frac{6}{n_{\mathrm{in}} + n_{\mathrm{out}}}",
}
_OPTIMIZERS: Mapping[str, str] = {
    "rmsprop": r"m \to \beta m + (1 - \beta) g^2, \quad "
    r"w \to w - \eta \frac{g}{\sqrt{m} + \epsilon}",
    "adam": r"w \to w - \eta \frac{\hat m}{\sqrt{\hat v} + \epsilon}",
    "adamw": r"w \to w - \eta \left( \frac{\hat m}{\sqrt{\hat v} + \epsilon} + \lambda w \right)",
}
_BASELINES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "random-guess": (("expected accuracy", r"\frac{1}{10}"),),
    "average-darkness": (
        ("digit", r"\min_d \left| \sum_i x_i - \mu_d \right|"),
        ("mean darkness", r"\mu_d = \frac{1}{n_d} \sum_{x \in d} \sum_i x_i"),
    ),
    "svm": (("kernel", r"K(x, x') = e^{-\gamma \| x - x' \|^2}"),),
}


class Equation(NamedTuple):
    """An equation."""

    name: str
    """What it gives, such as `layer` or `step`."""
    latex: str
    """Without marks of where it begins and ends; `amsmath` knows all commands in it."""


def equations(document: Document) -> list[Equation]:
    """The equations of a document, in the order in which they are computed."""
    return [Equation(name, latex) for name, latex in _latex(document)]


def _latex(document: Document) -> Iterator[tuple[str, str]]:
    match document:
        case Network():
            yield from _of_network(document)
        case Construction():
            network = document.network
            if isinstance(network, Bumps | Circuit) and network.activation in EQUATIONS:
                yield EQUATIONS[network.activation]
            yield from network.equations
        case Calculation():
            quantity = document.quantity
            if isinstance(quantity, Backpropagation) and quantity.loss in _LOSSES:
                yield _LOSSES[quantity.loss]
            yield from quantity.equations
        case Baseline():
            yield from _BASELINES.get(document.method.kind, ())
        case _:
            yield from document.equations


def _of_network(document: Network) -> Iterator[tuple[str, str]]:
    yield from _of_layers(document.model)
    if document.loss in _LOSSES:
        yield _LOSSES[document.loss]
    yield from _of_learning(document)


def _of_layers(model: Model) -> Iterator[tuple[str, str]]:
    layers = [layer for _, layer in model.stack()]
    if any(isinstance(layer, Conv) for layer in layers):
        yield (
            "feature map",
            r"a_{jk} = f\left( b + \sum_{l} \sum_{m} w_{lm} \, x_{j+l,\, k+m} \right)",
        )
    yield from dict.fromkeys(
        (layer.called, layer.equation) for layer in layers if isinstance(layer, Pool)
    )
    if any(isinstance(layer, Dense) for layer in layers):
        yield "layer", r"a^l = f(z^l), \quad z^l = w^l a^{l-1} + b^l"
    used = dict.fromkeys(layer.activation for layer in layers if layer.activation)
    yield from (EQUATIONS[name] for name in used if name in EQUATIONS)
    weights = model.initializer.weights
    if isinstance(weights, str) and weights in _WEIGHTS:
        biases = r"b \sim N(0, 1)" if model.initializer.biases == "normal" else ""
        yield "first weights", _WEIGHTS[weights] + (rf", \quad {biases}" if biases else "")


def _of_learning(document: Network) -> Iterator[tuple[str, str]]:
    regularizer, optimizer = document.regularizer, document.optimizer
    varied = {field for axis in document.vary for field in axis}
    if regularizer.l2 or "regularizer.l2" in varied:
        yield "L2 penalty", r"C + \frac{\lambda}{2n} \sum_w w^2"
    if regularizer.l1 or "regularizer.l1" in varied:
        yield "L1 penalty", r"C + \frac{\lambda}{n} \sum_w |w|"
    if isinstance(optimizer, Sgd):
        if optimizer.momentum or "optimizer.momentum" in varied:
            yield "step", r"v \to \mu v - \eta \nabla C, \quad w \to w + v"
        else:
            yield "step", r"w \to w - \eta \frac{\partial C}{\partial w}"
    elif optimizer.kind in _OPTIMIZERS:
        yield "step", _OPTIMIZERS[optimizer.kind]
