"""A polynomial through points, and a line that is simpler (ch. 3)."""

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Chebyshev
from numpy.polynomial import Polynomial as PowerSeries
from pydantic import Field, model_validator

from nndl_jax.calculations.quantity import Quantity
from nndl_jax.reading.record import Number, fault

CLOSEST = 1e-6


class Polynomial(Quantity):
    """A polynomial through points by least squares, and its rival, a line through the origin."""

    equations = (
        ("polynomial", r"y = \sum_{k=0}^{d} c_k x^k"),
        ("least squares", r"\min_c \sum_i (y_i - y(x_i))^2"),
    )
    kind: Literal["polynomial"]
    points: Annotated[tuple[tuple[Number, Number], ...], Field(min_length=2, max_length=64)]
    """Pairs of x and y."""
    degree: Annotated[int, Field(ge=1, le=20)]
    """Of the polynomial; it goes through all points if that is one less than their number."""
    line: Number
    """Slope of the rival line."""
    at: Annotated[tuple[Number, ...], Field(max_length=16)] = ()
    """The x at which polynomial and line are compared."""

    def metrics(self) -> tuple[str, ...]:
        """Coefficients of x^0 and up, values at the given x, and how well lines fit."""
        coefficients = tuple(f"coefficient.{power}" for power in range(self.degree + 1))
        names = ("value", "line_value")
        values = (f"{name}.{number}" for name in names for number in range(1, 1 + len(self.at)))
        return (*coefficients, *values, "line_residual", "slope", "intercept")

    def measure(self, rng: np.random.Generator) -> Float[np.ndarray, " metrics"]:
        """In the order of `metrics`."""
        coefficients = fit_polynomial(self.points, self.degree)
        intercept, slope = fit_polynomial(self.points, 1)
        x, y = np.transpose(self.points)
        at = np.array(self.at)
        residual = np.sqrt(np.mean((y - self.line * x) ** 2))
        values = PowerSeries(coefficients)(at), self.line * at
        return np.concatenate([coefficients, *values, [residual, slope, intercept]])

    @model_validator(mode="after")
    def _points_suffice(self) -> "Polynomial":
        if self.degree >= len(self.points):
            raise fault(
                ("degree",),
                f"must be below the number of points, {len(self.points)}, got {self.degree}",
            )
        for (first, (x, _)), (second, (other, _)) in combinations(enumerate(self.points), 2):
            if abs(x - other) < CLOSEST:
                raise fault(
                    ("points", second, 0),
                    f"must be at least {CLOSEST:g} away from the x of points[{first}], {x}, "
                    f"got {other}",
                )
        return self


def fit_polynomial(
    points: Sequence[tuple[float, float]], degree: int
) -> Float[np.ndarray, " coefficients"]:
    """Coefficients of x^0, x^1, ..., x^degree of the polynomial nearest to points.

    It has the least sum of squared differences in y, and goes through all points if `degree` is one
    less than their number.

    >>> fit_polynomial([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)], 1).round(9).tolist()
    [1.0, 2.0]

    Args:
        points: pairs of x and y, more of them than `degree`.
        degree: of the polynomial.

    Raises:
        ValueError: the x are too few or too close together to determine the polynomial.

    References:
        Nielsen, 2015, ch. 3, section "Why does regularization help reduce overfitting?".
    """
    x, y = np.transpose(points)
    # Powers of x are nearly dependent, and a fit of them loses half of a float's digits, the last
    # ones that the book prints among them. Chebyshev polynomials on the range of x are not.
    fitted, (_, rank, _, _) = Chebyshev.fit(x, y, degree, full=True)
    if rank <= degree:
        raise ValueError(
            f"{len(points)} points whose x are as close as these determine no polynomial of degree "
            f"{degree}; lower the degree or move the points apart"
        )
    coefficients = fitted.convert(kind=PowerSeries).coef
    # NumPy leaves out leading zeros.
    return np.pad(coefficients, (0, degree + 1 - len(coefficients)))
