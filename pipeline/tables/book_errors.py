"""`report/errors-of-the-book.md`: what the book has wrong, or could not know from a run or two."""

from collections.abc import Iterator, Mapping, Sequence

from nndl_jax.documents import Document
from pipeline.store.judged import Entry
from pipeline.store.results import Results
from pipeline.tables.claims import CHAPTERS, book_cell, escape, markdown, our_cell, power_cell
from pipeline.tables.format import show, show_range
from pipeline.tables.side_by_side import pairs_table

_AGAINST = ("differs", "inconsistent", "not supported")


def errors_page(
    documents: Sequence[Document], entries: Sequence[Entry], recorded: Mapping[str, Results]
) -> str:
    """The whole page.

    Args:
        documents: of the book, in its order.
        entries: each claim as it is judged in the end.
        recorded: what was run at the book's settings.
    """
    parts = [
        "# What the book has wrong, or could not know\n",
        "Written by the stage `report` from documents and judgements; not to be edited by hand. "
        "The numbers are those of [the results](results.md), which say what verdicts mean.\n",
        "## Claims that our runs contradict\n",
        _contradicted(entries),
        "## Slips in the text and in the programs\n",
        *_slips(documents),
        "## Numbers that another run would not have given\n",
        _two_kinds(entries),
        _varied(entries),
    ]
    if table := pairs_table(list(recorded.values())):
        parts += [
            "## Chapter 6 as printed, and corrected\n",
            "Test accuracy at the best validation epoch, at the book's settings, with the "
            "program's first weights and with those that its author meant; mean of the runs.\n",
            f"{table}\n",
        ]
    return "\n".join(parts)


def _contradicted(entries: Sequence[Entry]) -> str:
    rows = [
        [
            entry["document"],
            entry["statement"],
            book_cell(entry),
            our_cell(entry),
            entry["num_runs"],
            power_cell(entry),
            entry["verdict"],
        ]
        for entry in entries
        if entry["verdict"] in _AGAINST
    ]
    if not rows:
        return "None of those that were judged.\n"
    headers = ["document", "claim", "book", "ours", "runs", "power", "verdict"]
    return f"{markdown(rows, headers)}\n"


def _slips(documents: Sequence[Document]) -> Iterator[str]:
    for chapter, title in CHAPTERS.items():
        own = [
            document
            for document in documents
            if document.source and document.source.chapter == chapter
        ]
        lines = [
            f"- `{document.id}`: {escape(text)}" for document in own for text in document.errata
        ]
        if lines:
            yield f"Chapter {chapter}. {title}\n"
            yield "\n".join(lines) + "\n"


def _two_kinds(entries: Sequence[Entry]) -> str:
    """Numbers by runs of two kinds, such as those that leave a digit unlearned and others."""
    rows = []
    for entry in entries:
        if entry["kinds"] is not None:
            share, place = entry["kinds"]
            parts = f"{100 * share:.0f} % above {show(entry['metric'], place)}"
            rows.append([entry["document"], entry["statement"], book_cell(entry), parts,
                         entry["num_runs"]])  # fmt: skip
    if not rows:
        return "Runs of two kinds: none among those of thirty runs and more.\n"
    message = "Runs of two kinds, far apart, of which the book's is one or the other:\n"
    return f"{message}\n{markdown(rows, ['document', 'number', 'book', 'runs above', 'runs'])}\n"


def _varied(entries: Sequence[Entry]) -> str:
    """Numbers that runs of ours vary too much to hold anything against."""
    rows = [
        [
            entry["document"],
            entry["statement"],
            book_cell(entry),
            show_range(entry["metric"], *entry["expected"]),
            entry["num_runs"],
        ]
        for entry in entries
        if entry["verdict"] == "too varied" and entry["expected"]
    ]
    if not rows:
        return "Numbers that vary too much to be held against anything: none.\n"
    message = "Numbers whose runs lie so far apart that the book's is one of very many:\n"
    return f"{message}\n{markdown(rows, ['document', 'number', 'book', '98 % range', 'runs'])}\n"
