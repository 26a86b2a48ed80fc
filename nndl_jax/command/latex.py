"""A document's layers and equations in LaTeX, to be set with `amsmath`."""

from collections.abc import Iterator

from nndl_jax.command.cards import Card, LayerCard

_TIMES = r" \times "
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def latex_lines(card: Card) -> Iterator[str]:
    """The lines of a piece of LaTeX: title, table of layers, equations under their names."""
    yield rf"% {card['id']}; needs \usepackage{{amsmath}}"
    yield rf"\section*{{{_escaped(card['title'])}}}"
    if card["layers"]:
        yield r"\begin{tabular}{llllrr}"
        yield r"layer & inputs & outputs & activation & weights & biases \\ \hline"
        yield from map(_row, card["layers"])
        yield r"\end{tabular}"
    for name, latex in card["equations"]:
        yield rf"\paragraph{{{_escaped(name)}}}"
        yield rf"\[ {latex} \]"


def _row(layer: LayerCard) -> str:
    sides = (layer["inputs"], layer["outputs"])
    shapes = [f"${_TIMES.join(map(str, sizes))}$" for sizes in sides]
    counts = [f"{layer[part]:,}" for part in ("weights", "biases")]
    dropped = rf", dropout {layer['dropout']:g}" if layer["dropout"] else ""
    cells = [layer["kind"], *shapes, f"{layer['activation'] or ''}{dropped}", *counts]
    return " & ".join(cells) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
