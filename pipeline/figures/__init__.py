"""Figures of the report: what was measured, with the book's numbers on it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import assert_never

from matplotlib.figure import Figure

from nndl_jax.documents import Baseline, Calculation, Construction, Ensemble, Network
from pipeline.figures.calculations import draw_calculation
from pipeline.figures.constructions import draw_construction
from pipeline.figures.curves import draw_curves
from pipeline.figures.digits import draw_errors, draw_filters
from pipeline.figures.frame import save
from pipeline.figures.gradients import draw_bars
from pipeline.figures.pictures import choose_pictures
from pipeline.figures.sizes import draw_baseline_sizes, draw_sizes, varies_size
from pipeline.store.experiments import Experiment


def draw(
    experiment: Experiment,
    experiments: Mapping[str, Experiment],
    folder: Path,
    *,
    footnote: str,
    ending: str = "",
) -> list[Path]:
    """Draw what was measured of an experiment into `<id>.png` and, if it has more, `<id>-*.png`.

    Args:
        experiment: a document with what was run of it; it has no picture if nothing was.
        experiments: all of them, for pictures of two.
        folder: where the pictures go.
        footnote: what the numbers come from.
        ending: of the names, to tell pictures of other runs of a document apart.
    """
    paths = []
    for suffix, figure in _figures(experiment, experiments):
        if figure is not None:
            paths.append(folder / f"{experiment.document.id}{suffix}{ending}.png")
            save(figure, paths[-1], footnote)
    return paths


def _figures(
    experiment: Experiment, experiments: Mapping[str, Experiment]
) -> Iterator[tuple[str, Figure | None]]:
    """Each picture with the end of its file's name."""
    if experiment.history is None:
        return
    match experiment.points[0].spec:
        case Calculation() as calculation:
            yield "", draw_calculation(experiment, calculation)
        case Construction() as construction:
            yield from draw_construction(experiment, construction)
        case Ensemble() as ensemble:
            yield "", draw_errors(experiment, ensemble)
            yield "-filters", draw_filters(experiment)
        case Baseline():
            yield "", draw_baseline_sizes(experiment) if varies_size(experiment) else None
        case Network() if varies_size(experiment):
            yield "", draw_sizes(experiment, experiments)
        case Network():
            for panels, suffix, columns in choose_pictures(experiment):
                yield suffix, draw_curves(experiment, panels, columns=columns)
            yield "-bars", draw_bars(experiment)
        case unknown:
            assert_never(unknown)
