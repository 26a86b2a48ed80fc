"""Networks that vote (ch. 6, section "Convolutional neural networks in practice")."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from nndl_jax.data.datasets import Split
from nndl_jax.documents import Document
from nndl_jax.networks.network import FeedforwardNetwork, check_network, document_of
from nndl_jax.training.prediction import predict


class Vote(NamedTuple):
    """What networks take images for, one by one and together."""

    digits: Int[np.ndarray, " images"]
    """The digit with most votes; of equals, that of the earliest network."""
    votes: Int[np.ndarray, "networks images"]
    """The digit that each network takes each image for."""

    def __repr__(self) -> str:
        return f"<Vote of {len(self.votes)} networks on {len(self.digits):,} images>"


def vote(
    models: Sequence[FeedforwardNetwork], images: Split | ArrayLike, spec: Document | None = None
) -> Vote:
    """A vote of networks on each image.

    Args:
        models: at least one network.
        images: what `predict` takes.
        spec: the document that the networks were built from; None for the first one's own.

    Raises:
        SpecError: the document has axes.
        TypeError: the models are no list of networks.
        ValueError: there is no network, or what `predict` raises.
    """
    networks = read_networks(models)
    spec = document_of(networks[0], spec)
    if spec.data.targets == "real":
        raise ValueError(f"{spec.id}: real numbers are not voted on; take the mean of predictions")
    votes = np.stack([predict(network, images, spec) for network in networks])
    return Vote(plurality(votes), votes)


def read_networks(models: object) -> list[FeedforwardNetwork]:
    """Networks from outside, at least one.

    Raises:
        TypeError: they are no list of networks.
        ValueError: there is none.
    """
    if not isinstance(models, Iterable):
        found = type(models).__name__
        raise TypeError(f"networks that vote are given as a list, [model] of one; got {found}")
    networks = [check_network(model) for model in models]
    if not networks:
        raise ValueError("there are no networks to vote; give at least one")
    return networks


def plurality(votes: Int[np.ndarray, "networks images"]) -> Int[np.ndarray, " images"]:
    """The digit with most votes for each image; of equals, that of the earliest network."""
    counts = (votes[:, None] == votes[None]).sum(axis=1)
    winners = counts.argmax(axis=0)
    return votes[winners, np.arange(votes.shape[1])]
