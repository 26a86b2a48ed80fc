"""The author's programs for chapter 3's figures, as far as they draw numbers and train an epoch.

Written from `network2.py` and `fig/overfitting.py`, with Python's and NumPy's own generators.
"""

import random
from itertools import pairwise

import numpy as np

SEED = 12345678
SLIPS = (
    "pixels / 255 instead of / 256",
    "Python 3's shuffle instead of Python 2's",
    "weights drawn before biases",
    "no default initialization drawn before the large one",
    "L2 divided by the mini-batch instead of the training images",
)
"""Ways in which other ports, and a careless change to this one, go wrong."""


class Network:
    """`network2.Network`: as much of it as draws numbers."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.default_weight_initializer()

    def default_weight_initializer(self):
        """Standard deviation 1/sqrt(n_in)."""
        self.biases = [np.random.randn(y, 1) for y in self.sizes[1:]]
        self.weights = [np.random.randn(y, x) / np.sqrt(x) for x, y in pairwise(self.sizes)]

    def large_weight_initializer(self):
        """Standard deviation 1."""
        self.biases = [np.random.randn(y, 1) for y in self.sizes[1:]]
        self.weights = [np.random.randn(y, x) for x, y in pairwise(self.sizes)]


class Shuffle:
    """`random.shuffle` of Python 2, from the last place to the second."""

    def __init__(self, seed=SEED):
        self.random = random.Random(seed).random

    def __call__(self, x):
        """Shuffle a list in place."""
        for i in reversed(range(1, len(x))):
            j = int(self.random() * (i + 1))
            x[i], x[j] = x[j], x[i]


def first_cost(split, slip=None):
    """The training cost after the first epoch of the regularized run on 1,000 images (ch. 3).

    Args:
        split: all training images, with their labels.
        slip: one of SLIPS, or None for the program as it was.
    """
    pixels = 255 if slip == SLIPS[0] else 256
    images, targets = split.images[:1000] / pixels, np.eye(10)[split.labels[:1000]]
    layers, order = _first_layers(slip), list(range(1000))
    (random.Random(SEED).shuffle if slip == SLIPS[1] else Shuffle())(order)
    rate, l2 = 0.5, 0.1
    decay = 1 - rate * l2 / (10 if slip == SLIPS[4] else 1000)
    for batch in np.array(order).reshape(100, 10):
        (w1, b1), (w2, b2) = layers
        inputs = images[batch]
        hidden = _sigmoid(inputs @ w1.T + b1)
        outer = _sigmoid(hidden @ w2.T + b2) - targets[batch]
        inner = outer @ w2 * hidden * (1 - hidden)
        layers = [
            (decay * w1 - rate / 10 * inner.T @ inputs, b1 - rate * inner.mean(axis=0)),
            (decay * w2 - rate / 10 * outer.T @ hidden, b2 - rate * outer.mean(axis=0)),
        ]
    (w1, b1), (w2, b2) = layers
    outputs = _sigmoid(_sigmoid(images @ w1.T + b1) @ w2.T + b2)
    costs = -np.log(np.where(targets == 1, outputs, 1 - outputs)).sum(axis=1)
    return costs.mean() + l2 / 2 * (np.sum(w1**2) + np.sum(w2**2)) / 1000


def _first_layers(slip):
    rng, sizes = np.random.RandomState(SEED), [(30, 784), (10, 30)]
    if slip != SLIPS[3]:
        rng.randn(sum(units * (inputs + 1) for units, inputs in sizes))
    if slip == SLIPS[2]:
        weights = [rng.randn(*size) for size in sizes]
        return list(zip(weights, [rng.randn(units) for units, _ in sizes], strict=True))
    biases = [rng.randn(units) for units, _ in sizes]
    return list(zip([rng.randn(*size) for size in sizes], biases, strict=True))


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))
