"""A function of one input, approximated by bumps: pairs of steps (ch. 4)."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from nndl_jax.formula import FormulaError, parse_formula
from nndl_jax.schema.base import Record, Text, fault

RESOLUTION = 10.0
"""Least slope times width of a bump: a step rises from 1 % to 99 % over 9.2/slope."""
FLATTEST = 1e-6
"""Least absolute weight of a neuron that counts as a step."""
NUM_PLACES = 10_001
"""Places in [0, 1], evenly spaced with both ends, at which functions and networks are compared."""
MAX_BUMPS = 1000

Place = Annotated[float, Field(ge=-1, le=2)]
Height = Annotated[float, Field(ge=-1000, le=1000)]
Slope = Annotated[float, Field(gt=0, le=1e6)]


def check_slope(slope: float, what: str, width: float) -> None:
    """Refuse a slope with which something of this width would fall before it has risen.

    Args:
        slope: of its steps.
        what: a bump, a ridge or a tower.
        width: of the narrowest of them.
    """
    # A width such as 0.3 - 0.2 is not exact.
    if slope * width < RESOLUTION * (1 - 1e-9):
        least = f"{RESOLUTION:g} / width = {RESOLUTION / width:.4g}"
        raise fault(
            ("slope",),
            f"a {what} of width {width:.4g} needs a slope of at least {least}, or it falls before "
            f"it has risen; got {slope:g}",
        )


class Bump(Record):
    """A height between two places and 0 elsewhere."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: Annotated[Place, Field(alias="from")]
    """Where the bump begins."""
    end: Annotated[Place, Field(alias="to")]
    """Where it ends, beyond its beginning."""
    height: Height
    """The weight to the output of the neuron that steps up; the other's is its negative."""

    @model_validator(mode="after")
    def _has_a_width(self) -> Self:
        if self.start >= self.end:
            raise fault(("to",), f"must be above from = {self.start:g}, got {self.end:g}")
        return self


class Step(Record):
    """A hidden neuron by its weight and bias; with a large weight it steps at -bias/weight."""

    weight: Annotated[float, Field(ge=-1e6, le=1e6)]
    bias: Annotated[float, Field(ge=-1e6, le=1e6)]
    height: Height = 1.0
    """The weight to the output."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if abs(self.weight) < FLATTEST:
            said = f"must be {FLATTEST:g} or more away from 0, for the step is at -bias/weight"
            raise fault(("weight",), f"{said}, got {self.weight:g}")
        return self


class Bumps(Record):
    """A hidden layer of steps, whose weighted sum is the weighted input of the output neuron.

    One of three: bumps that together are a given function, given bumps, or given steps.
    """

    form: Literal["bumps"]
    function: Text | None = None
    """What the output is compared with: a formula in x, such as `0.2 + 0.4*x**2`."""
    count: Annotated[int, Field(ge=1, le=MAX_BUMPS)] | None = None
    """Number of bumps of equal width on [0, 1] that together are the function."""
    heights: (
        Literal["midpoints", "medians", "means"]
        | Annotated[tuple[Height, ...], Field(min_length=1, max_length=MAX_BUMPS)]
        | None
    ) = None
    """Heights of the `count` bumps: what the weighted output shall be at their midpoints, or its
    median or mean over 20 places of each from its beginning on; or one for each."""
    overlaps: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of approximations of a fraction of the function that are added up, each shifted from
    the one before by this fraction of a bump: a fault at an edge of one is a fraction of itself."""
    pairs: Annotated[tuple[Bump, ...], Field(max_length=MAX_BUMPS)] = ()
    """Given bumps, pairs of steps, in place of `count`."""
    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_BUMPS)] = ()
    """Given hidden neurons, in place of `count` and `pairs`."""
    slope: Slope = 1000.0
    """First-layer weight of all steps of bumps."""
    activation: Literal["sigmoid", "wavy", "relu", "linear", "step"] = "sigmoid"
    """Of the hidden neurons. A bump of relu has four of them, two for each of its steps."""
    output: Literal["sigmoid", "linear"]
    """Activation of the output neuron. With sigmoid, bumps approximate its inverse of the function,
    which is then between 0 and 1; with linear the function itself."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Distance from the function below which an output counts as a good approximation."""
    at: Annotated[tuple[Place, ...], Field(max_length=16)] = ()
    """The x at which the output is measured."""

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network, the step positions and outputs counted from 1."""
        positions = tuple(f"position.{number}" for number in range(1, 1 + len(self.steps)))
        values = tuple(f"value.{number}" for number in range(1, 1 + len(self.at)))
        return positions + (() if self.function is None else _OF_A_FUNCTION) + values

    @model_validator(mode="after")
    def _is_one_network(self) -> Self:
        given = {"count": self.count is not None, "pairs": self.pairs, "steps": self.steps}
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            said = f"needs one of count, pairs and steps, got {' and '.join(named) or 'none'}"
            raise fault(tuple(named[1:2]), said)
        if self.count is not None:
            for name in ("function", "heights"):
                if getattr(self, name) is None:
                    raise fault(("count",), f"needs {name}, which is missing; add it")
            return self
        if self.heights is not None:
            raise fault(("heights",), f"belongs to count; {named[0]} have heights of their own")
        if self.overlaps != 1:
            raise fault(("overlaps",), f"belongs to count; write {named[0]} that overlap")
        if self.function is None and not (self.at or self.steps):
            raise fault(("at",), "nothing is measured; give places with at, or a function")
        return self

    @model_validator(mode="after")
    def _heights_fit(self) -> Self:
        if isinstance(self.heights, tuple):
            if len(self.heights) != self.count:
                said = f"must have as many entries as count = {self.count}, got {len(self.heights)}"
                raise fault(("heights",), said)
            if self.overlaps != 1:
                raise fault(
                    ("overlaps",),
                    "needs heights for the shifted bumps as well; use midpoints, medians or means",
                )
        if (self.count or 0) * self.overlaps > MAX_BUMPS:
            said = f"asks for {self.count} x {self.overlaps} bumps; at most {MAX_BUMPS:,} are built"
            raise fault(("overlaps",), said)
        return self

    @model_validator(mode="after")
    def _steps_are_steep(self) -> Self:
        if self.activation in ("step", "linear"):
            return self
        widths = [bump.end - bump.start for bump in self.pairs]
        narrowest = 1 / self.count if self.count is not None else min(widths, default=np.inf)
        check_slope(self.slope, "bump", narrowest)
        return self

    @model_validator(mode="after")
    def _function_fits_output(self) -> Self:
        if self.function is None:
            return self
        x = np.linspace(0, 1, NUM_PLACES)
        try:
            values = parse_formula(self.function, ("x",))(x)
        except FormulaError as error:
            raise fault(("function",), str(error)) from None
        if not np.isfinite(values).all():
            place = x[~np.isfinite(values)][0]
            raise fault(("function",), f"has no finite value at x = {place:g}")
        for place, is_low in ((values.argmin(), True), (values.argmax(), False)):
            if self.output == "sigmoid" and not 0 < values[place] < 1:
                raise fault(
                    ("function",),
                    f"must stay between 0 and 1, where sigma^-1 exists, but "
                    f"{'falls' if is_low else 'rises'} to {values[place]:.4g} at "
                    f"x = {x[place]:.4g}; scale it, or make the output linear",
                )
        return self


_OF_A_FUNCTION = (
    "mean_error",
    "largest_error",
    "share_within",
    "score",
    "bend",
    "lowest",
    "lowest_at",
    "highest",
    "highest_at",
    "target_lowest",
    "target_highest",
)
"""How far the output is from the function: on average, at most, and on which share of [0, 1] by
less than epsilon. The average distance of bumps with ideal steps from what the weighted output
shall be (the target), which is the book's score. The largest distance of the weighted output from
the line through its ends. Where function and target have their extremes."""
