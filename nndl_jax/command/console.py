"""How commands speak: results on standard output, everything else in sentences on standard error.

A command ends with 0, with 1 if it refuses what it was given, with 2 if it was called in a way
that it does not know, and with 130 after Ctrl-C.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, ParamSpec

import typer

from nndl_jax.command.cards import ids_that_begin
from nndl_jax.reading.faults import printable

P = ParamSpec("P")

Named = Annotated[
    str,
    typer.Argument(
        metavar="ID_OR_FILE", help="An id, or a file .yaml.", autocompletion=ids_that_begin
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but what is wrong.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-S",
        metavar="FIELD=VALUE",
        help="Another value for a field, such as training.epochs=3; may be repeated.",
    ),
]

_WIDE = 10_000
"""Columns where nobody's terminal would cut a line."""


def in_a_sentence(command: Callable[P, None]) -> Callable[P, None]:
    """The same command, which says in a sentence what is wrong and ends with 1 then."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:  # Who reads has seen enough, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            say("stopped")
            raise typer.Exit(130) from None
        except (ArithmeticError, ImportError, OSError, TypeError, ValueError) as error:
            say_error(error)
            raise typer.Exit(1) from None

    return run


def say_error(error: Exception) -> None:
    """Print what is wrong, a line for each fault."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        at = "" if error.filename is None else f"{error.filename}: "
        message = f"{at}{error.strerror}"
    for line in (message or type(error).__name__).splitlines():
        say(f"error: {printable(line)}")


def say(sentence: str) -> None:
    """Print a sentence on standard error."""
    typer.echo(sentence, err=True)


def show(text: str) -> None:
    """Print a line of results."""
    typer.echo(text)


def show_json(value: object) -> None:
    """Print a value as JSON."""
    show(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Print a table; in a pipe no line is cut or folded.

    Args:
        heads: names of the columns.
        rows: a text for each column.
        right: the columns with numbers.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        justify = "right" if head in right else "left"
        # Long texts are folded, and names, which stand first, are not.
        table.add_column(head, justify=justify, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*row)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        show(line.rstrip())
