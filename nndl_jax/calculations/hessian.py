"""The Hessian technique beside gradient descent, on a neuron of two variables (ch. 3)."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float
from pydantic import Field, model_validator

from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import Fraction, fault

Small = Annotated[float, Field(ge=-10, le=10)]
Rate = Annotated[float, Field(ge=1e-6, le=10)]
Examples = Sequence[tuple[float, float]]


class HessianStep(Quantity):
    """Steps -eta H^-1 grad C and steps -eta grad C of a sigmoid neuron's weight and bias (ch. 3).

    The cost is the cross-entropy, which curves downwards nowhere.
    """

    equations = (
        (
            "second order",
            r"C(w + \Delta w) \approx C(w) + \nabla C \cdot \Delta w "
            r"+ \frac{1}{2} \Delta w^T H \Delta w",
        ),
        ("Hessian", r"H_{jk} = \frac{\partial^2 C}{\partial w_j \, \partial w_k}"),
        ("step by the Hessian", r"w \to w - \eta \, H^{-1} \nabla C"),
        ("step along the gradient", r"w \to w - \eta \, \nabla C"),
    )
    kind: Literal["hessian-step"]
    examples: Annotated[tuple[tuple[Small, Fraction], ...], Field(min_length=2, max_length=64)]
    """Inputs x with what the neuron ought to give for them, y."""
    start: tuple[Small, Small]
    """The weight and the bias before the first step."""
    steps: Annotated[int, Field(ge=1, le=1000)]
    """Of either kind."""
    learning_rate: Annotated[float, Field(ge=1e-6, le=1)] = 1.0
    """The eta of the Hessian's steps; 1 goes to the minimum of the second-order approximation."""
    gradient_rate: Rate
    """The eta of gradient descent."""
    parameters: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Weights and biases of a network, the entries of whose Hessian are counted."""

    def metrics(self) -> tuple[str, ...]:
        """C before and after, its first change by that of second order, and the entries of H."""
        return ("first_cost", "hessian_cost", "gradient_cost", "change_ratio", "num_entries")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """Eq. 103 of chapter 3 with the step of eq. 106 changes C by (eta^2/2 - eta) g H^-1 g."""
        newton, plain = self.paths()
        with np.errstate(all="ignore"):  # Where a neuron saturates, the Hessian vanishes.
            costs = [local_cost(self.examples, *point).cost for point in newton]
            last = local_cost(self.examples, *plain[-1]).cost
            start = local_cost(self.examples, *self.start)
            decrease = start.gradient @ start.newton_step()
            predicted = (self.learning_rate - self.learning_rate**2 / 2) * decrease
            ratio = (costs[1] - costs[0]) / predicted
        return np.array([costs[0], costs[-1], last, ratio, self.parameters**2], dtype=np.float64)

    def paths(self) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points 2"]]:
        """Weights and biases by the Hessian's steps, and by gradient descent."""
        newton, plain = [np.array(self.start)], [np.array(self.start)]
        with np.errstate(all="ignore"):
            for _ in range(self.steps):
                here = local_cost(self.examples, *newton[-1])
                newton.append(newton[-1] + self.learning_rate * here.newton_step())
                slope = local_cost(self.examples, *plain[-1]).gradient
                plain.append(plain[-1] - self.gradient_rate * slope)
        return np.array(newton), np.array(plain)

    @model_validator(mode="after")
    def _has_a_hessian(self) -> "HessianStep":
        places = {x for x, _ in self.examples}
        if len(places) < 2:
            message = f"must have two inputs or more that differ, got {places.pop():g} alone"
            raise fault(("examples",), f"{message}, for which weight and bias do the same")
        return self


class LocalCost(NamedTuple):
    """A cost about a point, to the second order."""

    cost: float
    gradient: Float[np.ndarray, " variables"]
    hessian: Float[np.ndarray, "variables variables"]

    def newton_step(self) -> Float[np.ndarray, " variables"]:
        """The change -H^-1 grad C of two variables; not a number where H has no inverse.

        References:
            Nielsen, 2015, ch. 3, section "Other techniques", eq. 105.
        """
        (a, b), (c, d) = self.hessian
        adjugate = np.array([[d, -b], [-c, a]])
        return -adjugate @ self.gradient / (a * d - b * c)


def local_cost(examples: Examples, weight: float, bias: float) -> LocalCost:
    """The mean cross-entropy C of a sigmoid neuron, by its weight and its bias.

    grad C is the mean of (a - y)(x, 1), and H that of a (1 - a)(x, 1)(x, 1)^T.

    Args:
        examples: x and y of each.
        weight: the w.
        bias: the b.
    """
    x, y = np.array(examples, dtype=np.float64).T
    z = weight * x + bias
    activation, slope = scipy.special.expit(z), scipy.special.expit(z) * scipy.special.expit(-z)
    inputs = np.stack([x, np.ones_like(x)])
    cost = float(np.mean(np.logaddexp(0, z) - y * z))
    gradient = inputs @ (activation - y) / len(x)
    return LocalCost(cost, gradient, (slope * inputs) @ inputs.T / len(x))
