"""Networks whose weights are set by hand or by a rule, and what is measured of them (ch. 1, 4, 5).

>>> from nndl_jax import build_construction, load_spec
>>> model = build_construction(load_spec("ch1-nand"))
>>> model.layers[0].weight[...].tolist()
[[-2.0, -2.0]]
"""

from collections.abc import Mapping
from typing import assert_never

import jax.numpy as jnp
from jaxtyping import DTypeLike

from nndl_jax import bumps, chain, circuit, ridges, towers
from nndl_jax.layer_values import network_of
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Bumps, Chain, Circuit, Construction, Document, Ridges, Towers
from nndl_jax.schema.construction import Built
from nndl_jax.variants import single


def build_construction(spec: Document, dtype: DTypeLike | None = None) -> FeedforwardNetwork:
    """The network of a document, the same kind of module as a trained one.

    Args:
        spec: a document without `vary`.
        dtype: of weights and activations; None for JAX's own float, float64 in its 64-bit mode.

    Raises:
        SpecError: the document has axes.
        TypeError: the type is not one of floats.
    """
    network = single(spec, Construction).network
    dtype = jnp.zeros(()).dtype if dtype is None else _float_type(dtype)
    match network:
        case Circuit():
            return network_of(circuit.build(network), dtype)
        case Bumps():
            return network_of(bumps.build(network), dtype)
        case Ridges():
            return network_of(ridges.build(network), dtype)
        case Towers():
            return network_of(towers.build(network), dtype)
        case Chain():
            return network_of(chain.build(network), dtype)
        case _:
            assert_never(network)


def _float_type(dtype: DTypeLike) -> jnp.dtype:
    try:
        found = jnp.dtype(dtype)
    except TypeError:
        found = None
    if found is None or not jnp.issubdtype(found, jnp.floating):
        raise TypeError(f"dtype must be one of floats, such as 'float32'; got {dtype!r}")
    return found


def measure_construction(spec: Document) -> Mapping[str, float]:
    """The document's quantities by name; exact to float64 in JAX's 64-bit mode.

    Raises:
        SpecError: one of them is not a finite number.
    """
    spec = single(spec, Construction)
    return spec.check_finite(_measure(spec.network, build_construction(spec)))


def _measure(network: Built, model: FeedforwardNetwork) -> Mapping[str, float]:
    match network:
        case Circuit():
            return circuit.measure(network, model)
        case Bumps():
            return bumps.measure(network, model)
        case Ridges():
            return ridges.measure(network, model)
        case Towers():
            return towers.measure(network, model)
        case Chain():
            return chain.measure(network, model)
        case _:
            assert_never(network)
