"""A function of several inputs, approximated by towers: bumps in every direction (ch. 4)."""

from itertools import combinations
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from nndl_jax.formula import FormulaError, parse_formula
from nndl_jax.schema.base import Record, Text, fault
from nndl_jax.schema.bumps import Place, Slope, check_slope

MAX_TOWERS = 1024
MAX_CELLS = 100_000
CLOSE = 1e-9
"""Distance at which sides count as shared."""

Corner = Annotated[tuple[Place, ...], Field(min_length=1, max_length=8)]
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]


class Tower(Record):
    """A box of the inputs on which the output is raised."""

    low: Corner
    """Its corner with the least of every input."""
    high: Corner
    """Its corner with the most."""
    weight: Weight | Annotated[tuple[Weight, ...], Field(min_length=1, max_length=16)] = 1.0
    """The weight to the output, or one for each of several outputs."""

    def weights(self) -> tuple[float, ...]:
        """One for each output."""
        return self.weight if isinstance(self.weight, tuple) else (self.weight,)


class Towers(Record):
    """Two hidden layers: steps, and towers that are high where all steps of theirs agree.

    The 2m steps of a tower of m inputs have weights +h and -h to its neuron. They add up to mh in
    the tower and to at most (m - 1)h elsewhere; a bias between says which. The output neuron adds
    the towers up. They are given, or those of a grid that together are given functions.
    """

    form: Literal["towers"]
    inputs: Annotated[int, Field(ge=1, le=8)]
    """Number of inputs, m."""
    boxes: Annotated[tuple[Tower, ...], Field(max_length=64)] = ()
    """The towers, no two on the same place; they may share a side."""
    functions: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """A formula in x1 to xm for each output, such as `0.5*x1 + 0.2*x2**2`, in place of `boxes`: the
    towers are as high as it is in their middles."""
    count: Annotated[int, Field(ge=1, le=MAX_TOWERS)] | None = None
    """Number of towers along each input on [0, 1] that together are the functions."""
    height: Annotated[float, Field(gt=0, le=1000)]
    """The h above; the larger, the flatter is a tower's top and the ground around it."""
    bias: Annotated[float, Field(ge=-10_000, le=10_000)] | None = None
    """Of the neuron of each tower; None for (-m + 1/2) h."""
    slope: Slope = 1000.0
    """First-layer weight of all steps."""
    output: Literal["sigmoid", "linear"]
    """Activation of the output neurons. With sigmoid, towers approximate its inverse of the
    functions, which are then between 0 and 1; with linear the functions themselves."""
    at: Annotated[tuple[Corner, ...], Field(max_length=16)] = ()
    """The points at which the output is measured."""

    def num_outputs(self) -> int:
        """Number of output neurons."""
        return len(self.functions) or len(self.boxes[0].weights())

    def quantities(self) -> tuple[str, ...]:
        """What is measured of the network; towers, points and outputs are counted from 1.

        A tower's output outside in all directions, outside in one (the plateau) and inside, and for
        the last two what its steps add up to. The largest error in the middles of all boxes into
        which the edges of towers divide the inputs. The mean error on [0, 1]^m against functions.
        """
        outputs = range(1, 1 + self.num_outputs())
        points = [f"centre.{number}" for number in range(1, 1 + len(self.boxes))]
        points += [f"value.{number}" for number in range(1, 1 + len(self.at))]
        if len(outputs) > 1:
            points = [f"{point}.{output}" for point in points for output in outputs]
        errors = ("largest_error", "mean_error") if self.functions else ("largest_error",)
        return ("outside", "plateau", "tower", "plateau_sum", "tower_sum", *errors, *points)

    @model_validator(mode="after")
    def _is_one_network(self) -> Self:
        if bool(self.boxes) == bool(self.functions):
            found = "both" if self.boxes else "neither"
            raise fault(("functions",), f"boxes or functions, one of them is needed, got {found}")
        if bool(self.functions) != (self.count is not None):
            raise fault(("count",), "count and functions belong together; give both or neither")
        if self.count is not None and self.count**self.inputs > MAX_TOWERS:
            said = f"asks for {self.count}^{self.inputs} towers; at most {MAX_TOWERS:,} are built"
            raise fault(("count",), said)
        if (2 * len(self.boxes) + 1) ** self.inputs > MAX_CELLS:
            said = f"divide {self.inputs} inputs into more than {MAX_CELLS:,} parts; take fewer"
            raise fault(("boxes",), said)
        return self

    @model_validator(mode="after")
    def _points_have_all_inputs(self) -> Self:
        points = [(("at", index), point) for index, point in enumerate(self.at)]
        for index, box in enumerate(self.boxes):
            points += [(("boxes", index, "low"), box.low), (("boxes", index, "high"), box.high)]
        for place, point in points:
            if len(point) != self.inputs:
                said = f"must have a number for each of {self.inputs} inputs, got {len(point)}"
                raise fault(place, said)
        for index, box in enumerate(self.boxes):
            if len(box.weights()) != self.num_outputs():
                first, found = self.num_outputs(), len(box.weights())
                said = f"boxes[0] has a weight to each of {first} output(s), this to {found}"
                raise fault(("boxes", index, "weight"), said)
        return self

    @model_validator(mode="after")
    def _boxes_are_apart(self) -> Self:
        for index, box in enumerate(self.boxes):
            for axis, (low, high) in enumerate(zip(box.low, box.high, strict=True)):
                if low >= high:
                    raise fault(
                        ("boxes", index, "high", axis), f"must be above low, {low:g}, got {high:g}"
                    )
        for (first, one), (second, other) in combinations(enumerate(self.boxes), 2):
            corners = zip(one.low, one.high, other.low, other.high, strict=True)
            if all(low < end - CLOSE and start < high - CLOSE for low, high, start, end in corners):
                said = f"overlaps with boxes[{first}]; their towers would add up there"
                raise fault(("boxes", second), said)
        return self

    @model_validator(mode="after")
    def _steps_are_steep(self) -> Self:
        sides = [np.subtract(box.high, box.low).min() for box in self.boxes]
        narrowest = min(sides, default=np.inf) if self.count is None else 1 / self.count
        check_slope(self.slope, "tower", narrowest)
        return self

    @model_validator(mode="after")
    def _functions_fit_output(self) -> Self:
        names = tuple(f"x{number}" for number in range(1, 1 + self.inputs))
        for index, text in enumerate(self.functions):
            try:
                values = parse_formula(text, names)(*self.middles())
            except FormulaError as error:
                raise fault(("functions", index), str(error)) from None
            is_wrong, wanted = ~np.isfinite(values), "be a finite number"
            if self.output == "sigmoid" and not is_wrong.any():
                is_wrong = (values <= 0) | (values >= 1)
                wanted = "be between 0 and 1, where sigma^-1 exists"
            if is_wrong.any():
                place = ", ".join(f"{axis[is_wrong][0]:g}" for axis in self.middles())
                raise fault(
                    ("functions", index),
                    f"must {wanted}, but is {values[is_wrong][0]:.4g} in the middle of the tower "
                    f"at ({place})",
                )
        return self

    def middles(self) -> tuple[np.ndarray, ...]:
        """The middles of the grid's towers, an array for each input; the last runs fastest."""
        count = self.count or 0
        along = (np.arange(count) + 0.5) / max(count, 1)
        grid = np.meshgrid(*[along] * self.inputs, indexing="ij")
        return tuple(axis.ravel() for axis in grid)
