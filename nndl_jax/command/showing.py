"""The command that shows a document, as text, JSON, LaTeX or a picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from nndl_jax.command.cards import Card, flatten, load_card, without
from nndl_jax.command.console import AsJson, Named, in_a_sentence, show, show_json, show_table
from nndl_jax.command.latex import latex_lines
from nndl_jax.command.results import measured_here

_MOST_NAMES = 24


@in_a_sentence
def show_document(
    document: Named,
    as_json: AsJson = False,
    as_latex: Annotated[
        bool, typer.Option("--latex", help="Print layers and equations as LaTeX instead.")
    ] = False,
    diagram: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the network in a file .svg instead.")
    ] = None,
) -> None:
    """Show a document: layers, equations, fields and claims.

    Also its memory and operations a step, variants, deviations, and what was measured here.
    """
    if sum((as_json, as_latex, diagram is not None)) > 1:
        raise typer.BadParameter("--json, --latex and --diagram exclude each other; give one")
    if diagram is not None:
        _draw(document, diagram)
        return
    card = load_card(document)
    if as_latex:
        show("\n".join(latex_lines(card)))
        return
    if as_json:
        show_json(without(card, "fields") | num_variants(card))
        return
    place = f", chapter {card['chapter']}: {card['section']}" if card["chapter"] else ""
    show(f"{card['id']}: {card['title']}\n{card['kind']}{place}")
    if card["layers"]:
        show("")
        _show_layers(card)
    _show_list("Equations", [f"{name}: {latex}" for name, latex in card["equations"]])
    about = ("id", "title", "kind", "source", "claims", "deviations", "errata", "vary")
    parts = {name: part for name, part in card["document"].items() if name not in about}
    parts = dict(flatten(parts))
    parts = {path: value for path, value in parts.items() if not path.startswith("model.layers")}
    fields = [f"{path}: {show_value(value)}" for path, value in parts.items()]
    _show_list("Fields", fields, most=_MOST_NAMES)
    _show_list(
        "Variants", card["variants"] if card["variants"] != ["base"] else [], most=_MOST_NAMES
    )
    measured = measured_here(card["id"], [str(claim["statement"]) for claim in card["claims"]])
    _show_list(
        "Claims", [_said_claim(*pair) for pair in zip(card["claims"], measured, strict=True)]
    )
    _show_list("Deviations", card["deviations"])
    _show_list("Errata", card["errata"])


def _draw(document: str, path: Path) -> None:
    """Write a picture of a document's network.

    Raises:
        SpecError: the document is faulty.
        ValueError: it has no network, or the file is to be of another kind.
    """
    import nndl_jax
    from nndl_jax.data.files import replace_file
    from nndl_jax.documents.diagram import draw_diagram, drawn_layers

    if path.suffix != ".svg":
        raise ValueError(f"--diagram {path}: must end in .svg")
    spec = nndl_jax.load_spec(document)
    layers = drawn_layers(spec)
    if not layers:
        message = f"{spec.id} is of kind {spec.kind}, and has no network that could be drawn"
        raise ValueError(f"{message}; give a document of kind network or construction")
    replace_file(path, f"{draw_diagram(layers, is_alone=True)}\n".encode())
    show(f"wrote {path}")


def show_value(value: object) -> str:
    """A value of a document as it is shown."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def num_variants(card: Card) -> dict[str, int]:
    """How many variants a document has, as a part of JSON."""
    return {"num_variants": len(card["variants"])}


def show_parameters(card: Card) -> str:
    """Numbers of weights and biases, from the least variant to the largest."""
    found = card["parameters"]
    return " to ".join(f"{number:,}" for number in dict.fromkeys(found[:1] + found[-1:]))


def _show_layers(card: Card) -> None:
    rows = [
        [
            layer["kind"],
            _said_shape(layer["inputs"]),
            _said_shape(layer["outputs"]),
            layer["activation"] or "",
            f"{layer['dropout']:g}" if layer["dropout"] else "",
            f"{layer['weights']:,}",
            f"{layer['biases']:,}",
        ]
        for layer in card["layers"]
    ]
    heads = ("layer", "inputs", "outputs", "activation", "dropout", "weights", "biases")
    show_table(heads, rows, right=("dropout", "weights", "biases"))
    show(f"{show_parameters(card)} parameters")
    if card["memory"] is not None:
        show(f"{_scaled(card['memory'], 2**20, ' MiB', ' bytes')} of memory for a run")
    if card["flops"] is not None:
        show(f"{_scaled(card['flops'], 10**6, ' million')} multiplications and additions a step")


def _scaled(number: int, unit: int, large: str, small: str = "") -> str:
    """A number in a unit with that name, or as it is where it is less than one of them."""
    return f"{number / unit:,.1f}{large}" if number >= unit else f"{number:,}{small}"


def _said_shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _show_list(head: str, lines: Sequence[str], *, most: int | None = None) -> None:
    if lines:
        show(f"\n{head}")
        for line in lines[:most]:
            show(f"  {line}")
    if unsaid := len(lines[most:]) if most is not None else 0:
        show(f"  and {unsaid:,} more, as --json shows")


def _said_claim(claim: Mapping[str, object], measured: str) -> str:
    value = f" = {show_value(claim['value'])}" if claim["kind"] == "number" else ""
    about = f"{claim['metric']}{value}, {claim.get('epoch', 'every epoch')}"
    return f"{claim['statement']} ({about}){measured}"
