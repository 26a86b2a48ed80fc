"""Stage `report`: `report/results.md` and the figures, from the judgements and the runs.

`python -m pipeline.report --readme` puts the table of results into the README as well.
"""

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tabulate import tabulate

from nndl_jax.faults import SpecError
from pipeline.evaluate import Experiment
from pipeline.figures import draw
from pipeline.paths import FIGURES, JUDGEMENTS, README, RESULTS
from pipeline.resolve import resolve_all

_BLOCK = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- /results -->)", re.DOTALL)

Entry = Mapping[str, object]

_VERDICTS = """\
- **equal**, **differs**: an exact number, met or missed by any run.
- **consistent**, **inconsistent**: whether the book's number could be one more draw from what its
  protocol gives with our runs; *inconsistent* below a probability of 1 %. The 98 % range is that of
  the protocol: of a "best of three runs", the range of the largest of three.
- **supported**, **not supported**, **undecided**: whether our runs show the difference that the
  book speaks of, the opposite, or neither (Welch's t-test, 5 %).
- **not judged**: run on other data or with other settings than the book's.
- **not run**: left out by the profile or by `params.yaml`.
"""


def main() -> None:
    """Write the report, or with `--readme` copy its table into the README."""
    content = json.loads(JUDGEMENTS.read_text(encoding="utf-8"))
    entries: list[Entry] = content["judgements"]
    if sys.argv[1:] == ["--readme"]:
        update_readme(README, content["profile"], entries)
        return
    try:
        settings, resolved = resolve_all()
    except SpecError as error:
        sys.exit(str(error))
    shutil.rmtree(FIGURES, ignore_errors=True)
    FIGURES.mkdir(parents=True)
    parts = [_head(content["profile"], entries)]
    for name, each in resolved.items():
        experiment = Experiment.load(name, each, settings)
        data = experiment.history.data if experiment.history else ""
        footnote = f"{name}, profile {settings.profile}, {_data_name(data)}"
        figure = FIGURES / f"{name}.png"
        drawn = figure if draw(experiment, figure, footnote=footnote) else None
        own = [entry for entry in entries if entry["document"] == name]
        parts.append(_section(experiment, own, drawn))
    parts.append(f"## What the verdicts mean\n\n{_VERDICTS}")
    RESULTS.write_text("\n".join(parts), encoding="utf-8")


def update_readme(path: Path, profile: str, entries: Sequence[Entry]) -> None:
    """Replace the table between the README's two markers."""
    text = path.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        sys.exit(f"{path}: has no lines '<!-- results -->' and '<!-- /results -->'")
    block = f"\n{_summary(profile, entries)}\n\n{_overview(entries)}\n\n"
    path.write_text(_BLOCK.sub(lambda _: block, text), encoding="utf-8")


def _head(profile: str, entries: Sequence[Entry]) -> str:
    lines = ["# Results\n", "Written by the stage `report`; not to be edited by hand.\n"]
    if any(entry["foreign"] == "not MNIST" for entry in entries):
        lines.append(
            "> **NOT MNIST.** No source of MNIST could be reached, so these numbers come from the\n"
            "> 1,797 digits that ship with scikit-learn. They say nothing about the book's.\n"
        )
    return "\n".join([*lines, f"{_summary(profile, entries)}\n"])


def _summary(profile: str, entries: Sequence[Entry]) -> str:
    return f"Profile `{profile}`. Of {len(entries)} claims of the book: {_count(entries)}."


def _section(experiment: Experiment, entries: Sequence[Entry], figure: Path | None) -> str:
    document = experiment.document
    lines = [f"## {document.title}\n"]
    where = f"Chapter {document.source.chapter}, *{document.source.section}*"
    lines.append(f"{where}; document [`{document.id}`](../spec/{document.id}.yaml).\n")
    if experiment.history is None:
        lines.append("Not run: left out by `params.yaml`.\n")
    elif experiment.foreign:
        lines.append(f"**Not the book's experiment: {experiment.foreign}.**\n")
    lines += [f"- Deviation: {' '.join(text.split())}" for text in document.deviations]
    if document.deviations:
        lines.append("")
    if entries:
        lines.append(f"{_table(entries)}\n")
    else:
        lines.append("The book gives no number.\n")
    if figure is not None:
        lines.append(f"![{document.title}](figures/{figure.name})\n")
    return "\n".join(lines)


def _table(entries: Sequence[Entry]) -> str:
    rows = [
        [
            entry["statement"],
            _percent(entry["book"]),
            _ours(entry),
            entry["num_runs"] or "",
            _range(entry["expected"]),
            _verdict(entry),
        ]
        for entry in entries
    ]
    headers = ["claim", "book", "ours", "runs", "98 % range", "verdict"]
    return _markdown(rows, headers)


def _overview(entries: Sequence[Entry]) -> str:
    """The README's table: for each experiment one claim, and what became of all of them."""
    rows = []
    for title, group in groupby(entries, key=lambda entry: entry["title"]):
        claims = list(group)
        head = min(claims, key=_weight)
        row = [title, head["statement"], _percent(head["book"]), _ours(head)]
        rows.append([*row, head["num_runs"] or "", _verdict(head), _count(claims)])
    headers = ["experiment", "claim", "book", "ours", "runs", "verdict", "all claims"]
    return _markdown(rows, headers)


def _weight(entry: Entry) -> tuple[bool, int]:
    """Smaller for claims that say more of an experiment: those that were run, of the best epoch."""
    return entry["verdict"] == "not run", {"best": 0, "last": 1}.get(str(entry["epoch"]), 2)


def _count(entries: Sequence[Entry]) -> str:
    counts = Counter(str(entry["verdict"]) for entry in entries)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def _markdown(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _verdict(entry: Entry) -> str:
    verdict = str(entry["verdict"])
    return f"{verdict} ({entry['foreign']})" if verdict == "not judged" else verdict


def _ours(entry: Entry) -> str:
    mean, spread = entry["mean"], entry["spread"]
    if mean is None:
        return ""
    sign = "+" if entry["book"] is None and float(str(mean)) > 0 else ""
    shown = f"{sign}{_percent(mean)}"
    return shown if spread is None else f"{shown} ± {100 * float(str(spread)):.2f}"


def _percent(value: object) -> str:
    return f"{100 * value:.2f} %" if isinstance(value, float) else ""


def _range(expected: object) -> str:
    match expected:
        case [low, high]:
            return f"{100 * low:.2f} to {100 * high:.2f} %"
        case _:
            return ""


def _data_name(data: str) -> str:
    return "MNIST" if data == "mnist" else f"NOT MNIST ({data})"


if __name__ == "__main__":
    main()
