"""Documents as they stand in their files, coloured."""

from functools import cache
from pathlib import Path

from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.data import YamlLexer


def coloured(path: Path) -> Markup:
    """A YAML file as HTML whose classes `style.css` colours; empty if it is not there any more."""
    if not path.is_file():
        return Markup("")
    lexer, formatter = _tools()
    text = path.read_text(encoding="utf-8")
    return Markup(highlight(text, lexer, formatter))  # noqa: S704 - Pygments escapes it.


@cache
def _tools() -> tuple[YamlLexer, HtmlFormatter[str]]:
    return YamlLexer(), HtmlFormatter(nowrap=True)
