"""The search for the largest learning rate with which a cost falls from the start."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from nndl_jax import Dataset, Split, load_spec
from nndl_jax.documents import Network, Threshold
from nndl_jax.documents.load import override
from nndl_jax.reading.faults import SpecError
from nndl_jax.training import threshold
from nndl_jax.training.threshold import find_thresholds

SEARCH = load_spec("ch3-threshold", kind=Threshold)
LEARNER = load_spec("ch3-learning-rates", {"vary": []}, kind=Network)
SPLIT = Split(np.zeros((10, 784), np.uint8), np.arange(10, dtype=np.int32))
DATASET = Dataset("mnist", SPLIT, SPLIT, SPLIT)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Rates that were trained with; run s has a cost that falls with rates up to its limit."""
    rates: list[float] = []
    limits = {0: 0.5, 1: 0.07, 2: 3.0, 3: 0.0004, 4: np.inf, 5: 0.0}

    def train(spec: Network, _: Dataset, *, seeds: Sequence[int]) -> Iterator[SimpleNamespace]:
        rate = spec.optimizer.learning_rate
        rates.append(rate)
        fall = np.array([rate <= limits[seed] for seed in seeds])
        for epoch in range(spec.training.epochs):
            # Those that do not fall oscillate: they rise in the last epoch alone.
            last = epoch == spec.training.epochs - 1
            costs = np.where(fall | (not last), 1.0 / (epoch + 1), 2.0)
            yield SimpleNamespace(metrics={"train_cost": costs})

    monkeypatch.setattr(threshold, "train", train)
    return rates


def search(*seeds: int, **method: float) -> list[tuple[float, float, float]]:
    spec = override(SEARCH, {f"method.{name}": value for name, value in method.items()})
    found = find_thresholds(spec, LEARNER, DATASET, seeds=seeds)
    return [(entry["order"], entry["threshold"], entry["half"]) for entry in found]


def test_a_threshold_is_found_as_the_book_does(tried):
    assert search(0) == [(0.1, 0.5, 0.25)]
    assert tried == [0.01, 0.1, 1.0, 0.2, 0.5]


def test_rates_shrink_where_the_first_is_too_large(tried):
    assert search(3) == [(0.0001, 0.0002, 0.0001)]
    assert tried == [0.01, 0.001, 0.0001, 0.0002, 0.0005]


def test_each_seed_has_a_search_of_its_own_and_no_rate_is_trained_twice(tried):
    assert search(0, 1, 2) == [(0.1, 0.5, 0.25), (0.01, 0.05, 0.025), (1.0, 2.0, 1.0)]
    assert len(set(tried)) == len(tried)


def test_a_search_ends_after_its_steps(tried):
    assert search(4, steps=2, factor=3.0, start=0.5) == [(4.5, 22.5, 11.25)]


def test_a_cost_that_falls_with_no_rate_is_refused(tried):
    with pytest.raises(SpecError) as caught:
        search(5, steps=2)
    message = "the cost falls with no learning rate from 0.01 down to 0.0001; take more steps"
    assert str(caught.value) == f"ch3-threshold: method.steps: {message}"


def test_networks_begin_without_what_ends_or_slows_a_training(monkeypatch):
    given = []

    def train(spec: Network, _: Dataset, *, seeds: Sequence[int]) -> Iterator[SimpleNamespace]:
        given.append(spec)
        for cost in (3.0, 2.0, 1.0):
            yield SimpleNamespace(metrics={"train_cost": np.full(len(seeds), cost)})

    monkeypatch.setattr(threshold, "train", train)
    learner = load_spec("ch3-schedule", kind=Network)
    assert learner.optimizer.schedule is not None
    find_thresholds(SEARCH, learner, DATASET)
    spec = given[0]
    assert spec.optimizer.schedule is spec.training.early_stopping is None
    assert (spec.training.epochs, spec.monitors) == (3, ("train_cost",))
    assert spec.training.allow_divergence
    assert spec.model == learner.model


def test_a_real_network_stands_a_small_rate_and_no_huge_one():
    labels = np.arange(40, dtype=np.int32) % 10
    pictures = np.random.default_rng(0).integers(0, 255, (10, 784))
    split = Split(pictures[labels].astype(np.uint8), labels)
    dataset = Dataset("pictures", split, split, split)
    spec = override(SEARCH, {"method": {"start": 0.1, "factor": 1e3, "steps": 1, "refine": [1e3]}})
    (found,) = find_thresholds(spec, LEARNER, dataset, seeds=[1])
    assert found == {"order": 0.1, "threshold": 0.1, "half": 0.05}
