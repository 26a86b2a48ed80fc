"""Equations of documents as MathML, which browsers set without a script."""

from typing import NamedTuple

from latex2mathml.converter import convert
from markupsafe import Markup

from nndl_jax.documents import Document
from nndl_jax.documents.equations import equations
from nndl_jax.reading.markup import Html


class SetEquation(NamedTuple):
    """An equation as it stands on a page."""

    name: str
    mathml: Html


def set_equations(document: Document) -> list[SetEquation]:
    """The equations of a document, in the order in which they are computed."""
    return [SetEquation(name, _mathml(latex)) for name, latex in equations(document)]


def _mathml(latex: str) -> Markup:
    return Markup(convert(latex, display="block"))  # noqa: S704 - formulas of ours.
