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
