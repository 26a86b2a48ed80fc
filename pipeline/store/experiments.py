"""Documents with what was run of them, as the stages `evaluate` and `report` read them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.documents import Document, Ensemble, FieldValue
from nndl_jax.documents.claims import Epoch
from nndl_jax.documents.variants import Variant, find_variant, variants
from nndl_jax.judging.judge import at_epoch
from pipeline.machine.paths import RECORDED, RUNS, SPEC
from pipeline.plan.documents import load_document
from pipeline.plan.references import VALIDATION
from pipeline.plan.resolved import Resolved
from pipeline.plan.resolving import BOOK, resolve_all, without_words
from pipeline.plan.settings import Settings
from pipeline.store.dataset import why_foreign
from pipeline.store.kept import in_words, kept
from pipeline.store.recordings import held
from pipeline.store.runs import History, read_about, read_history


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
    folder: Path
    """What else was written beside the measurements."""
    made: str = ""
    """How much is run of it."""
    is_left_out: bool = False
    """Whether `params.yaml` leaves it out, so that it is as it was run before."""

    @classmethod
    def load(cls, name: str, resolved: Mapping[str, Resolved], settings: Settings) -> "Experiment":
        """The experiment of this name, one of those that were resolved together."""
        document, history = load_document(SPEC / f"{name}.yaml"), read_history(RUNS / name)
        points = variants(resolved[name].spec)
        foreign = None
        if _is_changed(name, resolved, settings):
            foreign = "other settings"
        if history is not None:
            foreign = why_foreign(history.data) or foreign
        return cls(document, points, history, foreign, RUNS / name)

    @classmethod
    def recorded(cls, name: str, resolved: Mapping[str, Resolved]) -> "Experiment | None":
        """What was recorded of a document at the book's settings; None if it has changed since."""
        folder = RECORDED / name
        if read_about(folder).get("document") != identity(name, resolved):
            return None
        document, history = load_document(SPEC / f"{name}.yaml"), read_history(folder)
        foreign = None if history is None else why_foreign(history.data)
        return cls(document, variants(resolved[name].spec), history, foreign, folder)

    def find(self, choice: Mapping[str, FieldValue] | None) -> Variant | None:
        """The first variant with these values, or None if it was not run."""
        return find_variant(self.points, choice)

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

    def at_epoch(
        self, epoch: Epoch, metric: str, choice: Mapping[str, FieldValue] | None
    ) -> Float[np.ndarray, " runs"] | None:
        """The measurement of each run of a variant at an epoch as claims name it; None without."""
        curves, validation = self.curves(metric, choice), self.curves(VALIDATION, choice)
        return None if curves is None else at_epoch(epoch, metric, curves, validation)

    def metrics(self) -> list[str]:
        """What was measured; without the costs of batches, which only show divergence."""
        names = () if self.history is None else self.history.metrics
        return [name for name in names if name != "batch_cost"]


def load_today() -> tuple[Settings, dict[str, Experiment]]:
    """The settings, and every document with what is run of it or was run before it was left out.

    Raises:
        SpecError: with all that is wrong with `params.yaml` and the documents.
    """
    settings, resolved = resolve_all()
    as_run = {name: kept(name, each) for name, each in resolved.items()}
    selected = {name for name, each in resolved.items() if each.selected}
    overrides = {name: own for name, own in settings.overrides.items() if name in selected}
    own = settings.model_copy(update={"overrides": overrides})
    experiments: dict[str, Experiment] = {}
    for name in resolved:
        experiment = Experiment.load(name, as_run, own)
        made, is_left_out = in_words(as_run[name]), name not in selected
        experiments[name] = experiment._replace(made=made, is_left_out=is_left_out)
    return settings, experiments


def _is_changed(name: str, resolved: Mapping[str, Resolved], settings: Settings) -> bool:
    """Whether what was run of a document is not what the book has."""
    document = load_document(SPEC / f"{name}.yaml")
    # Variants that a profile leaves out do not change the others.
    books = [point.spec for point in variants(without_words(document))]
    if any(point.spec not in books for point in variants(resolved[name].spec)):
        return True
    if isinstance(document, Ensemble):
        is_short = len(resolved[document.members].seeds) < document.size
        if is_short or _is_changed(document.members, resolved, settings):
            return True
    return name in settings.overrides


def identity(name: str, resolved: Mapping[str, Resolved]) -> str:
    """The digest of a document; of an ensemble, one that changes with its members as well."""
    own = resolved[name]
    if not isinstance(own.spec, Ensemble):
        return own.digest()
    members = resolved[own.spec.members]
    return hashlib.sha256(f"{own.digest()}{members.digest()}".encode()).hexdigest()


def load_recorded(folder: Path = SPEC) -> dict[str, Experiment]:
    """All that was recorded of documents that have not changed since."""
    _, resolved = resolve_all(folder, BOOK)
    with held():
        found = {name: Experiment.recorded(name, resolved) for name in resolved}
    return {name: experiment for name, experiment in found.items() if experiment is not None}


def mean_curve(curves: Float[np.ndarray, "runs epochs"]) -> Float[np.ndarray, " epochs"]:
    """Mean over the runs that were measured, by epoch; NaN where none was."""
    num_runs = (~np.isnan(curves)).sum(axis=0)
    return np.where(num_runs > 0, np.nansum(curves, axis=0) / np.maximum(num_runs, 1), np.nan)
