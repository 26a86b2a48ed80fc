"""Stage `report`: `report/results.md` and the figures, from the judgements and the runs.

`python -m pipeline.report --readme` puts the table of results into the README as well.
"""

from pipeline.process import begin, run_stage

if __name__ == "__main__":
    begin()

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from nndl_jax.datasets import Dataset, load_dataset
from nndl_jax.faults import SpecError
from nndl_jax.schema import Baseline
from pipeline.cores import map_on_cores
from pipeline.experiments import Experiment, load_recorded
from pipeline.figures import draw
from pipeline.figures.data import draw_data
from pipeline.figures.frame import save
from pipeline.paths import DATASET, FIGURES, JUDGEMENTS, README, RECORDED, RESULTS
from pipeline.resolve import resolve_all
from pipeline.runs import read_about
from pipeline.settings import Settings
from pipeline.side_by_side import best_and_last_table, errors_line, pairs_table
from pipeline.tables import Entry, claims_table, count_verdicts, escape, overview_table, settle
from pipeline.wording import data_name

_BLOCK = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- /results -->)", re.DOTALL)

_CHAPTERS = {
    1: "Using neural nets to recognize handwritten digits",
    2: "How the backpropagation algorithm works",
    3: "Improving the way neural networks learn",
    4: "A visual proof that neural nets can compute any function",
    5: "Why are deep neural networks hard to train?",
    6: "Deep learning",
}
_VERDICTS = """\
- **equal**, **differs**: an exact number, or all numbers of a curve, met or missed by any run.
- **consistent**, **inconsistent**: whether the book's number could be one more draw from what its
  protocol gives with our runs; *inconsistent* below a probability of 1 %. The 98 % range is that of
  the protocol: of a "best of three runs", the range of the largest of three.
- **supported**, **not supported**, **undecided**: whether our runs show the difference that the
  book speaks of, the opposite, or neither (t-test, 5 %: paired for two measurements of the same
  runs, else Welch's; nothing but the difference counts where nothing is random). Gradients are
  compared by their ratio.
- Few runs tell little of how much runs vary, so a prior guess weighs in as one degree of freedom
  more (`nndl_jax/spread.py`).
- **not judged**: run on other data or with other settings than the book's.
- **not run**: left out by the profile or by `params.yaml`.
"""


class _Loaded(NamedTuple):
    """Documents with what is run and what was recorded, by name."""

    settings: Settings
    today: Mapping[str, Experiment]
    recorded: Mapping[str, Experiment]
    fuller: Mapping[str, Experiment]
    """Those of the recorded that say more than what is run today."""


def main(*, readme: bool = False) -> None:
    """Write the report, or with `--readme` only copy its table into the README."""
    content = json.loads(JUDGEMENTS.read_text(encoding="utf-8"))
    entries: list[Entry] = content["judgements"]
    settled = settle(entries, content["recorded"])
    if readme:
        update_readme(README, content["profile"], settled)
        return
    _load.cache_clear()
    try:
        settings, experiments, recorded, _ = _load()
    except SpecError as error:
        sys.exit(str(error))
    shutil.rmtree(FIGURES, ignore_errors=True)
    FIGURES.mkdir(parents=True)
    ordered = sorted(experiments.values(), key=_place)
    names = list(experiments)
    drawn = map_on_cores(_draw, names, desc="report", unit="document")
    figures = dict(zip(names, drawn, strict=True))
    parts = [_head(content["profile"], settled)]
    for chapter, group in groupby(ordered, key=_chapter):
        parts.append(f"## Chapter {chapter}. {_CHAPTERS[chapter]}\n")
        members = list(group)
        parts += _pairs(f"With the profile `{settings.profile}`", members)
        parts += _pairs(
            "At the book's settings, recorded",
            [recorded[_name(each)] for each in members if _name(each) in recorded],
        )
        for experiment in members:
            name = _name(experiment)
            is_recorded_only = experiment.history is None and name in recorded
            own = [] if is_recorded_only else _of(name, entries)
            parts.append(_section(experiment, own))
            if name in recorded:
                parts += _recorded(recorded[name], _of(name, content["recorded"]))
            parts += [_picture(experiment.document.title, f.name) for f in figures[name]]
    parts += _pictures(load_dataset(DATASET))
    parts.append(f"## What the verdicts mean\n\n{_VERDICTS}")
    RESULTS.write_text("\n".join(parts), encoding="utf-8")


def _pairs(said: str, experiments: Sequence[Experiment]) -> Sequence[str]:
    """Networks as the book's program trained them beside corrected ones, where there are any."""
    table = pairs_table(experiments)
    if not table:
        return []
    means = "test accuracy at the best validation epoch, and of votes; mean of the runs"
    return [f"{said}: {means}.\n\n{table}\n"]


def _of(name: str, entries: Sequence[Entry]) -> Sequence[Entry]:
    return [entry for entry in entries if entry["document"] == name]


def _recorded(experiment: Experiment, entries: Sequence[Entry]) -> Sequence[str]:
    """What a document gave at the book's settings, where that was recorded."""
    about = read_about(RECORDED / _name(experiment))
    took = f" in {about['seconds']:,.0f} s" if about["seconds"] else ""
    parts = [f"At the book's settings, recorded on {about['device']}{took}:"]
    parts += [claims_table(entries)] if entries else []
    parts += _details(experiment)
    return [f"{part}\n" for part in parts if part]


def _pictures(dataset: Dataset) -> Sequence[str]:
    """The book's pictures of the data."""
    parts: list[str] = []
    for name, figure in draw_data(dataset):
        save(figure, FIGURES / f"{name}.png", data_name(dataset.name))
        parts.append(_picture(name, f"{name}.png"))
    return ["## The images\n", *parts] if parts else []


def _picture(title: str, name: str) -> str:
    alternative = escape(title).replace("[", "&#91;").replace("]", "&#93;")
    return f"![{alternative}](figures/{name})\n"


def _details(experiment: Experiment) -> Sequence[str]:
    return [errors_line(experiment), best_and_last_table(experiment)]


@cache
def _load() -> _Loaded:
    """All that is drawn; once in each process."""
    settings, resolved = resolve_all()
    today = {name: Experiment.load(name, resolved, settings) for name in resolved}
    recorded = load_recorded()
    fuller = {name: each for name, each in recorded.items() if _says_more(each, than=today[name])}
    return _Loaded(settings, today, recorded, fuller)


def _draw(name: str) -> Sequence[Path]:
    """Pictures of what is run of a document today, and of what was recorded if that says more."""
    settings, today, _, fuller = _load()
    experiment, others = today[name], {**today, **_baselines(fuller)}
    paths = _draw_into(experiment, others, f"profile {settings.profile}", ending="")
    if name in fuller:
        ending = "" if experiment.history is None else "-recorded"
        paths += _draw_into(fuller[name], others, "recorded at the book's settings", ending=ending)
    return paths


def _draw_into(
    experiment: Experiment, others: Mapping[str, Experiment], made: str, *, ending: str
) -> list[Path]:
    data = data_name(experiment.history.data) if experiment.history else ""
    footnote = f"{_name(experiment)}, {made}, {data}"
    return draw(experiment, others, FIGURES, footnote=footnote, ending=ending)


def _says_more(recorded: Experiment, *, than: Experiment) -> bool:
    """Whether today's runs are none, or of fewer variants, or say nothing about the book's."""
    is_fewer = len(than.points) < len(recorded.points)
    return than.history is None or is_fewer or than.foreign is not None


def _baselines(experiments: Mapping[str, Experiment]) -> Mapping[str, Experiment]:
    """Those that networks are drawn beside."""
    return {name: e for name, e in experiments.items() if isinstance(e.document, Baseline)}


def _name(experiment: Experiment) -> str:
    return experiment.document.id


def update_readme(path: Path, profile: str, entries: Sequence[Entry]) -> None:
    """Replace the table between the README's two markers."""
    text = path.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        sys.exit(f"{path}: has no lines '<!-- results -->' and '<!-- /results -->'")
    block = f"\n{_summary(profile, entries)}\n\n{overview_table(entries)}\n\n"
    path.write_text(_BLOCK.sub(lambda _: block, text), encoding="utf-8")


def _chapter(experiment: Experiment) -> int:
    return experiment.document.source.chapter


def _place(experiment: Experiment) -> tuple[int, str]:
    """Where an experiment stands in the report."""
    return _chapter(experiment), experiment.document.id


def _head(profile: str, entries: Sequence[Entry]) -> str:
    lines = ["# Results\n", "Written by the stage `report`; not to be edited by hand.\n"]
    if any(entry["foreign"] == "not MNIST" for entry in entries):
        lines.append(
            "> **NOT MNIST.** No source of MNIST could be reached, so these numbers come from the\n"
            "> 1,797 digits that ship with scikit-learn. They say nothing about the book's.\n"
        )
    return "\n".join([*lines, f"{_summary(profile, entries)}\n"])


def _summary(profile: str, entries: Sequence[Entry]) -> str:
    num_recorded = sum(entry.get("is_recorded", False) for entry in entries)
    by = f", {num_recorded} of them by runs recorded at the book's settings" if num_recorded else ""
    counts = count_verdicts(entries)
    return f"Profile `{profile}`. Of {len(entries)} claims of the book: {counts}{by}."


def _section(experiment: Experiment, entries: Sequence[Entry]) -> str:
    document = experiment.document
    lines = [f"### {escape(document.title)}\n"]
    where = f"*{escape(document.source.section)}*"
    lines.append(f"{where}; document [`{document.id}`](../spec/{document.id}.yaml).\n")
    if experiment.history is None:
        lines.append("Not run: left out by `params.yaml`.\n")
    elif experiment.foreign:
        lines.append(f"**Not the book's experiment: {experiment.foreign}.**\n")
    lines += [f"- Deviation: {escape(text)}" for text in document.deviations]
    if document.deviations:
        lines.append("")
    if not document.claims:
        lines.append("The book gives no number.\n")
    elif entries:
        lines.append(f"{claims_table(entries)}\n")
    lines += [f"{part}\n" for part in _details(experiment) if part]
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main, __doc__, flags="readme")
