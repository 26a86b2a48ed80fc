"""Documents with what was run of them, as the stages `evaluate` and `report` read them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nndl_jax.documents import Document, Ensemble, FieldValue
from nndl_jax.documents.claims import Epoch
from nndl_jax.documents.metrics import VALIDATION
from nndl_jax.documents.variants import Variant, find_variant
from nndl_jax.judging.judge import at_epoch
from pipeline.machine.paths import RECORDED, run_folder
from pipeline.plan.plans import (
    Plan,
    Today,
    load_books_plans,
    load_documents,
    load_plans,
    load_today,
)
from pipeline.store.dataset import why_foreign
from pipeline.store.kept import in_words
from pipeline.store.recorded_run import EXTRAS, NUM_DIGITS, RecordedRun
from pipeline.store.recordings import Origin, as_history, read_runs
from pipeline.store.runs import History, read_history


class Results(NamedTuple):
    """A document with what was run of it."""

    document: Document
    """As the book has it."""
    variants: Sequence[Variant]
    """The variants that were run."""
    history: History | None
    """What was measured; None if the document was not selected."""
    foreign: str | None
    """Why its numbers say nothing about the book's; None if they do."""
    files: Sequence[Path]
    """All that holds what was measured."""
    made: str = ""
    """How much is run of it."""
    is_left_out: bool = False
    """Whether `params.yaml` leaves it out, so that it is as it was run before."""
    origin: Origin | None = None
    """Where what was recorded comes from; None of what was run here."""

    @classmethod
    def load(cls, document: Document, planned: "_Planned") -> "Results":
        """What was run of a document."""
        name = document.id
        variants, history = planned.plans[name].list_variants(), read_history(run_folder(name))
        foreign = None
        if _is_changed(name, planned):
            foreign = "other settings"
        if history is not None:
            wanted, run = (
                plans[plans[name].spec.subject()].spec for plans in (planned.books, planned.plans)
            )
            foreign = why_foreign(history.data, wanted, run) or foreign
        return cls(document, variants, history, foreign, sorted(run_folder(name).glob("*.csv")))

    @classmethod
    def recorded(
        cls, document: Document, plans: Mapping[str, Plan]
    ) -> "tuple[Results | None, Sequence[str]]":
        """What was recorded of a document at the book's settings; None if it has changed since.

        Gives a sentence as well for runs that are not part of it.
        """
        folder, variants = RECORDED / document.id, plans[document.id].list_variants()
        spec = plans[document.subject()].spec
        runs, stale = _parted(read_runs(folder), identity(document.id, plans), spec)
        message = [f"{folder}: {_listed(files)} {why}; not judged" for why, files in stale.items()]
        if not runs:
            return None, message
        names = [variant.name for variant in variants]
        runs = sorted(runs, key=lambda run: (names.index(run.head.variant), run.head.seed))
        heads = [run.head for run in runs]
        names = [name for head in heads for name in (head.file, *map(head.beside, EXTRAS))]
        files = [path for name in names if (path := folder / name).exists()]
        history, origin = as_history(runs), Origin.of(heads)
        foreign = why_foreign(history.data, spec)
        return cls(document, variants, history, foreign, files, origin=origin), message

    @property
    def folder(self) -> Path | None:
        """Where it was measured, with the networks if they are kept; None where nothing was."""
        return self.files[0].parent if self.files else None

    def beside(self, name: str) -> Path | None:
        """The file of this name that was written with the measurements; None if there is none."""
        return next((path for path in self.files if path.name.endswith(name)), None)

    def find(self, choice: Mapping[str, FieldValue] | None) -> Variant | None:
        """The first variant with these values, or None if it was not run."""
        return find_variant(self.variants, choice)

    def curves(
        self, metric: str, choice: Mapping[str, FieldValue] | None
    ) -> Float[np.ndarray, "runs epochs"] | None:
        """What was measured of the runs of one variant; None if nothing was."""
        variant = self.find(choice)
        if self.history is None or variant is None or metric not in self.history.metrics:
            return None
        chosen = [run.variant == variant.name for run in self.history.runs]
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


class _Planned(NamedTuple):
    """What `resolve` has written."""

    today: Today
    plans: Mapping[str, Plan]
    books: Mapping[str, Plan]


def load_all() -> tuple[Today, dict[str, Results]]:
    """The settings, and every document with what is run of it or was run before it was left out.

    Raises:
        OSError: `resolve` has not written what they are read from.
    """
    planned = _Planned(load_today(), load_plans(), load_books_plans())
    found: dict[str, Results] = {}
    for name, document in load_documents().items():
        made, is_left_out = in_words(planned.plans[name]), name not in planned.today.selected
        results = Results.load(document, planned)
        found[name] = results._replace(made=made, is_left_out=is_left_out)
    return planned.today, found


def _is_changed(name: str, planned: _Planned) -> bool:
    """Whether what was run of a document is not what the book has."""
    plan, books = planned.plans[name], planned.books[name]
    # Variants that a profile leaves out do not change the others.
    specs = [variant.spec for variant in books.variants]
    if any(variant.spec not in specs for variant in plan.variants):
        return True
    if (reference := books.spec.reference()) is not None:
        seeds = planned.plans[reference.document].seeds
        is_short = isinstance(books.spec, Ensemble) and len(seeds) < books.spec.size
        if is_short or _is_changed(reference.document, planned):
            return True
    return name in planned.today.overridden


def identity(name: str, resolved: Mapping[str, Plan]) -> str:
    """The beginning of a document's digest, which changes with the document that it is about."""
    own = resolved[name]
    digest = own.digest()
    if (reference := own.spec.reference()) is not None:
        other = resolved[reference.document].digest()
        digest = hashlib.sha256(f"{digest}{other}".encode()).hexdigest()
    return digest[:NUM_DIGITS]


def load_recorded() -> tuple[dict[str, Results], Sequence[str]]:
    """All that was recorded of documents that have not changed since, and what of the rest."""
    plans, documents = load_books_plans(), load_documents()
    found: dict[str, Results] = {}
    message: list[str] = []
    for name, document in documents.items():
        results, stale = Results.recorded(document, plans)
        message += stale
        if results is not None:
            found[name] = results
    return found, message


def _parted(
    runs: Sequence[RecordedRun], document: str, spec: Document
) -> tuple[Sequence[RecordedRun], Mapping[str, Sequence[str]]]:
    """Runs of a document and of one data set, and the files of the others by what they are."""
    own = [run for run in runs if run.head.document == document]
    # The book's data before others.
    names = (run.head.data for run in own)
    data = min(names, key=lambda name: why_foreign(name, spec) or "", default="")
    stale: dict[str, list[str]] = {}
    for run in runs:
        if run.head.document != document:
            stale.setdefault("of another version of the document", []).append(run.head.file)
        elif run.head.data != data:
            stale.setdefault(f"measured on {run.head.data}, not on {data}", []).append(
                run.head.file
            )
    return [run for run in own if run.head.data == data], stale


def _listed(files: Sequence[str]) -> str:
    """The first of some files, and how many more there are."""
    return f"{files[0]} is" if len(files) == 1 else f"{files[0]} and {len(files) - 1} more are"


def says_more(recorded: Results, *, than: Results) -> bool:
    """Whether today's runs are none, or of fewer variants, or say nothing about the book's."""
    is_fewer = len(than.variants) < len(recorded.variants)
    return than.history is None or is_fewer or than.foreign is not None


def mean_curve(curves: Float[np.ndarray, "runs epochs"]) -> Float[np.ndarray, " epochs"]:
    """Mean over the runs that go on, by epoch; NaN where any of these was not measured."""
    is_measured = ~np.isnan(curves)
    goes_on = np.logical_or.accumulate(is_measured[:, ::-1], axis=1)[:, ::-1]
    num_runs = is_measured.sum(axis=0) * (is_measured | ~goes_on).all(axis=0)
    return np.where(num_runs > 0, np.nansum(curves, axis=0) / np.maximum(num_runs, 1), np.nan)
