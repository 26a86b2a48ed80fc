"""What an interactive is, and what all of them read: variants of documents, and measurements."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from nndl_jax.calculations.quantity import Form
from nndl_jax.documents import Bumps, Ridges
from nndl_jax.documents.variants import Variant, variants
from pipeline.store.results import Results, mean_curve

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

SCRIPTS = Path(__file__).parents[1] / "scripts"
SHARED = ("mathematics", "network", "figures")
"""Scripts that every page with an interactive begins with, in order."""
NOTHING = "Nothing was measured yet; make trains what is shown here."


class Site(Protocol):
    """What the pages are made of."""

    @property
    def today(self) -> Mapping[str, Results]:
        """Every document, with what is run of it."""
        ...

    def shown(self, name: str) -> Results:
        """The runs that say most of a document."""
        ...


class Interactive(NamedTuple):
    """A figure to play with."""

    chapter: int | None
    """On whose page it stands; None for the start."""
    title: str
    caption: str
    """Plain text: what is to be seen, and what to do."""
    data: Json
    scripts: tuple[str, ...]
    """Names of scripts in `scripts/`, in the order in which they are loaded."""


Kind = TypeVar("Kind", bound=Form)


class Constructed(NamedTuple, Generic[Kind]):
    """A variant of a construction."""

    title: str
    network: Kind
    last: Mapping[str, float | None]
    """What was measured of it, by metric; nothing where it was not run."""

    def dump(self) -> dict[str, Json]:
        """The network as documents write it."""
        return self.network.model_dump(mode="json", by_alias=True)


class Measured(NamedTuple):
    """A variant of a document, and what was measured of its first run."""

    title: str
    """The document's, and what is special about this variant."""
    variant: Variant
    last: Mapping[str, float | None]
    """By metric, at the last epoch; nothing where it was not run."""


def measured(site: Site, *names: str) -> list[Measured]:
    """All variants of some documents that there are, in order."""
    return [
        Measured(_title(results, variant), variant, _last(results, variant))
        for name in names
        if name in site.today
        for results in [site.shown(name)]
        for variant in variants(results.document)
    ]


def constructed(site: Site, kind: type[Kind], *names: str) -> list[Constructed[Kind]]:
    """All variants of some constructions whose networks are of a form, of those that there are."""
    return [
        Constructed(title, network, last)
        for title, variant, last in measured(site, *names)
        if isinstance(network := variant.spec.content(), kind)
    ]


def at_places(variant: Constructed[Bumps] | Constructed[Ridges]) -> Json:
    """A network, the places at which it was measured, and its outputs there."""
    values = [variant.last.get(f"value.{place}") for place in range(1, 1 + len(variant.network.at))]
    return {
        "title": variant.title,
        "spec": variant.dump(),
        "at": variant.network.at,
        "values": values,
    }


def curve(results: Results, metric: str, variant: Variant) -> list[float | None] | None:
    """The mean of the runs by epoch, to six digits; None if nothing was measured.

    Of long histories that were recorded only some epochs are kept: a straight line joins these.
    """
    curves = results.curves(metric, variant.values)
    if curves is None:
        return None
    means = mean_curve(curves)
    known, epochs = np.flatnonzero(~np.isnan(means)), np.arange(len(means))
    joined = np.interp(epochs, known, means[known], left=np.nan, right=np.nan)
    return [number(value) for value in joined]


def number(value: float, digits: int = 6) -> float | None:
    """A number as JSON has it; None where there is none."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _title(results: Results, variant: Variant) -> str:
    title = results.document.title
    return title if variant.name == "base" else f"{title}: {variant.name.replace('=', ' = ')}"


def _last(results: Results, variant: Variant) -> Mapping[str, float | None]:
    if results.history is None:
        return {}
    chosen = [i for i, run in enumerate(results.history.runs) if run.variant == variant.name]
    if not chosen:
        return {}
    found: dict[str, float | None] = {}
    for metric, curves in results.history.metrics.items():
        values = curves[chosen[0]]
        finite = values[np.isfinite(values)]
        found[metric] = number(finite[-1], 12) if len(finite) else None
    return found
