"""The documents of chapter 4 give the book's numbers, and known mistakes break them."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from nndl_jax import measure_construction
from nndl_jax.calculations import bumps, ridges, towers
from nndl_jax.calculations.activations import inverse_sigmoid
from nndl_jax.documents import Circuit, ComparisonClaim, Construction, NumberClaim
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.variants import find_variant, list_runs, variants
from nndl_jax.judging.judge import judge_comparison, judge_number
from pipeline.figures import draw
from pipeline.figures.constructions import draw_construction
from pipeline.store.results import Results
from pipeline.store.runs import History

SPEC = Path(__file__).parents[2] / "spec"
DOCUMENTS = [name for name in list_specs() if name.startswith("ch4-")]
# One document of each kind of picture, with the ends of its files' names.
PICTURES = {
    "ch4-function": ["", "-output"],
    "ch4-step": [""],
    "ch4-bump": [""],
    "ch4-design": ["", "-output"],
    "ch4-more-bumps": ["", "-output", "-error"],
    "ch4-overlap": ["", "-output", "-error"],
    "ch4-wavy": ["", "-output", "-error", "-neurons"],
    "ch4-tower": [""],
    "ch4-towers-m": [""],
    "ch4-two-inputs": [""],
    "ch4-circular-tower": [""],
    "ch4-two-towers": [""],
    "ch4-vector": [""],
}


@cache
def measured(name: str) -> Sequence[Mapping[str, float]]:
    """The quantities of every variant, in 64 bits as the pipeline measures them."""
    return measure_anew(name)


def measure_anew(name: str) -> Sequence[Mapping[str, float]]:
    specs = [variant.spec for variant in variants(load_spec(name))]
    with jax.enable_x64(True):
        return [measure_construction(spec) for spec in specs if isinstance(spec, Construction)]


def verdicts(name: str, results: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """How each claim of a document is judged, by its statement and metric."""
    spec = load_spec(name)
    all_variants = variants(spec)

    def value(choice, metric: str) -> float:
        return results[all_variants.index(find_variant(all_variants, choice))][metric]

    found = {}
    for claim in spec.claims:
        match claim:
            case NumberClaim():
                judged = judge_number(claim, np.array([value(claim.variant, claim.metric)]))
            case ComparisonClaim(better=better, worse=worse):
                sides = (value(s.variant, s.metric or claim.metric) for s in (better, worse))
                judged = judge_comparison(claim, *sides, is_paired=False)
        found[f"{claim.statement}: {claim.metric}"] = judged.verdict
    return found


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if load_spec(name).claims])
def test_every_claim_holds(name):
    found = verdicts(name, measured(name))
    assert set(found.values()) <= {"equal", "supported"}, found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_measured_is_what_claims_may_speak_of(name):
    quantities = load_spec(name).metrics()
    assert all(tuple(row) == quantities for row in measured(name))
    assert all(np.isfinite([*row.values()]).all() for row in measured(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_says_where_it_departs_from_the_book(name):
    spec = load_spec(name)
    assert spec.deviations
    assert spec.source.chapter == 4
    text = (SPEC / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")


def numbers(name: str, metric: str) -> list[float]:
    return [row[metric] for row in measured(name)]


def test_ranges_of_the_function_are_those_of_the_page():
    (first, recap) = measured("ch4-function")
    assert (round(first["lowest"], 4), round(first["lowest_at"], 4)) == (0.0952, 0.3145)
    assert (round(first["highest"], 4), round(first["highest_at"], 3)) == (0.8529, 0.989)
    assert (round(first["target_lowest"], 4), round(first["target_highest"], 4)) == (
        *(-2.2515, 1.7573),
    )
    assert round(recap["lowest"], 2) == -0.11


def test_mean_errors_of_more_and_more_bumps_are_those_of_the_page():
    shown = [f"{value:.2g}" for value in numbers("ch4-more-bumps", "mean_error")]
    assert shown == ["0.093", "0.056", "0.025", "0.0097", "0.0047", "0.0022"]
    assert [round(value, 2) for value in numbers("ch4-more-bumps", "largest_error")[3:]] == (
        [0.14] * 3
    )


def test_largest_error_is_at_an_end_where_the_first_step_is_half_on():
    # At x = 0 and at 1 the weighted output is half of a height, which is nearly sigma^-1(f).
    f = np.array([0.2 + 0.05, 0.6 + 0.3 * np.sin(15) + 0.05 * np.cos(50)])
    spec = load_spec("ch4-more-bumps", {"vary": [], "network.count": 200}).network
    ends = np.abs(bumps.evaluate(spec, np.array([0.0, 1.0])) - f)
    expected = np.abs(1 / (1 + np.exp(-inverse_sigmoid(f) / 2)) - f)
    np.testing.assert_allclose(ends, expected, atol=4e-3)
    assert numbers("ch4-more-bumps", "largest_error")[-1] == pytest.approx(max(ends))


def test_wavy_and_rectified_linear_neurons_do_as_well_as_sigmoid_ones():
    errors = numbers("ch4-wavy", "mean_error")
    np.testing.assert_allclose(errors[3:], errors[:3], rtol=0.05)
    relu = numbers("ch4-relu", "mean_error")
    assert [f"{value:.2g}" for value in relu] == ["0.093", "0.025", "0.0046"]


def test_linear_neurons_do_no_better_for_their_number():
    # The best that a constant can do is the mean distance of f from its median, 0.14.
    errors = numbers("ch4-linear", "mean_error")
    x = np.linspace(0, 1, 10_001)
    f = bumps.function(load_spec("ch4-linear").network, x)
    assert min(errors) > np.abs(f - np.median(f)).mean() > 0.13
    assert max(errors) - min(errors) < 0.003
    assert max(numbers("ch4-linear", "bend")) < 1e-12


def test_errors_of_grids_of_towers_fall_with_their_number():
    for name, expected in (("ch4-many-towers", [0.031, 0.011]), ("ch4-vector", [0.053, 0.032])):
        assert [round(value, 3) for value in numbers(name, "mean_error")] == expected


def _sloppy(original, **changes):
    """Hidden neurons with some of their arrays changed."""
    return lambda spec: original(spec)._replace(
        **{name: change(getattr(original(spec), name)) for name, change in changes.items()}
    )


MISTAKES = {
    "sign of the bias": ("ch4-bump", _sloppy(bumps.neurons, biases=np.negative)),
    "both weights of a pair positive": ("ch4-bump", _sloppy(bumps.neurons, heights=np.abs)),
    "bias -s instead of -w s": (
        "ch4-double-bump",
        _sloppy(bumps.neurons, biases=lambda biases: biases / 1000),
    ),
    "heights moved by one bump": (
        "ch4-more-bumps",
        _sloppy(bumps.neurons, heights=lambda heights: np.roll(heights, 2)),
    ),
    "heights shared out among no overlaps": (
        "ch4-overlap",
        _sloppy(bumps.neurons, heights=lambda heights: 2 * heights),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_the_hidden_neurons_breaks_a_claim(monkeypatch, mistake):
    name, wrong = MISTAKES[mistake]
    monkeypatch.setattr(bumps, "neurons", wrong)
    assert {"differs", "not supported"} & set(verdicts(name, measure_anew(name)).values())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ch4-bump-two-inputs", {"heights": np.abs}),
        ("ch4-crossed-bumps", {"weights": np.fliplr}),
        ("ch4-crossed-bumps", {"biases": np.negative}),
        ("ch4-circular-tower", {"heights": lambda heights: heights / 2}),
    ],
)
def test_mistake_in_steps_of_two_inputs_breaks_a_claim(monkeypatch, name, changes):
    monkeypatch.setattr(ridges, "neurons", _sloppy(ridges.neurons, **changes))
    assert "differs" in verdicts(name, measure_anew(name)).values()


def test_heights_of_f_itself_break_a_claim(monkeypatch):
    # The output's sigmoid is then not undone.
    monkeypatch.setattr(bumps, "target", bumps.function)
    found = verdicts("ch4-design", measure_anew("ch4-design"))
    assert "equal" not in found.values()


@pytest.mark.parametrize("factor", [-0.5, -1.0, -2.0])
def test_another_bias_of_a_tower_breaks_a_claim(monkeypatch, factor):
    # (-m + 1/2) h is right; -m h / 2 and others are below two of three walls, or above all.
    original = towers.layers
    biases = {"tower_biases": np.full(1, factor * 10.0)}
    monkeypatch.setattr(towers, "layers", lambda spec: original(spec)._replace(**biases))
    assert "differs" in verdicts("ch4-towers-m", measure_anew("ch4-towers-m")).values()


def experiment(name: str) -> Results:
    """A document with what is measured of it, as the report sees it."""
    spec = load_spec(name)
    columns = {metric: np.array([[v] for v in numbers(name, metric)]) for metric in spec.metrics()}
    return Results(spec, variants(spec), History(list_runs(spec, [0]), columns, "none"), None, ())


# One of steps, of neurons beside each other and of towers; the rest are slow.
DRAWN = ("ch4-bump", "ch4-wavy", "ch4-towers-m")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in DRAWN else pytest.mark.slow) for name in PICTURES],
)
def test_document_has_its_pictures(name, tmp_path):
    paths = draw(experiment(name), {}, tmp_path, footnote="a test")
    assert [path.name for path in paths] == [f"{name}{suffix}.png" for suffix in PICTURES[name]]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width >= 900
        assert path.stat().st_size < 100_000


def test_errors_are_drawn_beside_the_pages_numbers():
    shown = experiment("ch4-more-bumps")
    pictures = dict(draw_construction(shown, shown.variants[0].spec))
    mean, largest = pictures["-error"].subfigs[0].axes
    assert (mean.get_xscale(), mean.get_yscale()) == ("log", "log")
    ours, crosses = (line.get_xydata() for line in mean.lines[:2])
    np.testing.assert_allclose(ours[:, 1], numbers("ch4-more-bumps", "mean_error"))
    assert crosses[:, 0].tolist() == [5, 10, 20, 50, 100, 200]
    assert crosses[:, 1].tolist() == [0.093, 0.056, 0.025, 0.0097, 0.0047, 0.0022]
    assert len(largest.lines[1].get_xydata()) == 2


def test_circuits_and_chains_have_no_picture_here():
    shown = experiment("ch4-bump")
    circuit = shown.variants[0].spec.model_copy(update={"network": Circuit.model_construct()})
    assert list(draw_construction(shown, circuit)) == []
