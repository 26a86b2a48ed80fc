"""Networks of several inputs that approximate functions by towers (ch. 4).

Steps in one direction make a wall, walls in every direction cross, and a second hidden layer keeps
only what is as high as all of them together: a tower. The output neuron adds towers up. What
documents describe is evaluated here in NumPy as well: pictures are drawn without JAX.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, model_validator

from nndl_jax.calculations.activations import inverse_sigmoid, sigmoid
from nndl_jax.calculations.bumps import RESOLUTION, Place, Slope, check_slope
from nndl_jax.calculations.dense import DenseValues, Outputs, Points, Run, map_batches
from nndl_jax.calculations.formula import FormulaError, parse_formula
from nndl_jax.calculations.quantity import Form
from nndl_jax.reading.record import Number, Record, Text, fault

MAX_TOWERS = 1024
MAX_CELLS = 100_000
CLOSE = 1e-9
"""Distance at which sides count as shared."""

Corner = Annotated[tuple[Place, ...], Field(min_length=1, max_length=8)]


class Tower(Record):
    """A box of the inputs on which the output is raised."""

    low: Corner
    """Its corner with the least of every input."""
    high: Corner
    """Its corner with the most."""
    weight: Number | Annotated[tuple[Number, ...], Field(min_length=1, max_length=16)] = 1.0
    """The weight to the output, or one for each of several outputs."""

    def weights(self) -> tuple[float, ...]:
        """One for each output."""
        return self.weight if isinstance(self.weight, tuple) else (self.weight,)


class Towers(Form):
    """Two hidden layers: steps, and towers that are high where all steps of theirs agree.

    The 2m steps of a tower of m inputs have weights +h and -h to its neuron. They add up to mh in
    the tower and to at most (m - 1)h elsewhere; a bias between says which. The output neuron adds
    the towers up. They are given, or those of a grid that together are given functions.
    """

    equations = (
        (
            "tower",
            r"T = \sigma\left( \sum_{j=1}^{2m} \pm h \, a_j + b \right), \quad "
            r"b = \left( -m + \frac{1}{2} \right) h",
        ),
        ("weighted output", r"z(x) = \sum_k w_k \, T_k(x)"),
    )
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

    def metrics(self) -> tuple[str, ...]:
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

    def layers(self) -> Sequence[DenseValues]:
        """The layers of the network: steps, towers, and output neurons, whose biases are 0."""
        steps, step_biases, towers, tower_biases, weights = layers(self)
        return [
            DenseValues(steps, step_biases, "sigmoid"),
            DenseValues(towers, tower_biases, "sigmoid"),
            DenseValues(weights, np.zeros(len(weights)), self.output),
        ]

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics."""
        values = _measure_tower(self, run)
        points = cells(self)
        errors = run(points).activations - ideal(self, points)
        values.append(float(np.abs(errors).max(initial=0)))
        if self.functions:
            errors = run(places(self)).activations - functions(self, places(self))
            values.append(float(np.abs(errors).mean()))
        lows, highs, _ = boxes(self)
        centres = (lows + highs) / 2 if self.boxes else lows[:0]
        shown = np.concatenate([centres, np.array(self.at).reshape(-1, self.inputs)])
        values += run(shown).activations.ravel().tolist() if len(shown) else []
        return np.array(values)

    @model_validator(mode="after")
    def _is_one_network(self) -> "Towers":
        if bool(self.boxes) == bool(self.functions):
            found = "both" if self.boxes else "neither"
            raise fault(("functions",), f"boxes or functions, one of them is needed, got {found}")
        if bool(self.functions) != (self.count is not None):
            raise fault(("count",), "count and functions belong together; give both or neither")
        if self.count is not None and self.count**self.inputs > MAX_TOWERS:
            message = (
                f"asks for {self.count}^{self.inputs} towers; at most {MAX_TOWERS:,} are built"
            )
            raise fault(("count",), message)
        if (2 * len(self.boxes) + 1) ** self.inputs > MAX_CELLS:
            message = f"divide {self.inputs} inputs into more than {MAX_CELLS:,} parts; take fewer"
            raise fault(("boxes",), message)
        return self

    @model_validator(mode="after")
    def _points_have_all_inputs(self) -> "Towers":
        points = [(("at", index), point) for index, point in enumerate(self.at)]
        for index, box in enumerate(self.boxes):
            points += [(("boxes", index, "low"), box.low), (("boxes", index, "high"), box.high)]
        for place, point in points:
            if len(point) != self.inputs:
                message = f"must have a number for each of {self.inputs} inputs, got {len(point)}"
                raise fault(place, message)
        for index, box in enumerate(self.boxes):
            if len(box.weights()) != self.num_outputs():
                first, found = self.num_outputs(), len(box.weights())
                message = f"boxes[0] has a weight to each of {first} output(s), this to {found}"
                raise fault(("boxes", index, "weight"), message)
        return self

    @model_validator(mode="after")
    def _boxes_are_apart(self) -> "Towers":
        for index, box in enumerate(self.boxes):
            for axis, (low, high) in enumerate(zip(box.low, box.high, strict=True)):
                if low >= high:
                    raise fault(
                        ("boxes", index, "high", axis), f"must be above low, {low:g}, got {high:g}"
                    )
        for (first, one), (second, other) in combinations(enumerate(self.boxes), 2):
            corners = zip(one.low, one.high, other.low, other.high, strict=True)
            if all(low < end - CLOSE and start < high - CLOSE for low, high, start, end in corners):
                message = f"overlaps with boxes[{first}]; their towers would add up there"
                raise fault(("boxes", second), message)
        return self

    @model_validator(mode="after")
    def _steps_are_steep(self) -> "Towers":
        sides = [np.subtract(box.high, box.low).min() for box in self.boxes]
        narrowest = min(sides, default=np.inf) if self.count is None else 1 / self.count
        check_slope(self.slope, "tower", narrowest)
        return self

    @model_validator(mode="after")
    def _functions_fit_output(self) -> "Towers":
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


class Boxes(NamedTuple):
    """Towers, in order."""

    lows: Float[np.ndarray, "towers inputs"]
    highs: Float[np.ndarray, "towers inputs"]
    weights: Float[np.ndarray, "outputs towers"]


class Layers(NamedTuple):
    """Weights and biases, (out, in) and (out,), of steps, towers and outputs."""

    step_weights: Float[np.ndarray, "steps inputs"]
    step_biases: Float[np.ndarray, " steps"]
    tower_weights: Float[np.ndarray, "towers steps"]
    tower_biases: Float[np.ndarray, " towers"]
    weights: Float[np.ndarray, "outputs towers"]


def layers(spec: Towers) -> Layers:
    """The weights of a document: 2m steps for each tower, up and down along each input in turn."""
    lows, highs, weights = boxes(spec)
    num_towers, num_inputs = lows.shape
    edges = np.stack([lows, highs], axis=2).ravel()
    directions = np.tile(np.repeat(np.eye(num_inputs), 2, axis=0), (num_towers, 1))
    signs = np.tile([spec.height, -spec.height], num_inputs)
    bias = (0.5 - num_inputs) * spec.height if spec.bias is None else spec.bias
    return Layers(
        spec.slope * directions,
        -spec.slope * edges,
        np.kron(np.eye(num_towers), signs),
        np.full(num_towers, bias),
        weights,
    )


def boxes(spec: Towers) -> Boxes:
    """The towers of a document, given or those of its grid."""
    if spec.count is None:
        lows, highs = ([getattr(box, end) for box in spec.boxes] for end in ("low", "high"))
        return Boxes(np.array(lows), np.array(highs), np.array([b.weights() for b in spec.boxes]).T)
    middles = np.stack(spec.middles(), axis=1)
    # Edges in whole numbers of towers, so that neighbours have the same.
    corners = np.floor(middles * spec.count)
    weights = functions(spec, middles).T
    if spec.output == "sigmoid":
        weights = inverse_sigmoid(weights)
    return Boxes(corners / spec.count, (corners + 1) / spec.count, weights)


def functions(spec: Towers, points: Points) -> Outputs:
    """The functions that a document asks for."""
    names = [f"x{number}" for number in range(1, 1 + spec.inputs)]
    return np.stack([parse_formula(text, names)(*points.T) for text in spec.functions], axis=1)


def evaluate(spec: Towers, points: Points) -> Outputs:
    """The outputs, by the same formulas as the network's and in float64."""
    steps, step_biases, towers, tower_biases, weights = layers(spec)

    def raise_towers(part: Points) -> Outputs:
        hidden = sigmoid(part @ steps.T + step_biases)
        return sigmoid(hidden @ towers.T + tower_biases)

    return _activate(spec, map_batches(raise_towers, points) @ weights.T)


def ideal(spec: Towers, points: Points) -> Outputs:
    """The outputs if towers were ideal: 1 from their low corners on, 0 elsewhere."""
    lows, highs, weights = boxes(spec)

    def is_inside(part: Points) -> Bool[np.ndarray, "points towers"]:
        inside = (lows <= part[:, None]) & (part[:, None] < highs)
        return np.logical_and.reduce(inside, axis=2)

    return _activate(spec, map_batches(is_inside, points) @ weights.T)


def cells(spec: Towers) -> Points:
    """The middles of the boxes into which the edges of towers divide [0, 1]^m.

    An interval in which steps would not be over, narrower than any tower may be, is left out.
    """
    lows, highs, _ = boxes(spec)
    axes = []
    for low, high in zip(lows.T, highs.T, strict=True):
        edges = np.unique(np.clip([*low, *high, 0, 1], 0, 1))
        is_wide = np.diff(edges) * spec.slope >= RESOLUTION
        axes.append(((edges[:-1] + edges[1:]) / 2)[is_wide])
    return _grid(axes)


def places(spec: Towers) -> Points:
    """Places evenly spread over [0, 1]^m, at most 8192.

    Their number along an input is a power of two, so large that none is on an edge of the grid's
    towers, where outputs are halfway from one to the next.
    """
    along = 2 ** (13 // spec.inputs)
    return _grid([(np.arange(along) + 0.5) / along] * spec.inputs)


def _measure_tower(spec: Towers, run: Run) -> list[float]:
    """The first tower outside, on its plateau and inside, and what its steps add up to there."""
    lows, highs, _ = boxes(spec)
    inside = (lows[0] + highs[0]) / 2
    outside = lows[0] - 1
    plateau = np.append(inside[:-1], outside[-1])
    weighted, raised = (array[:, 0] for array in run(np.stack([outside, plateau, inside]), 1))
    sums = weighted - layers(spec).tower_biases[0].astype(weighted.dtype)
    return [*raised.tolist(), *sums[1:].tolist()]


def _activate(spec: Towers, weighted: Outputs) -> Outputs:
    return sigmoid(weighted) if spec.output == "sigmoid" else weighted


def _grid(axes: Sequence[Float[np.ndarray, " places"]]) -> Points:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
