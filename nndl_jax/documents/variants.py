"""From one document to its runs: variants times seeds, in groups that share a program."""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from operator import index
from typing import NamedTuple, SupportsIndex, TypeVar

from nndl_jax.faults import SpecError
from nndl_jax.schema import (
    Decay,
    Document,
    FieldValue,
    GeneralizationLoss,
    Initializer,
    MaxPool,
    Model,
    Network,
    NoImprovement,
    Plateau,
    Replay,
)
from nndl_jax.schema.experiment import Experiment, naming_fields
from nndl_jax.specs import crossings, of_kind, variant

Kind = TypeVar("Kind", bound=Experiment)


class Variant(NamedTuple):
    """One point of a document's axes."""

    name: str
    """Values of the first field of each axis, such as `learning_rate=0.1`; `base` without axes."""
    values: Mapping[str, FieldValue]
    """Values by field path."""
    spec: Document
    """The document at this point, without axes and claims."""


class Run(NamedTuple):
    """One training of one variant."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """The variant and the seed in one text."""
        return f"{self.variant},seed={self.seed}"


class Group(NamedTuple):
    """Runs whose documents differ in what is an argument of one compiled program."""

    template: Network
    """The document of all, with arguments of the program put to one."""
    runs: tuple[int, ...]
    """Positions in the batch of runs."""
    specs: tuple[Network, ...]
    """The document of each run."""
    seeds: tuple[int, ...]
    """The seed of each run."""


def variants(spec: Document) -> list[Variant]:
    """All points of a document's axes, the last axis changing fastest."""
    of_kind(spec, Experiment)
    leads = [field for axis in spec.vary for field in naming_fields(axis)]
    return [
        Variant(_name(point, leads), point, variant(spec, point)) for point in crossings(spec.vary)
    ]


def find_variant(
    points: Sequence[Variant], choice: Mapping[str, FieldValue] | None
) -> Variant | None:
    """The first variant with these values, or None; without values, the first of all."""
    wanted = (choice or {}).items()
    return next((point for point in points if wanted <= point.values.items()), None)


def single(spec: Document, kind: type[Kind]) -> Kind:
    """The document, where that of one experiment of a kind is meant.

    Raises:
        TypeError: it is of another kind, or no document.
        SpecError: it has axes; names `vary`.
    """
    found = of_kind(spec, kind)
    if found.vary:
        said = (
            "one experiment is meant here, and this document describes several; give that of "
            "one, variants(spec)[i].spec or, of a result of training, result.spec(i)"
        )
        raise SpecError.at(found.id, None, "vary", said)
    return found


def list_runs(spec: Document, seeds: Iterable[SupportsIndex]) -> list[Run]:
    """The batch of runs of a document, variant by variant, each with every seed.

    Raises:
        ValueError: the seeds are not whole numbers from 0 to 2^32 - 1.
    """
    checked = check_seeds(seeds)
    return [Run(point.name, seed) for point in variants(spec) for seed in checked]


def check_seeds(seeds: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """The same seeds as plain numbers.

    Raises:
        ValueError: they are not whole numbers from 0 to 2^32 - 1.
    """
    try:
        listed = tuple(seeds)
        whole = tuple(index(seed) for seed in listed if not isinstance(seed, bool))
    except TypeError:
        listed = whole = ()
    if len(whole) < max(1, len(listed)) or not all(0 <= seed < 2**32 for seed in whole):
        said = "seeds must be whole numbers from 0 to 4,294,967,295, at least one, such as range(3)"
        raise ValueError(f"{said}; got {reprlib.repr(seeds)}")
    return whole


def groups(spec: Document, seeds: Iterable[SupportsIndex]) -> list[Group]:
    """The batch of runs of a network, grouped by the program that trains them.

    Raises:
        ValueError: the seeds are not whole numbers from 0 to 2^32 - 1.
    """
    points = variants(of_kind(spec, Network))
    networks = [of_kind(point.spec, Network) for point in points]
    found: dict[Network, list[tuple[int, Network, int]]] = {}
    for position, (point, seed) in enumerate(product(networks, check_seeds(seeds))):
        found.setdefault(_template(point, networks), []).append((position, point, seed))
    return [Group(key, *zip(*members, strict=True)) for key, members in found.items()]


def _template(spec: Network, all_variants: Sequence[Network]) -> Network:
    """The document with all that a compiled program takes as an argument put to one.

    A penalty that only some variants have is compiled for all of them: where its number is zero it
    changes no bit. Momentum would: it rounds once more.
    """
    penalties = {
        name: float(any(getattr(each.regularizer, name) > 0 for each in all_variants))
        for name in ("l1", "l2")
    }
    schedule, stopping = spec.optimizer.schedule, spec.training.early_stopping
    match schedule:
        case Plateau():
            schedule = Plateau(rule="no-improvement", patience=1)
        case Decay():
            schedule = Decay(rule="exponential", half_life=1)
        case None:
            pass
    match stopping:
        case NoImprovement():
            stopping = NoImprovement(rule="no-improvement", patience=1)
        case GeneralizationLoss():
            stopping = GeneralizationLoss(rule="generalization-loss", threshold=1.0)
        case None:
            pass
    optimizer = {
        "learning_rate": 1.0,
        "momentum": float(spec.optimizer.momentum != 0),
        "schedule": schedule,
    }
    replay = spec.training.replay and Replay()
    training = {
        "early_stopping": stopping,
        "replay": replay,
        "shuffle": True,
        "dropout_streams": "separate",
    }
    return spec.model_copy(
        update={
            "model": _without_initializers(spec.model),
            "optimizer": spec.optimizer.model_copy(update=optimizer),
            "regularizer": spec.regularizer.model_copy(update={**penalties, "per": "image"}),
            "training": spec.training.model_copy(update=training),
        }
    )


def _without_initializers(model: Model) -> Model:
    """The model with all weights zero: how they are drawn is no part of training."""
    layers = [
        layer if isinstance(layer, MaxPool) else layer.model_copy(update={"initializer": None})
        for layer in model.layers
    ]
    zeros = Initializer(weights="zeros", biases="zeros")
    return model.model_copy(update={"layers": tuple(layers), "initializer": zeros})


def _name(point: Mapping[str, FieldValue], leads: Sequence[str]) -> str:
    return ",".join(f"{lead.rsplit('.', 1)[-1]}={point[lead]}" for lead in leads) or "base"
