"""The author's recorded curves, replayed: every number that the book or its site prints of them.

The numbers stand in the documents as exact claims, and here where no claim can say them.
"""

import random
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np
import pytest

from nndl_jax.data.datasets import Dataset
from nndl_jax.data.mnist import load_mnist
from nndl_jax.documents import CurveClaim, Network, NumberClaim, Replay
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import variants
from nndl_jax.judging.judge import at_epoch, judge_curve, judge_number
from nndl_jax.training import engine, optimizer, step
from nndl_jax.training import replay as legacy
from nndl_jax.training.train import train

Curves = Mapping[str, np.ndarray]
WHOLE = {
    "ch3-overfitting-full-replay": 30,
    "ch3-initialization-replay": 30,
    "ch3-learning-rates-replay": 30,
    "ch3-training-sizes-replay": None,
}


@pytest.fixture(scope="module", autouse=True)
def _compiled_as_for_a_user() -> Iterator[None]:
    """Whole epochs of MNIST take longer than what `make test` saves of compiling."""
    earlier = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", earlier)


@pytest.fixture(scope="module")
def mnist(mnist_folder) -> Dataset:
    return load_mnist(mnist_folder)


# Within the first 80 epochs lies all but the best accuracies, the regularized run's lowest cost and
# the last epochs.
WHOLE_RUNS = pytest.param(400, marks=pytest.mark.slow)
of_first_epochs = pytest.mark.parametrize("overfitting", [80, WHOLE_RUNS], indirect=True)
of_whole_runs = pytest.mark.parametrize("overfitting", [WHOLE_RUNS], indirect=True)


@pytest.fixture(scope="module")
def overfitting(request: pytest.FixtureRequest, mnist: Dataset) -> tuple[Network, Curves]:
    """The 1,000-image runs without and with regularization, of some of the 400 epochs."""
    spec = load_spec("ch3-overfitting-replay")
    return spec, replay(override(spec, {"training.epochs": request.param}), mnist)


def replay(spec: Network, dataset: Dataset) -> Curves:
    """What is measured of each variant: (variants, epochs), NaN where nothing was."""
    rows: dict[str, np.ndarray] = {}
    with jax.enable_x64(True):
        for result in train(spec, dataset):
            for metric, values in result.metrics.items():
                shape = (len(result.runs), _num_epochs(spec))
                row = rows.setdefault(metric, np.full(shape, np.nan))
                goes_on = result.epochs >= 0
                row[goes_on, result.epochs[goes_on]] = values[goes_on]
    return rows


def unequal(spec: Network, curves: Curves) -> list[str]:
    """What became of each exact claim that the runs do not give."""
    all_variants = variants(spec)
    wrong = []
    for claim in spec.claims:
        if not isinstance(claim, NumberClaim | CurveClaim):
            continue
        wanted = (claim.variant or {}).items()
        at = next(i for i, variant in enumerate(all_variants) if wanted <= variant.values.items())
        own = curves[claim.metric][at : at + 1]
        if isinstance(claim, CurveClaim):
            short = claim.model_copy(update={"values": claim.values[: own.shape[1]]})
            if judge_curve(short, own).verdict != "equal":
                wrong.append(f"{claim.statement}: {own[0]} instead of {claim.values}")
        elif claim.exact and (values := at_epoch(claim.epoch, claim.metric, own)) is not None:
            if isinstance(claim.epoch, str) and own.shape[1] < spec.training.epochs:
                continue
            if judge_number(claim, values).verdict != "equal":
                wrong.append(f"{claim.statement}: {values[0]} instead of {claim.value}")
    return wrong


def _num_epochs(spec: Network) -> int:
    return max(p.spec.training.epochs for p in variants(spec) if isinstance(p.spec, Network))


def diagnose(dataset: Dataset) -> str:
    """Which known slip gives the first epoch that the shortest replay has now."""
    counts = first_counts(dataset)
    slip = {known: name for name, (known, _) in SLIPS.items()}.get(
        counts, "none of the known slips"
    )
    return f"{slip}, by the first test counts of the shortest replay, {counts}"


def first_counts(dataset: Dataset) -> tuple[int, int]:
    """Test images that the two runs of 1,000 images classify rightly after their first epoch."""
    spec = override(load_spec("ch3-overfitting-replay"), {"training.epochs": 1})
    without, regularized = np.rint(10_000 * replay(spec, dataset)["test_accuracy"][:, 0])
    return int(without), int(regularized)


@of_first_epochs
def test_overfitting_gives_every_number(overfitting, mnist):
    spec, curves = overfitting
    wrong = unequal(spec, curves)
    assert not wrong, f"{wrong[:5]}: {diagnose(mnist)}"


@of_first_epochs
def test_unregularized_curves_turn_where_the_book_says(overfitting):
    _, curves = overfitting
    counts = np.rint(1000 * curves["train_accuracy"][0])
    rises = np.flatnonzero(np.diff(curves["train_cost"][0]) > 0)
    found = {
        "lowest test cost": int(curves["test_cost"][0].argmin()),
        "all training images right, first": int(np.argmax(counts == 1000)),
        "not all right, last": int(np.flatnonzero(counts < 1000)[-1]),
        "training cost rises after": rises.tolist(),
    }
    assert found == {
        "lowest test cost": 14,
        "all training images right, first": 67,
        "not all right, last": 72,
        "training cost rises after": [33],
    }


@of_whole_runs
def test_unregularized_accuracy_is_best_and_ends_where_the_book_says(overfitting):
    accuracy = overfitting[1]["test_accuracy"][0]
    assert int(accuracy.argmax()) == 374
    assert round(float(10_000 * accuracy[-10:].mean()), 1) == 8221.4


@of_first_epochs
def test_regularized_curves_turn_where_the_book_says(overfitting):
    _, curves = overfitting
    counts = np.rint(1000 * curves["train_accuracy"][1])
    assert int(np.argmax(counts == 1000)) == 68
    assert np.all(np.diff(curves["train_cost"][1]) < 0)


@of_whole_runs
def test_regularized_accuracy_and_cost_are_best_where_the_book_says(overfitting):
    _, curves = overfitting
    assert int(curves["test_accuracy"][1].argmax()) == 383
    assert int(curves["test_cost"][1].argmin()) == 391


@pytest.mark.parametrize(
    "name",
    [
        "ch3-overfitting-full-replay",
        # Larger networks, of the same draws in the same order.
        pytest.param("ch3-initialization-replay", marks=pytest.mark.slow),
        pytest.param("ch3-learning-rates-replay", marks=pytest.mark.slow),
    ],
)
def test_first_epoch_of_a_long_replay_is_the_authors(mnist, name):
    spec = override(load_spec(name), {"training.epochs": 1})
    wrong = unequal(load_spec(name), replay(spec, mnist))
    assert not wrong, f"{wrong[:5]}: {diagnose(mnist)}"


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_long_replay_gives_every_number(mnist, name):
    spec = load_spec(name)
    wrong = unequal(spec, replay(spec, mnist))
    assert not wrong, f"{wrong[:5]}: {diagnose(mnist)}"


def test_replay_does_not_depend_on_devices_or_company(mnist):
    spec = override(load_spec("ch3-overfitting-replay"), {"training.epochs": 3})
    both = replay(spec, mnist)
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    with jax.enable_x64(True):
        *_, on_one = train(spec, mnist, mesh=mesh)
        *_, alone = train(override(spec, {"vary": [], "regularizer.l2": 0.1}), mnist)
    for metric, curves in both.items():
        assert curves[:, 2].tolist() == on_one.metrics[metric].tolist()
        assert curves[1, 2] == alone.metrics[metric][0]


def python_3_shuffle(replay: Replay, num_images: int) -> Iterator[np.ndarray]:
    """The orders that the shuffle of today's Python gives."""
    generator, order = random.Random(replay.seed), list(range(num_images))
    while True:
        generator.shuffle(order)
        yield np.array(order, np.int32)


def weights_first(spec: Network, replay: Replay) -> legacy.Layers:
    """Weights and biases of each layer, the weights drawn before the biases."""
    rng = np.random.RandomState(replay.seed)
    for _ in range(1 + replay.networks_before):
        sizes = [(s.num_biases, s.num_weights // s.num_biases) for s in spec.model.shapes()]
        weights = [rng.standard_normal(size) for size in sizes]
        biases = [rng.standard_normal(size[0]) for size in sizes]
    return list(zip(weights, biases, strict=True))


def no_draw_before(spec: Network, replay: Replay) -> legacy.Layers:
    """The first draw of the generator, which his constructor uses up."""
    return legacy.initial_layers(spec, replay.model_copy(update={"networks_before": 0}))


def per_mini_batch(spec, numbers, *, divisor, **others):
    """The optimizer with lambda divided by the mini-batch."""
    return optimizer.build_optimizer(spec, numbers, divisor=spec.training.batch_size, **others)


SLIPS: Mapping[str, tuple[tuple[int, int], tuple[object, str, Callable]]] = {
    "pixels / 255": (
        (5889, 5897),
        (step, "pixels", lambda x, spec: x.astype(spec.training.dtype) / 255),
    ),
    "Python 3's shuffle": ((5689, 5689), (engine, "epoch_orders", python_3_shuffle)),
    "weights drawn before biases": ((5811, 5816), (engine, "initial_layers", weights_first)),
    "the constructor's draw left out": ((5876, 5885), (engine, "initial_layers", no_draw_before)),
    "lambda divided by the mini-batch": ((5887, 6571), (step, "build_optimizer", per_mini_batch)),
}
"""What the first test counts are with each slip, and how to make it: measured, for `diagnose`."""


@pytest.mark.parametrize("name", SLIPS)
def test_known_slip_misses_the_recorded_numbers_and_is_named(mnist, monkeypatch, name):
    counts, slip = SLIPS[name]
    monkeypatch.setattr(*slip)
    assert first_counts(mnist) == counts != (5887, 5898)
    assert diagnose(mnist).startswith(name)
