"""Faults of documents: where they are, what is wrong, what to do."""

from collections.abc import Sequence
from typing import NamedTuple

Location = tuple[str | int, ...]
"""Keys and indices that lead from the top of a text to a value."""


class Fault(NamedTuple):
    """One thing that is wrong with a document."""

    where: str
    """The file, or a document's name where there is none."""
    line: int | None
    """Counted from 1; None where there is no file."""
    field: str
    """Path of the field, such as `model.layers[2].filters`; empty for the whole text."""
    said: str
    """What is wrong, what was found and what to do."""

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.said) if part)


class SpecError(ValueError):
    """What is wrong with documents, a sentence for each fault.

    Attributes:
        faults: the same in parts.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)

    @classmethod
    def at(cls, where: object, line: int | None, field: str, said: str) -> "SpecError":
        """An error of one fault."""
        return cls([Fault(str(where), line, field, said)])


def field_path(location: Location) -> str:
    """A location as it is written in messages and in `vary`: `model.layers[2].filters`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")
