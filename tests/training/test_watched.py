"""Rules that watch another metric than the validation accuracy or cost."""

import numpy as np
import pytest

from nndl_jax import train
from nndl_jax.reading.faults import SpecError

RULE = "training.early_stopping"
NUM_EPOCHS = 12


def trained(small_network, small_dataset, changes):
    spec = small_network({"training.epochs": NUM_EPOCHS, **changes})
    return list(train(spec, small_dataset, seeds=range(2)))


def last_epochs(results):
    return np.max([result.epochs for result in results], axis=0)


def waiting_ends(values, patience):
    """The epoch after which so many epochs were without a new lowest value."""
    for epoch in range(len(values)):
        if epoch - int(np.argmin(values[: epoch + 1])) >= patience:
            return epoch
    return len(values) - 1


@pytest.mark.parametrize("metric", ["train_cost", "test_errors"])
def test_training_stops_where_what_is_watched_rests_and_needs_no_validation(
    small_network, small_dataset, metric
):
    monitors = {"monitors": [metric], "optimizer.learning_rate": 10.0}
    whole = trained(small_network, small_dataset, monitors)
    rule = {f"{RULE}.rule": "no-improvement", f"{RULE}.patience": 1, f"{RULE}.metric": metric}
    found = last_epochs(trained(small_network, small_dataset, monitors | rule))
    curves = np.array([result.metrics[metric] for result in whole]).T
    expected = [waiting_ends(curve, 1) for curve in curves]
    assert found.tolist() == expected
    assert min(expected) < NUM_EPOCHS - 1


def test_a_rising_training_cost_ends_training(small_network, small_dataset):
    monitors = {"monitors": ["train_cost"], "optimizer.learning_rate": 10.0}
    whole = trained(small_network, small_dataset, monitors)
    rule = {f"{RULE}.rule": "generalization-loss", f"{RULE}.threshold": 0.001}
    rule |= {f"{RULE}.metric": "train_cost"}
    found = last_epochs(trained(small_network, small_dataset, monitors | rule))
    for run, last in enumerate(found):
        curve = np.array([result.metrics["train_cost"][run] for result in whole])
        rises = curve / np.minimum.accumulate(curve) - 1
        ends = [*np.flatnonzero(rises > 0.001), NUM_EPOCHS - 1]
        assert last == ends[0]


def test_a_rate_is_lowered_where_the_training_cost_rests(small_network, small_dataset):
    rule = {"rule": "no-improvement", "patience": 1, "stop_at": 1e-6, "metric": "train_cost"}
    changes = {"monitors": ["train_cost"], "optimizer.learning_rate": 10.0}
    changes |= {"training.epochs": NUM_EPOCHS, "optimizer.schedule": rule}
    scale, lowest, found, expected = 1.0, np.inf, [], []
    for result in train(small_network(changes), small_dataset, seeds=range(2)):
        cost = result.metrics["train_cost"][0]
        scale, lowest = scale if cost < lowest else scale / 2, min(cost, lowest)
        expected.append(scale)
        found.append(float(result.states[0].progress.scale[0]))
    assert found == expected
    assert expected[-1] < 1


@pytest.mark.parametrize(
    ("rule", "metric", "message"),
    [
        ("no-improvement", "train_cost", "watches train_cost, which is not measured"),
        ("no-improvement", "gradient_norm.1", "of which no value is better"),
        ("generalization-loss", "test_accuracy", "which is to rise; watch a cost"),
    ],
)
def test_what_no_rule_can_watch_is_refused(small_network, rule, metric, message):
    number = {"patience": 1} if rule == "no-improvement" else {"threshold": 0.1}
    stopping = {"rule": rule, "metric": metric, **number}
    changes = {"monitors": ["test_accuracy", "gradient_norms"], RULE: stopping}
    with pytest.raises(SpecError, match=message):
        small_network(changes)
