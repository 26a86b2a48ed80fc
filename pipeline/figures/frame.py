"""What all pictures share: colours, axes, the marks of the book's numbers, and the file."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from textwrap import fill

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from PIL import Image

from nndl_jax.documents.metrics import parse_metric

# Colours that remain apart for colour-blind readers and in print (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "0.6"
PRINTED, BEST = "given by the document", "the book's best epoch"
_HALO = withStroke(linewidth=3.5, foreground="white")
_FOOTNOTE_INCHES = 0.22
_LETTERS_PER_INCH = 11
"""Of titles, less than there is room for."""


def new_figure(
    num_panels: int, *, columns: int, title: str, panel: tuple[float, float] | None = None
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with panels in rows of so many columns, above a strip for the footnote.

    Args:
        num_panels: at least one.
        columns: most panels side by side.
        title: above all panels.
        panel: width and height of a panel in inches; None for those of curves.
    """
    columns = min(columns, num_panels)
    rows = -(-num_panels // columns)
    width, height = (8.5, 4.2) if num_panels == 1 else (min(12.6, 4.6 * columns), 3.1 * rows + 1.1)
    if panel is not None:
        width, height = panel[0] * columns, panel[1] * rows + 0.7
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subfigures(2, 1, height_ratios=[height - _FOOTNOTE_INCHES, _FOOTNOTE_INCHES])
    body = figure.subfigs[0]
    body.suptitle(fill(title, round(_LETTERS_PER_INCH * width)), parse_math=False)
    panels = [body.add_subplot(rows, columns, 1 + place) for place in range(num_panels)]
    for axes in panels:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def bare(axes: Axes, *, edge: str | None) -> None:
    """Axes of an image: without ticks and grid, with an edge of this colour or with none."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(edge is not None)
    axes.spines[:].set_color(edge or "none")


def percent(metric: str) -> float:
    """The factor with which values of a metric are drawn: accuracies in per cent."""
    return 100.0 if parse_metric(metric).quantity.unit == "fraction" else 1.0


def mark(axes: Axes, points: Sequence[tuple[float, float]], colour: str) -> None:
    """Crosses at numbers that the book gives, above whatever is drawn."""
    if points:
        x, y = zip(*points, strict=True)
        (crosses,) = axes.plot(x, y, "x", color=colour, ms=7, mew=1.6, zorder=5)
        crosses.set_path_effects([_HALO])
        axes.plot([], [], "x", color="black", ms=7, mew=1.6, label=PRINTED)


def mark_best(axes: Axes, value: float, colour: str) -> None:
    """A dotted line at the best epoch that the book gives."""
    axes.axhline(value, color=colour, linestyle=":", linewidth=1.4)
    axes.plot([], [], ":", color="black", linewidth=1.4, label=BEST)


def save(figure: Figure, path: Path, footnote: str) -> None:
    """Write a picture with one legend for all panels, beside or below them, and a footnote.

    Its 256 colours take a third of the bytes of all colours and look the same.
    """
    body, strip = figure.subfigs
    # A dollar in what documents say is a dollar; formulas stand at axes only.
    style = {"ha": "center", "fontsize": "x-small", "color": "0.4", "parse_math": False}
    strip.text(0.5, 0.35, footnote, **style)
    _add_legend(body)
    for axes in body.axes:
        axes.title.set_parse_math(False)
    buffer = BytesIO()
    # Without the library's version the same curves give the same bytes.
    figure.savefig(buffer, dpi=110, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def _add_legend(body: SubFigure) -> None:
    """Ours first, then the book's."""
    named: dict[str, Artist] = {}
    for axes in body.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    last = (PRINTED, BEST)
    labels = [label for label in named if label not in last]
    labels += [label for label in last if label in named]
    if not labels:
        return
    is_single = len(body.axes) == 1
    column = 0.7 + 0.065 * max(map(len, labels))
    num_columns = int(body.figure.get_figwidth() / column)
    legend = body.legend(
        [named[label] for label in labels],
        labels,
        loc="outside right center" if is_single else "outside lower center",
        ncols=1 if is_single else max(1, min(len(labels), num_columns)),
        frameon=False,
        fontsize="small",
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
