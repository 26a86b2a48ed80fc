"""Networks of bumps: their weights, what they add up to, and the scores of the design challenge."""

import math
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax import build_construction, measure_construction
from nndl_jax.calculations.bumps import evaluate, ideal, intervals, neurons, score, target
from nndl_jax.calculations.bumps import weighted_output as weighted
from nndl_jax.documents.load import dump_spec, load_spec, override, parse_spec
from nndl_jax.reading.faults import SpecError

GIVEN = """
kind: construction
id: given
title: Bumps
source: {chapter: 4, section: Tests}
network:
  form: bumps
  function: 0.2 + 0.4*x**2 + 0.3*x*sin(15*x) + 0.05*cos(50*x)
  count: 5
  heights: [-1.2, -1.4, -0.3, -1.0, 1.1]
  output: sigmoid
"""
HEIGHTS = (-1.2, -1.4, -0.3, -1.0, 1.1)
# Medians of 20 places in each fifth of [0, 1], to the digits that were printed of them.
MEDIANS = (-1.243, -1.423, -0.341, -0.983, 1.143)
drawn = settings(deadline=None, derandomize=True, database=None, max_examples=30)


def document(**changes):
    """The construction above with some fields of its network changed."""
    fields = {f"network.{field}": value for field, value in changes.items()}
    return override(parse_spec(GIVEN, Path("given.yaml")), fields)


def network(**changes):
    return document(**changes).network


def f(x: float) -> float:
    """The function of the book's page."""
    return 0.2 + 0.4 * x * x + 0.3 * x * math.sin(15 * x) + 0.05 * math.cos(50 * x)


def sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def sigma_inverse(a: float) -> float:
    return math.log(a / (1 - a))


def test_five_bumps_are_the_books_ten_hidden_neurons():
    # Conversion to a standard network: weights 1000, biases -1000 s, output weights h and -h.
    hidden, output = network().layers()
    edges = [0.0, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0]
    assert hidden.weight.tolist() == [[1000.0]] * 10
    np.testing.assert_allclose(hidden.bias, [-1000 * edge for edge in edges])
    assert output.weight.tolist() == [[sign * h for h in HEIGHTS for sign in (1, -1)]]
    assert output.bias.tolist() == [0.0]
    assert (hidden.activation, output.activation) == ("sigmoid", "sigmoid")


def test_output_is_that_of_the_equation():
    places = np.linspace(0, 1, 23)
    expected = [
        sigma(
            sum(
                h * (sigma(1000 * x - 200 * j) - sigma(1000 * x - 200 * (j + 1)))
                for j, h in enumerate(HEIGHTS)
            )
        )
        for x in places.tolist()
    ]
    np.testing.assert_allclose(evaluate(network(), places), expected, rtol=1e-9)


CASES = (
    {},
    {"heights": "medians", "overlaps": 3, "slope": 300.0},
    *({"activation": name, "heights": "means"} for name in ("wavy", "relu", "linear", "step")),
    {"output": "linear", "heights": "midpoints", "count": 40},
)


@pytest.mark.parametrize("changes", CASES)
def test_network_agrees_with_the_formulas_of_its_pictures(changes):
    spec = document(**changes)
    places = (np.arange(101) + 0.3) / 102
    with jax.enable_x64(True):
        model = build_construction(spec)
        outputs = np.array(model(jnp.asarray(places[:, None])))[:, 0]
        sums = np.array(model.logits(jnp.asarray(places[:, None])))[:, 0]
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs, evaluate(spec.network, places), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(sums, weighted(spec.network, places), rtol=1e-9, atol=1e-11)


def test_network_of_single_precision_agrees_to_its_digits():
    # 1000 x - 1000 s is exact to 6e-5 there, and the sigmoid's slope is at most 1/4.
    places = np.linspace(0, 1, 101)
    model = build_construction(document(heights="means"), jnp.float32)
    outputs = np.array(model(jnp.asarray(places[:, None], jnp.float32)))[:, 0]
    expected = evaluate(network(heights="means"), places)
    np.testing.assert_allclose(outputs, expected, atol=5e-5)


def test_rectified_linear_neurons_are_ramps_between_two_limits():
    # A ramp of slope w is 0 up to s - 1/(2w), 1 from s + 1/(2w) on, and 1/2 at s.
    spec = network(activation="relu", heights=[1.0, 0.0, 0.0, 0.0, 0.0], output="linear")
    assert len(neurons(spec).weights) == 4 * 5
    places = np.array([-0.001, -0.0005, 0.0, 0.00025, 0.0005, 0.1, 0.1995, 0.2, 0.2005, 1.0])
    expected = [0, 0, 0.5, 0.75, 1, 1, 1, 0.5, 0, 0]
    np.testing.assert_allclose(evaluate(spec, places), expected, atol=1e-9)


@pytest.mark.parametrize("count", [5, 20, 200])
def test_linear_neurons_add_up_to_a_constant_whatever_their_number(count):
    # h (w x - w s) - h (w x - w t) = h w (t - s): with w = 1, the mean height.
    spec = network(activation="linear", slope=1.0, heights="midpoints", count=count)
    sums = weighted(spec, np.linspace(0, 1, 11))
    mean = sum(sigma_inverse(f((j + 0.5) / count)) for j in range(count)) / count
    np.testing.assert_allclose(sums, mean, rtol=1e-10)


def test_medians_are_those_that_were_printed():
    found = intervals(network(heights="medians")).heights
    assert found.round(3).tolist() == list(MEDIANS)


@pytest.mark.parametrize(
    ("heights", "printed"),
    [
        ("medians", 0.3717),
        ([-1.2, -1.4, -0.3, -1.0, 1.1], 0.3734),
        ("means", 0.3914),
        ([-1.3, -1.8, -0.5, -0.9, 0.3], 0.4426),
    ],
)
def test_score_is_that_of_the_design_challenge(heights, printed):
    # The page's loop: 100 places from 0 on, 20 to a bin, each off by |sigma^-1(f(x)) - h|.
    spec = network(heights=heights)
    found = intervals(spec).heights
    by_hand = sum(abs(sigma_inverse(f(j / 100)) - found[j // 20]) / 100 for j in range(100))
    assert score(spec) == pytest.approx(by_hand, rel=1e-12)
    assert round(score(spec), 4) == printed
    assert (score(spec) < 0.405) == (printed != 0.4426)


def test_no_heights_score_less_than_medians():
    best = intervals(network(heights="medians")).heights
    floor = score(network(heights="medians"))
    for step in (-0.3, -0.01, 0.01, 0.3):
        for place in range(5):
            moved = best + step * (np.arange(5) == place)
            assert score(network(heights=moved.tolist())) >= floor - 1e-12


def test_heights_of_one_decimal_are_the_best_of_their_kind():
    # A height's share of the score depends on no other height, so each is found alone.
    decimals = [n / 10 for n in range(-30, 31)]
    best = []
    for j in range(5):
        places = [(20 * j + k) / 100 for k in range(20)]
        best.append(min(decimals, key=lambda h: sum(abs(sigma_inverse(f(x)) - h) for x in places)))
    assert best == list(HEIGHTS)


@given(st.integers(1, 12), st.integers(1, 7))
@drawn
def test_overlapping_bumps_cover_the_interval_as_often_as_they_overlap(count, overlaps):
    spec = network(count=count, overlaps=overlaps, heights="midpoints")
    starts, ends, heights = intervals(spec)
    places = (np.arange(200) + 0.5) / 200.37
    inside = (starts <= places[:, None]) & (places[:, None] < ends)
    assert (inside.sum(axis=1) == overlaps).all()
    np.testing.assert_allclose(ends - starts, 1 / count)
    assert len(heights) == count * overlaps + overlaps - 1


@given(st.integers(1, 12), st.integers(1, 7))
@drawn
def test_overlapping_bumps_of_a_constant_are_that_constant(count, overlaps):
    spec = network(count=count, overlaps=overlaps, heights="means", function="0.3")
    places = np.linspace(0.001, 0.999, 57)
    np.testing.assert_allclose(ideal(spec, places), sigma_inverse(0.3))


def test_edges_of_neighbours_are_the_same_number():
    starts, ends, _ = intervals(network(count=49, heights="means"))
    assert ends[:-1].tolist() == starts[1:].tolist()
    assert (starts[0], ends[-1]) == (0, 1)


def test_target_is_the_inverse_sigmoid_only_of_a_sigmoid_output():
    places = np.array([0.1, 0.7])
    values = [f(x) for x in places]
    np.testing.assert_allclose(target(network(output="linear"), places), values)
    np.testing.assert_allclose(target(network(), places), [sigma_inverse(a) for a in values])


def test_steps_are_where_bias_and_weight_say():
    # s = -b / w; half of the height is reached there.
    spec = load_spec("ch4-two-steps")
    with jax.enable_x64(True):
        measured = measure_construction(spec)
    assert (measured["position.1"], measured["position.2"]) == (0.4, 0.6)
    halves = evaluate(spec.network, np.array([0.4, 0.6]))
    np.testing.assert_allclose(halves, [0.6 / 2, 0.6 + 1.2 / 2], atol=1e-9)


def test_mean_error_falls_and_failures_shrink_with_overlaps():
    # The book: about a factor of 2 better in the windows, and excellent with many.
    spec = load_spec("ch4-overlap").bare()
    with jax.enable_x64(True):
        measured = [
            measure_construction(override(spec, {"network.overlaps": overlaps}))
            for overlaps in (1, 2, 4, 8)
        ]
    for before, after in pairwise(measured):
        assert after["largest_error"] < before["largest_error"] / 1.8
        assert after["mean_error"] < before["mean_error"]
        assert after["share_within"] >= before["share_within"]
    assert measured[-1]["share_within"] == 1.0


def test_bump_is_built_if_its_slope_is_steep_enough_for_its_width():
    # 1000 >= 10 / 0.01, and < 10 / (1/101).
    assert network(count=100, heights="means").count == 100
    with pytest.raises(SpecError, match="needs a slope of at least 10 / width = 1010"):
        network(count=101, heights="means")


@pytest.mark.parametrize("activation", ["step", "linear"])
def test_slope_does_not_matter_where_nothing_rises(activation):
    assert network(activation=activation, slope=0.1, heights="means").slope == 0.1


def test_field_of_a_given_bump_can_be_varied_by_its_name():
    spec = override(load_spec("ch4-bump").bare(), {"network.pairs[0].from": 0.3})
    assert spec.network.pairs[0].start == 0.3
    assert "from: 0.3" in dump_spec(spec)
