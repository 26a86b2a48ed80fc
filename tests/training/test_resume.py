"""What `train` is asked for and gives: seeds, snapshots of other trainings, states handed on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nndl_jax import abstract_states, list_runs, load_spec, train, variants
from nndl_jax.documents.load import override

DENSE = {"kind": "dense", "units": 8, "activation": "sigmoid"}
LAST = {"kind": "dense", "units": 10, "activation": "sigmoid"}
TWO_EPOCHS = {"training.epochs": 2, "training.batch_size": 120, "optimizer.momentum": 0.5}


@pytest.fixture(scope="module")
def snapshot(small_network, small_dataset):
    """The state after the first of two epochs of two runs."""
    return next(train(small_network(TWO_EPOCHS), small_dataset, seeds=[0, 1])).snapshot()


def refusal(spec, dataset, snapshot, seeds=(0, 1)):
    """Why a snapshot is not gone on from."""
    with pytest.raises(ValueError, match="snapshot") as caught:
        next(train(spec, dataset, seeds=seeds, resume=snapshot))
    message = (
        "; resume with the document, the seeds and the data that it was made with, or begin with "
        "its networks by init"
    )
    assert str(caught.value).startswith("small: the snapshot is not of this training: ")
    assert str(caught.value).endswith(message)
    return str(caught.value).split(": ", 2)[2].removesuffix(message)


OTHERS = {
    "units": (
        {"model.layers[0].units": 50},
        "model.layers[0].units is 8 in the snapshot, and 50 here",
    ),
    "activation": (
        {"model.layers[0].activation": "tanh"},
        "model.layers[0].activation is 'sigmoid' in the snapshot, and 'tanh' here",
    ),
    "dropout": (
        {"model.layers[1].dropout": 0.5},
        "model.layers[1].dropout is 0.0 in the snapshot, and 0.5 here",
    ),
    "layers": (
        {"model.layers": [DENSE, DENSE, LAST]},
        "model.layers[1].units is 10 in the snapshot, and 8 here",
    ),
    "no momentum": (
        {"optimizer.momentum": 0.0},
        "optimizer.momentum is 0.5 in the snapshot, and 0.0 here",
    ),
    "penalty": (
        {"regularizer.l2": 5.0},
        "regularizer.l2 is 0.0 in the snapshot, and 5.0 here",
    ),
    "best networks": (
        {"training.keep_best": True, "monitors": ["validation_accuracy"]},
        "training.keep_best is False in the snapshot, and True here",
    ),
    "learning rate": (
        {"optimizer.learning_rate": 0.5},
        "optimizer.learning_rate is 3.0 in the snapshot, and 0.5 here",
    ),
    "loss": (
        {"loss": "cross-entropy"},
        "loss is 'quadratic' in the snapshot, and 'cross-entropy' here",
    ),
    "mini-batches": (
        {"training.batch_size": 60},
        "training.batch_size is 120 in the snapshot, and 60 here",
    ),
    "fewer images": (
        {"data.train_images": 60},
        "data.train_images is None in the snapshot, and 60 here",
    ),
    "more variants": (
        {"vary": [{"optimizer.learning_rate": [0.5, 3.0]}]},
        "runs[0] is 'base,seed=0' in the snapshot, and 'learning_rate=0.5,seed=0' here",
    ),
}


@pytest.mark.parametrize(("changes", "why"), OTHERS.values(), ids=OTHERS)
def test_snapshot_of_another_document_is_refused(
    small_network, small_dataset, snapshot, changes, why
):
    spec = small_network(TWO_EPOCHS | changes)
    assert refusal(spec, small_dataset, snapshot) == why


@pytest.mark.parametrize(
    ("seeds", "why"),
    [
        ([0, 2], "runs[1] is 'base,seed=1' in the snapshot, and 'base,seed=2' here"),
        ([1, 0], "runs[0] is 'base,seed=0' in the snapshot, and 'base,seed=1' here"),
        ([0], "runs[1] is 'base,seed=1' in the snapshot, and None here"),
        ([0, 1, 2], "runs[2] is None in the snapshot, and 'base,seed=2' here"),
    ],
)
def test_snapshot_of_other_seeds_is_refused(small_network, small_dataset, snapshot, seeds, why):
    spec = small_network(TWO_EPOCHS)
    assert refusal(spec, small_dataset, snapshot, seeds) == why


def test_snapshot_of_other_shapes_is_refused_where_it_says_nothing(
    small_network, small_dataset, snapshot
):
    mute = snapshot._replace(runs=(), models=(), custom={})
    spec = small_network(TWO_EPOCHS | {"model.layers[0].units": 50})
    assert refusal(spec, small_dataset, mute) == (
        "array '0.params.layers.0.bias' must be float32 (2, 50), found float32 (2, 8)"
    )
    assert refusal(small_network(TWO_EPOCHS), small_dataset, mute, [0, 1, 2]) == (
        "array '0.params.layers.0.bias' must be float32 (3, 8), found float32 (2, 8)"
    )


def test_snapshot_without_states_is_refused(small_network, small_dataset, snapshot):
    spec = small_network(TWO_EPOCHS)
    assert refusal(spec, small_dataset, snapshot._replace(states=[])) == (
        "array '0.params.layers.0.bias' must be float32 (2, 8), found nothing"
    )


def test_snapshot_of_another_variant_names_it(small_network, small_dataset):
    rates = {"vary": [{"optimizer.learning_rate": [0.5, 3.0]}], "data.train_images": 10}
    spec = small_network(TWO_EPOCHS | rates)
    kept = next(train(spec, small_dataset, seeds=[0, 1])).snapshot()
    other = small_network(TWO_EPOCHS | rates | {"loss": "cross-entropy"})
    assert refusal(other, small_dataset, kept) == (
        "of learning_rate=0.5, loss is 'quadratic' in the snapshot, and 'cross-entropy' here"
    )


@pytest.mark.parametrize("part", ["images", "labels"])
def test_snapshot_of_other_data_is_refused(small_network, small_dataset, snapshot, part):
    other = getattr(small_dataset.train, part).copy()
    other[0] += 1
    data = small_dataset._replace(train=small_dataset.train._replace(**{part: other}))
    assert refusal(small_network(TWO_EPOCHS), data, snapshot) == (
        "the train images or their labels are not those of then"
    )


def test_snapshot_of_a_document_that_is_none_here_is_refused(
    small_network, small_dataset, snapshot
):
    newer = snapshot._replace(custom={**snapshot.custom, "documents": '[{"kind": "network"}]'})
    assert refusal(small_network(TWO_EPOCHS), small_dataset, newer) == (
        "its documents are of another version of this library"
    )


def test_training_goes_on_for_longer_and_tells_more(small_network, small_dataset, snapshot):
    changes = {"training.epochs": 3, "monitors": ["validation_cost"], "title": "Another"}
    spec = small_network(TWO_EPOCHS | changes)
    results = train(spec, small_dataset, seeds=[0, 1], resume=snapshot)
    assert [result.epoch for result in results] == [1, 2]


SEEDS = "seeds must be whole numbers from 0 to 4,294,967,295, at least one, such as range(3)"
BAD_SEEDS = [3, "0", (1.5,), [-1], [2**32], [], [None], [True], ["0"], np.array(3), [0, 0.5]]


@pytest.mark.parametrize("seeds", BAD_SEEDS, ids=repr)
def test_seeds_that_are_none_are_refused_in_one_sentence(small_network, seeds):
    with pytest.raises(ValueError, match="seeds") as caught:
        list_runs(small_network(), seeds)
    assert str(caught.value) == f"{SEEDS}; got {seeds!r}"


@pytest.mark.parametrize("seeds", [[1, 1], (0, 2, 0), np.array([3, 3])])
def test_a_seed_is_trained_once(small_network, small_dataset, seeds):
    message = "seeds must differ, as runs of one seed are the same in every bit"
    for ask in (train, lambda spec, _, seeds: iter(list_runs(spec, seeds))):
        with pytest.raises(ValueError, match="seeds must differ") as caught:
            next(ask(small_network(), small_dataset, seeds=seeds))
        assert str(caught.value) == f"{message}; got {[int(seed) for seed in seeds]}"


@pytest.mark.parametrize("seeds", [[], [-1], [0, 2**32]])
def test_training_has_the_same_rule_for_seeds(small_network, small_dataset, seeds):
    spec = small_network()
    calls = (
        lambda: next(train(spec, small_dataset, seeds=seeds)),
        lambda: abstract_states(spec, seeds),
    )
    for call in calls:
        with pytest.raises(ValueError, match="seeds") as caught:
            call()
        assert str(caught.value) == f"{SEEDS}; got {seeds!r}"


@pytest.mark.parametrize(
    "seeds", [range(2), [0, 1], (0, 1), np.arange(2), np.uint8([0, 1]), jnp.arange(2), iter([0, 1])]
)
def test_seeds_are_whole_numbers_of_any_type(small_network, small_dataset, seeds):
    ten = small_network({"data.train_images": 10, "monitors": ["test_cost"]})
    (result,) = train(ten, small_dataset, seeds=seeds)
    assert [run.name for run in result.runs] == ["base,seed=0", "base,seed=1"]


def test_the_largest_seed_is_trained(small_network, small_dataset):
    ten = small_network({"data.train_images": 10, "monitors": ["test_cost"]})
    (result,) = train(ten, small_dataset, seeds=[2**32 - 1])
    assert np.isfinite(result.metrics["test_cost"]).all()


TAKEN = (
    "the next result took this state over; ask a result for model() or snapshot() inside the loop "
    "over train(...), before that asks for the next one"
)


def test_result_whose_state_was_taken_over_says_so(small_network, small_dataset):
    first, last = train(small_network(TWO_EPOCHS), small_dataset)
    for call in (lambda: first.model(0), first.snapshot, lambda: first.model(0, is_best=True)):
        with pytest.raises(RuntimeError) as caught:
            call()
        assert str(caught.value) == TAKEN
    assert first.metrics["test_cost"].shape == (1,)
    assert first.spec(0) == small_network(TWO_EPOCHS)
    assert isinstance(last.model(0), nnx.Module)


def test_result_is_shown_in_a_line(small_network, small_dataset):
    first, last = train(small_network(TWO_EPOCHS), small_dataset)
    assert repr(first) == "<result 0 of 1 run: epoch 0, batch_cost, test_accuracy, test_cost>"
    assert repr([last]) == (
        "[<result 1 of 1 run: epoch 1, batch_cost, test_accuracy, test_cost, the last>]"
    )
    assert f"{first!s}" == repr(first)


def test_every_result_has_the_document_of_its_variant(small_network, small_dataset):
    axis = {"optimizer.learning_rate": [0.5, 3.0], "regularizer.l2": [0.0, 5.0]}
    spec = small_network({"vary": [axis], "data.train_images": 10})
    (result,) = train(spec, small_dataset, seeds=[0, 1])
    expected = [variant.spec for variant in variants(spec) for _ in range(2)]
    assert [result.spec(index) for index in range(4)] == expected
    for index in (4, -1):
        with pytest.raises(IndexError) as caught:
            result.spec(index)
        assert str(caught.value) == f"there are 4 runs, numbered from 0; got {index}"


def test_claims_are_none_of_a_results_document(small_dataset):
    spec = override(load_spec("ch1-30-hidden"), {"training.epochs": 1, "data.train_images": 10})
    (result,) = train(spec, small_dataset)
    assert spec.claims
    assert result.spec(0) == spec.model_copy(update={"claims": (), "vary": ()})
    assert jax.tree.leaves(nnx.state(result.model(0), nnx.Param))
