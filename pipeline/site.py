"""Stage `site`: `report/site/`, the results as pages that a double click opens.

They ask for nothing: no server, no network, no cookies. What is not written by hand, such as the
script that draws charts, comes from the installed packages.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nndl_jax.data.datasets import Dataset
from pipeline.machine.cores import map_on_cores
from pipeline.machine.paths import FIGURES, SITE
from pipeline.machine.writing import replacing
from pipeline.pages.charts import Chart
from pipeline.pages.experiment import ExperimentView, page_of, view_experiment
from pipeline.pages.inputs import SiteInputs, load_site
from pipeline.pages.interactive.record import SHARED, Interactive
from pipeline.pages.interactives import list_interactives
from pipeline.pages.overview import chapter_rows, chart_of_start, data_figures
from pipeline.pages.verdicts import VERDICTS
from pipeline.pages.views import (
    digest_of_view,
    digest_of_viewer,
    keep_view,
    read_view,
    vega_script,
)
from pipeline.pages.weights import write_weights
from pipeline.store.dataset import load_data
from pipeline.tables.claims import CHAPTERS

PAGES = Path(__file__).parent / "pages"


def main() -> None:
    """Write all pages, and what they load, in place of those of the last time."""
    _load.cache_clear()
    site, _ = _load()
    experiments = [view for _, view in sorted(_list_views(site).items())]
    with replacing(SITE) as folder:
        _write_pages(site, experiments, folder)
        _write_charts(experiments, folder)
        write_weights(folder, site.today)
        _copy_files(folder)


def _list_views(site: SiteInputs) -> Mapping[str, ExperimentView]:
    """What is shown of each document, made anew where it is not as it was."""
    code = digest_of_viewer()
    digests = {name: digest_of_view(site, name, code) for name in site.today}
    kept = {name: read_view(name, digest) for name, digest in digests.items()}
    views = {name: view for name, view in kept.items() if view is not None}
    anew = sorted(digests.keys() - views.keys(), key=lambda name: -len(site.claims.get(name, ())))
    for name, view in zip(
        anew, map_on_cores(_view, anew, desc="site", unit="document"), strict=True
    ):
        keep_view(name, digests[name], view)
        views[name] = view
    return views


def _view(name: str) -> ExperimentView:
    site, dataset = _load()
    return view_experiment(site, name, dataset)


@cache
def _load() -> tuple[SiteInputs, Dataset]:
    """All that is shown; once in each process."""
    return load_site(), load_data()


def _write_pages(site: SiteInputs, experiments: Sequence[ExperimentView], folder: Path) -> None:
    environment = Environment(
        loader=FileSystemLoader(PAGES / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Those of no chapter last.
    in_order = sorted(experiments, key=lambda view: view.chapter is None)
    claims = [claim for view in in_order for claim in view.claims]
    own = [view for view in experiments if view.chapter is None]
    shared = {
        "chapters": CHAPTERS,
        "has_own": bool(own),
        "page_of": page_of,
        "verdicts": VERDICTS,
        "profile": site.judged.profile,
        "is_mnist": _load()[1].name == "mnist",
    }

    def write(
        file: str,
        template: str,
        interactives: Mapping[str, Interactive],
        chapter: int | None = None,
        **content: object,
    ) -> None:
        scripts = [
            script for interactive in interactives.values() for script in interactive.scripts
        ]
        text = environment.get_template(template).render(
            page=file,
            chapter=chapter,
            interactives=interactives,
            scripts=dict.fromkeys([*SHARED, *scripts] if scripts else []),
            **shared,
            **content,
        )
        (folder / file).write_text(text, encoding="utf-8")

    played: dict[int | None, dict[str, Interactive]] = {}
    for name, interactive in list_interactives(site).items():
        played.setdefault(interactive.chapter, {})[name] = interactive
    rows = chapter_rows(experiments)
    chart = chart_of_start(experiments, site)
    write("index.html", "start.html", played.get(None, {}), rows=rows, chart=chart, claims=claims)
    write("claims.html", "claims.html", {}, claims=claims)
    for chapter in CHAPTERS:
        members = [view for view in experiments if view.chapter == chapter]
        content = {"experiments": members, "figures": data_figures() if chapter == 1 else []}
        write(page_of(chapter), "chapter.html", played.get(chapter, {}), chapter, **content)
    if own:
        write(page_of(None), "chapter.html", {}, experiments=own, figures=[])


def _write_charts(experiments: Sequence[ExperimentView], folder: Path) -> None:
    """A script for each chart, which the page loads when it comes into sight."""
    charts = folder / "charts"
    charts.mkdir()
    for chart in (chart for view in experiments for chart in view.charts):
        (charts / f"{chart.name}.js").write_text(_script(chart), encoding="utf-8")
    (folder / "vega.js").write_text(vega_script(), encoding="utf-8")


def _script(chart: Chart) -> str:
    return f"NNDL.charts[{json.dumps(chart.name)}]={chart.specification};\n"


def _copy_files(folder: Path) -> None:
    for style in PAGES.glob("*.css"):
        shutil.copy2(style, folder)
    (folder / "scripts").mkdir()
    for script in (PAGES / "scripts").glob("*.js"):
        shutil.copy2(script, folder / "scripts")
    shutil.copytree(FIGURES, folder / "figures")


if __name__ == "__main__":
    run_stage(main, __doc__)
