"""Layers of one neuron each: why gradients vanish or explode (ch. 5).

The gradient is a product along the chain,

    dC/db_k = s'(z_k) w_(k+1) s'(z_(k+1)) ... w_L s'(z_L) dC/da_L,

so that of an early layer has more factors w s'(z) than that of a late one.

>>> from nndl_jax import load_spec, measure_construction
>>> measured = measure_construction(load_spec("ch5-exploding"))
>>> measured["factor.2"], measured["ratio.3"]
(25.0, 625.0)
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from nndl_jax.calculations.activations import ACTIVATIONS
from nndl_jax.calculations.dense import DenseValues, Run
from nndl_jax.calculations.quantity import Form
from nndl_jax.reading.record import Number, fault

PLOTTED = np.linspace(-5, 5, 1001)
"""Where the book plots the slope of the sigmoid function, at distances of 0.01."""


class Chain(Form):
    """Layers of one neuron each: z_k = w_k a_(k-1) + b_k, from the input a_0 on (ch. 5)."""

    equations = (
        ("neuron", r"a_k = \sigma(z_k), \quad z_k = w_k a_{k-1} + b_k"),
        (
            "gradient",
            r"\frac{\partial C}{\partial b_k} = \sigma'(z_k) \, w_{k+1} \sigma'(z_{k+1}) \cdots "
            r"w_L \sigma'(z_L) \frac{\partial C}{\partial a_L}",
        ),
    )
    form: Literal["chain"]
    activation: Literal["sigmoid", "tanh"]
    input: Number
    """The a_0 above."""
    weights: Annotated[tuple[Number, ...], Field(min_length=2, max_length=64)]
    """The w_k, one for each layer."""
    biases: Literal["balanced"] | tuple[Number, ...]
    """The b_k, or `balanced` for those that make each z_k zero: b_k = -w_k a_(k-1)."""

    def metrics(self) -> tuple[str, ...]:
        """Of each layer k: b_k, a_k, the factor |w_k s'(z_k)|, and |dC/db_1| by |dC/db_k|.

        Then the largest slope s' of the activation function, and where it is.
        """
        layers = range(1, len(self.weights) + 1)
        per_layer = ("bias", "activation", "factor", "ratio")
        numbered = (f"{name}.{layer}" for name in per_layer for layer in layers)
        return (*numbered, "max_slope", "max_slope_at")

    def layers(self) -> Sequence[DenseValues]:
        """The layers of the network.

        References:
            Nielsen, 2015, ch. 5, section "What's causing the vanishing gradient problem? Unstable
            gradients in deep neural nets", eq. 122.
        """
        return [
            DenseValues(np.array([[weight]]), np.array([bias]), self.activation)
            for weight, bias in zip(self.weights, self._given_biases(), strict=True)
        ]

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics."""
        place, depth = np.array([[self.input]]), range(len(self.weights))
        outputs = np.concatenate([run(place, layer).activations[0] for layer in depth])
        weights = np.array(self.weights, outputs.dtype)
        slopes = self._slope(outputs)
        curve = self._slope(ACTIVATIONS[self.activation](PLOTTED))
        # Of each layer k, |s'(z_1) w_2 s'(z_2) ... s'(z_(k-1)) w_k|: what the two gradients have in
        # common is left out, not divided by, for it may be zero.
        with np.errstate(over="ignore"):
            ratios = np.cumprod(np.abs(slopes[:-1] * weights[1:]), dtype=outputs.dtype)
        values = [
            *(layer.bias[0] for layer in self.layers()),
            *outputs,
            *np.abs(weights * slopes),
            *(1.0, *ratios),
            curve.max(),
            PLOTTED[curve.argmax()],
        ]
        return np.array(values, np.float64)

    def _given_biases(self) -> Sequence[float]:
        if self.biases != "balanced":
            return self.biases
        # Where weighted inputs are zero, activations are equal.
        activation = float(ACTIVATIONS[self.activation](np.zeros(())))
        sources = [self.input] + [activation] * (len(self.weights) - 1)
        return [-weight * source for weight, source in zip(self.weights, sources, strict=True)]

    def _slope(self, outputs: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The slope of the activation function where it has these values."""
        match self.activation:
            case "sigmoid":
                return outputs * (1 - outputs)
            case "tanh":
                return (1 + outputs) * (1 - outputs)

    @model_validator(mode="after")
    def _biases_are_as_many_as_weights(self) -> "Chain":
        if self.biases != "balanced" and len(self.biases) != len(self.weights):
            raise fault(
                ("biases",),
                f"must have a number for each of the {len(self.weights)} weights, got "
                f"{len(self.biases)}",
            )
        return self
