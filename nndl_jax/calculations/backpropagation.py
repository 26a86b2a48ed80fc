"""Backpropagation against other ways to the same gradient (ch. 2), a kind of calculation."""

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from nndl_jax.calculations.activations import NEURON_ACTIVATIONS, Activation
from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import Extent, Record, fault

Loss = Literal["quadratic", "cross-entropy", "log-likelihood"]
MAX_PARAMS = 2000
MAX_PATHS = 1000

Form = Literal[
    "autodiff",
    "one-sided-differences",
    "central-differences",
    "matrices",
    "paths",
    "one-by-one",
]
"""Ways to the gradient: JAX's own; (C(w + e) - C(w)) / e; (C(w + e) - C(w - e)) / (2 e); a product
of matrices, the chapter's alternative presentation; the sum over all paths from a weight to the
cost; and backpropagation of one image at a time in place of a mini-batch at once."""


class Neuron(Record):
    """A hidden neuron whose activation function is not that of its layer (ch. 2, exercises)."""

    layer: Annotated[int, Field(ge=1, le=7)]
    """Its layer, 1 for the first hidden one."""
    number: Annotated[int, Field(ge=1, le=1024)]
    """Its place in the layer, from 1."""
    activation: Activation
    """The exercise's f."""


class Backpropagation(Quantity):
    """Backpropagation through a network with random weights, inputs and targets."""

    is_random: ClassVar[bool] = True
    equations = (
        ("error of the outputs", r"\delta^L = \nabla_a C \odot \sigma'(z^L)"),
        ("error of a layer", r"\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)"),
        ("gradient by a bias", r"\frac{\partial C}{\partial b^l_j} = \delta^l_j"),
        ("gradient by a weight", r"\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j"),
    )
    kind: Literal["backpropagation"]
    sizes: Annotated[tuple[Extent, ...], Field(min_length=2, max_length=8)]
    """Numbers of neurons, layer by layer, the inputs first."""
    activations: Annotated[tuple[Activation, ...], Field(min_length=1, max_length=7)]
    """Of each layer after the inputs."""
    neuron: Neuron | None = None
    """A neuron that differs from its layer; None for none."""
    loss: Loss
    """Cost of an image, in a network's words."""
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    """Images in the mini-batch."""
    against: Annotated[tuple[Form, ...], Field(min_length=1, max_length=6)]
    """What the gradient is compared with."""
    step: Annotated[float, Field(ge=1e-12, le=1)] = 1e-6
    """The e by which finite differences move each weight."""
    rounds: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Timings of a mini-batch at once and image by image; 0 for none."""

    def metrics(self) -> tuple[str, ...]:
        """Largest differences of any derivative, costs in forward passes, and speeds."""
        differences = tuple(f"difference.{form.replace('-', '_')}" for form in self.against)
        passes = ("passes_finite_differences", "passes_backpropagation")
        return (*differences, *passes, *self.timings())

    def timings(self) -> tuple[str, ...]:
        """Those of the quantities that differ from one time to the next."""
        speeds = ("images_per_second.batched", "images_per_second.one_by_one", "speed_up")
        return speeds if self.rounds else ()

    @model_validator(mode="after")
    def _activations_fit(self) -> "Backpropagation":
        wanted, last = len(self.sizes) - 1, len(self.activations) - 1
        if len(self.activations) != wanted:
            message = f"must be {wanted}, one for each of sizes but the first, got {last + 1}"
            raise fault(("activations",), message)
        for index, activation in enumerate(self.activations):
            if activation == "step":
                raise fault(("activations", index), "a step has no slope to learn by; use sigmoid")
            if activation == "softmax" and index != last:
                message = f"softmax belongs to the last layer; use {NEURON_ACTIVATIONS} here"
                raise fault(("activations", index), message)
        if self.activations[last] == "softmax" and self.sizes[-1] == 1:
            message = (
                "a softmax of one unit is always 1 and learns nothing; use sigmoid, or two units"
            )
            raise fault(("activations", last), message)
        needed = {"cross-entropy": "sigmoid", "log-likelihood": "softmax"}.get(self.loss)
        if needed is not None and self.activations[last] != needed:
            raise fault(
                ("loss",),
                f"{self.loss} needs a {needed} output layer, got {self.activations[last]!r}; "
                "change the loss or the last of the activations",
            )
        return self

    @model_validator(mode="after")
    def _neuron_exists(self) -> "Backpropagation":
        if self.neuron is None:
            return self
        hidden, layer, number = self.sizes[1:-1], self.neuron.layer, self.neuron.number
        if layer > len(hidden):
            message = f"must be at most the number of hidden layers, {len(hidden)}, got {layer}"
            raise fault(("neuron", "layer"), message)
        if number > hidden[layer - 1]:
            message = f"must be at most sizes[{layer}] = {hidden[layer - 1]}, got {number}"
            raise fault(("neuron", "number"), message)
        if self.neuron.activation in ("softmax", "step"):
            message = f"must have a slope at a neuron of its own, got {self.neuron.activation!r}"
            raise fault(("neuron", "activation"), f"{message}; use {NEURON_ACTIVATIONS}")
        return self

    @model_validator(mode="after")
    def _forms_are_feasible(self) -> "Backpropagation":
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        num_params = sum((inputs + 1) * outputs for inputs, outputs in pairs)
        num_paths = sum(prod(self.sizes[start:]) for start in range(1, len(self.sizes)))
        for index, form in enumerate(self.against):
            at = ("against", index)
            if form in self.against[:index]:
                raise fault(at, f"{form!r} is there already; leave it out")
            if form not in ("autodiff", "one-by-one") and num_params > MAX_PARAMS:
                message = f"{form!r} is for at most {MAX_PARAMS:,} weights and biases, got"
                raise fault(
                    at, f"{message} {num_params:,}; leave it out or make the network smaller"
                )
            if form == "paths" and num_paths > MAX_PATHS:
                message = f"at most {MAX_PATHS:,} paths are gone, and there are {num_paths:,}"
                raise fault(at, f"{message}; leave 'paths' out or make the network smaller")
            if form == "paths" and "softmax" in self.activations:
                message = "a softmax joins all paths, as each output depends on each weighted input"
                raise fault(at, f"{message}; leave 'paths' out or change the activation")
        return self
