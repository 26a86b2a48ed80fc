"""Layers of one neuron each (ch. 5)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.schema.base import Record, fault

Number = Annotated[float, Field(ge=-1e6, le=1e6)]


class Chain(Record):
    """Layers of one neuron each: z_k = w_k a_(k-1) + b_k, from the input a_0 on (ch. 5)."""

    form: Literal["chain"]
    activation: Literal["sigmoid", "tanh"]
    input: Number
    """The a_0 above."""
    weights: Annotated[tuple[Number, ...], Field(min_length=2, max_length=64)]
    """The w_k, one for each layer."""
    biases: Literal["balanced"] | tuple[Number, ...]
    """The b_k, or `balanced` for those that make each z_k zero: b_k = -w_k a_(k-1)."""

    def quantities(self) -> tuple[str, ...]:
        """Of each layer k: b_k, a_k, the factor |w_k s'(z_k)|, and |dC/db_1| by |dC/db_k|.

        Then the largest slope s' of the activation function, and where it is.
        """
        layers = range(1, len(self.weights) + 1)
        per_layer = ("bias", "activation", "factor", "ratio")
        numbered = (f"{name}.{layer}" for name in per_layer for layer in layers)
        return (*numbered, "max_slope", "max_slope_at")

    @model_validator(mode="after")
    def _biases_are_as_many_as_weights(self) -> Self:
        if self.biases != "balanced" and len(self.biases) != len(self.weights):
            raise fault(
                ("biases",),
                f"must have a number for each of the {len(self.weights)} weights, got "
                f"{len(self.biases)}",
            )
        return self
