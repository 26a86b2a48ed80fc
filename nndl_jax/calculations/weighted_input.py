"""How weighted inputs spread, and with it neurons saturate (ch. 3)."""

from typing import Annotated, ClassVar, Literal, assert_never

import numpy as np
import scipy
from jaxtyping import Float
from pydantic import Field, model_validator

from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import fault

MAX_DRAWN = 1_000_000_000


class WeightedInput(Quantity):
    """The spread of a neuron's weighted input z = sum_j w_j x_j + b before any training.

    Some of the inputs x_j are 1 and the others 0; weights and bias are normal with mean 0, the bias
    with standard deviation 1.
    """

    is_random: ClassVar[bool] = True
    equations = (
        ("weighted input", r"z = \sum_j w_j x_j + b"),
        ("its spread", r"\sigma_z = \sqrt{n_1 \sigma_w^2 + 1}"),
        ("saturated", r"P(|z| > t) = \mathrm{erfc}\left( \frac{t}{\sqrt{2} \, \sigma_z} \right)"),
    )
    kind: Literal["weighted-input"]
    inputs: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of inputs."""
    active: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of inputs that are 1."""
    weights: Literal["normal", "normal-fan-in"]
    """Standard deviation of the weights: 1, or 1/sqrt(inputs)."""
    beyond: Annotated[float, Field(ge=0, le=1e6)] = 5.0
    """Absolute weighted input from which the neuron counts as saturated."""
    draws: Annotated[int, Field(ge=2, le=1_000_000)] = 10_000
    """Sets of weights drawn, to see the spread in a sample."""

    def metrics(self) -> tuple[str, ...]:
        """The spread by its formula, the probability to be saturated, and a sample's spread."""
        return ("standard_deviation", "tail_probability", "sampled_standard_deviation")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """Weights and biases are drawn by `rng`."""
        deviation = weighted_input_deviation(self.inputs, self.active, self.weights)
        tail = tail_probability(deviation, self.beyond)
        return np.array([deviation, tail, self.sample(rng).std(ddof=1)])

    def sample(self, rng: np.random.Generator) -> Float[np.ndarray, " draws"]:
        """Weighted inputs z of a neuron, each with weights and a bias of its own."""
        deviation = _weight_deviation(self.inputs, self.weights)
        # One set of weights at a time: all of them could exceed the memory.
        sums = [rng.normal(0, deviation, self.active).sum() for _ in range(self.draws)]
        return np.array(sums) + rng.standard_normal(self.draws)

    @model_validator(mode="after")
    def _numbers_fit(self) -> "WeightedInput":
        if self.active > self.inputs:
            raise fault(
                ("active",), f"must be at most inputs = {self.inputs:,}, got {self.active:,}"
            )
        if self.active * self.draws > MAX_DRAWN:
            raise fault(
                ("draws",),
                f"asks for {self.active:,} x {self.draws:,} weights; at most {MAX_DRAWN:,} are "
                "drawn",
            )
        return self


def weighted_input_deviation(
    inputs: int, active: int, weights: Literal["normal", "normal-fan-in"]
) -> float:
    """Standard deviation of z = sum_j w_j x_j + b, sqrt(active s^2 + 1) with s that of a weight.

    >>> round(weighted_input_deviation(1000, 500, "normal"), 2)
    22.38

    Args:
        inputs: number of the x_j.
        active: number of the x_j that are 1; the others are 0.
        weights: `normal` for s = 1, `normal-fan-in` for s = 1/sqrt(inputs).

    References:
        Nielsen, 2015, ch. 3, section "Weight initialization".
    """
    return float(np.sqrt(active * _weight_deviation(inputs, weights) ** 2 + 1))


def tail_probability(deviation: float, beyond: float) -> float:
    """Probability that a normal number of mean 0 is above `beyond` or below -`beyond`."""
    return float(scipy.special.erfc(beyond / (deviation * np.sqrt(2))))


def _weight_deviation(inputs: int, weights: Literal["normal", "normal-fan-in"]) -> float:
    match weights:
        case "normal":
            return 1.0
        case "normal-fan-in":
            return float(1 / np.sqrt(inputs))
        case _:
            assert_never(weights)
