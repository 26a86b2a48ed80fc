"""Chains of single neurons: the product formula held against automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nndl_jax.calculations import chain
from nndl_jax.documents import ComparisonClaim
from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import find_variant, variants
from nndl_jax.judging.judge import judge_comparison, judge_number
from nndl_jax.networks.constructed import build_construction, measure_construction
from nndl_jax.reading.faults import SpecError

DOCUMENTS = ("ch5-exploding", "ch5-product")
four = st.lists(st.floats(-3, 3), min_size=4, max_size=4)
small = st.lists(st.floats(-1, 1), min_size=4, max_size=4)
drawn = settings(deadline=None, derandomize=True, database=None, max_examples=40)


def changed(changes=None, name="ch5-exploding"):
    return override(load_spec(name).bare(), changes or {})


def measure(changes=None, name="ch5-exploding"):
    with jax.enable_x64(True):
        return measure_construction(changed(changes, name))


def fields(**values):
    return {f"network.{field}": value for field, value in values.items()}


def gradients(spec):
    """|da_L/db_k| of each layer by automatic differentiation."""
    with jax.enable_x64(True):
        graph, params = nnx.split(build_construction(spec))
        inputs = jnp.array([spec.network.input])
        grads = jax.grad(lambda params: nnx.merge(graph, params)(inputs).sum())(params)
        layers = nnx.merge(graph, grads).layers
        return np.abs([layer.bias[...].item() for layer in layers])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_claim_of_the_book_holds(name):
    spec = load_spec(name)
    all_variants = variants(spec)

    def value(choice, metric):
        return measure(find_variant(all_variants, choice).values, name)[metric]

    for claim in spec.claims:
        if isinstance(claim, ComparisonClaim):
            sides = [value(side.variant, claim.metric) for side in (claim.better, claim.worse)]
            assert judge_comparison(claim, *sides, is_paired=False).verdict == "supported", claim
        else:
            assert claim.exact
            values = np.array([value(claim.variant, claim.metric)])
            assert judge_number(claim, values).verdict == "equal", claim


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_measured_is_what_claims_may_speak_of(name):
    assert tuple(measure(name=name)) == load_spec(name).metrics()


@given(four, four, st.floats(-2, 2), st.sampled_from(["sigmoid", "tanh"]))
@drawn
def test_ratios_are_those_of_gradients(weights, biases, first, activation):
    changes = fields(weights=weights, biases=biases, input=first, activation=activation)
    expected = gradients(changed(changes))
    assume(expected.min() > 1e-100)
    measured = measure(changes)
    ratios = [measured[f"ratio.{layer}"] for layer in range(1, 5)]
    np.testing.assert_allclose(ratios, expected[0] / expected, rtol=1e-9)


@given(four, four)
@drawn
def test_gradient_is_the_product_of_factors(weights, biases):
    # |dC/db_1| = s'(z_1) |w_2 s'(z_2)| |w_3 s'(z_3)| |w_4 s'(z_4)|, with s' = a (1 - a).
    changes = fields(weights=weights, biases=biases)
    measured = measure(changes)
    first = measured["activation.1"] * (1 - measured["activation.1"])
    factors = [measured[f"factor.{layer}"] for layer in (2, 3, 4)]
    expected = gradients(changed(changes))[0]
    np.testing.assert_allclose(first * np.prod(factors), expected, rtol=1e-9, atol=1e-200)


@given(small, four, st.floats(0, 1))
@drawn
def test_weights_below_one_take_away_a_sixteenth_or_more(weights, biases, first):
    measured = measure(fields(weights=weights, biases=biases, input=first))
    assert max(measured[f"factor.{layer}"] for layer in range(1, 5)) <= 0.25
    assert measured["ratio.3"] <= 1 / 16


@given(four, st.floats(-2, 2), st.sampled_from(["sigmoid", "tanh"]))
@drawn
def test_balanced_biases_make_neurons_as_steep_as_can_be(weights, first, activation):
    measured = measure(fields(weights=weights, input=first, activation=activation))
    steepest = 0.25 if activation == "sigmoid" else 1.0
    assert (measured["max_slope"], measured["max_slope_at"]) == (steepest, 0)
    for layer, weight in enumerate(weights, 1):
        assert measured[f"factor.{layer}"] == pytest.approx(abs(weight) * steepest, rel=1e-12)


def test_balanced_biases_of_tanh_follow_the_input_only():
    # tanh(0) = 0, so that only the first neuron has an activation to make up for.
    measured = measure(fields(weights=[2.0, 3.0], activation="tanh", input=0.5))
    biases = [measured["bias.1"], measured["bias.2"]]
    assert biases == [-1, 0]


def test_first_balanced_bias_is_minus_weight_times_input():
    measured = measure(fields(input=0.3))
    assert [measured[f"bias.{layer}"] for layer in range(1, 5)] == [-30, -50, -50, -50]


def test_chain_by_hand():
    # z_1 = 2 and z_2 = -a_1 + 0.5.
    measured = measure(fields(weights=[2.0, -1.0], biases=[0.0, 0.5], input=1.0))
    a_1 = 1 / (1 + np.exp(-2))
    a_2 = 1 / (1 + np.exp(a_1 - 0.5))
    assert measured["activation.1"] == pytest.approx(a_1)
    assert measured["activation.2"] == pytest.approx(a_2)
    assert measured["factor.1"] == pytest.approx(2 * a_1 * (1 - a_1))
    assert measured["factor.2"] == pytest.approx(a_2 * (1 - a_2))
    assert measured["ratio.2"] == pytest.approx(a_1 * (1 - a_1))


def test_saturated_neurons_have_ratios_all_the_same():
    # At a weighted input of 1e6 the slope is zero to the last bit.
    measured = measure(fields(weights=[1e6, 1e6], biases=[0.0, 0.0], input=1.0))
    assert (measured["ratio.1"], measured["ratio.2"]) == (1, 0)


def test_slopes_are_taken_where_the_book_plots_them():
    assert (chain.PLOTTED[0], chain.PLOTTED[-1]) == (-5, 5)
    assert 0 in chain.PLOTTED


def test_slope_left_out_would_be_found(monkeypatch):
    monkeypatch.setattr(chain.Chain, "_slope", lambda _, outputs: np.ones_like(outputs))
    assert measure()["factor.2"] == 100


def test_a_chain_whose_ratio_no_float_holds_is_refused():
    # The ratio of the last layer is (1e6 / 4)^63.
    values = fields(weights=[1e6] * 64, biases="balanced")
    with pytest.raises(SpecError) as caught:
        measure(values)
    message = "gives ratio.59 = inf, which is no number; make its numbers more moderate"
    assert str(caught.value) == f"ch5-exploding: network: {message}"
