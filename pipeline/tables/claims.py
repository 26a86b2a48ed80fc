"""Tables of claims: what the book says, what our runs gave, and the verdict."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from tabulate import tabulate

from nndl_jax.judging.law import LEVEL
from nndl_jax.judging.statistics import count_discoveries
from nndl_jax.judging.verdicts import weight
from pipeline.store.judged import Entry
from pipeline.tables.format import show, show_departure, show_gain, show_mean, show_range

CHAPTERS = {
    1: "Using neural nets to recognize handwritten digits",
    2: "How the backpropagation algorithm works",
    3: "Improving the way neural networks learn",
    4: "A visual proof that neural nets can compute any function",
    5: "Why are deep neural networks hard to train?",
    6: "Deep learning",
}
_RATE = 0.05
"""Largest share of findings that may be by chance."""
# Differences that come from writing fractions as floats are not shown.
_ROUNDING = 1e-12
_COLUMNS = {
    "equal": ("equal",),
    "consistent or supported": ("consistent", "supported"),
    "undecided": ("undecided", "no difference", "too few runs", "too varied"),
    "against": ("differs", "inconsistent", "not supported"),
    "not run or judged": ("not run", "not judged"),
}


def settle(judgements: Sequence[Entry], recorded: Sequence[Entry]) -> Sequence[Entry]:
    """Each claim as judged today, or by recorded runs where they tell more or are more.

    Args:
        judgements: of all documents by what is run today, in the order of their claims.
        recorded: of some of the documents by what was recorded of them, in the same order.
    """
    others = {name: list(group) for name, group in groupby(recorded, key=_document)}
    settled: list[Entry] = []
    for name, group in groupby(judgements, key=_document):
        own = list(group)
        for today, other in zip(own, others.get(name, own), strict=True):
            is_better = _told(other) > _told(today)
            settled.append({**other, "is_recorded": True} if is_better else today)
    return settled


def _told(entry: Entry) -> tuple[int, int]:
    return weight(entry["verdict"], entry["num_runs"])


def _document(entry: Entry) -> str:
    return entry["document"]


def claims_table(entries: Sequence[Entry]) -> str:
    """All claims of one experiment."""
    rows = [
        [
            entry["statement"],
            book_cell(entry),
            our_cell(entry),
            entry["num_runs"] or "",
            range_cell(entry),
            power_cell(entry),
            _verdict(entry),
        ]
        for entry in entries
    ]
    headers = ["claim", "book", "ours", "runs", "range", "power", "verdict"]
    return markdown(rows, headers)


def chapters_table(entries: Sequence[Entry]) -> str:
    """The README's table: for each chapter of the book, how many claims have which verdicts."""
    headers, rows = chapter_rows(entries)
    return markdown(rows, headers)


def chapter_rows(entries: Sequence[Entry]) -> tuple[list[str], list[list[object]]]:
    """Heads of columns, and for each chapter how many claims have which verdicts."""
    rows: list[list[object]] = []
    for chapter, title in CHAPTERS.items():
        own = [entry for entry in entries if entry["chapter"] == chapter]
        counts = Counter(str(entry["verdict"]) for entry in own)
        columns = [sum(counts[verdict] for verdict in group) for group in _COLUMNS.values()]
        experiments = {entry["document"] for entry in own}
        rows.append([f"{chapter}. {title}", len(experiments), len(own), *columns])
    return ["chapter", "experiments", "claims", *_COLUMNS], rows


def overview_table(entries: Sequence[Entry]) -> str:
    """For each experiment of the book one claim, and what became of all of them."""
    rows = []
    of_the_book = [entry for entry in entries if entry["chapter"] is not None]
    ordered = sorted(of_the_book, key=lambda entry: (entry["chapter"] or 0, entry["document"]))
    for _, group in groupby(ordered, key=lambda entry: entry["document"]):
        claims = list(group)
        head = min(claims, key=_weight)
        row = [head["chapter"], head["title"], head["statement"], book_cell(head), our_cell(head)]
        rows.append([*row, head["num_runs"] or "", _verdict(head), count_verdicts(claims)])
    headers = ["ch.", "experiment", "claim", "book", "ours", "runs", "verdict", "all claims"]
    return markdown(rows, headers)


def count_verdicts(entries: Sequence[Entry]) -> str:
    """How often each verdict stands there, the most frequent first."""
    counts = Counter(str(entry["verdict"]) for entry in entries)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def false_alarms(entries: Sequence[Entry]) -> str:
    """How many numbers chance alone finds inconsistent, and how many are; empty without any."""
    judged = [entry for entry in entries if entry["kind"] == "number"]
    found = [p for entry in judged if (p := entry["probability"]) is not None]
    if not found:
        return ""
    count = sum(entry["verdict"] == "inconsistent" for entry in judged)
    sure = count_discoveries(np.array(found), _RATE)
    level, rate = (f"{100 * share:.0f} %" for share in (LEVEL, _RATE))
    return (
        f"{len(found)} numbers were held against a law at a level of {level}; chance alone finds "
        f"{LEVEL * len(found):.1f} inconsistent where all are ours. {count} are, and {sure} if of "
        f"what is found {rate} may be by chance."
    )


def _weight(entry: Entry) -> tuple[bool, int, int]:
    """Smaller for claims that say more of an experiment: what was run, curves, best epochs."""
    kinds, epochs = ("curve", "number", "comparison"), ("best", "last")
    epoch = entry["epoch"]
    place = epochs.index(epoch) if epoch in epochs else len(epochs)
    return entry["verdict"] == "not run", kinds.index(entry["kind"]), place


def markdown(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A table in GitHub's Markdown; its cells are texts, whatever signs are in them."""
    cells = [[escape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return tabulate(cells, headers, tablefmt="github", disable_numparse=True)


def escape(text: str) -> str:
    """A text on one line of Markdown that ends no cell, no link and no comment, and opens no tag.

    >>> escape("a | b <!-- c -->")
    'a &#124; b &lt;!-- c -->'
    """
    line = " ".join(text.split()).replace("|", "&#124;")
    return re.sub(r"<(?=[A-Za-z!/?])", "&lt;", line)


def _verdict(entry: Entry) -> str:
    verdict = str(entry["verdict"])
    if entry.get("is_recorded"):
        return f"{verdict} (recorded)"
    return f"{verdict} ({entry['foreign']})" if verdict == "not judged" else verdict


def range_cell(entry: Entry) -> str:
    """Of a number what its protocol gives, of a comparison where the true difference lies."""
    metric = entry["metric"]
    if entry["expected"]:
        return show_range(metric, *entry["expected"])
    if entry["interval"]:
        low, high = (show_gain(metric, end, None) for end in entry["interval"])
        return f"{low} to {high}"
    return ""


def power_cell(entry: Entry) -> str:
    """What would be noticed of a number, and how often one run beats another of a comparison."""
    if entry["departure"] is not None:
        return show_departure(entry["metric"], entry["departure"])
    if entry["superiority"] is not None:
        return f"{100 * entry['superiority']:.0f} of 100 pairs"
    return ""


def book_cell(entry: Entry) -> str:
    """What the book gives; empty for a comparison."""
    if entry["kind"] == "curve":
        return f"{entry['num_epochs']} epochs"
    return "" if entry["book"] is None else show(entry["metric"], entry["book"])


def our_cell(entry: Entry) -> str:
    """What our runs gave; empty if there were none."""
    metric, mean, deviation = entry["metric"], entry["mean"], entry["deviation"]
    if deviation is not None:
        message = f"{entry['num_equal']} of {entry['num_epochs']} epochs equal"
        is_shown = deviation > _ROUNDING
        return f"{message}, at most {show(metric, deviation)} apart" if is_shown else message
    if mean is None:
        return ""
    show_ours = show_gain if entry["kind"] == "comparison" else show_mean
    return show_ours(metric, mean, entry["spread"])
