"""Formulas in documents: what they compute, and that everything else is refused."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndl_jax.calculations.activations import inverse_sigmoid, sigmoid
from nndl_jax.calculations.formula import MAX_DEPTH, FormulaError, parse_formula

ROOT = Path(__file__).parents[2]
X = (0.1, 0.37, 0.8)
drawn = settings(deadline=None, derandomize=True, database=None)


def at(text: str, *values: float, names: tuple[str, ...] = ("x",)) -> float:
    return float(parse_formula(text, names)(*(np.array([value]) for value in values))[0])


@pytest.mark.parametrize(
    ("text", "oracle"),
    [
        (
            "0.2 + 0.4*x**2 + 0.3*x*sin(15*x) + 0.05*cos(50*x)",
            lambda x: 0.2 + 0.4 * x * x + 0.3 * x * math.sin(15 * x) + 0.05 * math.cos(50 * x),
        ),
        ("-x**2", lambda x: -(x * x)),
        ("(-x)**2", lambda x: x * x),
        ("x**-2", lambda x: 1 / (x * x)),
        ("1 - x - x", lambda x: 1 - 2 * x),
        ("1/x/2", lambda x: 1 / (2 * x)),
        ("--x", lambda x: x),
        ("tan(x) + exp(x) + log(x)", lambda x: math.tan(x) + math.exp(x) + math.log(x)),
        ("sqrt(x) * abs(-x) * tanh(x)", lambda x: math.sqrt(x) * x * math.tanh(x)),
        ("sigmoid(3*x - 1)", lambda x: 1 / (1 + math.exp(1 - 3 * x))),
        ("pi*x + e", lambda x: math.pi * x + math.e),
        ("1e-3*x + .5", lambda x: x / 1000 + 0.5),
        ("x\n  + 1", lambda x: x + 1),
        ("  x", lambda x: x),
        ("7", lambda x: 7.0),
    ],
)
def test_formula_has_the_values_of_mathematics(text, oracle):
    values = parse_formula(text, ("x",))(np.array(X))
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, [oracle(x) for x in X], rtol=1e-14)


def _grown(parts):
    """Sums, products and functions of smaller formulas, each a text with its value."""
    return (
        st.tuples(parts, parts).map(lambda p: (f"({p[0][0]} + {p[1][0]})", p[0][1] + p[1][1]))
        | st.tuples(parts, parts).map(lambda p: (f"({p[0][0]} * {p[1][0]})", p[0][1] * p[1][1]))
        | st.tuples(parts, parts).map(lambda p: (f"({p[0][0]} - {p[1][0]})", p[0][1] - p[1][1]))
        | parts.map(lambda p: (f"-{p[0]}", -p[1]))
        | parts.map(lambda p: (f"sin({p[0]})", math.sin(p[1])))
        | parts.map(lambda p: (f"({p[0]})**3", p[1] ** 3))
    )


leaves = (
    st.just(("x1", 0.25)) | st.just(("x2", -0.5)) | st.integers(0, 9).map(lambda n: (str(n), n))
)


@given(st.recursive(leaves, _grown, max_leaves=6))
@drawn
def test_formula_of_parts_is_that_of_their_values(formula):
    text, value = formula
    found = at(text, 0.25, -0.5, names=("x1", "x2"))
    assert found == pytest.approx(float(value), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("text", ["log(-x)", "1/(x - x)", "sqrt(-x)", "(-x)**0.5", "exp(1e4*x)"])
def test_formula_without_a_value_is_not_finite_and_does_not_warn(text):
    assert not math.isfinite(at(text, 0.5))


KNOWN = "'pi', 'e', 'sin', 'cos', 'tan', 'exp', 'log', 'sqrt', 'abs', 'sigmoid', 'tanh'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x + sine(x)", "unknown name 'sine' at character 5; did you mean 'sin'?"),
        ("x + zzz", f"unknown name 'zzz' at character 5; known are 'x', {KNOWN}"),
        ("x^2", "'^' at character 2 is not supported; write ** for a power"),
        ("sin", "the function 'sin' at character 1 needs its argument in parentheses"),
        ("1 + x(2)", "'x' at character 5 is no function; write products with *"),
        ("x**x", "the exponent at character 4 must be a number from -32 to 32, got 'x'"),
        ("x**33", "the exponent at character 4 must be a number from -32 to 32, got '33'"),
        ("x**2**3", "the exponent at character 4 must be a number from -32 to 32, got '2**3'"),
        ("", "is empty; write a formula such as 2*x"),
        ("x*" + "1" * 400, "the number at character 3 is too large for a float"),
        ("x+" * 250 + "x", "has 501 characters; at most 500 are read"),
        ("-" * MAX_DEPTH + "x", "is nested deeper than 100 levels; write it in fewer terms"),
    ],
)
def test_formula_is_refused_with_its_place(text, message):
    with pytest.raises(FormulaError) as caught:
        parse_formula(text, ("x",))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        *("__import__('os')", "x.__class__", "().__class__", "x if x else 1", "lambda: x", "[x]"),
        *("{x}", "x[0]", "x < 1", "x and 1", "not x", "~x", "x // 2", "x % 2", "x @ x", "+x"),
        *("sin(x, x)", "sin()", "sin(x=1)", "sin(*x)", "sin(x)(x)", "f'{x}'", "'x'", "b'x'"),
        *("True", "None", "1j", "...", "x := 1", "x, x", "x; x", "x = 1", "await x", "yield"),
        *(
            "print(x)",
            "eval(x)",
            "2x",
            "2 x",
            "x #",
            "ｘ",
            "π",
            "x²",
            "1or x",
            "x\\\n",
            "(" * 240 + "x" + ")" * 240,
        ),
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(FormulaError):
        parse_formula(text, ("x",))


@given(st.text("x12+-*/(). sincoe_^,", max_size=40) | st.text(max_size=20))
@drawn
def test_any_text_is_a_formula_or_refused_in_a_sentence(text):
    try:
        message = f"{parse_formula(text, ('x',))(np.array(X)).shape}"
    except FormulaError as error:
        message = f"{error}" or "nothing"
    assert message == "(3,)" or (len(message.splitlines()) == 1 and len(message) < 300)


def test_nothing_is_called_when_a_formula_is_read(tmp_path):
    path = tmp_path / "pwned"
    with pytest.raises(FormulaError):
        parse_formula(f"open({str(path)!r}, 'w')", ("x",))
    assert not path.exists()


@given(st.floats(-700, 700))
@drawn
def test_sigmoid_keeps_all_digits_at_both_ends(z):
    exact = 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))
    assert sigmoid(np.array(z)) == pytest.approx(exact, rel=1e-14)


@given(st.floats(-30, 30))
@drawn
def test_inverse_sigmoid_undoes_the_sigmoid(z):
    assert inverse_sigmoid(sigmoid(np.array([z])))[0] == pytest.approx(z, abs=1e-2 * abs(z) + 1e-9)


def test_formulas_are_read_without_jax():
    script = (
        "import sys, nndl_jax.calculations.formula, nndl_jax.calculations.bumps;"
        "import nndl_jax.calculations.towers; print({'jax', 'jaxlib', 'flax'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
