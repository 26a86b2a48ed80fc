"""The largest learning rate with which a network's cost falls from the start (ch. 3).

The book's procedure: try rates that grow by a factor of ten until the cost on the training images
oscillates or rises during the first few epochs, or that shrink until it does not. Then try some
rates in between.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import SupportsIndex

import numpy as np

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Document, Network, Threshold
from nndl_jax.documents.load import of_kind, override
from nndl_jax.documents.threshold import Search
from nndl_jax.documents.variants import check_seeds, single
from nndl_jax.reading.faults import SpecError
from nndl_jax.training.train import train


def find_thresholds(
    spec: Document, learner: Document, dataset: Dataset, *, seeds: Iterable[SupportsIndex] = (0,)
) -> list[Mapping[str, float]]:
    """The document's metrics for each seed, which are learning rates.

    Args:
        spec: a document without `vary`.
        learner: the network's, without `vary`. Its own learning rate makes no difference.
        dataset: images and labels, as `train` takes them.
        seeds: of the networks, from 0 to 2^32 - 1; there is a search for each.

    Raises:
        SpecError: a document has axes, or the cost falls with none of the rates.
        TypeError: a document is of another kind, or the data set is no `Dataset` of splits.
        ValueError: the seeds are no such numbers, or the data do not fit the network.

    References:
        Nielsen, 2015, ch. 3, section "How to choose a neural network's hyper-parameters?".
    """
    spec, learner, seeds = single(spec, Threshold), single(learner, Network), check_seeds(seeds)

    @cache
    def falls(rate: float) -> Mapping[int, bool]:
        network = of_kind(override(learner, _settings(rate, spec.method.epochs)), Network)
        results = train(network, dataset, seeds=seeds)
        costs = (result.metrics["train_cost"] for result in results)
        is_lower = np.ones(len(seeds), bool)
        for before, after in pairwise(costs):
            is_lower &= after < before
            if not is_lower.any():
                break
        return dict(zip(seeds, is_lower.tolist(), strict=True))

    searches = [_search(spec, lambda rate, seed=seed: falls(rate)[seed]) for seed in seeds]
    return [{"order": low, "threshold": high, "half": high / 2} for low, high in searches]


def _search(spec: Threshold, falls: Callable[[float], bool]) -> tuple[float, float]:
    """The largest rate of those that differ by factors, and that of all."""
    method = spec.method
    order = method.start
    if falls(order):
        for step in range(1, method.steps + 1):
            if not falls(larger := _rate(method, step)):
                break
            order = larger
    else:
        smaller = (_rate(method, -step) for step in range(1, method.steps + 1))
        order = next((rate for rate in smaller if falls(rate)), None)
        if order is None:
            last = _rate(method, -method.steps)
            message = f"the cost falls with no learning rate from {method.start:g} down to {last:g}"
            raise SpecError.at(spec.id, None, "method.steps", f"{message}; take more steps")
    between = [_rounded(order * multiple) for multiple in method.refine]
    return order, max([order, *(rate for rate in between if falls(rate))])


def _rate(method: Search, step: int) -> float:
    return _rounded(method.start * method.factor**step)


def _rounded(rate: float) -> float:
    """0.1 for 0.01 times 10, whatever a float makes of that."""
    return float(f"{rate:.12g}")


def _settings(rate: float, epochs: int) -> Mapping[str, object]:
    """What a network is trained with to see how its cost begins."""
    return {
        "optimizer.learning_rate": rate,
        "optimizer.schedule": None,
        "training.epochs": epochs,
        "training.early_stopping": None,
        "training.keep_best": False,
        "training.evaluate_every": 1,
        "training.allow_divergence": True,
        "monitors": ["train_cost"],
    }
