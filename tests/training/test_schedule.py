"""Learning rates that fall, when accuracy stands still (ch. 3) or always (ch. 6), by simulation."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from nndl_jax import build_model, train
from nndl_jax.training.state import RunKeys

RATE = 2.0
# Full batches in the order of the file: an epoch is a step, which the oracle follows quickly.
NETWORK = {
    "loss": "cross-entropy",
    "optimizer.learning_rate": RATE,
    "training.epochs": 200,
    "training.batch_size": 120,
    "training.shuffle": False,
    "monitors": ["validation_accuracy"],
}
HALVED = {"optimizer.schedule": {"rule": "no-improvement", "patience": 3}}
AT_ONCE = {"optimizer.schedule": {"rule": "no-improvement", "patience": 1}}
# Three tenths of a float are not quite a thousandth.
TENTHS = {
    "optimizer.schedule": {
        "rule": "no-improvement",
        "patience": 2,
        "factor": 10.0,
        "stop_at": 0.001,
    }
}


DECAYING = {
    "optimizer.schedule": {"rule": "exponential", "half_life": 1.5},
    "training.epochs": 7,
}


def accuracies_of(results):
    return [float(result.metrics["validation_accuracy"][0]) for result in results]


def simulate(accuracies, patience, factor=2, stop_at=Fraction(1, 128)):
    """The fraction of the first learning rate in each epoch, until training ends."""
    scales, best, waited = [], -1.0, 0
    scale = Fraction(1)
    for accuracy in accuracies:
        scales.append(scale)
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited == patience:
            scale, waited = scale / factor, 0
        if scale <= stop_at:
            break
    return scales


@pytest.mark.parametrize(
    ("schedule", "numbers"),
    [
        (HALVED, {"patience": 3}),
        (AT_ONCE, {"patience": 1}),
        (TENTHS, {"patience": 2, "factor": 10, "stop_at": Fraction(1, 1000)}),
    ],
    ids=["halved after three", "halved after one", "down to a thousandth"],
)
def test_training_ends_where_a_simulation_does(small_network, small_dataset, schedule, numbers):
    results = list(train(small_network(NETWORK | schedule), small_dataset))
    # More epochs would be simulated if training had ended too early.
    measured = [*accuracies_of(results), *[0.0] * 100]
    assert len(results) == len(simulate(measured, **numbers))
    assert [result.is_last for result in results].index(True) == len(results) - 1


def test_training_ends_at_a_128th_after_seven_halvings(small_network, small_dataset):
    scales = []
    for result in train(small_network(NETWORK | HALVED), small_dataset):
        scales += result.snapshot().states[0].progress.scale.tolist()
    assert sorted(set(scales), reverse=True) == [0.5**halvings for halvings in range(8)]
    assert scales.count(1 / 128) == 1


def test_training_ends_at_its_last_epoch_at_the_latest(small_network, small_dataset):
    spec = small_network(NETWORK | HALVED | {"training.epochs": 4})
    assert len(list(train(spec, small_dataset))) == 4


def oracle_layers(spec, dataset, scales):
    """Layers after a step at each fraction of the learning rate, from the first weights of seed 0.

    v <- mu v - eta g with the eta of the step: a velocity keeps what earlier steps gave it.
    """
    layers = oracle.copy_layers(build_model(spec, key=RunKeys.from_seed(jnp.uint32(0)).init))
    velocities = [oracle.Layer(0 * layer.weight, 0 * layer.bias) for layer in layers]
    images, labels = dataset.train.images / 256, dataset.train.labels
    targets = [oracle.target(label, "one-hot") for label in labels]
    for scale in scales:
        gradients = [
            oracle.backpropagate(layers, image, target, spec.loss)
            for image, target in zip(images, targets, strict=True)
        ]
        mean = [
            oracle.Layer(sum(g.weight for g in layers) / 120, sum(g.bias for g in layers) / 120)
            for layers in zip(*gradients, strict=True)
        ]
        rule = oracle.Rule(RATE * float(scale), spec.optimizer.momentum, 0.0, 5.0, 120)
        layers, velocities = oracle.sgd_step(layers, velocities, mean, rule)
    return layers


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_steps_with_a_falling_rate_are_the_oracles(small_network, small_dataset, momentum):
    double = {"training.dtype": "float64", "optimizer.momentum": momentum, "regularizer.l2": 5.0}
    with jax.enable_x64(True):
        spec = small_network(NETWORK | HALVED | double)
        results = list(train(spec, small_dataset))
        scales = simulate(accuracies_of(results), patience=3)
        expected = oracle_layers(spec, small_dataset, scales)
        found = oracle.copy_layers(results[-1].model(0))
    assert len(set(scales)) == 7
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, atol=1e-11)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-11)


def test_runs_of_a_batch_have_schedules_of_their_own(small_network, small_dataset):
    axis = {"optimizer.schedule.patience": [1, 3], "optimizer.schedule.factor": [2.0, 4.0]}
    spec = small_network(NETWORK | HALVED | {"vary": [axis]})
    results = list(train(spec, small_dataset))
    curves = np.array([result.metrics["validation_accuracy"] for result in results]).T
    ends = [int(np.isfinite(curve).sum()) for curve in curves]
    padded = [[*curve[:end], *[0.0] * 100] for curve, end in zip(curves, ends, strict=True)]
    assert ends == [len(simulate(padded[0], 1, 2)), len(simulate(padded[1], 3, 4))]
    assert len(results) == max(ends) > min(ends)


@pytest.mark.parametrize(
    "watching",
    [
        {"monitors": ["test_accuracy"]},
        {"training.early_stopping": {"rule": "no-improvement", "patience": 100}},
    ],
    ids=["nothing on validation images", "early stopping"],
)
def test_steps_with_a_decaying_rate_are_the_oracles(small_network, small_dataset, watching):
    double = {"training.dtype": "float64", "optimizer.momentum": 0.5, "regularizer.l2": 5.0}
    with jax.enable_x64(True):
        spec = small_network(NETWORK | DECAYING | double | watching)
        *_, last = train(spec, small_dataset)
        # Half of the first rate after an epoch and a half, a fourth after three.
        expected = oracle_layers(spec, small_dataset, [0.5 ** (e / 1.5) for e in range(7)])
        found = oracle.copy_layers(last.model(0))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, atol=1e-11)
        np.testing.assert_allclose(ours.bias, theirs.bias, atol=1e-11)


def test_runs_of_a_batch_have_half_lives_of_their_own(small_network, small_dataset):
    axis = {"optimizer.schedule.half_life": [1.0, 3.0]}
    spec = small_network(NETWORK | DECAYING | {"vary": [axis]})
    for result in train(spec, small_dataset):
        scales = result.snapshot().states[0].progress.scale
        ended = result.number + 1
        np.testing.assert_allclose(scales, [0.5**ended, 0.5 ** (ended / 3)], rtol=1e-5)
