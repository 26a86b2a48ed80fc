"""Faults of documents: where they are, what is wrong, what to do.

Whatever stands in a file, its faults are few lines of printable text: a terminal obeys control
characters, and nobody reads a hundred thousand lines.
"""

from collections.abc import Sequence
from typing import NamedTuple

Location = tuple[str | int, ...]
"""Keys and indices that lead from the top of a text to a value."""

MAX_SHOWN = 20
"""Faults that a message lists; more are counted."""
_MAX_NAME = 200
_MAX_SENTENCE = 1000


class Fault(NamedTuple):
    """One thing that is wrong with a document."""

    where: str
    """The file, or a document's name where there is none."""
    line: int | None
    """Counted from 1; None where there is no file."""
    field: str
    """Path of the field, such as `model.layers[2].filters`; empty for the whole text."""
    message: str
    """What is wrong, what was found and what to do."""

    def __str__(self) -> str:
        where, field = printable(self.where), printable(self.field, _MAX_NAME)
        place = where if self.line is None else f"{where}:{self.line}"
        return ": ".join(part for part in (place, field, printable(self.message)) if part)


class SpecError(ValueError):
    """What is wrong with documents, a sentence for each fault.

    Attributes:
        faults: the same in parts, at least those that the message lists.
        num_more: number of faults beside these.
    """

    def __init__(self, faults: Sequence[Fault], num_more: int = 0) -> None:
        lines = [str(fault) for fault in faults[:MAX_SHOWN]]
        if unsaid := len(faults) - len(lines) + num_more:
            lines.append(f"and {unsaid:,} more")
        super().__init__("\n".join(lines))
        self.faults = tuple(faults)
        self.num_more = num_more

    def __reduce__(self) -> tuple[type["SpecError"], tuple[Sequence[Fault], int]]:
        """For another process; exceptions are told anew from their message otherwise."""
        return SpecError, (self.faults, self.num_more)

    @classmethod
    def at(cls, where: object, line: int | None, field: str, message: str) -> "SpecError":
        """An error of one fault."""
        return cls([Fault(str(where), line, field, message)])


def printable(text: str, most: int = _MAX_SENTENCE) -> str:
    r"""A text that a terminal shows and does not obey, without its middle if it is long.

    >>> printable("a\x1b[2J\n")
    'a\\x1b[2J\\n'

    Args:
        text: any text.
        most: characters that are kept.
    """
    if len(text) > most:
        end = most // 4
        text = f"{text[: most - end - 3]}...{text[-end:]}"
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def field_path(location: Location) -> str:
    """A location as it is written in messages and in `vary`: `model.layers[2].filters`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")
