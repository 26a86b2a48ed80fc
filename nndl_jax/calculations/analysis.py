"""Quantities of what the book derives: slopes of neurons, scaled ReLUs (ch. 1, 3, 5, 6)."""

from typing import Annotated, Literal

from pydantic import Field

from nndl_jax.schema.base import Record
from nndl_jax.schema.descent import Descent

Number = Annotated[float, Field(ge=-1e6, le=1e6)]


class Activations(Record):
    """The sigmoid, the step, tanh and the rectifier beside each other (ch. 1, 3, 5)."""

    kind: Literal["activations"]
    limit: Annotated[float, Field(gt=0, le=100)] = 5.0
    """Largest absolute weighted input looked at."""

    def quantities(self) -> tuple[str, ...]:
        """The steepest slopes, and the difference of the sigmoid from a tanh moved and scaled."""
        return ("sigmoid_slope", "tanh_slope", "relu_slope", "tanh_difference")


class SteepInterval(Record):
    """The input activations a with |w s'(w a + b)| >= 1, which keep gradients alive (ch. 5)."""

    kind: Literal["steep-interval"]
    weight: Number
    """The w above; how wide the interval is does not depend on b."""

    def quantities(self) -> tuple[str, ...]:
        """How wide the interval is, how wide the widest, and the weight that has it."""
        return ("width", "largest_width", "best_weight")


class IdentityNeuron(Record):
    """A hidden sigmoid neuron as identity: w_2 s(w_1 x + b) near x on [0, 1] (ch. 5)."""

    kind: Literal["identity-neuron"]
    weight: Annotated[float, Field(ge=0.001, le=1000)]
    """The w_1; it goes with b = -w_1 / 2 and w_2 = 4 / w_1."""

    def quantities(self) -> tuple[str, ...]:
        """Largest errors: up to a constant, and of the neuron that is best without one."""
        best = ("best_error", "best_weight", "best_bias", "best_output_weight")
        return ("largest_error", "constant", *best)


class ReluScaling(Record):
    """A network of rectified linear neurons whose weights are all multiplied by a factor (ch. 6).

    Its weights are normal with standard deviation 1/sqrt(width), its biases and inputs with 1.
    """

    kind: Literal["relu-scaling"]
    layers: Annotated[int, Field(ge=1, le=16)]
    """Layers of weights, one fewer than layers of neurons with the input."""
    # In a narrower one all neurons of a layer could be inactive for all inputs.
    width: Annotated[int, Field(ge=32, le=1000)] = 100
    """Neurons in each layer, and inputs."""
    factor: Annotated[float, Field(ge=0.01, le=100)]
    """What all weights are multiplied with."""

    def quantities(self) -> tuple[str, ...]:
        """Ratios of outputs, deviations from factor^layers, and activations of a softmax on top."""
        deviations = ("deviation", "biases_deviation", "scaled_biases_deviation")
        softmax = ("softmax_deviation", "largest_activation", "scaled_largest_activation")
        return ("ratio", "biases_ratio", *deviations, *softmax)


Analysis = Descent | Activations | SteepInterval | IdentityNeuron | ReluScaling
