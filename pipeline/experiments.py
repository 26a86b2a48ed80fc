"""Documents with what was run of them, as the stages `evaluate` and `report` read them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.schema import Document, FieldValue
from nndl_jax.specs import load_spec
from nndl_jax.variants import Variant, variants
from pipeline.paths import SPEC
from pipeline.resolve import without_words
from pipeline.resolved import Resolved
from pipeline.runs import BOOKS_DATA, History, read_history
from pipeline.settings import Settings


class Experiment(NamedTuple):
    """A document with what was run of it."""

    document: Document
    """As the book has it."""
    points: Sequence[Variant]
    """The variants that were run."""
    history: History | None
    """What was measured; None if the document was not selected."""
    foreign: str | None
    """Why its numbers say nothing about the book's; None if they do."""

    @classmethod
    def load(cls, name: str, resolved: Resolved, settings: Settings) -> "Experiment":
        """The experiment of this name."""
        document, history = load_spec(SPEC / f"{name}.yaml"), read_history(name)
        points = variants(resolved.spec)
        # Variants that a profile leaves out do not change the others.
        books = [point.spec for point in variants(without_words(document))]
        is_changed = any(point.spec not in books for point in points)
        foreign = None
        if is_changed or name in settings.overrides:
            foreign = "other settings"
        if history is not None and history.data not in BOOKS_DATA:
            foreign = "not MNIST"
        return cls(document, points, history, foreign)

    def find(self, choice: Mapping[str, FieldValue] | None) -> Variant | None:
        """The first variant with these values, or None if it was not run."""
        wanted = (choice or {}).items()
        return next((point for point in self.points if wanted <= point.values.items()), None)

    def curves(
        self, metric: str, choice: Mapping[str, FieldValue] | None
    ) -> Float[np.ndarray, "runs epochs"] | None:
        """What was measured of the runs of one variant; None if nothing was."""
        point = self.find(choice)
        if self.history is None or point is None or metric not in self.history.metrics:
            return None
        chosen = [run.variant == point.name for run in self.history.runs]
        curves = self.history.metrics[metric][chosen]
        return None if np.isnan(curves).all() else curves

    def metrics(self) -> list[str]:
        """What was measured; without the costs of batches, which only show divergence."""
        names = () if self.history is None else self.history.metrics
        return [name for name in names if name != "batch_cost"]


def mean_curve(curves: Float[np.ndarray, "runs epochs"]) -> Float[np.ndarray, " epochs"]:
    """Mean over the runs that were measured, by epoch; NaN where none was."""
    num_runs = (~np.isnan(curves)).sum(axis=0)
    return np.where(num_runs > 0, np.nansum(curves, axis=0) / np.maximum(num_runs, 1), np.nan)
