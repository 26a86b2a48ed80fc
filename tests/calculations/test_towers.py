"""Networks of towers: their weights, what they add up to, and what is no network of towers."""

import math
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nndl_jax import build_construction, measure_construction
from nndl_jax.calculations.towers import boxes, cells, evaluate, ideal, places
from nndl_jax.documents.load import load_spec, override, parse_spec
from nndl_jax.reading.faults import SpecError

GIVEN = """
kind: construction
id: given
title: Towers
source: {chapter: 4, section: Tests}
network:
  form: towers
  inputs: 2
  boxes:
    - {low: [0.1, 0.8], high: [0.2, 0.9], weight: 0.7}
    - {low: [0.7, 0.2], high: [0.8, 0.3], weight: 0.5}
  height: 10.0
  output: linear
"""


def document(**changes):
    """The construction above with some fields of its network changed."""
    fields = {f"network.{field}": value for field, value in changes.items()}
    return override(parse_spec(GIVEN, Path("given.yaml")), fields)


def network(**changes):
    return document(**changes).network


def grid(count: int, *functions: str, inputs: int = 2, **changes):
    """A network of towers side by side."""
    fields = {"boxes": [], "functions": list(functions), "count": count, "inputs": inputs}
    return network(**fields, **changes)


def tower(*low_high: tuple[float, float], **box):
    """A box by its sides."""
    lows, highs = zip(*low_high, strict=True)
    return {"low": list(lows), "high": list(highs), **box}


def sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def by_hand(spec, point) -> float:
    """The weighted output of given towers, written out."""
    total = 0.0
    for box in spec.boxes:
        walls = sum(
            sigma(spec.slope * (x - low)) - sigma(spec.slope * (x - high))
            for x, low, high in zip(point, box.low, box.high, strict=True)
        )
        bias = -(spec.inputs - 0.5) * spec.height if spec.bias is None else spec.bias
        total += box.weight * sigma(spec.height * walls + bias)
    return total


def test_two_towers_are_the_books_eight_steps_and_two_neurons():
    steps, towers, output = network().layers()
    assert steps.weight.shape == (8, 2)
    assert towers.weight.shape == (2, 8)
    assert output.weight.tolist() == [[0.7, 0.5]]
    # Up and down along x, then along y; each step has the weight of one input only.
    assert steps.weight.tolist() == ([[1000, 0]] * 2 + [[0, 1000]] * 2) * 2
    edges = [0.1, 0.2, 0.8, 0.9, 0.7, 0.8, 0.2, 0.3]
    np.testing.assert_allclose(steps.bias, [-1000 * edge for edge in edges])
    assert towers.weight.tolist() == [[10, -10] * 2 + [0] * 4, [0] * 4 + [10, -10] * 2]
    assert towers.bias.tolist() == [-15, -15]


@pytest.mark.parametrize(("inputs", "bias"), [(1, -5), (2, -15), (3, -25), (5, -45)])
def test_bias_of_a_tower_is_half_a_wall_below_all_of_them(inputs, bias):
    # (-m + 1/2) h: -3h/2 of two inputs, -5h/2 of three.
    spec = network(inputs=inputs, boxes=[tower(*[(0.2, 0.4)] * inputs)])
    steps, towers, _ = spec.layers()
    assert towers.bias.tolist() == [bias]
    assert steps.weight.shape == (2 * inputs, inputs)


def test_output_is_that_of_the_equation():
    spec = network(bias=-14.0)
    points = np.array([*product((0.05, 0.1003, 0.15, 0.7499, 0.9), (0.25, 0.3001, 0.85))])
    expected = [[by_hand(spec, point)] for point in points.tolist()]
    np.testing.assert_allclose(evaluate(spec, points), expected, rtol=1e-9)


# Outside, on the plateau and in the tower: sigma(b), sigma(b + h) and sigma(b + 2h).
BOOK = {
    (0.3, -0.5): ("0.378", "0.450", "0.525"),
    (10.0, -15.0): ("3.1e-07", "0.0067", "0.9933"),
    (20.0, -30.0): ("9e-14", "4.5e-05", "0.99995"),
}
FORMATS = {
    "0.3": (".3f", ".3f", ".3f"),
    "10.0": (".1e", ".4f", ".4f"),
    "20.0": (".0e", ".1e", ".5f"),
}


@pytest.mark.parametrize(("height", "bias"), BOOK)
def test_one_tower_has_the_printed_values(height, bias):
    changes = {"network.height": height, "network.bias": bias}
    with jax.enable_x64(True):
        measured = measure_construction(override(load_spec("ch4-tower").bare(), changes))
    values = [measured[name] for name in ("outside", "plateau", "tower")]
    shown = [format(v, spec) for v, spec in zip(values, FORMATS[str(height)], strict=True)]
    assert tuple(shown) == BOOK[height, bias]
    np.testing.assert_allclose(values, [sigma(bias + walls * height) for walls in range(3)])
    assert measured["plateau_sum"] == pytest.approx(height)
    assert measured["tower_sum"] == pytest.approx(2 * height)
    assert measured["centre.1"] == measured["tower"]


CASES = (
    network(),
    network(inputs=3, boxes=[tower((0.1, 0.3), (0.2, 0.6), (0.5, 0.9))], output="sigmoid"),
    network(boxes=[tower((0.1, 0.3), (0.2, 0.6), weight=[1.0, -2.0, 0.5])]),
    grid(4, "x1*x2", "0.3"),
    grid(3, "0.2 + x1/2", inputs=1, output="sigmoid"),
)


@pytest.mark.parametrize("spec", CASES)
def test_network_agrees_with_the_formulas_of_its_pictures(spec):
    points = np.random.default_rng(0).random((50, spec.inputs))
    with jax.enable_x64(True):
        model = build_construction(document().model_copy(update={"network": spec}))
        outputs = np.array(model(jnp.asarray(points)))
    assert outputs.shape == (50, spec.num_outputs())
    np.testing.assert_allclose(outputs, evaluate(spec, points), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("spec", CASES)
def test_what_is_measured_is_what_claims_may_speak_of(spec):
    measured = measure_construction(document().model_copy(update={"network": spec}))
    assert tuple(measured) == spec.metrics()
    assert all(math.isfinite(value) for value in measured.values())


def test_many_towers_have_the_books_heights_in_order():
    spec = load_spec("ch4-many-towers").network
    expected = [(i * i + j * j) / 50 for i in range(5) for j in range(5)]
    np.testing.assert_allclose(boxes(spec).weights, [expected], atol=1e-12)
    middles = [((i + 0.5) / 5, (j + 0.5) / 5) for i in range(5) for j in range(5)]
    np.testing.assert_allclose(evaluate(spec, np.array(middles))[:, 0], expected, atol=2e-4)


@pytest.mark.parametrize("spec", CASES)
def test_high_towers_are_the_ideal_ones_away_from_edges(spec):
    steep = spec.model_copy(update={"height": 100.0, "slope": 1e5})
    np.testing.assert_allclose(evaluate(steep, cells(spec)), ideal(spec, cells(spec)), atol=1e-6)


def test_cells_are_the_middles_between_edges():
    # Along x: 0, 0.1, 0.2, 0.7, 0.8, 1; along y: 0, 0.2, 0.3, 0.8, 0.9, 1.
    found = cells(network())
    np.testing.assert_allclose(np.unique(found[:, 0]), [0.05, 0.15, 0.45, 0.75, 0.9])
    np.testing.assert_allclose(np.unique(found[:, 1].round(12)), [0.1, 0.25, 0.55, 0.85, 0.95])
    assert len(found) == 25


@pytest.mark.parametrize(("inputs", "most"), [(1, 1024), (2, 32), (3, 10), (5, 4), (8, 2)])
def test_places_of_the_mean_error_are_on_no_edge(inputs, most):
    spec = grid(1, "0.5", inputs=inputs)
    along = np.unique(places(spec)[:, 0])
    assert len(places(spec)) <= 8192
    for count in range(1, most + 1):
        assert np.abs(along * count - np.round(along * count)).min() > 1e-9


def test_outputs_of_one_network_are_those_of_one_network_each():
    functions, points = ("x1*x2", "0.5 + x1/4"), np.random.default_rng(1).random((40, 2))
    both = evaluate(grid(4, *functions), points)
    alone = [evaluate(grid(4, function), points)[:, 0] for function in functions]
    np.testing.assert_allclose(both, np.transpose(alone), atol=1e-14)


def test_sigmoid_outputs_are_the_functions_in_the_middles():
    spec = grid(4, "x1*x2", height=40.0, output="sigmoid")
    middles = np.stack(spec.middles(), axis=1)
    np.testing.assert_allclose(evaluate(spec, middles)[:, 0], middles.prod(axis=1), atol=1e-6)


@pytest.mark.parametrize("start", [0.3, 0.1 + 0.2, 0.3 - 1e-12])
def test_towers_may_share_a_side(start):
    pair = [tower((0.1, 0.3), (0.1, 0.3)), tower((start, 0.5), (0.1, 0.3))]
    assert len(network(boxes=pair).boxes) == 2


@pytest.mark.parametrize("box", [((0.29, 0.5), (0.1, 0.3)), ((0.0, 0.9), (0.2, 0.21))])
def test_towers_must_not_overlap(box):
    with pytest.raises(SpecError, match=r"boxes\[1\]: overlaps with boxes\[0\]"):
        network(boxes=[tower((0.1, 0.3), (0.1, 0.3)), tower(*box)], slope=1e5)


def test_towers_that_share_one_direction_only_are_apart():
    pair = [tower((0.1, 0.3), (0.1, 0.3)), tower((0.1, 0.3), (0.4, 0.6))]
    assert len(network(boxes=pair).boxes) == 2


def test_more_towers_are_nearer_to_the_function():
    errors = []
    for count in (2, 4, 8):
        spec = document().model_copy(update={"network": grid(count, "x1**2*x2", height=30.0)})
        errors.append(measure_construction(spec)["mean_error"])
    # Of steps as wide as 1 / count, half as wide ones are half as far off.
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 2, atol=0.3)
