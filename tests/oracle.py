"""The book's equations in NumPy, an image at a time: what the library is held against.

Written from chapters 1 to 3 and from nothing else; slow on purpose. All is computed in the type of
the arrays that are given: float64, or float32 to see what roundings do.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import erf, xlogy


class Layer(NamedTuple):
    """A layer's w (out, in), b (out,) and activation; also a gradient or a velocity of them."""

    weight: np.ndarray
    bias: np.ndarray
    activation: str = "linear"


class Rule(NamedTuple):
    """How weights are changed: the book's eta, mu, lambda (of L1 and of L2) and n."""

    learning_rate: float
    momentum: float
    l1: float
    l2: float
    divisor: int


def activate(activation: str, z: np.ndarray) -> np.ndarray:
    """The activation function of a layer (ch. 1 eq. 3, ch. 3 eq. 78 and 109, ch. 6)."""
    match activation:
        case "sigmoid":
            return np.exp(-np.logaddexp(0.0, -z))
        case "tanh":
            return np.tanh(z)
        case "relu":
            return np.maximum(z, 0.0)
        case "softmax":
            return np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        case "leaky-relu":
            return np.maximum(z, z / 100)
        case "softplus":
            return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
        case "gelu":
            return z * (1 + erf(z / np.sqrt(2))) / 2
        case "linear":
            return z
        case _:
            raise ValueError(activation)


def slope(activation: str, z: np.ndarray) -> np.ndarray:
    """The derivative of each activation by its own weighted input."""
    a = activate(activation, z)
    match activation:
        case "sigmoid":
            return a * (1 - a)
        case "tanh":
            return 1 - a**2
        case "relu":
            return (z > 0).astype(z.dtype)
        case "leaky-relu":
            return np.where(z > 0, 1, 0.01).astype(z.dtype)
        case "softplus":
            return np.exp(-np.logaddexp(0.0, -z))
        case "gelu":
            density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
            return (1 + erf(z / np.sqrt(2))) / 2 + z * density
        case "linear":
            return np.ones_like(z)
        case _:
            raise ValueError(activation)


def jacobian(activation: str, z: np.ndarray) -> np.ndarray:
    """The derivatives of a layer's activations (rows) by its weighted inputs (columns)."""
    if activation == "softmax":
        a = activate(activation, z)
        return np.diag(a) - np.outer(a, a)
    return np.diag(slope(activation, z))


def feedforward(layers: Sequence[Layer], image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each layer's z and a (ch. 2 eq. 25), from pixels in 0 .. 1.

    One product is added after another: no order of a sum rounds more often.
    """
    passed, a = [], np.asarray(image)
    for layer in layers:
        z = np.add.accumulate(layer.weight * a, axis=1)[:, -1] + layer.bias
        a = activate(layer.activation, z)
        passed.append((z, a))
    return passed


def cost(loss: str, a: np.ndarray, y: np.ndarray) -> float:
    """The cost of one image (ch. 1 eq. 6, ch. 3 eq. 63 and 80)."""
    match loss:
        case "quadratic":
            return 0.5 * np.sum((y - a) ** 2)
        case "cross-entropy":
            return -np.sum(xlogy(y, a) + xlogy(1 - y, 1 - a))
        case _:
            return -np.sum(xlogy(y, a))


def output_error(loss: str, activation: str, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """BP1: dC/da through the output layer (ch. 2 eq. 30); a - y where that cancels (ch. 3)."""
    a = activate(activation, z)
    return jacobian(activation, z).T @ (a - y) if loss == "quadratic" else a - y


def backpropagate(
    layers: Sequence[Layer], image: np.ndarray, y: np.ndarray, loss: str
) -> list[Layer]:
    """The gradient of the cost of one image (ch. 2 eq. BP1-BP4)."""
    passed = feedforward(layers, image)
    inputs = [image, *(a for _, a in passed[:-1])]
    delta = output_error(loss, layers[-1].activation, passed[-1][0], y)
    gradient = [Layer(np.outer(delta, inputs[-1]), delta)]
    for at in range(len(layers) - 2, -1, -1):
        slopes = jacobian(layers[at].activation, passed[at][0])
        delta = slopes.T @ layers[at + 1].weight.T @ delta
        gradient.insert(0, Layer(np.outer(delta, inputs[at]), delta))
    return gradient


def sgd_step(
    layers: Sequence[Layer], velocities: Sequence[Layer], gradient: Sequence[Layer], rule: Rule
) -> tuple[list[Layer], list[Layer]]:
    """Layers and velocities after v <- mu v - eta g, w <- w + v (ch. 3 eq. 93-97, 107-108).

    Args:
        layers: before the step.
        velocities: before the step.
        gradient: mean over the mini-batch, without penalties.
        rule: the numbers.
    """
    moved, faster = [], []
    for layer, velocity, g in zip(layers, velocities, gradient, strict=True):
        decay = rule.l2 * layer.weight + rule.l1 * np.sign(layer.weight)
        pull = g.weight + decay / rule.divisor
        v = rule.momentum * velocity.weight - rule.learning_rate * pull
        u = rule.momentum * velocity.bias - rule.learning_rate * g.bias
        moved.append(Layer(layer.weight + v, layer.bias + u, layer.activation))
        faster.append(Layer(v, u))
    return moved, faster


def train(
    layers: Sequence[Layer],
    images: np.ndarray,
    targets: np.ndarray,
    batches: Sequence[np.ndarray],
    loss: str,
    rule: Rule,
) -> tuple[list[Layer], list[float]]:
    """Layers after a step on each mini-batch, and the mean cost of each before its step."""
    velocities = [Layer(0 * layer.weight, 0 * layer.bias) for layer in layers]
    costs = []
    for batch in batches:
        examples = [(images[i], targets[i]) for i in batch]
        costs.append(
            np.mean([cost(loss, feedforward(layers, image)[-1][1], y) for image, y in examples])
        )
        gradients = [backpropagate(layers, image, y, loss) for image, y in examples]
        mean = [
            Layer(
                sum(g.weight for g in layers) / len(batch), sum(g.bias for g in layers) / len(batch)
            )
            for layers in zip(*gradients, strict=True)
        ]
        layers, velocities = sgd_step(layers, velocities, mean, rule)
    return list(layers), costs


def target(label: int, kind: str) -> np.ndarray:
    """What the output neurons should say of a digit: one of ten, or its bits, lowest first."""
    if kind == "one-hot":
        return np.array([float(digit == label) for digit in range(10)])
    return np.array([float(bit) for bit in reversed(f"{label:04b}")])


def evaluate(
    layers: Sequence[Layer], images: np.ndarray, labels: np.ndarray, loss: str, rule: Rule
) -> tuple[int, float]:
    """Images classified rightly, and the mean cost with penalties (ch. 3 eq. 87, 95)."""
    outputs = [feedforward(layers, image)[-1][1] for image in images]
    count = sum(int(np.argmax(a) == label) for a, label in zip(outputs, labels, strict=True))
    costs = [cost(loss, a, target(y, "one-hot")) for a, y in zip(outputs, labels, strict=True)]
    squares = sum(np.sum(layer.weight**2) for layer in layers)
    absolutes = sum(np.sum(np.abs(layer.weight)) for layer in layers)
    return count, np.mean(costs) + (rule.l2 / 2 * squares + rule.l1 * absolutes) / rule.divisor


def copy_layers(model) -> list[Layer]:
    """The layers of one of the library's networks, in float64."""
    return [
        Layer(np.asarray(layer.weight, float), np.asarray(layer.bias, float), layer.activation)
        for layer in model.layers
    ]
