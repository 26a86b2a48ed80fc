"""Pictures of MNIST: digits of the book as they are, cut up, turned and shifted (ch. 1, 3, 6)."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Num
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from nndl_jax.data.datasets import Dataset
from pipeline.figures.frame import bare, new_figure

HARD = (
    *(324, 582, 659, 726, 846, 956, 1124, 1393, 1773),
    *(1868, 2018, 2109, 2654, 4199, 4201, 4620, 5457, 5642),
)
"""Test images that the author's program picks from those that a network gets wrong."""
ROTATION = 15.0
"""In degrees against the clock, as in the author's program; its docstring says 10."""
_INCHES = 8.5
"""Width of a picture."""
_CROPPED = slice(3, 25)
_HALF = 14
_ORIGIN = (14, 13)
"""Row and column that the author's program turns images about."""

Images = Num[np.ndarray, "images rows columns"]
Image = Num[np.ndarray, "rows columns"]


def draw_data(dataset: Dataset) -> Iterator[tuple[str, Figure]]:
    """Each picture of MNIST in the book with a name for its file; none of any other data."""
    if dataset.name != "mnist":
        return
    train, test = (split.images.reshape(-1, 28, 28) for split in (dataset.train, dataset.test))
    six, hundred = train[:6, :, _CROPPED], train[:100, _CROPPED, _CROPPED]
    yield "mnist-first-six", _draw_array(six, columns=6, title="The first six training images")
    numbers = [f"training image {number}" for number in range(6)]
    yield "mnist-first-six-apart", _draw_apart(train[:6], numbers, title="The same, one by one")
    yield "mnist-hundred", _draw_array(hundred, columns=10, title="A hundred training images")
    yield "mnist-2-and-1", _draw_apart(train[[5, 3]], [numbers[5], numbers[3]], title="A 2 and a 1")
    parts = ["training image 1", "top left", "top right", "bottom left", "bottom right"]
    shown = np.stack([train[1], *quadrants(train[1])])
    yield "mnist-quadrants", _draw_apart(shown, parts, title="What a 0 is made of")
    hard, title = [f"{number}" for number in HARD], "Test images that are hard to read"
    yield "mnist-hard", _draw_apart(test[list(HARD)], hard, title=title, columns=9)
    shifts = {"down": (1, 0), "up": (-1, 0), "left": (0, -1), "right": (0, 1)}
    names = ["training image 0", f"turned by {ROTATION:g}°", *(f"shifted {to}" for to in shifts)]
    fives = [train[0], rotate(train[0]), *(shift(train[0], by) for by in shifts.values())]
    yield "mnist-fives", _draw_apart(np.stack(fives), names, title="More data from a 5")


def quadrants(image: Image) -> Images:
    """Top left, top right, bottom left and bottom right of an image, each in a white one."""
    halves = slice(0, _HALF), slice(_HALF, None)
    parts = np.zeros((4, *image.shape), image.dtype)
    for part, (rows, columns) in zip(parts, ((r, c) for r in halves for c in halves), strict=True):
        part[rows, columns] = image[rows, columns]
    return parts


def rotate(image: Image, degrees: float = ROTATION) -> Image:
    """An image turned against the clock, by bilinear interpolation as in the author's program.

    His factor of 1.3 on all pixels is left out: it cannot be seen where black is the largest.
    """
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    back = np.array([[cosine, sine], [-sine, cosine]])
    origin = np.array(_ORIGIN)[:, None]
    places = back @ (np.indices(image.shape).reshape(2, -1) - origin) + origin
    turned = ndimage.map_coordinates(image.astype(np.float64), places, order=1)
    return turned.reshape(image.shape)


def shift(image: Image, by: tuple[int, int]) -> Image:
    """An image moved by rows down and columns to the right; what is laid bare is white."""
    return ndimage.shift(image, by, order=0)


def _draw_array(images: Images, *, columns: int, title: str) -> Figure:
    """Images side by side in one panel."""
    rows = images.reshape(-1, columns, *images.shape[1:])
    array = np.concatenate(np.concatenate(rows, axis=1), axis=1)
    height = 0.1 + _INCHES * array.shape[0] / array.shape[1]
    figure, (axes,) = new_figure(1, columns=1, title=title, panel=(_INCHES, height))
    _draw_image(axes, array)
    return figure


def _draw_apart(images: Images, names: Sequence[str], *, title: str, columns: int = 6) -> Figure:
    """Images each in a panel of its own, with a name."""
    columns = min(columns, len(images))
    width = min(2.5, _INCHES / columns)
    panel = (width, width + 0.2)
    figure, panels = new_figure(len(images), columns=columns, title=title, panel=panel)
    for axes, image, name in zip(panels, images, names, strict=True):
        _draw_image(axes, image)
        axes.set_title(name, fontsize="x-small", pad=3)
    return figure


def _draw_image(axes: Axes, image: Image) -> None:
    axes.imshow(image, cmap="binary", vmin=0, vmax=max(1, image.max()))
    bare(axes, edge="0.85")
