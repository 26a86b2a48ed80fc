"""Figures of the report: what was measured, with the book's numbers on it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from nndl_jax.documents import Baseline, Calculation, Construction, Ensemble, Network
from pipeline.figures.calculations import draw_calculation
from pipeline.figures.confusion import draw_confusion
from pipeline.figures.constructions import draw_construction
from pipeline.figures.curves import draw_curves
from pipeline.figures.digits import draw_errors, draw_filters
from pipeline.figures.frame import save
from pipeline.figures.gradients import draw_bars
from pipeline.figures.pictures import choose_pictures
from pipeline.figures.sizes import draw_baseline_sizes, draw_sizes, varies_size
from pipeline.store.results import Results


def draw(
    results: Results,
    experiments: Mapping[str, Results],
    folder: Path,
    *,
    footnote: str,
    ending: str = "",
) -> list[Path]:
    """Draw what was measured of an experiment into `<id>.png` and, if it has more, `<id>-*.png`.

    Args:
        results: a document with what was run of it; it has no picture if nothing was.
        experiments: all of them, for pictures of two.
        folder: where the pictures go.
        footnote: what the numbers come from.
        ending: of the names, to tell pictures of other runs of a document apart.
    """
    paths = []
    for suffix, figure in _figures(results, experiments):
        if figure is not None:
            paths.append(folder / f"{results.document.id}{suffix}{ending}.png")
            save(figure, paths[-1], footnote)
    return paths


def _figures(
    results: Results, experiments: Mapping[str, Results]
) -> Iterator[tuple[str, Figure | None]]:
    """Each picture with the end of its file's name."""
    if results.history is None:
        return
    match results.variants[0].spec:
        case Calculation() as calculation:
            yield "", draw_calculation(results, calculation)
        case Construction() as construction:
            yield from draw_construction(results, construction)
        case Ensemble() as ensemble:
            yield "", draw_errors(results, ensemble)
            yield "-filters", draw_filters(results)
        case Baseline():
            yield "", draw_baseline_sizes(results) if varies_size(results) else None
        case Network() if varies_size(results):
            yield "", draw_sizes(results, experiments)
        case Network():
            for panels, suffix, columns in choose_pictures(results):
                yield suffix, draw_curves(results, panels, columns=columns)
            yield "-bars", draw_bars(results)
            yield "-confusion", draw_confusion(results)
        case _:
            return  # Its claims have pictures of their own.
