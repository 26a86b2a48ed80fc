"""Layers of a network, what each knows of itself, and the walk of shapes through them."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from nndl_jax.calculations.activations import Activation, NeuronActivation
from nndl_jax.reading.faults import Location
from nndl_jax.reading.record import Extent, Record, fault

Weights = Literal["normal", "normal-fan-in", "normal-fan-out", "he", "glorot", "zeros"]
Pair = tuple[Extent, Extent]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Shape = tuple[int, ...]


class Initializer(Record):
    """Distributions from which the first weights and biases are drawn."""

    weights: Weights | float
    """`normal`: N(0, 1), which the book calls large. `normal-fan-in`: N(0, 1/n_in), its default
    from chapter 3 on. `normal-fan-out`: N(0, 1/n_out), what chapter 6's program does. `he`:
    N(0, 2/n_in) (He et al., 2015). `glorot`: evenly from -r to r, r^2 = 6/(n_in + n_out) (Glorot
    and Bengio, 2010). A number: every weight is that number."""
    biases: Literal["normal", "zeros"] | float
    """`normal`: N(0, 1). A number: every bias is that number."""

    def is_drawn(self) -> bool:
        """Whether anything is left to chance."""
        return any(isinstance(law, str) and law != "zeros" for law in (self.weights, self.biases))


class LayerShape(NamedTuple):
    """What a layer takes and gives, and how many weights and biases it holds."""

    inputs: Shape
    outputs: Shape
    num_weights: int = 0
    num_biases: int = 0
    num_patches: int = 0
    """Numbers in the patches of an image that it multiplies its kernels with."""


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

    def shape(self, inputs: Shape, _: Location) -> LayerShape:
        """Its shapes and sizes; any input will do, row by row if it has rows."""
        return LayerShape(inputs, (self.units,), prod(inputs) * self.units, self.units)


class Conv(Record):
    """A convolutional layer (ch. 6)."""

    kind: Literal["conv"]
    filters: Annotated[int, Field(ge=1, le=65_536)]
    """Number of feature maps."""
    kernel: Pair
    """Height and width of the local receptive field, in pixels."""
    activation: NeuronActivation
    padding: Literal["valid", "same"] = "valid"
    """`valid`: kernels lie within the image, as in the book. `same`: zeros around the image make
    the output as large as the input, or as that divided by the stride and rounded up; where their
    number is odd, there is one more below and to the right."""
    stride: Pair = (1, 1)
    """Rows and columns from one place of a kernel to the next."""
    initializer: Initializer | None = None
    """This layer's own initialisation; None for the network's."""
    dropout: ClassVar[float] = 0.0
    repeat: ClassVar[int] = 1

    def shape(self, inputs: Shape, at: Location) -> LayerShape:
        """Its shapes and sizes.

        Args:
            inputs: shape of one input.
            at: where the layer stands in the model, for the fault if it does not fit there.
        """
        is_padded, what = self.padding == "same", "a convolution"
        window = (1, 1) if is_padded else self.kernel
        maps, *size = _maps(inputs, window, what, (*at, "kernel"))
        rooms = zip(size, window, self.stride, strict=True)
        places = tuple((extent - covered) // step + 1 for extent, covered, step in rooms)
        per_filter = maps * prod(self.kernel)
        return LayerShape(
            inputs,
            (self.filters, *places),
            num_weights=self.filters * per_filter,
            num_biases=self.filters,
            num_patches=per_filter * prod(places),
        )


class Pool(Record):
    """A layer without weights that makes one number of each window; windows do not overlap."""

    window: Pair
    """Height and width of a window, in pixels."""
    called: ClassVar[str]
    equation: ClassVar[str]
    """Of the number of a window, in LaTeX."""
    activation: ClassVar[None] = None
    initializer: ClassVar[None] = None
    dropout: ClassVar[float] = 0.0
    repeat: ClassVar[int] = 1

    def shape(self, inputs: Shape, at: Location) -> LayerShape:
        """Its shapes; rows and columns that fill no window are left out, as in the book's program.

        Args:
            inputs: shape of one input.
            at: where the layer stands in the model, for the fault if it does not fit there.
        """
        maps, rows, columns = _maps(inputs, self.window, self.called, (*at, "window"))
        height, width = self.window
        return LayerShape(inputs, (maps, rows // height, columns // width))


class MaxPool(Pool):
    """Maxima over windows (ch. 6)."""

    kind: Literal["max-pool"]
    called: ClassVar[str] = "max-pooling"
    equation: ClassVar[str] = r"a_{jk} = \max_{(l,m) \in \text{window } jk} x_{lm}"


class AveragePool(Pool):
    """Means over windows."""

    kind: Literal["average-pool"]
    called: ClassVar[str] = "average-pooling"
    equation: ClassVar[str] = r"a_{jk} = \operatorname{mean}_{(l,m) \in \text{window } jk} x_{lm}"


class L2Pool(Pool):
    """Roots of the sums of squares over windows (ch. 6)."""

    kind: Literal["l2-pool"]
    called: ClassVar[str] = "L2-pooling"
    equation: ClassVar[str] = r"a_{jk} = \sqrt{\sum_{(l,m) \in \text{window } jk} x_{lm}^2}"


AnyLayer = Dense | Conv | MaxPool | AveragePool | L2Pool
Layer = Annotated[AnyLayer, Field(discriminator="kind")]


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

    def stack(self) -> list[tuple[int, AnyLayer]]:
        """All layers, the repeated ones as often as they stand there, each with its place."""
        return [
            (index, layer) for index, layer in enumerate(self.layers) for _ in range(layer.repeat)
        ]

    def shapes(self) -> list[LayerShape]:
        """Shapes and sizes of the layers of the stack, known before an array exists.

        Raises:
            PydanticCustomError: a layer does not fit on what comes before it.
        """
        return list(self._walk())

    def num_params(self) -> int:
        """Number of weights and biases."""
        return sum(shape.num_weights + shape.num_biases for shape in self.shapes())

    def without_initializers(self) -> Self:
        """The same network with all weights zero: how they are drawn is no part of training."""
        layers = [
            layer if layer.initializer is None else layer.model_copy(update={"initializer": None})
            for layer in self.layers
        ]
        zeros = Initializer(weights="zeros", biases="zeros")
        return self.model_copy(update={"layers": tuple(layers), "initializer": zeros})

    def _walk(self) -> Iterator[LayerShape]:
        inputs = self.inputs
        for index, layer in self.stack():
            shape = layer.shape(inputs, ("layers", index))
            yield shape
            inputs = shape.outputs


def _maps(inputs: Shape, window: Pair, what: str, at: Location) -> tuple[int, int, int]:
    """Maps, rows and columns of an input, if a kernel or a pooling window fits on it."""
    if len(inputs) != 3:
        raise fault(
            (*at[:-1], "kind"),
            f"{what} needs an input of maps x rows x columns, got {list(inputs)}; give the "
            "model inputs such as [1, 28, 28] and put no dense layer before it",
        )
    maps, rows, columns = inputs
    height, width = window
    if height > rows or width > columns:
        raise fault(
            at,
            f"a {at[-1]} of {height} x {width} does not fit on an input of {rows} x {columns} "
            "pixels",
        )
    return maps, rows, columns
