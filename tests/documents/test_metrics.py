"""What a metric is, from its name."""

import math
from typing import get_args

import pytest

from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.metrics import (
    ACCURACY,
    COST,
    GRADIENT,
    GRADIENT_NORM,
    OUTPUT,
    QUANTITIES,
    VALIDATION,
    Monitor,
    Other,
    parse_metric,
)


@pytest.mark.parametrize(
    ("name", "quantity", "split", "part"),
    [
        ("train_accuracy", ACCURACY, "train", ""),
        ("validation_cost", COST, "validation", ""),
        ("train_output", OUTPUT, "train", ""),
        ("gradient_norms", GRADIENT_NORM, "", ""),
        ("gradient_norm.2", GRADIENT_NORM, "", "2"),
        ("gradient.2.6", GRADIENT, "", "2.6"),
        ("batch_cost", COST, "", ""),
        ("mean_accuracy", ACCURACY, "", ""),
        ("last_cost", COST, "", ""),
    ],
)
def test_a_name_says_what_is_measured_of_what(name, quantity, split, part):
    assert parse_metric(name) == (name, quantity, split, part)


@pytest.mark.parametrize("name", ["cost", "test", "test_speed", "accuracy", "tests_accuracy", ""])
def test_what_only_looks_like_a_metric_of_networks_is_another(name):
    assert isinstance(parse_metric(name).quantity, Other)


@pytest.mark.parametrize("name", ["num_errors", "num_neurons"])
def test_counts_are_whole(name):
    assert parse_metric(name).quantity.unit == "whole"


@pytest.mark.parametrize("monitor", get_args(Monitor))
def test_a_monitor_is_measured_of_networks(monitor):
    metric = parse_metric(monitor)
    assert metric.quantity in QUANTITIES
    # Of several values each has the monitor's quantity, and its own number.
    part = parse_metric(metric.of(3))
    assert (part.quantity, part.split, part.part) == (metric.quantity, metric.split, "3")


def test_quantities_have_different_names():
    assert len({quantity.name for quantity in QUANTITIES}) == len(QUANTITIES)


def test_of_costs_the_lowest_is_best_and_of_accuracies_the_highest():
    assert (COST.best, ACCURACY.best) == ("lowest", "highest")
    assert parse_metric(VALIDATION).quantity is ACCURACY


def test_what_documents_measure_beside_networks_is_compared_as_it_is():
    # Numbers of calculations, votes and constructions: none is on a scale of logarithms, but for
    # learning rates that were searched.
    specs = map(load_spec, list_specs())
    others = [spec for spec in specs if spec.kind != "network"]
    scales = {
        (spec.kind == "threshold", parse_metric(name).quantity.scale)
        for spec in others
        for name in spec.metrics()
    }
    assert scales == {(False, "linear"), (True, "logarithmic")}


def test_every_quantity_with_a_scale_of_its_own_says_what_a_verdict_may_overlook() -> None:
    without = {quantity.name for quantity in QUANTITIES if math.isinf(quantity.margin(0.5))}
    assert without == {"output", "r2", "gradient", "unlearned"}
