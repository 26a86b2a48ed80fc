"""Runs in groups that share a compiled program."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple, SupportsIndex

from nndl_jax.documents import (
    GeneralizationLoss,
    Network,
    NoImprovement,
    Replay,
)
from nndl_jax.documents.load import of_kind
from nndl_jax.documents.variants import Variants, check_seeds, expand


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


def groups(spec: Variants, seeds: Iterable[SupportsIndex]) -> list[Group]:
    """The batch of runs of a network or of some of its variants, by the program that trains them.

    Raises:
        TypeError: the document is of another kind.
        ValueError: the seeds are not whole numbers from 0 to 2^32 - 1.
    """
    networks = [of_kind(variant.spec, Network) for variant in expand(spec)]
    found: dict[Network, list[tuple[int, Network, int]]] = {}
    for position, (network, seed) in enumerate(product(networks, check_seeds(seeds))):
        found.setdefault(_template(network, networks), []).append((position, network, seed))
    return [Group(key, *zip(*members, strict=True)) for key, members in found.items()]


def _template(spec: Network, all_variants: Sequence[Network]) -> Network:
    """The document with all that a compiled program takes as an argument put to one.

    A penalty that only some variants have is compiled for all of them: where its number is zero it
    changes no bit.
    """
    penalties = {
        name: float(any(getattr(network.regularizer, name) > 0 for network in all_variants))
        for name in ("l1", "l2")
    }
    stopping = spec.training.early_stopping
    match stopping:
        case NoImprovement():
            stopping = stopping.model_copy(update={"patience": 1})
        case GeneralizationLoss():
            stopping = stopping.model_copy(update={"threshold": 1.0})
        case None:
            pass
    replay = spec.training.replay and Replay()
    training = {
        "early_stopping": stopping,
        "replay": replay,
        "shuffle": True,
        "dropout_streams": "separate",
    }
    return spec.model_copy(
        update={
            "model": spec.model.without_initializers(),
            "optimizer": spec.optimizer.template(),
            "regularizer": spec.regularizer.model_copy(update={**penalties, "per": "image"}),
            "training": spec.training.model_copy(update=training),
        }
    )
