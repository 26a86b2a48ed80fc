"""Neurons that are wired by hand (ch. 1).

A neuron may listen to inputs and to neurons of several layers below, a feedforward network to the
layer below only. So an input that is needed further up is handed on by relays, and a neuron that is
needed further up is computed again there, from what its own sources are in the layer below. That
changes no output, whatever the activation function. The document's neurons and connections are
counted without them.

>>> from nndl_jax import build_construction, load_spec
>>> half_adder = build_construction(load_spec("ch1-half-adder"))
>>> half_adder(np.array([[0, 1], [1, 1]], np.float32)).tolist()  # sum and carry
[[1.0, 0.0], [0.0, 1.0]]
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nndl_jax.layer_values import DenseValues
from nndl_jax.model import FeedforwardNetwork
from nndl_jax.schema import Circuit

RELAY = 2000.0
"""Weight of a relay, whose bias is half of it below 0. It hands on a 0 and a 1 unchanged, through a
sigmoid too: of ±1000 that is 0 and 1 to the last bit."""


class _Unit(NamedTuple):
    weights: Mapping[str, float]
    bias: float


def build(spec: Circuit) -> Sequence[DenseValues]:
    """The layers of the network.

    References:
        Nielsen, 2015, ch. 1, sections "Perceptrons" and "Sigmoid neurons".
    """
    units = _list_units(spec)
    return [
        _build_layer([units[name] for name in names], sources, spec)
        for sources, names in pairwise(_list_layers(spec, units))
    ]


def measure(spec: Circuit, model: FeedforwardNetwork) -> Mapping[str, float]:
    """The document's quantities by name.

    An output is wrong if it is half or more away from what it ought to be: of sigmoid neurons, 1/2
    says neither 0 nor 1.
    """
    inputs = np.array([row.inputs for row in spec.truth_table], np.float64)
    expected = np.array([row.outputs for row in spec.truth_table])[:, None]
    outputs = np.asarray(model(jnp.asarray(_near(inputs, spec.slack))))
    errors = np.abs(outputs - expected).max(axis=1)
    is_one = np.broadcast_to(expected == 1, outputs.shape)
    values = [
        len(spec.neurons),
        sum(len(each.weights_from(source)) for each in spec.neurons for source in each.weights),
        (errors >= 0.5).any(axis=1).sum(),
        errors.max(),
        outputs.min(where=is_one, initial=1.0),
        outputs.max(where=~is_one, initial=0.0),
        *np.ravel(model.logits(jnp.asarray(inputs))),
    ]
    return dict(zip(spec.quantities(), map(float, values), strict=True))


def _list_units(spec: Circuit) -> Mapping[str, _Unit]:
    """Neurons by their names, and a relay by the name of each input."""
    relays = {name: _Unit({name: RELAY}, -RELAY / 2) for name in spec.inputs}
    neurons = {
        each.name: _Unit(
            {source: spec.scale * sum(each.weights_from(source)) for source in each.weights},
            spec.scale * each.bias,
        )
        for each in spec.neurons
    }
    return relays | neurons


def _list_layers(spec: Circuit, units: Mapping[str, _Unit]) -> list[tuple[str, ...]]:
    """Names of what each layer computes, from the inputs to the outputs."""
    layers = [spec.outputs]
    while not set(layers[0]) <= set(spec.inputs):
        sources = dict.fromkeys(each for name in layers[0] for each in units[name].weights)
        layers.insert(0, tuple(sources))
    return [spec.inputs, *layers[1:]]


def _build_layer(units: Sequence[_Unit], sources: Sequence[str], spec: Circuit) -> DenseValues:
    weight = [[unit.weights.get(source, 0.0) for source in sources] for unit in units]
    bias = [unit.bias for unit in units]
    return DenseValues(np.array(weight), np.array(bias), spec.activation)


def _near(
    inputs: Float[np.ndarray, "rows inputs"], slack: float
) -> Float[np.ndarray, "rows corners inputs"]:
    """Inputs that are off by the slack, in all combinations.

    The output of a neuron that listens to them rises or falls with each, so it is extreme at one of
    these.
    """
    off = product((0.0, slack) if slack else (0.0,), repeat=inputs.shape[1])
    return np.abs(inputs[:, None] - np.array(list(off)))
