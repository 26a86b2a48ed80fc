"""Commands that show, check, compare and write documents."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from nndl_jax.command.cards import (
    OWN,
    Card,
    example_folder,
    ids_that_begin,
    load_card,
    own_file,
    spec_folder,
)
from nndl_jax.command.console import (
    AsJson,
    Changes,
    Named,
    Quiet,
    in_a_sentence,
    say,
    say_error,
    show,
    show_json,
    show_table,
)
from nndl_jax.command.results import results_here, show_side_by_side
from nndl_jax.command.showing import num_variants, show_parameters, show_value
from nndl_jax.data.files import cache_folder
from nndl_jax.data.times import PIPELINES, read_times
from nndl_jax.reading.faults import SpecError


@in_a_sentence
def ls(
    chapter: Annotated[int | None, typer.Option(min=1, max=6, help="One chapter's only.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Those in experiments/ here.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the documents of the book, of other data, or your own."""
    folders = (OWN,) if mine else (spec_folder(), example_folder())
    named = [sorted(folder.glob("*.yaml"), key=lambda path: path.stem) for folder in folders]
    paths = [path for files in named for path in files]
    readable = list(_readable([str(path) for path in paths]))
    cards = [card for _, card in readable if chapter in (None, card["chapter"])]
    times = _times()
    if as_json:
        listed = ("id", "title", "kind", "chapter", "parameters")
        show_json(
            [
                {name: card[name] for name in listed}
                | num_variants(card)
                | {"seconds": times.get(card["id"])}
                for card in cards
            ]
        )
    elif not paths and mine:
        say(f"there are no documents in {OWN}/ here; nndl new writes one")
    else:
        _show_cards(cards, times)
    if len(readable) < len(paths):
        raise typer.Exit(1)


def _times() -> Mapping[str, float]:
    """Seconds that documents took to train on this machine, by the pipeline if it knows."""
    with suppress(RuntimeError):  # No home folder.
        return {**read_times(cache_folder()), **read_times(PIPELINES)}
    return read_times(PIPELINES)


def _show_cards(cards: Sequence[Card], times: Mapping[str, float]) -> None:
    """A line each; with the minutes that training took here, where any are known."""
    minutes = [f"{times[card['id']] / 60:.1f}" if card["id"] in times else "" for card in cards]
    heads = ("id", "kind", "variants", "parameters", *(["minutes"] if any(minutes) else []))
    rows = [
        [
            card["id"],
            card["kind"],
            str(len(card["variants"])),
            show_parameters(card),
            *([took] if any(minutes) else []),
            card["title"],
        ]
        for card, took in zip(cards, minutes, strict=True)
    ]
    show_table((*heads, "title"), rows, right=("variants", "parameters", "minutes"))


@in_a_sentence
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Documents to read.")],
    quiet: Quiet = False,
) -> None:
    """Say what is wrong with documents, with file and line."""
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
    """Print the JSON Schema of documents.

    By it editors complete and check them.
    """
    show((spec_folder() / "schema.json").read_text(encoding="utf-8").rstrip("\n"))


@in_a_sentence
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id, and the name of its file.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="ID_OR_FILE", help="What to copy.", autocompletion=ids_that_begin
        ),
    ],
    changes: Changes = None,
    title: Annotated[str | None, typer.Option(help="Its title; else that of the copied.")] = None,
    quiet: Quiet = False,
) -> None:
    """Write a document of your own from another one.

    It goes to experiments/NAME.yaml.
    """
    import nndl_jax
    from nndl_jax.documents.load import parse_spec
    from nndl_jax.reading.record import ID_PATTERN

    if not re.fullmatch(ID_PATTERN, name):
        message = "a document is named by lower-case letters, digits and hyphens, at most 64"
        raise ValueError(f"{message}; got {name!r}")
    if (spec_folder() / f"{name}.yaml").exists():
        raise ValueError(f"{name} is a document of the book; choose another name")
    path = OWN / f"{name}.yaml"
    spec = nndl_jax.load_spec(own_file(source), read_changes(changes))
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
    """Show the fields in which two documents differ.

    Defaults are written out. What the pipeline has measured and judged of both in the working
    folder is shown below.
    """
    one, other = load_card(first), load_card(second)
    sides = (one["fields"], other["fields"])
    fields = dict.fromkeys([*sides[0], *sides[1]])
    differing = [
        field
        for field in fields
        if any(field not in side for side in sides) or sides[0][field] != sides[1][field]
    ]
    if as_json:
        shown = {
            field: {
                side["id"]: side["fields"][field]
                for side in (one, other)
                if field in side["fields"]
            }
            for field in differing
        }
        show_json({"fields": shown} | results_here([one["id"], other["id"]]))
        return
    if not differing:
        show(f"{one['id']} and {other['id']} describe the same experiment")
    else:
        rows = [
            [field, *(show_value(side[field]) if field in side else "-" for side in sides)]
            for field in differing
        ]
        show_table(("field", one["id"], other["id"]), rows)
    show_side_by_side(one["id"], other["id"])


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
            message = "a change is written FIELD=VALUE, such as training.epochs=3"
            raise ValueError(f"-S: {message}; got {change!r}")
        field = field.strip()
        if field in values:
            raise ValueError(f"-S {field}: is set twice; keep one")
        values[field] = parse_yaml(text, Path(f"-S {field}")).value
    return values
