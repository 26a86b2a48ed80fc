"""Networks drawn layer by layer, with their shapes and numbers of weights and biases."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, assert_never

from markupsafe import Markup

from nndl_jax.calculations.dense import DenseValues
from nndl_jax.documents import Construction, Dense, Document, Model, Network
from nndl_jax.documents.layers import AnyLayer, Conv, Pool
from nndl_jax.reading.markup import picture, tag

_ROOM, _WIDEST, _NARROWEST = 760.0, 136.0, 95.0
"""Of a picture, and of one layer."""
_HEIGHT, _MIDDLE = 248.0, 92.0
_REACH = 64.0
"""Largest distance of a neuron from the middle."""
_MOST_NEURONS = 8
_GAP = 15.0
_SVG = "http://www.w3.org/2000/svg"
_STYLE = """\
text { font: 16px sans-serif; fill: #1f1d1a; text-anchor: middle; }
.strong { font-weight: 600; }
.weights { stroke: #0072b2; stroke-opacity: 0.22; fill: none; }
.neuron { fill: #fff; stroke: #0072b2; stroke-width: 1.6; }
.dots { fill: #5d574d; }
.map { fill: #f6f2e9; stroke: #0072b2; stroke-width: 1.4; }
.arrow { fill: none; stroke: #5d574d; stroke-width: 1.6; }
"""


class LayerPicture(NamedTuple):
    """A layer, as it is drawn and told in a table."""

    kind: str
    """In words, such as `dense` or `convolution 5 × 5`."""
    activation: str
    """Empty where there is none."""
    shape: tuple[int, ...]
    """Of its outputs."""
    num_weights: int = 0
    num_biases: int = 0
    remark: str = ""
    """What else there is to say."""


def drawn_layers(document: Document) -> Sequence[LayerPicture]:
    """The input and all layers of a document's network; none where there is no network."""
    match document:
        case Network():
            return _layers_of(document.model)
        case Construction():
            return _layers_of_construction(document.network.layers())
        case _:
            return []


def _layers_of(model: Model) -> Sequence[LayerPicture]:
    shapes = model.shapes()
    layers = [
        LayerPicture(
            _kind(layer),
            layer.activation or "",
            shape.outputs,
            shape.num_weights,
            shape.num_biases,
            f"dropout {layer.dropout:g}" if layer.dropout else "",
        )
        for (_, layer), shape in zip(model.stack(), shapes, strict=True)
    ]
    return [LayerPicture("input", "", model.inputs), *layers]


def _layers_of_construction(layers: Sequence[DenseValues]) -> Sequence[LayerPicture]:
    first = layers[0].weight.shape[1]
    built = [
        LayerPicture(
            "dense", layer.activation, (len(layer.bias),), layer.weight.size, layer.bias.size
        )
        for layer in layers
    ]
    return [LayerPicture("input", "", (first,)), *built]


def draw_diagram(layers: Sequence[LayerPicture], *, is_alone: bool = False) -> Markup:
    """A picture of a network as SVG.

    Args:
        layers: the input first.
        is_alone: whether it is a file of its own, with its own style, or part of a page.
    """
    step = min(_WIDEST, max(_NARROWEST, _ROOM / len(layers)))
    width = step * len(layers)
    centres = [step * (index + 0.5) for index in range(len(layers))]
    parts: list[Markup] = []
    for (left, x), (right, other) in pairwise(zip(layers, centres, strict=True)):
        parts += _connect(left, x, right, other)
    for index, (layer, x) in enumerate(zip(layers, centres, strict=True)):
        # Where layers are close, every other number of parameters stands a line lower.
        parts += _draw_layer(layer, x, drop=20.0 * (index % 2) if step < _WIDEST else 0.0)
    message = "; ".join(_say(layer) for layer in layers)
    parts = [tag("style", _STYLE), *parts] if is_alone else parts
    names = {"message": f"Network: {message}.", "class_": "network"}
    return picture(width, _HEIGHT, *parts, **names, xmlns=_SVG if is_alone else None)


def shape_text(shape: Sequence[int]) -> str:
    """A shape such as 20 × 24 × 24."""
    return " × ".join(f"{size:,}" for size in shape)


def _kind(layer: AnyLayer) -> str:
    match layer:
        case Dense():
            return "dense"
        case Conv(kernel=(height, width)):
            return f"convolution {height} × {width}"
        case Pool():
            return f"{layer.called} {layer.window[0]} × {layer.window[1]}"
        case unknown:
            assert_never(unknown)


def _say(layer: LayerPicture) -> str:
    params = layer.num_weights + layer.num_biases
    held = f", {params:,} parameters" if params else ""
    named = f"{layer.kind} {layer.activation}".strip()
    return f"{named} of {shape_text(layer.shape)}{held}"


def _places(layer: LayerPicture) -> Sequence[float]:
    """Heights at which neurons are drawn; a middle one is left out of too many."""
    (size,) = layer.shape
    count = min(size, _MOST_NEURONS)
    gap = min(2 * _REACH / max(1, count - 1), 2 * _GAP)
    places = [_MIDDLE + gap * (index - (count - 1) / 2) for index in range(count)]
    if size > _MOST_NEURONS:
        del places[_MOST_NEURONS // 2 - 1 : _MOST_NEURONS // 2 + 1]
    return places


def _connect(left: LayerPicture, x: float, right: LayerPicture, other: float) -> list[Markup]:
    """Lines from a layer to the next; between maps one arrow."""
    if len(left.shape) == 1 and len(right.shape) == 1:
        path = "".join(
            f"M{x:.0f} {start:.1f}L{other:.0f} {end:.1f}"
            for start in _places(left)
            for end in _places(right)
        )
        return [tag("path", d=path, class_="weights")]
    start, end = x + 38, other - (38 if len(right.shape) == 3 else 12)
    path = f"M{start:.0f} {_MIDDLE:.0f}H{end:.0f}m-7 -5l7 5l-7 5"
    return [tag("path", d=path, class_="arrow")]


def _draw_layer(layer: LayerPicture, x: float, *, drop: float) -> list[Markup]:
    drawn = _draw_maps(layer, x) if len(layer.shape) == 3 else _draw_neurons(layer, x)
    params = layer.num_weights + layer.num_biases
    labels = [
        tag("text", "×".join(f"{n:,}" for n in layer.shape), x=x, y=180.0, class_="strong"),
        tag("text", _short(layer), x=x, y=200.0),
    ]
    if params:
        labels.append(tag("text", f"{params:,} params", x=x, y=220.0 + drop, class_="params"))
    return [*drawn, *labels]


def _short(layer: LayerPicture) -> str:
    """What a layer is, in as few letters as there is room for."""
    if layer.kind == "input":
        return "input"
    if len(layer.shape) == 1:
        return layer.activation
    name, _, size = layer.kind.partition(" ")
    if "pooling" in layer.kind:
        return "pool " + layer.kind.partition("pooling ")[2]
    return f"{name[:4]} {size}"


def _draw_neurons(layer: LayerPicture, x: float) -> list[Markup]:
    places = _places(layer) if len(layer.shape) == 1 else []
    drawn = [tag("circle", cx=x, cy=y, r=6.5, class_="neuron") for y in places]
    if len(layer.shape) == 1 and layer.shape[0] > _MOST_NEURONS:
        drawn += [tag("circle", cx=x, cy=_MIDDLE + d, r=1.8, class_="dots") for d in (-7, 0, 7)]
    return drawn


def _draw_maps(layer: LayerPicture, x: float) -> list[Markup]:
    """Squares behind each other, as large as the maps are."""
    maps, rows, columns = layer.shape
    count = min(maps, 4)
    height, width = (18 + 40 * min(1.0, size / 28) for size in (rows, columns))
    shift = 5.0
    drawn = []
    for index in range(count):
        offset = shift * (index - (count - 1) / 2)
        corner = {"x": x - width / 2 + offset, "y": _MIDDLE - height / 2 + offset}
        drawn.append(tag("rect", **corner, width=width, height=height, rx=2.0, class_="map"))
    return drawn
