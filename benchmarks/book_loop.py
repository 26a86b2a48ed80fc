"""Training as the book wrote it in 2013: NumPy in float64, one example at a time, in columns."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, "units 1"]
Layer = tuple[Float[np.ndarray, "out in"], Vector]


def draw_layers(sizes: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Weights and biases of layers from the normal distribution."""
    pairs = itertools.pairwise(sizes)
    return [(rng.standard_normal((m, n)), rng.standard_normal((m, 1))) for n, m in pairs]


def outputs(layers: list[Layer], x: Vector) -> Vector:
    """Activations of the last layer for an input."""
    for w, b in layers:
        x = _sigmoid(np.dot(w, x) + b)
    return x


def book_step(
    layers: list[Layer], examples: Sequence[tuple[Vector, Vector]], learning_rate: float
) -> list[Layer]:
    """The layers after w <- w - eta / m sum_x dC_x/dw over the m examples x (eq. 20); b alike."""
    sums = [(np.zeros(w.shape), np.zeros(b.shape)) for w, b in layers]
    for x, y in examples:
        grads = _backpropagate(layers, x, y)
        sums = [(sw + dw, sb + db) for (sw, sb), (dw, db) in zip(sums, grads, strict=True)]
    rate = learning_rate / len(examples)
    pairs = zip(layers, sums, strict=True)
    return [(w - rate * sw, b - rate * sb) for (w, b), (sw, sb) in pairs]


def _backpropagate(layers: list[Layer], x: Vector, y: Vector) -> list[Layer]:
    """dC/dw and dC/db of every layer for the input x and the target y (ch. 2, BP1-BP4).

    With z = w a + b and delta = dC/dz: delta = (a - y) sigma'(z) in the last layer (BP1) and
    (w^T delta) sigma'(z) with w and delta of the next layer elsewhere (BP2); dC/db = delta (BP3)
    and dC/dw = delta a^T with a of the layer before (BP4).
    """
    activations, zs = [x], []
    for w, b in layers:
        zs.append(np.dot(w, activations[-1]) + b)
        activations.append(_sigmoid(zs[-1]))
    delta = (activations[-1] - y) * _sigmoid_prime(zs[-1])
    grads = [(np.dot(delta, activations[-2].T), delta)]
    for index in range(len(layers) - 2, -1, -1):
        delta = np.dot(layers[index + 1][0].T, delta) * _sigmoid_prime(zs[index])
        grads.insert(0, (np.dot(delta, activations[index].T), delta))
    return grads


def _sigmoid(z: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-z))


def _sigmoid_prime(z: Vector) -> Vector:
    return _sigmoid(z) * (1.0 - _sigmoid(z))
