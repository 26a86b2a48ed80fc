"""Layers of a network, their initialisation, and the walk of shapes through them."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Annotated, Literal, NamedTuple, Self, assert_never

from pydantic import Field, model_validator

from nndl_jax.calculations.activations import Activation
from nndl_jax.reading.record import Extent, Record, fault

MonotoneActivation = Literal["sigmoid", "tanh", "relu", "linear"]
"""Functions that never fall, so that max-pooling may come before them."""
Weights = Literal["normal", "normal-fan-in", "normal-fan-out", "zeros"]
Pair = tuple[Extent, Extent]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class Initializer(Record):
    """Distributions from which the first weights and biases are drawn."""

    weights: Weights | float
    """`normal`: N(0, 1), which the book calls large. `normal-fan-in`: N(0, 1/n_in), its default
    from chapter 3 on. `normal-fan-out`: N(0, 1/n_out), what chapter 6's program does. A number:
    every weight is that number."""
    biases: Literal["normal", "zeros"] | float
    """`normal`: N(0, 1). A number: every bias is that number."""


class Dense(Record):
    """A fully-connected layer: activation(W a + b) (ch. 1; ch. 6 for dropout)."""

    kind: Literal["dense"]
    units: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of neurons."""
    activation: Activation
    dropout: Dropout = 0.0
    """Probability with which each input of this layer is dropped in training, as the book's program
    does: on the first layer these are pixels. To drop hidden neurons, write it on the layer after
    them."""
    repeat: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of such layers, one after another."""
    initializer: Initializer | None = None
    """This layer's own initialisation; None for the network's."""


class Conv(Record):
    """A convolutional layer with stride 1 and no padding (ch. 6)."""

    kind: Literal["conv"]
    filters: Annotated[int, Field(ge=1, le=65_536)]
    """Number of feature maps."""
    kernel: Pair
    """Height and width of the local receptive field, in pixels."""
    activation: MonotoneActivation
    initializer: Initializer | None = None
    """This layer's own initialisation; None for the network's."""


class MaxPool(Record):
    """Maxima over windows that do not overlap (ch. 6)."""

    kind: Literal["max-pool"]
    window: Pair
    """Height and width of a window, in pixels."""


Layer = Annotated[Dense | Conv | MaxPool, Field(discriminator="kind")]
Shape = tuple[int, ...]


class LayerShape(NamedTuple):
    """What a layer takes and gives, and how many weights and biases it holds."""

    inputs: Shape
    outputs: Shape
    num_weights: int
    num_biases: int


class Model(Record):
    """A feedforward network: the shape of its input, its layers and their initialisation."""

    inputs: Annotated[tuple[Extent, ...], Field(min_length=1, max_length=3)]
    """Shape of one input: `[784]`, or `[1, 28, 28]` (maps, rows, columns) before a convolution."""
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=64)]
    initializer: Initializer

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        self.shapes()
        return self

    def stack(self) -> list[tuple[int, Dense | Conv | MaxPool]]:
        """All layers, the repeated ones as often as they stand there, each with its place."""
        return [
            (index, layer)
            for index, layer in enumerate(self.layers)
            for _ in range(layer.repeat if isinstance(layer, Dense) else 1)
        ]

    def shapes(self) -> list[LayerShape]:
        """Shapes and sizes of the layers of the stack, known before an array exists.

        Raises:
            PydanticCustomError: a layer does not fit on what comes before it.
        """
        return list(_walk(self.inputs, self.stack()))

    def num_params(self) -> int:
        """Number of weights and biases."""
        return sum(shape.num_weights + shape.num_biases for shape in self.shapes())


def _walk(
    inputs: Shape, stack: Sequence[tuple[int, Dense | Conv | MaxPool]]
) -> Iterator[LayerShape]:
    for index, layer in stack:
        match layer:
            case Dense():
                step = _dense(inputs, layer)
            case Conv():
                step = _conv(inputs, layer, index)
            case MaxPool():
                step = _max_pool(inputs, layer, index)
            case _:
                assert_never(layer)
        yield step
        inputs = step.outputs


def _dense(inputs: Shape, layer: Dense) -> LayerShape:
    return LayerShape(inputs, (layer.units,), prod(inputs) * layer.units, layer.units)


def _conv(inputs: Shape, layer: Conv, index: int) -> LayerShape:
    channels, rows, columns = _maps(inputs, layer.kernel, ("layers", index, "kernel"))
    height, width = layer.kernel
    outputs = (layer.filters, rows - height + 1, columns - width + 1)
    return LayerShape(inputs, outputs, layer.filters * channels * height * width, layer.filters)


def _max_pool(inputs: Shape, layer: MaxPool, index: int) -> LayerShape:
    channels, rows, columns = _maps(inputs, layer.window, ("layers", index, "window"))
    height, width = layer.window
    # Rows and columns that do not fill a window are left out, as the book's program does.
    return LayerShape(inputs, (channels, rows // height, columns // width), 0, 0)


def _maps(inputs: Shape, window: Pair, at: tuple[str, int, str]) -> tuple[int, int, int]:
    """Maps, rows and columns of an input, if a kernel or a pooling window fits on it."""
    _, index, field = at
    if len(inputs) != 3:
        what = "a convolution" if field == "kernel" else "max-pooling"
        raise fault(
            ("layers", index, "kind"),
            f"{what} needs an input of maps x rows x columns, got {list(inputs)}; give the "
            "model inputs such as [1, 28, 28] and put no dense layer before it",
        )
    maps, rows, columns = inputs
    height, width = window
    if height > rows or width > columns:
        raise fault(
            at,
            f"a {field} of {height} x {width} does not fit on an input of {rows} x {columns} "
            "pixels",
        )
    return maps, rows, columns
