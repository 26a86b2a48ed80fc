"""Neurons that are wired by hand (ch. 1)."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.schema.base import Identifier, Record, fault

Bit = Annotated[int, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
Weights = Annotated[tuple[Weight, ...], Field(min_length=1, max_length=16)]
Bits = tuple[int, ...]


class Neuron(Record):
    """A neuron and what it listens to."""

    name: Identifier
    weights: Annotated[dict[str, Weight | Weights], Field(min_length=1)]
    """By the name of an input or of a neuron above this one; a list for several connections."""
    bias: Weight

    def weights_from(self, source: str) -> tuple[float, ...]:
        """The weights of all connections from one source."""
        weights = self.weights[source]
        return weights if isinstance(weights, tuple) else (weights,)


class TruthRow(Record):
    """What the outputs ought to be for one setting of the inputs."""

    inputs: tuple[Bit, ...]
    outputs: tuple[Bit, ...]


class Circuit(Record):
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

    def quantities(self) -> tuple[str, ...]:
        """Size, errors, and the weighted inputs of output neurons by their names and the inputs."""
        size = ("num_neurons", "num_connections")
        errors = ("num_wrong", "largest_error", "least_one", "greatest_zero")
        rows = ("".join(map(str, row.inputs)) for row in self.truth_table)
        names = [name.replace("-", "_") for name in self.outputs]
        return (*size, *errors, *(f"weighted_input.{k}.{row}" for row in rows for k in names))

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
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
    def _neurons_listen_to_what_is_above(self) -> Self:
        known, names = list(self.inputs), [name for _, name in self._names()]
        for index, neuron in enumerate(self.neurons):
            for source in neuron.weights:
                if source in known:
                    continue
                said = f"there is no {source!r} to listen to; inputs and neurons are {_list(names)}"
                if source in names:
                    said = (
                        f"{neuron.name!r} cannot listen to {source!r}, which does not stand above "
                        "it; write neurons in order of evaluation"
                    )
                raise fault(("neurons", index, "weights", source), said)
            known.append(neuron.name)
        return self

    @model_validator(mode="after")
    def _outputs_are_neurons(self) -> Self:
        names = [neuron.name for neuron in self.neurons]
        for index, name in enumerate(self.outputs):
            if name not in names:
                raise fault(("outputs", index), f"{name!r} is no neuron; neurons: {_list(names)}")
            if name in self.outputs[:index]:
                raise fault(("outputs", index), f"{name!r} is an output already; keep one")
        return self

    @model_validator(mode="after")
    def _neurons_are_of_use(self) -> Self:
        used = {source for neuron in self.neurons for source in neuron.weights} | {*self.outputs}
        for index, neuron in enumerate(self.neurons):
            if neuron.name not in used:
                raise fault(
                    ("neurons", index, "name"),
                    f"nothing listens to {neuron.name!r}; leave it out or add it to outputs",
                )
        return self

    @model_validator(mode="after")
    def _truth_table_is_whole(self) -> Self:
        seen: dict[Bits, int] = {}
        for index, row in enumerate(self.truth_table):
            at = ("truth_table", index)
            _check_length((*at, "inputs"), row.inputs, self.inputs)
            _check_length((*at, "outputs"), row.outputs, self.outputs)
            if self.one_hot and sum(row.inputs) != 1:
                said = f"must have a single 1, as one_hot is true, got {_list(row.inputs)}"
                raise fault((*at, "inputs"), said)
            if row.inputs in seen:
                first = f"truth_table[{seen[row.inputs]}]"
                said = f"{_list(row.inputs)} has a row already, {first}; keep one"
                raise fault((*at, "inputs"), said)
            seen[row.inputs] = index
        for bits in product((0, 1), repeat=len(self.inputs)):
            if bits not in seen and not (self.one_hot and sum(bits) != 1):
                raise fault(("truth_table",), f"has no row for the inputs {_list(bits)}; add it")
        return self

    @model_validator(mode="after")
    def _slack_is_for_one_layer(self) -> Self:
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
