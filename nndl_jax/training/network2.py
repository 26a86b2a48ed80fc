"""Networks that the book's own program saved: network2.py, `Network.save` (ch. 3)."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nndl_jax.documents import Network
from nndl_jax.documents.load import load_network, override
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.networks.network import FeedforwardNetwork, build_model
from nndl_jax.reading.validation import closest

_COSTS = {"CrossEntropyCost": "cross-entropy", "QuadraticCost": "quadratic"}


def load_network2(path: Path | str) -> FeedforwardNetwork:
    """The network in a file that `network2.Network.save` wrote, with the document that fits it.

    Args:
        path: JSON with `sizes`, `weights`, `biases` and `cost`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else, or not a network for images of 784 pixels and ten digits.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is not a file")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        found = json.loads(text)
        sizes, cost = [int(size) for size in found["sizes"]], str(found["cost"])
        with np.errstate(over="ignore"):  # Looked at below.
            weights = [np.array(layer, np.float32) for layer in found["weights"]]
            biases = [np.array(layer, np.float32).reshape(-1) for layer in found["biases"]]
    except (KeyError, RecursionError, TypeError, ValueError):
        message = "is not what the book's network2 saves, sizes, weights, biases and cost"
        raise ValueError(f"{path}: {message}") from None
    if cost not in _COSTS:
        raise ValueError(f"{path}: its cost is {cost!r}; {closest(cost, list(_COSTS))}")
    shapes = [array.shape for array in weights], [array.shape for array in biases]
    wanted = list(zip(sizes[1:], sizes[:-1], strict=True)), [(size,) for size in sizes[1:]]
    if shapes != wanted:
        raise ValueError(f"{path}: its sizes {sizes} are not those of its weights and biases")
    if len(sizes) < 2 or (sizes[0], sizes[-1]) != (784, 10):
        message = "only networks of digits are read, of 784 inputs and ten outputs"
        raise ValueError(f"{path}: its sizes are {sizes}, and {message}")
    if not all(np.isfinite(array).all() for array in (*weights, *biases)):
        raise ValueError(f"{path}: holds numbers that are not finite")
    layers = [{"kind": "dense", "units": size, "activation": "sigmoid"} for size in sizes[1:]]
    changes = {"title": "A network of network2", "loss": _COSTS[cost], "model.layers": layers}
    spec = override(load_network("ch1-30-hidden"), changes)
    if not isinstance(spec, Network):
        raise TypeError(f"{path}: a {spec.kind} has no weights")
    model = build_model(spec, key=jax.random.key(0))
    dense = [layer for layer in model.layers if isinstance(layer, DenseLayer)]
    for layer, weight, bias in zip(dense, weights, biases, strict=True):
        layer.weight[...], layer.bias[...] = jnp.asarray(weight), jnp.asarray(bias)
    return model
