"""Neurons that are wired by hand (ch. 1).

A neuron may listen to inputs and to neurons of several layers below, a feedforward network to the
layer below only. So an input that is needed further up is handed on by relays, and a neuron that is
needed further up is computed again there, from what its own sources are in the layer below. That
changes no output, whatever the activation function. The document's neurons and connections are
counted without them.

>>> from nndl_jax import build_construction, load_spec
>>> half_adder = build_construction(load_spec("ch1-half-adder"))
>>> import numpy as np
>>> half_adder(np.array([[0, 1], [1, 1]], np.float32)).tolist()  # sum and carry
[[1.0, 0.0], [0.0, 1.0]]
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from nndl_jax.calculations.dense import DenseValues, Run
from nndl_jax.calculations.quantity import Form
from nndl_jax.reading.record import Identifier, Number, Record, fault

Bit = Annotated[int, Field(ge=0, le=1)]
Weights = Annotated[tuple[Number, ...], Field(min_length=1, max_length=16)]
Bits = tuple[int, ...]

RELAY = 2000.0
"""Weight of a relay, whose bias is half of it below 0. It hands on a 0 and a 1 unchanged, through a
sigmoid too: of ±1000 that is 0 and 1 to the last bit."""


class Neuron(Record):
    """A neuron and what it listens to."""

    name: Identifier
    weights: Annotated[dict[str, Number | Weights], Field(min_length=1)]
    """By the name of an input or of a neuron above this one; a list for several connections."""
    bias: Number

    def weights_from(self, source: str) -> tuple[float, ...]:
        """The weights of all connections from one source."""
        weights = self.weights[source]
        return weights if isinstance(weights, tuple) else (weights,)


class TruthRow(Record):
    """What the outputs ought to be for one setting of the inputs."""

    inputs: tuple[Bit, ...]
    outputs: tuple[Bit, ...]


class Circuit(Form):
    """Neurons that are wired by hand, and what they ought to compute (ch. 1)."""

    form: Literal["circuit"]
    activation: Literal["step", "sigmoid"]
    """`step` makes the neurons perceptrons: 1 if w.x + b > 0, else 0."""
    scale: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """A factor c of all weights and biases."""
    inputs: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=10)]
    """Names of the inputs."""
    one_hot: bool = False
    """Whether exactly one input is 1 at a time, in place of any combination."""
    slack: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """How far inputs may be off: one that stands for 1 is at least 1 - slack, for 0 at most slack.
    Errors are the largest over all such inputs."""
    neurons: Annotated[tuple[Neuron, ...], Field(min_length=1, max_length=64)]
    """In order of evaluation."""
    outputs: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=16)]
    """Names of the neurons that are the outputs."""
    truth_table: Annotated[tuple[TruthRow, ...], Field(min_length=1, max_length=1024)]
    """A row for each setting of the inputs."""

    def metrics(self) -> tuple[str, ...]:
        """Size, errors, and the weighted inputs of output neurons by their names and the inputs."""
        size = ("num_neurons", "num_connections")
        errors = ("num_wrong", "largest_error", "least_one", "greatest_zero")
        rows = ("".join(map(str, row.inputs)) for row in self.truth_table)
        names = [name.replace("-", "_") for name in self.outputs]
        return (*size, *errors, *(f"weighted_input.{k}.{row}" for row in rows for k in names))

    def layers(self) -> Sequence[DenseValues]:
        """The layers of the network, with its relays.

        References:
            Nielsen, 2015, ch. 1, sections "Perceptrons" and "Sigmoid neurons".
        """
        units = _list_units(self)
        return [
            _build_layer([units[name] for name in names], sources, self)
            for sources, names in pairwise(_list_layers(self, units))
        ]

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics.

        An output is wrong if it is half or more away from what it ought to be: of sigmoid neurons,
        1/2 says neither 0 nor 1.
        """
        inputs = np.array([row.inputs for row in self.truth_table], np.float64)
        expected = np.array([row.outputs for row in self.truth_table])[:, None]
        corners = _near(inputs, self.slack)
        activations = run(corners.reshape(-1, len(self.inputs))).activations
        outputs = activations.reshape(*corners.shape[:2], -1)
        errors = np.abs(outputs - expected).max(axis=1)
        is_one = np.broadcast_to(expected == 1, outputs.shape)
        values = [
            len(self.neurons),
            sum(
                len(neuron.weights_from(source))
                for neuron in self.neurons
                for source in neuron.weights
            ),
            (errors >= 0.5).any(axis=1).sum(),
            errors.max(),
            outputs.min(where=is_one, initial=1.0),
            outputs.max(where=~is_one, initial=0.0),
            *np.ravel(run(inputs).weighted),
        ]
        return np.array(values, np.float64)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Circuit":
        seen = set()
        for at, name in self._names():
            if name in seen:
                raise fault(at, f"{name!r} is taken; inputs and neurons need names of their own")
            seen.add(name)
        return self

    def _names(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for index, name in enumerate(self.inputs):
            yield ("inputs", index), name
        for index, neuron in enumerate(self.neurons):
            yield ("neurons", index, "name"), neuron.name

    @model_validator(mode="after")
    def _neurons_listen_to_what_is_above(self) -> "Circuit":
        known, names = list(self.inputs), [name for _, name in self._names()]
        for index, neuron in enumerate(self.neurons):
            for source in neuron.weights:
                if source in known:
                    continue
                message = (
                    f"there is no {source!r} to listen to; inputs and neurons are {_list(names)}"
                )
                if source in names:
                    message = (
                        f"{neuron.name!r} cannot listen to {source!r}, which does not stand above "
                        "it; write neurons in order of evaluation"
                    )
                raise fault(("neurons", index, "weights", source), message)
            known.append(neuron.name)
        return self

    @model_validator(mode="after")
    def _outputs_are_neurons(self) -> "Circuit":
        names = [neuron.name for neuron in self.neurons]
        for index, name in enumerate(self.outputs):
            if name not in names:
                raise fault(("outputs", index), f"{name!r} is no neuron; neurons: {_list(names)}")
            if name in self.outputs[:index]:
                raise fault(("outputs", index), f"{name!r} is an output already; keep one")
        return self

    @model_validator(mode="after")
    def _neurons_are_of_use(self) -> "Circuit":
        used = {source for neuron in self.neurons for source in neuron.weights} | {*self.outputs}
        for index, neuron in enumerate(self.neurons):
            if neuron.name not in used:
                raise fault(
                    ("neurons", index, "name"),
                    f"nothing listens to {neuron.name!r}; leave it out or add it to outputs",
                )
        return self

    @model_validator(mode="after")
    def _truth_table_is_whole(self) -> "Circuit":
        seen: dict[Bits, int] = {}
        for index, row in enumerate(self.truth_table):
            at = ("truth_table", index)
            _check_length((*at, "inputs"), row.inputs, self.inputs)
            _check_length((*at, "outputs"), row.outputs, self.outputs)
            if self.one_hot and sum(row.inputs) != 1:
                message = f"must have a single 1, as one_hot is true, got {_list(row.inputs)}"
                raise fault((*at, "inputs"), message)
            if row.inputs in seen:
                first = f"truth_table[{seen[row.inputs]}]"
                message = f"{_list(row.inputs)} has a row already, {first}; keep one"
                raise fault((*at, "inputs"), message)
            seen[row.inputs] = index
        for bits in product((0, 1), repeat=len(self.inputs)):
            if bits not in seen and not (self.one_hot and sum(bits) != 1):
                raise fault(("truth_table",), f"has no row for the inputs {_list(bits)}; add it")
        return self

    @model_validator(mode="after")
    def _slack_is_for_one_layer(self) -> "Circuit":
        for neuron in self.neurons if self.slack else ():
            for source in neuron.weights:
                if source not in self.inputs:
                    raise fault(
                        ("slack",),
                        "needs neurons that listen to inputs only, as worst cases of others are "
                        f"not known, but {neuron.name!r} listens to {source!r}; leave it out",
                    )
        return self


def _check_length(at: Sequence[str | int], bits: Bits, names: Sequence[str]) -> None:
    if len(bits) != len(names):
        raise fault(at, f"must have a number for each of {_list(names)}, got {len(bits)}")


def _list(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


class _Unit(NamedTuple):
    weights: Mapping[str, float]
    bias: float


def _list_units(spec: Circuit) -> Mapping[str, _Unit]:
    """Neurons by their names, and a relay by the name of each input."""
    relays = {name: _Unit({name: RELAY}, -RELAY / 2) for name in spec.inputs}
    neurons = {
        neuron.name: _Unit(
            {source: spec.scale * sum(neuron.weights_from(source)) for source in neuron.weights},
            spec.scale * neuron.bias,
        )
        for neuron in spec.neurons
    }
    return relays | neurons


def _list_layers(spec: Circuit, units: Mapping[str, _Unit]) -> list[tuple[str, ...]]:
    """Names of what each layer computes, from the inputs to the outputs."""
    layers = [spec.outputs]
    while not set(layers[0]) <= set(spec.inputs):
        sources = dict.fromkeys(source for name in layers[0] for source in units[name].weights)
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
