"""Pictures of networks that are built by hand (ch. 1, 4, 5)."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from nndl_jax.schema import Construction
from pipeline.experiments import Experiment


def draw_construction(
    experiment: Experiment, construction: Construction
) -> Iterator[tuple[str, Figure | None]]:
    """Each picture of a construction with the end of its file's name."""
    yield "", None
