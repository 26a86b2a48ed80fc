"""The update rules of the papers in NumPy, on one vector, with the papers' letters.

Written from the papers' equations and from nothing else, in the type of the arrays that are given.
"""

from collections.abc import Callable

import numpy as np

GradientFn = Callable[[np.ndarray], np.ndarray]


def nesterov(theta: np.ndarray, gradient_fn: GradientFn, epsilon, mu, num_steps):
    """Sutskever et al. (2013), eq. 3 and 4; gives the places theta + mu v, where gradients are."""
    v, places = np.zeros_like(theta), []
    for _ in range(num_steps):
        v = mu * v - epsilon * gradient_fn(theta + mu * v)
        theta = theta + v
        places.append(theta + mu * v)
    return np.array(places)


def rmsprop(w: np.ndarray, gradient_fn: GradientFn, learning_rate, decay, epsilon, num_steps):
    """Hinton (2012), lecture 6e: MeanSquare <- 0.9 MeanSquare + 0.1 g^2; g by its root."""
    mean_square, places = np.zeros_like(w), []
    for _ in range(num_steps):
        g = gradient_fn(w)
        mean_square = decay * mean_square + (1 - decay) * g**2
        w = w - learning_rate * g / (np.sqrt(mean_square) + epsilon)
        places.append(w)
    return np.array(places)


def adam(theta: np.ndarray, gradient_fn: GradientFn, alpha, beta1, beta2, epsilon, num_steps):
    """Kingma and Ba (2015), algorithm 1."""
    m, v, places = np.zeros_like(theta), np.zeros_like(theta), []
    for t in range(1, num_steps + 1):
        g = gradient_fn(theta)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        theta = theta - alpha * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        places.append(theta)
    return np.array(places)


def adamw(
    theta: np.ndarray, gradient_fn: GradientFn, alpha, beta1, beta2, epsilon, decay, num_steps
):
    """Loshchilov and Hutter (2019), algorithm 2, with eta_t = 1 and decay for lambda."""
    m, v, places = np.zeros_like(theta), np.zeros_like(theta), []
    for t in range(1, num_steps + 1):
        g = gradient_fn(theta)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - (alpha * m_hat / (np.sqrt(v_hat) + epsilon) + decay * theta)
        places.append(theta)
    return np.array(places)


def descent(theta: np.ndarray, gradient_fn: GradientFn, eta, num_steps):
    """Plain gradient descent."""
    places = []
    for _ in range(num_steps):
        theta = theta - eta * gradient_fn(theta)
        places.append(theta)
    return np.array(places)


def clipped(gradient_fn: GradientFn, threshold) -> GradientFn:
    """Pascanu, Mikolov and Bengio (2013), algorithm 1, of a gradient."""

    def shorten(theta: np.ndarray) -> np.ndarray:
        g = gradient_fn(theta)
        norm = np.sqrt(np.sum(g**2))
        return threshold / norm * g if norm >= threshold else g

    return shorten
