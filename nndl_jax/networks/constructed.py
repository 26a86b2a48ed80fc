"""Networks whose weights are set by hand or by a rule, and what is measured of them (ch. 1, 4, 5).

>>> from nndl_jax import build_construction, load_spec
>>> model = build_construction(load_spec("ch1-nand"))
>>> model.layers[0].weight[...].tolist()
[[-2.0, -2.0]]
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import DTypeLike

from nndl_jax.calculations.dense import BATCH, DenseValues, LayerOutputs, Points, Run
from nndl_jax.documents import Construction, Dense, Document, Initializer
from nndl_jax.documents.variants import single
from nndl_jax.networks.activations import activation_fn
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.networks.network import FeedforwardNetwork


def build_construction(spec: Document, dtype: DTypeLike | None = None) -> FeedforwardNetwork:
    """The network of a document, the same kind of module as a trained one.

    Args:
        spec: a document without `vary`.
        dtype: of weights and activations; None for JAX's own float, float64 in its 64-bit mode.

    Raises:
        SpecError: the document has axes.
        TypeError: the type is not one of floats.
    """
    layers = single(spec, Construction).network.layers()
    return network_of(layers, jnp.zeros(()).dtype if dtype is None else _float_type(dtype))


def measure_construction(spec: Document) -> Mapping[str, float]:
    """The document's metrics by name; exact to float64 in JAX's 64-bit mode.

    Raises:
        SpecError: one of them is not a finite number.
    """
    spec = single(spec, Construction)
    values = spec.network.measure(runner(build_construction(spec)))
    return spec.check_finite(dict(zip(spec.metrics(), values.tolist(), strict=True)))


def network_of(layers: Sequence[DenseValues], dtype: DTypeLike) -> FeedforwardNetwork:
    """A network of layers whose weights and biases are given.

    >>> import numpy as np
    >>> nand = DenseValues(np.array([[-2.0, -2.0]]), np.array([3.0]), "step")
    >>> network_of([nand], np.float32)(np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)).tolist()
    [[1.0], [0.0]]

    Args:
        layers: in order of evaluation.
        dtype: of weights and activations; float64 needs JAX's 64-bit mode.
    """
    return FeedforwardNetwork(
        [_layer(layer, dtype) for layer in layers], layers[0].weight.shape[1:]
    )


def runner(model: FeedforwardNetwork) -> Run:
    """A function that evaluates a network of fully-connected layers at points."""
    layers = [layer for layer in model.layers if isinstance(layer, DenseLayer)]

    def run(points: Points, layer: int = -1) -> LayerOutputs:
        chosen = layers[layer]
        below = layers[: range(len(layers))[layer]]
        # Batches of one size, the last filled up, are compiled but once.
        shape = (-(-len(points) // BATCH), BATCH, points.shape[1])
        parts = []
        for part in np.resize(points, shape):
            inputs = jnp.asarray(part, chosen.weight[...].dtype)
            for dense in below:
                inputs = dense(inputs)
            weighted = chosen.weighted_input(inputs)
            parts.append((weighted, activation_fn(chosen.activation)(weighted)))
        weighted, activations = zip(*parts, strict=True)
        return LayerOutputs(
            np.concatenate(weighted)[: len(points)], np.concatenate(activations)[: len(points)]
        )

    return run


def _float_type(dtype: DTypeLike) -> jnp.dtype:
    try:
        found = jnp.dtype(dtype)
    except TypeError:
        found = None
    if found is None or not jnp.issubdtype(found, jnp.floating):
        raise TypeError(f"dtype must be one of floats, such as 'float32'; got {dtype!r}")
    return found


def _layer(values: DenseValues, dtype: DTypeLike) -> DenseLayer:
    units, num_inputs = values.weight.shape
    spec = Dense(kind="dense", units=units, activation=values.activation)
    nothing = Initializer(weights="zeros", biases="zeros")
    key = jax.random.key(0)
    layer = DenseLayer(num_inputs, spec, nothing, key=key, dtype=dtype, dropout_masks="image")
    layer.weight = nnx.Param(jnp.asarray(values.weight, dtype))
    layer.bias = nnx.Param(jnp.asarray(values.bias, dtype))
    return layer
