"""What a document computes, as equations in the book's symbols, in LaTeX (ch. 1 to 6)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nndl_jax.calculations.backpropagation import Backpropagation
from nndl_jax.calculations.bumps import Bumps
from nndl_jax.calculations.circuit import Circuit
from nndl_jax.documents import (
    Baseline,
    Calculation,
    Construction,
    Document,
    Ensemble,
    Model,
    Network,
)
from nndl_jax.documents.layers import Conv, Dense
from nndl_jax.documents.optimizers import Sgd

_ACTIVATIONS: Mapping[str, tuple[str, str]] = {
    "sigmoid": ("sigmoid neuron", r"\sigma(z) = \frac{1}{1 + e^{-z}}"),
    "tanh": ("tanh neuron", r"\tanh z = \frac{e^{z} - e^{-z}}{e^{z} + e^{-z}}"),
    "relu": ("rectified linear neuron", r"\mathrm{relu}(z) = \max(0, z)"),
    "softmax": ("softmax layer", r"a_j = \frac{e^{z_j}}{\sum_k e^{z_k}}"),
    "step": ("perceptron", r"a = 1 \text{ if } w \cdot x + b > 0, \text{ else } 0"),
    "linear": ("linear neuron", r"a = z"),
    "leaky-relu": ("leaky rectified neuron", r"a = \max(z, z / 100)"),
    "softplus": ("softplus neuron", r"a = \ln(1 + e^{z})"),
    "gelu": ("GELU neuron", r"a = z \, \Phi(z)"),
    "wavy": ("wavy neuron", r"s(z) = \sigma(z) + \frac{1}{5} \sin(10 z) \, e^{-|z|}"),
}
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
_BACKPROPAGATION = (
    ("error of the outputs", r"\delta^L = \nabla_a C \odot \sigma'(z^L)"),
    ("error of a layer", r"\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)"),
    ("gradient by a bias", r"\frac{\partial C}{\partial b^l_j} = \delta^l_j"),
    ("gradient by a weight", r"\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j"),
)
_CALCULATIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "softmax": (("softmax", r"a_j = \frac{e^{c z_j}}{\sum_k e^{c z_k}}"),),
    "polynomial": (
        ("polynomial", r"y = \sum_{k=0}^{d} c_k x^k"),
        ("least squares", r"\min_c \sum_i (y_i - y(x_i))^2"),
    ),
    "weighted-input": (
        ("weighted input", r"z = \sum_j w_j x_j + b"),
        ("its spread", r"\sigma_z = \sqrt{n_1 \sigma_w^2 + 1}"),
        ("saturated", r"P(|z| > t) = \mathrm{erfc}\left( \frac{t}{\sqrt{2} \, \sigma_z} \right)"),
    ),
    "activations": (
        _ACTIVATIONS["sigmoid"],
        _ACTIVATIONS["tanh"],
        _ACTIVATIONS["relu"],
        ("sigmoid by tanh", r"\sigma(z) = \frac{1 + \tanh(z / 2)}{2}"),
    ),
    "steep-interval": (
        ("where gradients stay alive", r"|w \, \sigma'(w a + b)| \ge 1"),
        (
            "width",
            r"\frac{2}{|w|} \ln \left( \frac{|w| (1 + \sqrt{1 - 4 / |w|})}{2} - 1 \right)",
        ),
    ),
    "identity-neuron": (
        ("neuron", r"w_2 \, \sigma(w_1 x + b) \approx x"),
        ("its weights", r"b = -\frac{w_1}{2}, \quad w_2 = \frac{4}{w_1}"),
    ),
    "relu-scaling": (
        ("scaled weights", r"w \to c w"),
        ("outputs without biases", r"a^L \to c^L a^L"),
    ),
    "gradient-descent": (
        ("valley", r"C(v) = v_1^2 + v_2^2"),
        ("step", r"v \to v - \eta \nabla C"),
        ("change", r"\Delta C \approx -\eta \, \| \nabla C \|^2"),
    ),
    "steepest-descent": (
        ("step of a fixed length", r"\| \Delta v \| = \epsilon"),
        ("decrease", r"-\nabla C \cdot \Delta v \le \epsilon \, \| \nabla C \|"),
    ),
    "small-change": (
        ("neuron", r"a = \sigma\left( \sum_j w_j x_j + b \right)"),
        (
            "first order",
            r"\Delta a \approx \sum_j \frac{\partial a}{\partial w_j} \Delta w_j "
            r"+ \frac{\partial a}{\partial b} \Delta b",
        ),
    ),
    "learning-speed": (
        (
            "gradient",
            r"\frac{\partial C}{\partial w} = a_{\mathrm{in}} \, (\sigma(z) - y) \, \sigma'(z)",
        ),
    ),
    "gradient-cost": (
        ("second derivatives", r"n^2, \quad \frac{n (n + 1)}{2} \text{ of them distinct}"),
        ("estimate", r"\nabla C \approx \frac{1}{m} \sum_{j=1}^{m} \nabla C_{X_j}"),
    ),
    "hessian-step": (
        (
            "second order",
            r"C(w + \Delta w) \approx C(w) + \nabla C \cdot \Delta w "
            r"+ \frac{1}{2} \Delta w^T H \Delta w",
        ),
        ("Hessian", r"H_{jk} = \frac{\partial^2 C}{\partial w_j \, \partial w_k}"),
        ("step by the Hessian", r"w \to w - \eta \, H^{-1} \nabla C"),
        ("step along the gradient", r"w \to w - \eta \, \nabla C"),
    ),
    "backpropagation": _BACKPROPAGATION,
}
_CONSTRUCTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "circuit": (),
    "bumps": (
        ("step", r"s = -\frac{b}{w}"),
        ("weighted output", r"z(x) = \sum_j h_j \, a_j(x)"),
    ),
    "ridges": (
        ("hidden neuron", r"a_j = \sigma(w_j \cdot x + b_j)"),
        ("output", r"z(x) = \sum_j h_j \, a_j(x) + b"),
    ),
    "towers": (
        (
            "tower",
            r"T = \sigma\left( \sum_{j=1}^{2m} \pm h \, a_j + b \right), \quad "
            r"b = \left( -m + \frac{1}{2} \right) h",
        ),
        ("weighted output", r"z(x) = \sum_k w_k \, T_k(x)"),
    ),
    "chain": (
        ("neuron", r"a_k = \sigma(z_k), \quad z_k = w_k a_{k-1} + b_k"),
        (
            "gradient",
            r"\frac{\partial C}{\partial b_k} = \sigma'(z_k) \, w_{k+1} \sigma'(z_{k+1}) \cdots "
            r"w_L \sigma'(z_L) \frac{\partial C}{\partial a_L}",
        ),
    ),
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
        case Ensemble():
            yield "most votes", r"\max_d \, \#\{ i : \max_j a^{(i)}_j = a^{(i)}_d \}"
        case Construction():
            network = document.network
            if isinstance(network, Bumps | Circuit) and network.activation in _ACTIVATIONS:
                yield _ACTIVATIONS[network.activation]
            yield from _CONSTRUCTIONS.get(network.form, ())
        case Calculation():
            quantity = document.quantity
            if isinstance(quantity, Backpropagation) and quantity.loss in _LOSSES:
                yield _LOSSES[quantity.loss]
            yield from _CALCULATIONS.get(quantity.kind, ())
        case Baseline():
            yield from _BASELINES.get(document.method.kind, ())


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
    if any(layer.kind == "max-pool" for layer in layers):
        yield "max-pooling", r"a_{jk} = \max_{(l,m) \in \text{window } jk} x_{lm}"
    if any(isinstance(layer, Dense) for layer in layers):
        yield "layer", r"a^l = f(z^l), \quad z^l = w^l a^{l-1} + b^l"
    used = dict.fromkeys(layer.activation for layer in layers if layer.activation)
    yield from (_ACTIVATIONS[name] for name in used if name in _ACTIVATIONS)
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
