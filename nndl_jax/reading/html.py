"""Tables and curves for notebooks, as HTML that holds no code."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 320, 120
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def html_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table under a title; what its cells hold is text, whatever is written there."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    thead = f"<thead><tr>{head}</tr></thead>" if heads else ""
    return f"<b>{escape(title)}</b><table>{thead}<tbody>{body}</tbody></table>"


def html_curves(title: str, curves: Mapping[str, Sequence[float]]) -> str:
    """Curves by name over the number of the measurement, each scaled to the same range.

    Values that are not finite leave gaps.
    """
    finite = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    if not finite:
        return f"<b>{escape(title)}</b>: nothing measured"
    low, high = min(finite), max(finite)
    length = max(len(curve) for curve in curves.values())
    lines = []
    for index, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        points = " ".join(
            f"{_WIDTH * at / max(1, length - 1):.1f},"
            f"{_HEIGHT * (1 - (value - low) / ((high - low) or 1)):.1f}"
            for at, value in enumerate(curve)
            if math.isfinite(value)
        )
        message = f"<title>{escape(name)}</title>"
        lines.append(
            f'<polyline fill="none" stroke="{colour}" points="{points}">{message}</polyline>'
        )
    box = f'viewBox="-4 -4 {_WIDTH + 8} {_HEIGHT + 8}" width="{_WIDTH}" height="{_HEIGHT}"'
    bounds = f"{low:.4g} to {high:.4g}, {length} measurements"
    return f"<b>{escape(title)}</b> {bounds}<br><svg {box}>{''.join(lines)}</svg>"
