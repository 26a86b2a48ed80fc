"""Commands that show what the pipeline has judged, and run it."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from nndl_jax.command.cards import flatten, ids_that_begin
from nndl_jax.command.console import (
    AsJson,
    in_a_sentence,
    say,
    say_error,
    show,
    show_json,
    show_table,
)
from nndl_jax.judging.verdicts import weight

JUDGEMENTS = Path("report/judgements.json")
METRICS = Path("metrics/documents")
PIPELINE = Path("dvc.yaml")

Entry = Mapping[str, object]


@in_a_sentence
def results(
    document: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One document's.", autocompletion=ids_that_begin),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the claims of the book with their verdicts.

    They are those that the pipeline wrote here.
    """
    entries = read_judgements(JUDGEMENTS)
    if document is None:
        if as_json:
            show_json(entries)
            return
        show_table(
            ("document", "claims", "verdicts"),
            [
                [name, str(sum(counts.values())), _said_counts(counts)]
                for name, counts in _by_document(entries).items()
            ],
            right=("claims",),
        )
        books = [entry for entry in entries if entry.get("chapter") is not None]
        others = [entry for entry in entries if entry.get("chapter") is None]
        show("")
        for whose, own in (("the book", books), ("other documents", others)):
            if own:
                show(f"{len(own)} claims of {whose}: {_said_counts(Counter(_verdicts(own)))}")
        return
    own = [entry for entry in entries if entry["document"] == document]
    if not own:
        from nndl_jax.reading.validation import closest

        known = list(_by_document(entries))
        raise ValueError(f"{JUDGEMENTS} has no claims of {document!r}; {closest(document, known)}")
    if as_json:
        show_json(own)
        return
    _show_entries(own)


def results_here(documents: Sequence[str]) -> dict[str, dict[str, object]]:
    """Claims with verdicts, and metrics by variant, of those documents that have them here."""
    judged, measured = _judged_here(), {name: _metrics_of(name) for name in documents}
    claims = {name: [entry for entry in judged if _document(entry) == name] for name in documents}
    return {
        "claims": {name: own for name, own in claims.items() if own},
        "metrics": {name: own for name, own in measured.items() if own},
    }


def show_side_by_side(first: str, second: str) -> None:
    """Show metrics that both documents have, and their claims below each other."""
    metrics = [_metrics_of(name) for name in (first, second)]
    if all(metrics):
        one, other = (dict(flatten(values)) for values in metrics)
        rows = [[name, _said(one[name]), _said(other[name])] for name in one if name in other]
        show("")
        show_table(("measured", first, second), rows, right=(first, second))
    found = _judged_here()
    names = dict.fromkeys((first, second))
    if entries := [entry for name in names for entry in found if _document(entry) == name]:
        show("")
        _show_entries(entries, ("document",))


def _metrics_of(document: str) -> dict[str, object]:
    """What was measured of a document, by variant and metric; of a damaged file it is said so."""
    path = METRICS / f"{document}.json"
    if not path.is_file():
        return {}
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
    except (RecursionError, TypeError, ValueError):
        say(f"error: {path} is not what the pipeline writes; run it again")
        return {}
    return found


def measured_here(document: str, statements: Sequence[str]) -> list[str]:
    """What was measured of each claim of a document, as the end of a sentence; else empty."""
    entries = [entry for entry in _judged_here() if entry["document"] == document]
    if [entry["statement"] for entry in entries] != list(statements):
        return [""] * len(statements)  # Nothing is judged here, or another document of the name.
    return [
        f": {entry['verdict']}{f', {mean} here' if (mean := _said_mean(entry)) else ''}"
        for entry in entries
    ]


def _judged_here() -> list[Entry]:
    """All claims that are judged in the working folder; of a damaged report it is said so."""
    if not JUDGEMENTS.is_file():
        return []
    try:
        return read_judgements(JUDGEMENTS)
    except ValueError as error:
        say_error(error)
        return []


def _show_entries(entries: Sequence[Entry], names: Sequence[str] = ()) -> None:
    rows = [
        [
            *(str(entry[name]) for name in names),
            str(entry["verdict"]),
            _said(entry.get("book")),
            _said_mean(entry),
            str(entry["statement"]),
        ]
        for entry in entries
    ]
    show_table((*names, "verdict", "book", "here", "claim"), rows, right=("book", "here"))


@in_a_sentence
def run(context: typer.Context) -> None:
    """Run the pipeline of the working folder; ARGS go to `dvc repro`."""
    if not PIPELINE.is_file():
        raise FileNotFoundError(
            f"there is no {PIPELINE} here; go to a checkout of nndl_jax, where the pipeline is, "
            "or train one document with nndl train"
        )
    if any(find_spec(package) is None for package in ("dvc", "filelock")):
        message = "the pipeline needs more packages than the library"
        raise ImportError(f"{message}: pip install 'nndl-jax[pipeline]', or make setup")
    raise typer.Exit(subprocess.call([sys.executable, "-m", "pipeline", *context.args]))


def read_judgements(path: Path) -> list[Entry]:
    """Each claim with its verdict, by recorded runs where they tell more or are more.

    Raises:
        FileNotFoundError: the pipeline has written nothing here.
        ValueError: the file is not what it writes.
    """
    if not path.is_file():
        message = "is written by the pipeline, and not here; go to a checkout and run `nndl run`"
        raise FileNotFoundError(f"{path} {message}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        judged, recorded = list(found["judgements"]), list(found["recorded"])
        for entry in (*judged, *recorded):
            _ = [str(entry[name]) for name in ("document", "statement", "verdict")]
            _ = _told(entry)
    except (KeyError, RecursionError, TypeError, ValueError):
        raise ValueError(f"{path} is not what the pipeline writes; run it again") from None
    others = {name: list(group) for name, group in groupby(recorded, key=_document)}
    settled: list[Entry] = []
    for name, group in groupby(judged, key=_document):
        own = list(group)
        known = others.get(name, [])
        for today, other in zip(own, known if len(known) == len(own) else own, strict=True):
            settled.append(other if _told(other) > _told(today) else today)
    return settled


def _told(entry: Entry) -> tuple[int, int]:
    return weight(str(entry["verdict"]), int(str(entry["num_runs"])))


def _document(entry: Entry) -> str:
    return str(entry["document"])


def _verdicts(entries: list[Entry]) -> list[str]:
    return [str(entry["verdict"]) for entry in entries]


def _by_document(entries: list[Entry]) -> dict[str, Counter[str]]:
    return {
        name: Counter(_verdicts(list(group))) for name, group in groupby(entries, key=_document)
    }


def _said_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def _said(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else str(value or "")


def _said_mean(entry: Entry) -> str:
    mean, spread = _said(entry.get("mean")), entry.get("spread")
    return f"{mean} ± {spread:.2g}" if mean and isinstance(spread, int | float) else mean
