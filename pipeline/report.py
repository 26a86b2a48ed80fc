"""Stage `report`: pages in Markdown and figures, from the judgements and the runs.

`python -m pipeline.report --readme` puts the table of results into the README as well.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import json
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from nndl_jax.documents import Baseline, Network
from pipeline.machine.cores import map_on_cores
from pipeline.machine.paths import BOOK_ERRORS, BOOKS_PROGRAMS, FIGURES, README, RESULTS
from pipeline.machine.writing import replacing, write_text
from pipeline.plan.plans import Today
from pipeline.store.dataset import load_data, why_foreign
from pipeline.store.drawn import (
    Drawn,
    describe,
    digest_of,
    digest_of_drawing,
    owned_pictures,
    read_drawn,
    take,
    write_drawn,
)
from pipeline.store.judged import Entry, Judged, Summary, read_judgements
from pipeline.store.recordings import Origin
from pipeline.store.results import Results, load_all, load_recorded, says_more
from pipeline.tables.book_errors import errors_page
from pipeline.tables.claims import (
    CHAPTERS,
    chapters_table,
    claims_table,
    count_verdicts,
    escape,
    false_alarms,
    overview_table,
    settle,
)
from pipeline.tables.costs import open_claims
from pipeline.tables.format import data_name
from pipeline.tables.side_by_side import list_details, pairs_table

_DATA = "the images"
_BLOCK = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- /results -->)", re.DOTALL)

_VERDICTS = """\
- **equal**, **differs**: an exact number, or all numbers of a curve, met or missed by any run.
- **consistent**, **inconsistent**: whether the book's number could be one more draw from what its
  protocol gives with our runs; *inconsistent* below a probability of 1 %. The range holds 98 % of
  what the protocol gives: of a "best of three runs", of the largest of three.
- **too few runs**, **too varied**: the book's number could be one of ours, but so could one that is
  a point of accuracy away, or a tenth of a cost or a norm. More runs than fewer than thirty may
  tell; where runs of ours vary that much by themselves, no number of them would. *Power* is how far
  the book's number would have to lie off to be found inconsistent nine times in ten.
- **supported**, **not supported**, **undecided**: whether our runs show the difference that the
  book speaks of, the opposite, or neither (t-test, 5 %: paired for two measurements of the same
  runs, else Welch's; nothing but the difference counts where nothing is random). Gradients are
  compared by their ratio. The range holds the true difference with a probability of 95 %, and
  *power* says in how many of a hundred pairs a run of the better side beats one of the worse.
- **no difference**: our runs show that it is smaller than the document's margin (two one-sided
  tests, 5 %).
- A verdict is worth what it could have refuted. To read one: look at *power* first; if it is wider
  than what you would call a real difference, the verdict says little, whatever it is. Then at the
  range: the book printed one number, and a range is where such numbers fall. Of many verdicts at
  1 % some are wrong by chance alone; how many is said at the beginning.
- From thirty runs on nothing is assumed of how they are spread: the largest of three is that of
  three of ours (`nndl_jax/judging/law.py`). Fewer are taken for normal, and as they tell little of
  how much runs vary, a prior guess weighs in as one degree of freedom more (`statistics.py`).
- **not judged**: run on other data or with other settings than the book's.
- **not run**: left out by the profile or by `params.yaml`.
"""


class _Loaded(NamedTuple):
    """Documents with what is run and what was recorded, by name."""

    settings: Today
    today: Mapping[str, Results]
    recorded: Mapping[str, Results]
    fuller: Mapping[str, Results]
    """Those of the recorded that say more than what is run today."""


_BEYOND = "Beyond the book, and your own"


class _Picture(NamedTuple):
    """Pictures of one experiment, which are drawn together."""

    name: str
    is_recorded: bool
    ending: str
    """Of the names of their files."""
    footnote: str
    inputs: str
    """Digest of what they show."""

    def key(self) -> str:
        return f"{self.name}, recorded" if self.is_recorded else self.name


def main(*, readme: bool = False) -> None:
    """Write the report, or with `--readme` only copy its table into the README."""
    judged = read_judgements()
    settled = settle(judged.judgements, judged.recorded)
    if readme:
        update_readme(README, judged.profile, settled)
        return
    _load.cache_clear()
    settings, experiments, recorded, _ = _load()
    with replacing(FIGURES) as folder:
        figures, drawn = _draw_all(judged, folder)
    write_drawn(drawn)
    ordered = sorted(experiments.values(), key=_place)
    parts = [_head(judged.profile, settled, judged.documents.keys() - _selected(experiments))]
    for chapter, group in groupby(ordered, key=_chapter):
        heading = _BEYOND if chapter is None else f"Chapter {chapter}. {CHAPTERS[chapter]}"
        parts.append(f"## {heading}\n")
        members = list(group)
        current = [results for results in members if not results.is_left_out]
        parts += _pairs(f"With the profile `{settings.profile}`", current)
        parts += _pairs(
            f"At the {'document' if chapter is None else 'book'}'s settings, recorded",
            [recorded[_name(results)] for results in members if _name(results) in recorded],
        )
        for results in members:
            name = _name(results)
            is_recorded_only = name not in judged.documents and name in recorded
            own = [] if is_recorded_only else _of(name, judged.judgements)
            parts.append(_section(results, settings.paths[name], own, judged.documents.get(name)))
            if name in recorded:
                parts += _recorded(recorded[name], _of(name, judged.recorded))
            parts += [_picture(results.document.title, file) for file in figures[name]]
    if figures[_DATA]:
        parts += ["## The images\n", *(_picture(Path(file).stem, file) for file in figures[_DATA])]
    if waiting := open_claims(settled, experiments, recorded):
        parts.append(f"## What is open, and what it would cost\n\n{waiting}\n")
    parts.append(f"What the book has wrong: [a page of its own]({BOOK_ERRORS.name}).\n")
    parts.append(f"## What the verdicts mean\n\n{_VERDICTS}")
    write_text(RESULTS, "\n".join(parts))
    of_the_book = [results.document for results in ordered if results.document.source is not None]
    write_text(BOOK_ERRORS, errors_page(of_the_book, settled, recorded))


def _draw_all(
    judged: Judged, folder: Path
) -> tuple[Mapping[str, Sequence[str]], Mapping[str, Drawn]]:
    """Have all pictures in a folder, and draw those whose inputs have changed.

    What comes back is the names of the files of each document, and what they were drawn from.
    """
    loaded, earlier, code = _load(), read_drawn(), digest_of_drawing()
    figures: dict[str, list[str]] = {name: [] for name in (*loaded.today, _DATA)}
    for name in judged.documents:
        if name in loaded.today and loaded.today[name].history is None:
            for path in owned_pictures(name, list(loaded.today)):
                shutil.copy2(path, folder)
                figures[name].append(path.name)
    wanted = list(_pictures(judged, code))
    drawn: dict[str, Drawn] = {}
    for picture in wanted:
        known = earlier.get(picture.key())
        is_kept = picture.name in loaded.today and loaded.today[picture.name].is_left_out
        if (
            known is not None
            and known.inputs == picture.inputs
            and (known.footnote == picture.footnote or (is_kept and not picture.is_recorded))
            and take(known, folder)
        ):
            drawn[picture.key()] = known
    anew = [picture for picture in wanted if picture.key() not in drawn]
    done = map_on_cores(
        _draw, [(picture, folder) for picture in anew], desc="report", unit="document"
    )
    for picture, paths in zip(anew, done, strict=True):
        drawn[picture.key()] = describe(picture.inputs, picture.footnote, paths)
    for picture in wanted:
        figures[picture.name] += drawn[picture.key()].files
    return figures, drawn


def _pictures(judged: Judged, code: str) -> Iterator[_Picture]:
    """All that there are to draw: of today's runs, of recorded ones that say more, of the data."""
    settings, today, _, fuller = _load()
    others = {**today, **_baselines(fuller)}
    machines = [digest_of(results) for results in _baselines(others).values()]
    for name, results in today.items():
        beside = machines if isinstance(results.document, Network) else []
        if results.history is not None:
            made = "earlier run" if results.is_left_out else f"profile {settings.profile}"
            inputs = digest_of(results, code, *beside)
            yield _Picture(name, False, "", _footnote(results, made), inputs)
        if name in fuller and not _needs_no_record(results, judged):
            ending = "-recorded" if name in judged.documents else ""
            footnote = _footnote(fuller[name], "recorded at the book's settings")
            inputs = digest_of(fuller[name], code, ending, *beside)
            yield _Picture(name, True, ending, footnote, inputs)
    yield _Picture(_DATA, False, "", "", code)


def _needs_no_record(results: Results, judged: Judged) -> bool:
    """Whether only pictures are left of a document, to which none of its record belonged."""
    name = _name(results)
    rests = results.history is None and name in judged.documents
    return rests and not any(FIGURES.glob(f"{name}*-recorded.png"))


def _footnote(results: Results, made: str) -> str:
    data = ""
    if (history := results.history) is not None:
        is_wanted = why_foreign(history.data, results.document) is None
        data = data_name(history.data, is_wanted=is_wanted)
    return f"{_name(results)}, {made}, {data}"


def _draw(item: tuple[_Picture, Path]) -> Sequence[Path]:
    from pipeline.figures import draw  # Matplotlib is loaded where something is drawn.

    picture, folder = item
    if picture.name == _DATA:
        return _draw_data(folder)
    _, today, _, fuller = _load()
    results = fuller[picture.name] if picture.is_recorded else today[picture.name]
    others = {**today, **_baselines(fuller)}
    return draw(results, others, folder, footnote=picture.footnote, ending=picture.ending)


def _draw_data(folder: Path) -> Sequence[Path]:
    """The book's pictures of the data."""
    from pipeline.figures.data import draw_data
    from pipeline.figures.frame import save

    dataset, paths = load_data(), []
    for name, figure in draw_data(dataset):
        paths.append(folder / f"{name}.png")
        save(figure, paths[-1], data_name(dataset.name))
    return paths


def _pairs(message: str, experiments: Sequence[Results]) -> Sequence[str]:
    """Networks as the book's program trained them beside corrected ones, where there are any."""
    table = pairs_table(experiments)
    if not table:
        return []
    means = "test accuracy at the best validation epoch, and of votes; mean of the runs"
    return [f"{message}: {means}.\n\n{table}\n"]


def _of(name: str, entries: Sequence[Entry]) -> Sequence[Entry]:
    return [entry for entry in entries if entry["document"] == name]


def _recorded(results: Results, entries: Sequence[Entry]) -> Sequence[str]:
    """What a document gave at the book's settings, where that was recorded."""
    origin = results.origin
    if origin is None:
        raise ValueError(f"{_name(results)}: was run here")
    other = _by_other_programs(_name(results), origin)
    whose = "book" if results.document.source else "document"
    parts = [f"At the {whose}'s settings, recorded {origin.in_words()}{other}:"]
    parts += [claims_table(entries)] if entries else []
    parts += list_details(results)
    return [f"{part}\n" for part in parts if part]


def _by_other_programs(name: str, origin: Origin) -> str:
    """A remark where programs that trained a recording are not those of today."""
    try:
        today = json.loads(BOOKS_PROGRAMS.read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError):
        return ""
    if today is None or origin.programs <= {*today}:
        return ""
    return f", in part by other programs than today's ({origin.versions or 'unknown'})"


def _picture(title: str, name: str) -> str:
    alternative = escape(title).replace("[", "&#91;").replace("]", "&#93;")
    return f"![{alternative}](figures/{name})\n"


@cache
def _load() -> _Loaded:
    """All that is drawn; once in each process."""
    settings, today = load_all()
    recorded, _ = load_recorded()
    fuller = {
        name: results for name, results in recorded.items() if says_more(results, than=today[name])
    }
    return _Loaded(settings, today, recorded, fuller)


def _baselines(experiments: Mapping[str, Results]) -> Mapping[str, Results]:
    """Those that networks are drawn beside."""
    return {name: e for name, e in experiments.items() if isinstance(e.document, Baseline)}


def _name(results: Results) -> str:
    return results.document.id


def update_readme(path: Path, profile: str, entries: Sequence[Entry]) -> None:
    """Replace the table between the README's two markers."""
    text = path.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        sys.exit(f"{path}: has no lines '<!-- results -->' and '<!-- /results -->'")
    block = f"\n{_summary(profile, entries)}\n\n{chapters_table(entries)}\n\n"
    write_text(path, _BLOCK.sub(lambda _: block, text))


def _chapter(results: Results) -> int | None:
    source = results.document.source
    return None if source is None else source.chapter


def _place(results: Results) -> tuple[int, str]:
    """Where an experiment stands in the report: one's own come last."""
    return _chapter(results) or 1 + max(CHAPTERS), results.document.id


def _selected(experiments: Mapping[str, Results]) -> set[str]:
    return {name for name, results in experiments.items() if not results.is_left_out}


def _head(profile: str, entries: Sequence[Entry], kept: Collection[str]) -> str:
    lines = ["# Results\n", "Written by the stage `report`; not to be edited by hand.\n"]
    if any(entry["foreign"] == "not MNIST" for entry in entries):
        lines.append(
            "> **NOT MNIST.** No source of MNIST could be reached, so these numbers come from the\n"
            "> 1,797 digits that ship with scikit-learn. They say nothing about the book's.\n"
        )
    lines.append(f"{_summary(profile, entries)}\n")
    if alarms := false_alarms([entry for entry in entries if entry["chapter"] is not None]):
        lines.append(f"{alarms}\n")
    lines.append(f"{overview_table(entries)}\n")
    if kept:
        lines.append(f"Left out by `params.yaml`, and as they were run before: {len(kept)}.\n")
    return "\n".join(lines)


def _summary(profile: str, entries: Sequence[Entry]) -> str:
    num_recorded = sum(entry.get("is_recorded", False) for entry in entries)
    by = f", {num_recorded} of them by runs recorded at the book's settings" if num_recorded else ""
    of_the_book = [entry for entry in entries if entry["chapter"] is not None]
    counts = count_verdicts(of_the_book)
    return f"Profile `{profile}`. Of {len(of_the_book)} claims of the book: {counts}{by}."


def _section(results: Results, path: str, entries: Sequence[Entry], summary: Summary | None) -> str:
    document = results.document
    lines = [f"### {escape(document.title)}\n"]
    where = f"*{escape(document.source.section)}*; document" if document.source else "Document"
    lines.append(f"{where} [`{document.id}`](../{path}).\n")
    if summary is None:
        why = "left out by `params.yaml`" if results.is_left_out else "its data are not here"
        lines.append(f"Not run: {why}.\n")
    elif results.is_left_out:
        lines.append(f"Left out by `params.yaml`; of an earlier run: {summary['made']}.\n")
    if summary is not None and summary["foreign"]:
        whose = "book" if document.source else "document"
        lines.append(f"**Not the {whose}'s experiment: {summary['foreign']}.**\n")
    lines += [f"- Erratum: {escape(text)}" for text in document.errata]
    lines += [f"- Deviation: {escape(text)}" for text in document.deviations]
    if document.errata or document.deviations:
        lines.append("")
    if not document.claims:
        lines.append("The book gives no number.\n" if document.source else "No claims.\n")
    elif entries:
        lines.append(f"{claims_table(entries)}\n")
    lines += [f"{part}\n" for part in (summary["details"] if summary else ())]
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main, __doc__, flags="readme")
