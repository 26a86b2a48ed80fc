"""Commands that show, check, compare and write documents."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from nndl_jax.command.cards import OWN, Card, flatten, load_card, spec_folder, without
from nndl_jax.command.console import (
    AsJson,
    Changes,
    Quiet,
    in_a_sentence,
    say_error,
    show,
    show_json,
    show_table,
)
from nndl_jax.command.latex import latex_lines
from nndl_jax.reading.faults import SpecError

Named = Annotated[str, typer.Argument(metavar="ID_OR_FILE", help="An id, or a file .yaml.")]

_MOST_NAMES = 24


@in_a_sentence
def ls(
    chapter: Annotated[int | None, typer.Option(min=1, max=6, help="One chapter's only.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Those in experiments/ here.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the documents of the book, or your own."""
    folder = OWN if mine else spec_folder()
    paths = sorted(folder.glob("*.yaml"), key=lambda path: path.stem)
    readable = list(_readable([str(path) for path in paths]))
    cards = [card for _, card in readable if chapter in (None, card["chapter"])]
    if as_json:
        listed = ("id", "title", "kind", "chapter", "parameters")
        show_json([{n: card[n] for n in listed} | _num_variants(card) for card in cards])
    else:
        _show_cards(cards)
    if len(readable) < len(paths):
        raise typer.Exit(1)


def _show_cards(cards: Sequence[Card]) -> None:
    rows = [
        [
            card["id"],
            card["kind"],
            str(len(card["variants"])),
            _said_parameters(card),
            card["title"],
        ]
        for card in cards
    ]
    heads = ("id", "kind", "variants", "parameters", "title")
    show_table(heads, rows, right=("variants", "parameters"))


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
    """Show a document: layers, memory, equations, training, claims, deviations, variants."""
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
        show_json(without(card, "fields") | _num_variants(card))
        return
    place = f", chapter {card['chapter']}: {card['section']}" if card["chapter"] else ""
    show(f"{card['id']}: {card['title']}\n{card['kind']}{place}")
    if card["layers"]:
        show("")
        _show_layers(card)
    _show_list("Equations", [f"{name}: {latex}" for name, latex in card["equations"]])
    about = ("id", "title", "kind", "source", "claims", "deviations", "errata", "vary")
    parts = {name: each for name, each in card["document"].items() if name not in about}
    parts = dict(flatten(parts))
    parts = {path: value for path, value in parts.items() if not path.startswith("model.layers")}
    _show_list("Fields", [f"{path}: {said(value)}" for path, value in parts.items()])
    _show_list(
        "Variants", card["variants"] if card["variants"] != ["base"] else [], most=_MOST_NAMES
    )
    _show_list("Claims", [_said_claim(claim) for claim in card["claims"]])
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
        said = f"{spec.id} is of kind {spec.kind}, and has no network that could be drawn"
        raise ValueError(f"{said}; give a document of kind network or construction")
    replace_file(path, f"{draw_diagram(layers, is_alone=True)}\n".encode())
    show(f"wrote {path}")


@in_a_sentence
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Documents to read.")],
    quiet: Quiet = False,
) -> None:
    """Read documents, and say what is wrong with each, with file and line."""
    num_read = 0
    for file, _ in _readable(files):
        num_read += 1
        if not quiet:
            show(f"{file}: fits")
    if num_read < len(files):
        raise typer.Exit(1)


def _readable(files: Sequence[str]) -> Iterator[tuple[str, Card]]:
    """The files that hold a document; of the others it is said what is wrong with them."""
    for file in files:
        try:
            yield file, load_card(file)
        except SpecError as error:
            say_error(error)


@in_a_sentence
def schema() -> None:
    """Print the JSON Schema of documents, by which editors complete and check them."""
    show((spec_folder() / "schema.json").read_text(encoding="utf-8").rstrip("\n"))


@in_a_sentence
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id, and the name of its file.")],
    source: Annotated[str, typer.Option("--from", metavar="ID_OR_FILE", help="What to copy.")],
    changes: Changes = None,
    title: Annotated[str | None, typer.Option(help="Its title; else that of the copied.")] = None,
    quiet: Quiet = False,
) -> None:
    """Write a document of your own, experiments/NAME.yaml, from another one."""
    import nndl_jax
    from nndl_jax.documents.load import parse_spec
    from nndl_jax.reading.record import ID_PATTERN

    if not re.fullmatch(ID_PATTERN, name):
        said = "a document is named by lower-case letters, digits and hyphens, at most 64"
        raise ValueError(f"{said}; got {name!r}")
    if (spec_folder() / f"{name}.yaml").exists():
        raise ValueError(f"{name} is a document of the book; choose another name")
    path = OWN / f"{name}.yaml"
    spec = nndl_jax.load_spec(source, read_changes(changes))
    own = {"id": name, "title": title or spec.title, "source": None, "claims": ()}
    text = nndl_jax.dump_spec(spec.model_copy(update=own))
    parse_spec(text, path)
    OWN.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"{path} exists; choose another name, or move it away") from None
    if not quiet:
        show(f"wrote {path}")


@in_a_sentence
def diff(first: Named, second: Named, as_json: AsJson = False) -> None:
    """Show the fields in which two documents differ, defaults written out."""
    one, other = load_card(first), load_card(second)
    fields = dict.fromkeys([*one["fields"], *other["fields"]])
    differing = [
        field
        for field in fields
        if field not in one["fields"]
        or field not in other["fields"]
        or one["fields"][field] != other["fields"][field]
    ]
    if as_json:
        show_json(
            {
                field: {
                    side["id"]: side["fields"][field]
                    for side in (one, other)
                    if field in side["fields"]
                }
                for field in differing
            }
        )
    elif not differing:
        show(f"{one['id']} and {other['id']} describe the same experiment")
    else:
        sides = (one["fields"], other["fields"])
        rows = [
            [field, *(said(side[field]) if field in side else "-" for side in sides)]
            for field in differing
        ]
        show_table(("field", one["id"], other["id"]), rows)


def read_changes(changes: Sequence[str] | None) -> Mapping[str, object]:
    """Values by field path of `FIELD=VALUE`, whose values are YAML.

    Raises:
        ValueError: one has no field or no value, or a field is set twice.
        SpecError: a value is no YAML.
    """
    from nndl_jax.reading.located_yaml import parse_yaml

    values: dict[str, object] = {}
    for change in changes or ():
        field, equals, text = change.partition("=")
        if not (field.strip() and equals and text.strip()):
            said = "a change is written FIELD=VALUE, such as training.epochs=3"
            raise ValueError(f"-S: {said}; got {change!r}")
        field = field.strip()
        if field in values:
            raise ValueError(f"-S {field}: is set twice; keep one")
        values[field] = parse_yaml(text, Path(f"-S {field}")).value
    return values


def said(value: object) -> str:
    """A value of a document as it is shown."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _num_variants(card: Card) -> dict[str, int]:
    return {"num_variants": len(card["variants"])}


def _said_parameters(card: Card) -> str:
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
    show(f"{_said_parameters(card)} parameters")
    if card["memory"] is not None:
        show(f"{card['memory'] / 2**20:,.1f} MiB of memory for a run")
    if card["flops"] is not None:
        show(f"{card['flops'] / 1e6:,.1f} million multiplications and additions a step")


def _said_shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _show_list(head: str, lines: Sequence[str], *, most: int | None = None) -> None:
    if lines:
        show(f"\n{head}")
        for line in lines[:most]:
            show(f"  {line}")
    if unsaid := len(lines[most:]) if most is not None else 0:
        show(f"  and {unsaid:,} more")


def _said_claim(claim: Mapping[str, object]) -> str:
    value = f" = {said(claim['value'])}" if claim["kind"] == "number" else ""
    return f"{claim['statement']} ({claim['metric']}{value}, {claim.get('epoch', 'every epoch')})"
