"""Pictures of digits that an ensemble gets wrong, and of what its first layer looks for (ch. 6)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nndl_jax.documents import Ensemble
from pipeline.figures.frame import COLOURS, bare, new_figure
from pipeline.store.dataset import load_data
from pipeline.store.results import Results
from pipeline.store.runs import ERRORS, FILTERS, read_errors, read_filters

_COLUMNS = 8
_MOST = 40
_PANEL = (1.15, 1.25)
_FILTER_COLUMNS = 5


def draw_errors(results: Results, spec: Ensemble) -> Figure | None:
    """The first test images that the vote gets wrong: the digit top right, the vote bottom right.

    Those that the book's ensemble gets wrong as well have a frame.
    """
    dataset = load_data()
    images, history = dataset.test.images, results.history
    # What was recorded of MNIST is not to be seen among other images.
    if history is None or history.data != dataset.name:
        return None
    errors = read_errors(results.beside(ERRORS), len(images))
    if not errors:
        return None
    known = {error.image for error in spec.known_errors}
    shown = errors[:_MOST]
    message = (
        f"{len(errors)} errors"
        if len(errors) == len(shown)
        else (f"the first {len(shown)} of {len(errors)} errors")
    )
    title = f"{results.document.title}: {message}, framed where the book's are the same"
    figure, panels = new_figure(len(shown), columns=_COLUMNS, title=title, panel=_PANEL)
    for axes, error in zip(panels, shown, strict=True):
        _draw_image(axes, 255 - images[error.image].reshape(28, 28), is_framed=error.image in known)
        axes.set_title(f"{error.image}", fontsize=7, pad=2)
        for height, digit in ((0.98, error.label), (0.02, error.output)):
            edge = "top" if height > 0.5 else "bottom"
            axes.text(0.98, height, str(digit), transform=axes.transAxes, ha="right", va=edge)
    return figure


def draw_filters(results: Results) -> Figure | None:
    """The kernels of the first layer of the first network that votes; darker weights are larger."""
    kernels = read_filters(results.beside(FILTERS))
    if kernels is None:
        return None
    title = f"{results.document.title}: filters of the first layer of its first network"
    figure, panels = new_figure(len(kernels), columns=_FILTER_COLUMNS, title=title, panel=_PANEL)
    for axes, kernel in zip(panels, kernels, strict=True):
        _draw_image(axes, -kernel, is_framed=False)
    return figure


def _draw_image(axes: Axes, image: np.ndarray, *, is_framed: bool) -> None:
    axes.imshow(image, cmap="gray")
    bare(axes, edge=COLOURS[1] if is_framed else None)
