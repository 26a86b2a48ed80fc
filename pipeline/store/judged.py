"""`report/judgements.json`: what the stage `evaluate` says of claims, for `report` and for itself.

It reads what it wrote last of documents that are left out and of which nothing is run any more.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NotRequired, TypedDict

from pipeline.machine.paths import JUDGEMENTS
from pipeline.machine.writing import write_text

_CLAIM = ("document", "kind", "statement", "metric", "epoch", "book", "num_epochs")


class Entry(TypedDict):
    """A claim with its judgement, as the stage `evaluate` writes it."""

    document: str
    title: str
    chapter: int | None
    """None of one's own."""
    kind: str
    statement: str
    metric: str
    epoch: str | int | None
    book: float | None
    num_epochs: int | None
    verdict: str
    mean: float | None
    spread: float | None
    num_runs: int
    expected: tuple[float, float] | None
    probability: float | None
    departure: float | None
    interval: tuple[float, float] | None
    superiority: float | None
    kinds: tuple[float, float] | None
    num_equal: int | None
    deviation: float | None
    foreign: str | None
    is_recorded: NotRequired[bool]
    """Whether it is judged by recorded runs; only in tables over all experiments."""


class Summary(TypedDict):
    """What the report says of a document besides its claims."""

    made: str
    """How much was run."""
    foreign: str | None
    """Why its numbers say nothing about the book's; None if they do."""
    details: list[str]
    """Tables and sentences."""


class Judged(NamedTuple):
    """What `evaluate` has found."""

    profile: str
    judgements: Sequence[Entry]
    """Each claim of each document, by what is run today or was run before it was left out."""
    recorded: Sequence[Entry]
    """Each claim of what was recorded."""
    documents: Mapping[str, Summary]
    """Those of which something was run."""

    def summary(self, name: str) -> Summary:
        """What is known of a document of which only metrics are left."""
        found = (entry["foreign"] for entry in self.judgements if entry["document"] == name)
        unknown = Summary(made=f"profile {self.profile}", foreign=next(found, None), details=[])
        return self.documents.get(name, unknown)

    def same(self, entry: Entry) -> Entry:
        """A claim as it was judged last; as it is now if it was not."""
        wanted = [entry[key] for key in _CLAIM]
        found = (
            judgement
            for judgement in self.judgements
            if [judgement[key] for key in _CLAIM] == wanted
        )
        # An earlier version of ours may have written less.
        return {**entry, **next(found, entry)}


def read_judgements() -> Judged:
    """What `evaluate` wrote last.

    Raises:
        OSError: it has written nothing, or something else; a sentence that says what to do.
    """
    try:
        content = json.loads(JUDGEMENTS.read_text(encoding="utf-8"))
        documents = content.get("documents", {})
        return Judged(content["profile"], content["judgements"], content["recorded"], documents)
    except FileNotFoundError:
        raise OSError(f"{JUDGEMENTS}: is not there; `make` writes it") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise OSError(f"{JUDGEMENTS}: is not what `make` writes") from None


def write_judgements(judged: Judged) -> None:
    """Write what `evaluate` has found."""
    write_text(JUDGEMENTS, json.dumps(judged._asdict(), indent=1) + "\n")
