"""Networks of steps and bumps along directions: their weights, their sums, and what is none."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax import build_construction, measure_construction
from nndl_jax.calculations.ridges import bands, evaluate, ideal, neurons
from nndl_jax.documents.load import load_spec, override, parse_spec
from nndl_jax.reading.faults import SpecError

GIVEN = """
kind: construction
id: given
title: Ridges
source: {chapter: 4, section: Tests}
network:
  form: ridges
  inputs: 2
  bumps:
    - {direction: [1.0, 0.0], from: 0.3, to: 0.7, height: 0.6}
  output: linear
  at: [[0.5, 0.5]]
"""


def document(**changes):
    """The construction above with some fields of its network changed."""
    fields = {f"network.{field}": value for field, value in changes.items()}
    return override(parse_spec(GIVEN, Path("given.yaml")), fields)


def network(**changes):
    return document(**changes).network


def ridge(*direction: float, low=0.3, high=0.7, height=0.6):
    return {"direction": list(direction), "from": low, "to": high, "height": height}


def circle(directions: int, **changes):
    """A round tower about the middle."""
    given = {"middle": [0.5, 0.5], "radius": 0.2, "directions": directions, "height": 1.0}
    return network(bumps=[], circle=given | changes.pop("circle", {}), **changes)


def sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def by_hand(spec, point) -> float:
    """The weighted output of given ridges, written out."""
    total = spec.bias
    for bump in spec.bumps:
        length = math.sqrt(sum(part**2 for part in bump.direction))
        along = sum(part * x for part, x in zip(bump.direction, point, strict=True)) / length
        rise, fall = (sigma(spec.slope * (along - place)) for place in (bump.start, bump.end))
        total += bump.height * (rise - fall)
    return total


def test_a_bump_along_x_is_the_books_two_neurons():
    hidden, output = network().layers()
    assert hidden.weight.tolist() == [[1000, 0], [1000, 0]]
    np.testing.assert_allclose(hidden.bias, [-300, -700])
    assert output.weight.tolist() == [[0.6, -0.6]]
    assert output.bias.tolist() == [0]


def test_given_neurons_are_taken_as_they_are():
    step = {"weights": [8.0, 3.0], "bias": -5.0, "height": 2.0}
    hidden, output = network(bumps=[], steps=[step]).layers()
    assert (hidden.weight.tolist(), hidden.bias.tolist()) == ([[8, 3]], [-5])
    assert output.weight.tolist() == [[2]]
    measured = measure_construction(document(bumps=[], steps=[step]))
    assert measured["position.1"] == pytest.approx(5 / math.sqrt(73))


CASES = (
    network(),
    network(bumps=[ridge(3.0, -4.0), ridge(0.0, 1.0, height=-1.5)], output="sigmoid", bias=-0.5),
    network(inputs=3, bumps=[ridge(1.0, 2.0, 2.0, low=0.1, high=1.2)], at=[[0.1, 0.2, 0.3]]),
    network(inputs=1, bumps=[ridge(-1.0, low=-0.7, high=-0.3)], at=[[0.5]]),
    circle(7, bias=-0.7),
)


@pytest.mark.parametrize("spec", CASES[:-1])
def test_output_is_that_of_the_equation(spec):
    points = np.random.default_rng(0).random((50, spec.inputs))
    expected = np.array([by_hand(spec, point) for point in points.tolist()])
    if spec.output == "sigmoid":
        expected = np.array([sigma(z) for z in expected])
    np.testing.assert_allclose(evaluate(spec, points)[:, 0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("spec", CASES)
def test_network_agrees_with_the_formulas_of_its_pictures(spec):
    points = np.random.default_rng(0).random((1500, spec.inputs))
    with jax.enable_x64(True):
        model = build_construction(document().model_copy(update={"network": spec}))
        outputs = np.array(model(jnp.asarray(points)))
    np.testing.assert_allclose(outputs, evaluate(spec, points), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("spec", CASES)
def test_what_is_measured_is_what_claims_may_speak_of(spec):
    measured = measure_construction(document().model_copy(update={"network": spec}))
    assert tuple(measured) == spec.metrics()
    assert all(math.isfinite(value) for value in measured.values())


@pytest.mark.parametrize("length", [0.01, 5.0])
def test_length_of_a_direction_does_not_count(length):
    long = network(bumps=[ridge(3 * length, 4 * length)])
    for one, other in zip(neurons(long), neurons(network(bumps=[ridge(3.0, 4.0)])), strict=True):
        np.testing.assert_allclose(one, other)


def test_steep_steps_are_the_ideal_ones_away_from_planes():
    spec = network(bumps=[ridge(1.0, 1.0, low=0.4, high=0.9), ridge(0.0, 1.0)], slope=1e5)
    points = np.random.default_rng(3).random((500, 2))
    distances = [points @ direction - place for direction, place in _planes(spec)]
    away = points[np.abs(distances).min(axis=0) > 1e-3]
    assert len(away) > 400
    np.testing.assert_allclose(evaluate(spec, away), ideal(spec, away), atol=1e-12)


def _planes(spec):
    directions, starts, ends, _ = bands(spec)
    return [*zip(directions, starts, strict=True), *zip(directions, ends, strict=True)]


@given(st.integers(1, 60), st.floats(0, 2 * math.pi), st.floats(0, 0.18))
@settings(deadline=None, derandomize=True, database=None)
def test_every_place_on_the_disc_is_as_high_as_the_tower(directions, angle, distance):
    spec = circle(directions, circle={"height": 3.0})
    point = 0.5 + distance * np.array([[math.cos(angle), math.sin(angle)]])
    np.testing.assert_allclose(evaluate(spec, point), 3.0, atol=1e-6)


@pytest.mark.parametrize("distance", [0.25, 0.4, 1.0])
def test_skirt_of_a_round_tower_falls_as_the_arc_sine(distance):
    angles = np.linspace(0, 2 * math.pi, 200)
    points = 0.5 + distance * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = evaluate(circle(1000), points)
    np.testing.assert_allclose(found, 2 / math.pi * math.asin(0.2 / distance), atol=0.003)
    coarse = evaluate(circle(4), points)
    # Of any number of directions the mean over all angles is the same.
    np.testing.assert_allclose(coarse.mean(), found.mean(), atol=0.02)
    assert np.ptp(coarse) > 0.2


def test_circle_turns_its_ridges_evenly_about_its_middle():
    directions, starts, ends, heights = bands(circle(6, circle={"middle": [0.2, 0.7]}))
    cosines = np.abs((directions * np.roll(directions, 1, axis=0)).sum(axis=1))
    np.testing.assert_allclose(cosines, math.cos(math.pi / 6))
    np.testing.assert_allclose((starts + ends) / 2, directions @ [0.2, 0.7])
    np.testing.assert_allclose(ends - starts, 0.4)
    np.testing.assert_allclose(heights, 1 / 6)


def test_output_neuron_cuts_the_tower_out_of_its_skirt():
    spec = circle(300, circle={"height": 100.0}, output="sigmoid", bias=-90.0)
    along = np.linspace(0, 0.5, 101)
    values = evaluate(spec, 0.5 + np.outer(along, [0.6, 0.8]))[:, 0]
    assert values[along < 0.19].min() > 0.9999
    assert values[along > 0.23].max() < 0.0001


def test_a_ridge_narrower_than_its_steps_is_refused():
    with pytest.raises(SpecError, match=r"a ridge of width 0\.4 needs a slope of at least 10 /"):
        network(slope=24.0)
    with pytest.raises(SpecError, match=r"a ridge of width 0\.02 needs a slope of at least"):
        circle(3, circle={"radius": 0.01}, slope=499.0)
    assert circle(3, circle={"radius": 0.01}, slope=500.0).slope == 500


@pytest.mark.parametrize("name", ["ch4-two-inputs", "ch4-bump-two-inputs", "ch4-circular-tower"])
def test_documents_name_no_point_on_a_plane(name):
    # There an output is halfway, and no claim would tell one step from another.
    spec = load_spec(name).network
    planes = neurons(spec)
    z = np.array(spec.at) @ planes.weights.T + planes.biases
    assert np.abs(z).min() > 0.05
