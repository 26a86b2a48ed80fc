"""Which class a network takes the images of each class for."""

import numpy as np
from matplotlib.figure import Figure

from pipeline.figures.frame import new_figure
from pipeline.store.confusions import read_confusion
from pipeline.store.results import Results

_MOST = 30
"""Classes of which a number in each cell can be read."""
_CELL = 0.46
_MARGIN = 1.6


def draw_confusion(results: Results) -> Figure | None:
    """A cell for each class and guess, the darker the larger its share of the class's images.

    What is right is not coloured. None for several variants, or where no images were classified.
    """
    found = read_confusion(results)
    if found is None or len(found.guesses) > _MOST or not len(found.classes):
        return None
    shares = found.counts / found.counts.sum(axis=1, keepdims=True)
    is_right = np.array([[label == guess for guess in found.guesses] for label in found.classes])
    panel = _MARGIN + _CELL * len(found.guesses), _MARGIN + _CELL * len(found.classes)
    title = f"{results.document.title}: test images by what they are taken for"
    figure, (axes,) = new_figure(1, columns=1, title=title, panel=panel)
    wrong = np.where(is_right, 0.0, shares)
    darkest = max(float(wrong.max()), 1e-9)
    axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=1.3 * darkest)
    for place, count in np.ndenumerate(found.counts):
        colour = "0.45" if is_right[place] else "black"
        text = f"{count:,}" if count else ""
        axes.text(place[1], place[0], text, ha="center", va="center", fontsize=7, color=colour)
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.set_xticks(range(len(found.guesses)), found.guesses, parse_math=False)
    axes.set_yticks(range(len(found.classes)), found.classes, parse_math=False)
    axes.set_xlabel("taken for")
    axes.set_ylabel("shown")
    return figure
