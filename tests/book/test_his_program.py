"""The author's runs: a first epoch against his program, written again, and what his curves do."""

import jax
import numpy as np
import pytest
from his_scripts import SLIPS, first_cost

from nndl_jax import load_mnist, load_spec, train, variants


@pytest.fixture(scope="module")
def mnist(mnist_folder):
    return load_mnist(mnist_folder)


def curves_of(name, dataset, metric, overrides=None):
    """A measurement of each variant, epoch by epoch."""
    with jax.enable_x64(True):
        spec = load_spec(name, overrides)
        curves = np.array([result.metrics[metric] for result in train(spec, dataset)]).T
    return dict(zip([variant.name for variant in variants(spec)], curves, strict=True))


def test_first_epoch_costs_what_his_program_says(mnist):
    one = {"training.epochs": 1}
    found = curves_of("ch3-overfitting-replay", mnist, "train_cost", one)["l2=0.1"]
    assert found == pytest.approx([first_cost(mnist.train)], rel=1e-12)


def test_his_program_gives_the_cost_that_he_recorded(mnist):
    # fig/regularized.json, epoch 0.
    assert round(first_cost(mnist.train), 4) == 3.0055


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_in_his_program_is_far_from_the_replay(mnist, slip):
    assert abs(first_cost(mnist.train, slip) / first_cost(mnist.train) - 1) > 1e-5


@pytest.mark.slow
def test_learning_rates_shape_the_cost_as_his_did(mnist):
    curves = curves_of("ch3-learning-rates-replay", mnist, "train_cost")
    slow, right, fast = curves.values()
    assert np.all(np.diff(slow) < 0)
    assert np.argmin(right) == 22
    # Chaotic from the first epoch on; his recorded costs lie between 0.7249 and 1.1366.
    assert 0.65 < fast.min() < fast.max() < 1.25


@pytest.mark.slow
def test_initializations_are_best_when_his_were(mnist):
    curves = curves_of("ch3-initialization-replay", mnist, "validation_accuracy").values()
    best = [np.flatnonzero(curve == curve.max()).tolist() for curve in curves]
    # Thirty hidden neurons with the new weights and the old ones, then a hundred.
    assert best == [[25, 27], [27], [29], [28]]
