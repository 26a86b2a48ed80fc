"""Pieces of HTML and SVG, every text in them escaped."""

from collections.abc import Mapping
from typing import Annotated

from markupsafe import Markup, escape
from pydantic import PlainSerializer, PlainValidator

Attribute = str | float | None

Html = Annotated[Markup, PlainValidator(Markup), PlainSerializer(str)]
"""Markup that Pydantic writes and reads as a text; what is read is taken for escaped."""


def tag(_name: str, *children: Markup | str, **attributes: Attribute) -> Markup:
    """An element; an attribute's `_` is `-` and its last `_` is dropped, None leaves it out.

    >>> print(tag("text", "a < b", x=1.25, text_anchor="end", class_="label", id=None))
    <text x="1.25" text-anchor="end" class="label">a &lt; b</text>
    """
    named = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _text(value))
        for name, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(map(escape, children))
    return Markup("<{0}{1}>{2}</{0}>").format(_name, named, inner)


def picture(
    width: float,
    height: float,
    *children: Markup | str,
    message: str,
    class_: str,
    xmlns: str | None = None,
) -> Markup:
    """An SVG that is told to those who do not see it.

    Args:
        width: in pixels at its natural size.
        height: likewise.
        children: what is drawn.
        message: the same in words.
        class_: for the style sheet.
        xmlns: SVG's name space, which a file of its own needs; None within a page.
    """
    box: Mapping[str, Attribute] = {"viewBox": f"0 0 {width:g} {height:g}"}
    size = {"width": width, "height": height, "role": "img", "aria_label": message}
    return tag("svg", *children, xmlns=xmlns, class_=class_, **box, **size)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 2):g}"
