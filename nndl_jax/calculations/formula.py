"""Functions that documents write down, such as `0.2 + 0.4*x**2`: read without eval (ch. 4).

A formula is a Python expression of numbers, names, + - * / **, parentheses and the functions below;
everything else is refused, so that reading a document runs nothing of its author's.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from nndl_jax.calculations.activations import sigmoid
from nndl_jax.reading.validation import closest

MAX_LENGTH = 500
MAX_DEPTH = 100
MAX_EXPONENT = 32
_SHOWN = 40

Numbers: TypeAlias = Float[np.ndarray, "*shape"]
_Compiled: TypeAlias = Callable[[Mapping[str, Numbers]], Numbers]


class FormulaError(ValueError):
    """What is wrong with a formula, in one sentence."""


class Formula(NamedTuple):
    """A function of float64 arrays, element by element."""

    text: str
    """As it was written."""
    variables: tuple[str, ...]
    """Names of the arguments, in order."""
    compiled: _Compiled
    """The value by those of the variables."""

    def __call__(self, *arguments: Numbers) -> Numbers:
        """The values at some places; infinite or NaN where there is none.

        Args:
            arguments: one array for each variable, all of one shape.
        """
        named = {name: np.full(arguments[0].shape, value) for name, value in _CONSTANTS.items()}
        named |= dict(zip(self.variables, arguments, strict=True))
        with np.errstate(all="ignore"):
            return self.compiled(named)


def parse_formula(text: str, variables: Sequence[str]) -> Formula:
    """The function that a text describes.

    >>> parse_formula("2*x**2 - sin(pi*x)", ["x"])(np.array([0.0, 0.5])).tolist()
    [0.0, -0.5]

    Args:
        text: at most 500 characters.
        variables: names of the function's arguments.

    Raises:
        FormulaError: says what is wrong and at which character, counted from 1 where the text
            begins.
    """
    text = text.strip()
    if not text:
        raise FormulaError("is empty; write a formula such as 2*x")
    return Formula(text, tuple(variables), _Reader(text, variables).compile(_parse(text)))


_CONSTANTS = {"pi": np.pi, "e": np.e}
_FUNCTIONS: Mapping[str, Callable[[Numbers], Numbers]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Numbers, Numbers], Numbers]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels; write it in fewer terms"
_KNOWN = f"numbers, + - * / **, parentheses, pi, e and {', '.join(_FUNCTIONS)}"


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"has {len(text):,} characters; at most {MAX_LENGTH} are read")
    if strange := re.search(r"[^\w\s.+\-*/(),]|[^\x00-\x7f]", text):
        hint = "write ** for a power" if strange[0] == "^" else f"a formula has {_KNOWN}"
        raise FormulaError(f"{strange[0]!r} {_place(strange.start())} is not supported; {hint}")
    # What Python only warns of, such as 1or x, is an error here.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            # A line break would end the expression.
            return ast.parse(re.sub(r"\s", " ", text), mode="eval").body
        except SyntaxError as error:
            place = _place(min(max(error.offset or 1, 1), len(text)) - 1)
            raise FormulaError(
                f"is not a formula {place}; close every parenthesis and write products with *"
            ) from None
        except (MemoryError, RecursionError):
            raise FormulaError(_TOO_DEEP) from None


class _Reader(NamedTuple):
    """What turns the parts of a formula into functions."""

    text: str
    variables: Sequence[str]

    def compile(self, node: ast.expr, depth: int = 1) -> _Compiled:
        """The function that a part is, below `depth - 1` others."""
        if depth > MAX_DEPTH:
            raise FormulaError(_TOO_DEEP)
        match node:
            case ast.Constant():
                constant = self._number(node)
                return lambda named: np.full_like(named["e"], constant)
            case ast.Name(id=name):
                self._check_name(node, [*self.variables, *_CONSTANTS])
                return lambda named: named[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self.compile(operand, depth + 1)
                return lambda named: np.negative(value(named))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                base, exponent = self.compile(left, depth + 1), self._exponent(right)
                return lambda named: np.power(base(named), exponent)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                operator = _OPERATORS[type(op)]
                first, second = self.compile(left, depth + 1), self.compile(right, depth + 1)
                return lambda named: operator(first(named), second(named))
            case ast.Call(func=ast.Name() as called, args=[argument], keywords=[]):
                self._check_name(called, [*_FUNCTIONS])
                function, value = _FUNCTIONS[called.id], self.compile(argument, depth + 1)
                return lambda named: function(value(named))
            case _:
                raise self._unsupported(node)

    def _number(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self._unsupported(node)
        try:
            value = float(node.value)
        except OverflowError:
            value = np.inf
        if not np.isfinite(value):
            raise FormulaError(f"the number {_place(node.col_offset)} is too large for a float")
        return value

    def _exponent(self, node: ast.expr) -> float:
        """A power's exponent: a number, with or without a sign."""
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as constant):
                value = -self._number(constant)
            case ast.Constant():
                value = self._number(node)
            case _:
                value = np.inf
        if abs(value) > MAX_EXPONENT:
            raise FormulaError(
                f"the exponent {_place(node.col_offset)} must be a number from -{MAX_EXPONENT} to "
                f"{MAX_EXPONENT}, got {self._written(node)!r}"
            )
        return value

    def _check_name(self, node: ast.Name, allowed: Sequence[str]) -> None:
        name, place = node.id, _place(node.col_offset)
        if name in allowed:
            return
        if name in _FUNCTIONS:
            raise FormulaError(f"the function {name!r} {place} needs its argument in parentheses")
        if name in _CONSTANTS or name in self.variables:
            raise FormulaError(f"{name!r} {place} is no function; write products with *")
        known = [*self.variables, *_CONSTANTS, *_FUNCTIONS]
        raise FormulaError(f"unknown name {name!r} {place}; {closest(name, known)}")

    def _unsupported(self, node: ast.expr) -> FormulaError:
        found, place = self._written(node), _place(node.col_offset)
        return FormulaError(f"{found!r} {place} is not supported; a formula has {_KNOWN}")

    def _written(self, node: ast.expr) -> str:
        """A part as it was written, shortened."""
        written = self.text[node.col_offset : node.end_col_offset]
        return written if len(written) <= _SHOWN else f"{written[: _SHOWN - 3]}..."


def _place(offset: int) -> str:
    return f"at character {offset + 1}"
