"""From a document's axes to its variants, its runs, and the groups that share a program."""

import pytest

from nndl_jax.documents import Document
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import Run, list_runs, variants
from nndl_jax.reading.faults import SpecError
from nndl_jax.training.groups import groups

RATES = {"optimizer.learning_rate": [0.1, 0.2]}
UNITS = {"model.layers[0].units": [10, 20, 30]}
# Ten outputs for one-hot targets, four for binary ones.
TARGETS = {"data.targets": ["one-hot", "binary"], "model.layers[1].units": [10, 4]}


def _vary(*axes: object) -> Document:
    """The book's first network with axes, and with what rules of stopping watch."""
    monitors = ["validation_accuracy", "validation_cost"]
    return override(load_spec("ch1-30-hidden"), {"vary": list(axes), "monitors": monitors})


def _names(*axes: object) -> list[str]:
    return [variant.name for variant in variants(_vary(*axes))]


def test_document_without_axes_is_its_only_variant():
    spec = load_spec("ch1-no-hidden-layer")
    (variant,) = variants(spec)
    assert (variant.name, variant.values, variant.spec) == ("base", {}, spec)


def test_variant_is_named_by_the_last_word_of_its_field():
    assert _names(RATES) == ["learning_rate=0.1", "learning_rate=0.2"]


def test_last_axis_changes_fastest():
    assert _names(RATES, UNITS) == [
        "learning_rate=0.1,units=10",
        "learning_rate=0.1,units=20",
        "learning_rate=0.1,units=30",
        "learning_rate=0.2,units=10",
        "learning_rate=0.2,units=20",
        "learning_rate=0.2,units=30",
    ]


def test_fields_of_one_axis_change_together_and_the_first_names_it():
    all_variants = variants(_vary(TARGETS))
    assert [variant.name for variant in all_variants] == ["targets=one-hot", "targets=binary"]
    assert [
        (variant.spec.data.targets, variant.spec.model.layers[1].units) for variant in all_variants
    ] == [
        ("one-hot", 10),
        ("binary", 4),
    ]


def test_variant_holds_its_values_and_neither_axes_nor_claims():
    all_variants = variants(_vary(RATES, UNITS))
    last = all_variants[-1]
    assert last.values == {"optimizer.learning_rate": 0.2, "model.layers[0].units": 30}
    assert (last.spec.vary, last.spec.claims) == ((), ())
    assert last.spec == override(
        all_variants[0].spec, {"optimizer.learning_rate": 0.2, "model.layers[0].units": 30}
    )


def test_names_of_all_shipped_variants_differ():
    for name in ("ch1-svm", "ch1-learning-rates", "ch1-binary-output"):
        names = [variant.name for variant in variants(load_spec(name))]
        assert len(set(names)) == len(names) > 1


def test_axis_is_named_by_as_many_fields_as_tell_its_variants_apart():
    # The third field is not needed; the rates alone would give two names to four variants.
    axis = {
        "optimizer.learning_rate": [0.1, 0.1, 0.2, 0.2],
        "optimizer.momentum": [0.0, 0.5, 0.0, 0.5],
        "regularizer.l2": [1.0, 2.0, 3.0, 4.0],
    }
    assert _names(axis) == [
        "learning_rate=0.1,momentum=0.0",
        "learning_rate=0.1,momentum=0.5",
        "learning_rate=0.2,momentum=0.0",
        "learning_rate=0.2,momentum=0.5",
    ]


def test_fields_that_tell_nothing_apart_alone_name_an_axis_together():
    # No single field differs between all variants, nor do the first two.
    axis = {
        "optimizer.learning_rate": [0.1, 0.1, 0.1],
        "optimizer.momentum": [0.0, 0.0, 0.5],
        "regularizer.l2": [1.0, 2.0, 2.0],
    }
    assert _names(axis, UNITS)[::3] == [
        "learning_rate=0.1,momentum=0.0,l2=1.0,units=10",
        "learning_rate=0.1,momentum=0.0,l2=2.0,units=10",
        "learning_rate=0.1,momentum=0.5,l2=2.0,units=10",
    ]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            [{"optimizer.learning_rate": [0.1, 0.1]}],
            "an axis must not hold the same values twice, got 0.1 again",
        ),
        (
            [{"optimizer.learning_rate": [0.1, 0.2, 0.1], "optimizer.momentum": [0.0, 0.5, 0.0]}],
            "an axis must not hold the same values twice, got 0.1, 0.0 again",
        ),
        ([RATES, RATES], "is already varied by vary[0]; keep one"),
    ],
)
def test_axes_that_give_one_variant_twice_are_refused(axes, message):
    # Runs are told apart by their variant's name.
    with pytest.raises(SpecError) as caught:
        _vary(*axes)
    (fault,) = caught.value.faults
    assert (fault.field, fault.message) == (
        f"vary[{len(axes) - 1}].optimizer.learning_rate",
        message,
    )


def test_runs_come_variant_by_variant_each_with_every_seed():
    assert list_runs(_vary(RATES), [7, 3]) == [
        Run("learning_rate=0.1", 7),
        Run("learning_rate=0.1", 3),
        Run("learning_rate=0.2", 7),
        Run("learning_rate=0.2", 3),
    ]


def test_run_is_named_by_variant_and_seed():
    assert Run("learning_rate=0.1", 7).name == "learning_rate=0.1,seed=7"


@pytest.mark.parametrize(
    "axis",
    [
        {"optimizer.learning_rate": [0.1, 0.2]},
        {"optimizer.momentum": [0.1, 0.2]},
        {"regularizer.l1": [0.1, 0.2]},
        {"regularizer.l2": [0.1, 0.2]},
        # What only some variants have is compiled for all.
        {"regularizer.l1": [0.0, 0.2]},
        {"regularizer.l2": [0.0, 0.2]},
        {
            "optimizer.schedule.rule": ["no-improvement"] * 2,
            "optimizer.schedule.patience": [1, 2],
            "optimizer.schedule.factor": [2.0, 10.0],
        },
        {
            "optimizer.schedule.rule": ["exponential"] * 2,
            "optimizer.schedule.half_life": [1.0, 2.5],
        },
        {
            "training.early_stopping.rule": ["no-improvement"] * 2,
            "training.early_stopping.patience": [1, 2],
        },
        {"training.replay.seed": [1, 2]},
        {"training.replay.networks_before": [0, 1], "training.replay.shuffles_before": [0, 30]},
        {"training.shuffle": [True, False], "training.dropout_streams": ["separate", "common"]},
        {"regularizer.per": ["image", "batch"]},
        # How the first weights are drawn is no part of training.
        {"model.initializer.weights": ["normal", "normal-fan-in"]},
        {"model.initializer.biases": ["zeros", 0.5]},
        {
            "model.layers[0].initializer.weights": [0.1, "normal"],
            "model.layers[0].initializer.biases": ["zeros", "normal"],
        },
    ],
)
def test_variants_that_differ_in_arguments_of_a_program_share_it(axis):
    (group,) = groups(_vary(axis), seeds=[0])
    assert group.runs == (0, 1)


@pytest.mark.parametrize(
    "axis",
    [
        UNITS,
        TARGETS,
        {"loss": ["quadratic", "cross-entropy"]},
        {"training.batch_size": [10, 20]},
        {"training.epochs": [1, 2]},
        {"training.dtype": ["float32", "float64"]},
        {"data.train_images": [100, 200]},
        {"model.layers[0].dropout": [0.0, 0.5]},
        {"model.layers[0].activation": ["sigmoid", "tanh"]},
        {"optimizer.momentum": [0.0, 0.2]},
        {"training.evaluate_every": [1, 2]},
        {"training.dropout_masks": ["image", "batch"]},
        {"data.validation_images": [10, 20]},
    ],
)
def test_variants_that_differ_in_more_do_not_share_a_program(axis):
    spec = _vary(axis)
    assert len(groups(spec, seeds=[0])) == len(variants(spec))


def test_group_holds_document_and_seed_of_each_run_by_its_position():
    found = groups(_vary({"training.batch_size": [10, 20]}, RATES), seeds=[7, 3])
    assert [group.runs for group in found] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert [group.seeds for group in found] == [(7, 3, 7, 3)] * 2
    rates = [[spec.optimizer.learning_rate for spec in group.specs] for group in found]
    assert rates == [[0.1, 0.1, 0.2, 0.2]] * 2


def test_baseline_has_no_groups():
    with pytest.raises(TypeError, match="ch1-svm is of kind baseline, and network is needed here"):
        groups(load_spec("ch1-svm"), seeds=[0])
