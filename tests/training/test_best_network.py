"""The network that is best on the validation images, kept beside the last (ch. 6)."""

import jax
import numpy as np
import pytest
from flax import nnx

from nndl_jax import SpecError, train

KEPT = {
    "loss": "cross-entropy",
    "optimizer.learning_rate": 0.3,
    "optimizer.momentum": 0.5,
    "training.epochs": 12,
    "training.keep_best": True,
    "monitors": ["validation_accuracy"],
}
# Runs that end, at different epochs.
STOPPING = {"training.early_stopping": {"rule": "no-improvement", "patience": 2}}


def weights_of(result, index, *, is_best=False):
    leaves = jax.tree.leaves(nnx.state(result.model(index, is_best=is_best), nnx.Param))
    return [np.asarray(leaf).tobytes() for leaf in leaves]


def history_of(results):
    """Accuracies, weights and best weights: lists by epoch of lists by run."""
    history = []
    for result in results:
        runs = range(len(result.runs))
        weights = [weights_of(result, index) for index in runs]
        best = [weights_of(result, index, is_best=True) for index in runs]
        history.append((result.metrics["validation_accuracy"].tolist(), weights, best))
    return [list(accuracies) for accuracies in zip(*history, strict=True)]


@pytest.fixture(scope="module", params=[{}, STOPPING], ids=["to the end", "stopped early"])
def history(request, small_network, small_dataset):
    spec = small_network(KEPT | request.param)
    return history_of(train(spec, small_dataset, seeds=range(4)))


def best_epochs(accuracies):
    """Of each epoch, the last one up to it with the highest accuracy; NaN is none."""
    best = []
    for epoch, accuracy in enumerate(accuracies):
        is_best = not best or accuracy >= accuracies[best[-1]]
        best.append(epoch if is_best else best[-1])
    return best


def test_best_network_is_that_of_the_epoch_with_the_highest_accuracy(history):
    accuracies, weights, best = history
    for index in range(4):
        for epoch, expected in enumerate(best_epochs([values[index] for values in accuracies])):
            assert best[epoch][index] == weights[expected][index]


def test_best_network_is_neither_always_the_last_nor_the_first_of_equals(history):
    # What the test above could not tell apart if it never happened.
    curves = np.array(history[0]).T
    ends = [int(np.isfinite(curve).sum()) for curve in curves]
    chosen = [
        best_epochs(curve[:end].tolist())[-1] for curve, end in zip(curves, ends, strict=True)
    ]
    firsts = [int(np.argmax(curve[:end])) for curve, end in zip(curves, ends, strict=True)]
    assert chosen != [end - 1 for end in ends]
    assert chosen != firsts


def test_keeping_the_best_changes_no_training(small_network, small_dataset):
    few = KEPT | {"training.epochs": 2}
    kept, plain = (
        [weights_of(result, 0) for result in train(small_network(few | change), small_dataset)]
        for change in ({}, {"training.keep_best": False})
    )
    assert kept == plain


def test_best_network_that_is_not_kept_is_refused(small_network, small_dataset):
    (result,) = train(small_network(), small_dataset)
    with pytest.raises(SpecError) as caught:
        result.model(0, is_best=True)
    assert str(caught.value) == (
        "small: training.keep_best: the best network is not kept; set it to true"
    )
