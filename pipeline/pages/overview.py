"""What the start of the site shows of all experiments together."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nndl_jax.documents import CurveClaim
from pipeline.machine.paths import FIGURES
from pipeline.pages.charts import Chart
from pipeline.pages.experiment import ExperimentView, Figure, page_of, picture_file
from pipeline.pages.inputs import SiteInputs
from pipeline.pages.verdicts import VERDICTS, Verdict
from pipeline.tables.claims import CHAPTERS

_DATA = {
    "mnist-first-six": "The first six training images of MNIST.",
    "mnist-first-six-apart": "The same six images, one by one: 5, 0, 4, 1, 9, 2.",
    "mnist-hundred": "A hundred training images.",
    "mnist-2-and-1": "A 2 and a 1.",
    "mnist-quadrants": "A 0, and the four quarters that it is made of.",
    "mnist-hard": "Eighteen test images that are hard to read.",
    "mnist-fives": "A 5, turned by 15 degrees and shifted down, up, left and right.",
}
"""Pictures of the data, and what is seen on them."""


class ChapterRow(NamedTuple):
    """What became of the claims of a chapter."""

    chapter: int
    title: str
    page: str
    num_experiments: int
    num_claims: int
    counts: Sequence[tuple[str, Verdict, int]]
    """Verdicts that there are, in their order."""


def chapter_rows(experiments: Sequence[ExperimentView]) -> Sequence[ChapterRow]:
    """Claims by chapter and verdict."""
    rows = []
    for chapter, title in CHAPTERS.items():
        members = [view for view in experiments if view.chapter == chapter]
        counted = Counter(claim.verdict for view in members for claim in view.claims)
        counts = [(name, v, counted[name]) for name, v in VERDICTS.items() if counted[name]]
        page, total = page_of(chapter), counted.total()
        rows.append(ChapterRow(chapter, title, page, len(members), total, counts))
    return rows


class StartChart(NamedTuple):
    """A recorded curve of the author, with ours on top of it."""

    chart: Chart
    view: ExperimentView
    statement: str
    meaning: str


def chart_of_start(experiments: Sequence[ExperimentView], site: SiteInputs) -> StartChart | None:
    """The longest curve of the book of which every epoch was met; None without any."""
    found = [
        (len(judged.claim.values), view, judged.name)
        for view in experiments
        for judged in site.claims.get(view.id, ())
        if isinstance(judged.claim, CurveClaim) and judged.entry["verdict"] == "equal"
    ]
    for _, view, name in sorted(found, key=lambda item: item[0], reverse=True):
        claim = next(claim for claim in view.claims if claim.name == name)
        for chart in view.charts:
            if claim.statement in chart.curves_of_book:
                return StartChart(chart, view, claim.statement, claim.meaning)
    return None


def data_figures() -> Sequence[Figure]:
    """The book's pictures of the data, where the report has them."""
    paths = ((FIGURES / f"{name}.png", message) for name, message in _DATA.items())
    return [picture_file(path, message) for path, message in paths if path.is_file()]
