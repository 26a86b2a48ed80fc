"""All that a page shows of one experiment."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, assert_never

from PIL import Image

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import (
    ComparisonClaim,
    CurveClaim,
    Document,
    Ensemble,
    NumberClaim,
)
from nndl_jax.documents.diagram import LayerPicture, draw_diagram, drawn_layers
from nndl_jax.reading.markup import Html
from pipeline.machine.paths import FIGURES
from pipeline.pages.charts import Chart, draw_charts
from pipeline.pages.claim_picture import draw_claim
from pipeline.pages.errors import Mistakes, list_mistakes
from pipeline.pages.highlight import coloured
from pipeline.pages.inputs import JudgedClaim, SiteInputs
from pipeline.pages.mathml import SetEquation, set_equations
from pipeline.pages.verdicts import VERDICTS, Verdict, explain
from pipeline.plan.plans import stage_of
from pipeline.store.drawn import owned_pictures
from pipeline.tables.claims import book_cell, our_cell, range_cell
from pipeline.tables.format import variant_labels

_MOST_NETWORKS = 4


class ClaimView(NamedTuple):
    """A claim, as it stands in tables."""

    name: str
    document: str
    title: str
    """Of the document."""
    chapter: int | None
    page: str
    kind: str
    statement: str
    protocol: str
    book: str
    ours: str
    num_runs: int
    range_name: str
    """Of what a protocol gives, or of a true difference."""
    range: str
    verdict: str
    shown: Verdict
    is_recorded: bool
    meaning: str
    picture: Html


class NetworkView(NamedTuple):
    """A network that is drawn."""

    title: str
    """Which variants have it; empty if there is but one."""
    layers: Sequence[LayerPicture]
    picture: Html

    def num_params(self) -> int:
        """Weights and biases of all layers."""
        return sum(layer.num_weights + layer.num_biases for layer in self.layers)


class Figure(NamedTuple):
    """A picture of the report."""

    file: str
    width: int
    height: int
    message: str


class ExperimentView(NamedTuple):
    """An experiment, as its section shows it."""

    id: str
    title: str
    kind: str
    chapter: int | None
    section: str
    made: str
    """How much was run, and where."""
    foreign: str | None
    counts: Sequence[tuple[str, Verdict, int]]
    networks: Sequence[NetworkView]
    equations: Sequence[SetEquation]
    charts: Sequence[Chart]
    figures: Sequence[Figure]
    claims: Sequence[ClaimView]
    mistakes: Mistakes | None
    deviations: Sequence[str]
    details: Sequence[str]
    file: str
    source: Html
    commands: Sequence[str]


def page_of(chapter: int | None) -> str:
    """The file of the page on which experiments of a chapter are; None for one's own."""
    return "own.html" if chapter is None else f"chapter-{chapter}.html"


def view_experiment(site: SiteInputs, name: str, dataset: Dataset) -> ExperimentView:
    """All that is shown of a document."""
    document, shown = site.document(name), site.shown(name)
    claims = [_view_claim(site, document, judged) for judged in site.claims.get(name, ())]
    charts = draw_charts(shown)
    summary = site.judged.documents.get(name)
    counted = Counter(claim.verdict for claim in claims)
    return ExperimentView(
        id=name,
        title=document.title,
        kind=document.kind,
        chapter=document.source and document.source.chapter,
        section=document.source.section if document.source else "",
        made=_made(site, name),
        foreign=shown.foreign,
        counts=[(verdict, VERDICTS[verdict], count) for verdict, count in counted.most_common()],
        networks=_networks(site, document),
        equations=set_equations(document),
        charts=charts,
        figures=_figures(site, name, has_charts=bool(charts)),
        claims=claims,
        mistakes=list_mistakes(shown, site.today[name], dataset),
        deviations=document.deviations,
        details=[] if summary is None else [text for text in summary["details"] if "|" not in text],
        file=site.settings.paths[name],
        source=coloured(Path(site.settings.paths[name])),
        commands=_commands(document, is_recorded=name in site.recorded),
    )


def _view_claim(site: SiteInputs, document: Document, judged: JudgedClaim) -> ClaimView:
    entry, claim = judged.entry, judged.claim
    chapter = document.source and document.source.chapter
    return ClaimView(
        name=judged.name,
        document=document.id,
        title=document.title,
        chapter=chapter,
        page=page_of(chapter),
        kind=claim.kind,
        statement=claim.statement,
        protocol=_protocol(judged),
        book=book_cell(entry),
        ours=our_cell(entry),
        num_runs=entry["num_runs"],
        range_name="98 % range" if entry["expected"] else "95 % range",
        range=range_cell(entry),
        verdict=entry["verdict"],
        shown=VERDICTS[entry["verdict"]],
        is_recorded=entry.get("is_recorded", False),
        meaning=explain(judged),
        picture=draw_claim(site, judged),
    )


def _protocol(judged: JudgedClaim) -> str:
    """Which variant, which epoch, of how many runs."""
    claim, parts = judged.claim, []
    match claim:
        case NumberClaim() | CurveClaim():
            parts += [part for part in _choice(claim.variant) if part not in claim.statement]
        case ComparisonClaim():
            pass
        case unknown:
            assert_never(unknown)
    match claim:
        case NumberClaim(best_of=best_of) if best_of > 1:
            parts.append(f"best of {best_of} runs")
        case _:
            pass
    return ", ".join(parts)


def _choice(variant: Mapping[str, object] | None) -> Sequence[str]:
    names = [f"{field.rsplit('.', 1)[-1]}={value}" for field, value in (variant or {}).items()]
    return [label for name in names for label in variant_labels([name])]


def _made(site: SiteInputs, name: str) -> str:
    if (origin := site.shown(name).origin) is not None:
        whose = "book" if site.document(name).source else "document"
        return f"At the {whose}'s settings, recorded {origin.in_words()}."
    results, summary = site.today[name], site.judged.documents.get(name)
    if results.history is None:
        is_left_out = results.is_left_out
        return f"Not run: {'left out by params.yaml' if is_left_out else 'its data are not here'}."
    made = summary["made"] if summary else results.made
    earlier = "Left out by params.yaml; of an earlier run: " if results.is_left_out else ""
    return f"{earlier}Profile {site.judged.profile}: {made}."


def _networks(site: SiteInputs, document: Document) -> Sequence[NetworkView]:
    """The networks of a document's variants that differ in their layers, some of them."""
    drawn: dict[tuple[LayerPicture, ...], list[str]] = {}
    results = site.shown(document.id)
    reference = document.reference()
    if reference is not None and reference.document in site.today:
        results = site.shown(reference.document)
        variant = results.find(reference.variant) or results.variants[0]
        results = results._replace(variants=[variant])
    for variant in results.variants:
        layers = drawn_layers(variant.spec)
        if layers:
            drawn.setdefault(tuple(layers), []).append(variant.name)
    views = []
    for layers, names in list(drawn.items())[:_MOST_NETWORKS]:
        title = "; ".join(variant_labels(names)) if len(drawn) > 1 else ""
        views.append(NetworkView(title, layers, draw_diagram(layers)))
    return views


def _figures(site: SiteInputs, name: str, *, has_charts: bool) -> Sequence[Figure]:
    """Pictures of the report that no chart of the page takes the place of."""
    paths = [path for path in _pictures(site, name) if path.is_file()]
    document = site.document(name)
    if has_charts:
        stems = f"{name}-bars", f"{name}-confusion"
        paths = [path for path in paths if path.stem in stems]
    elif isinstance(document, Ensemble):
        paths = [path for path in paths if "-filters" in path.stem]
    return [picture_file(path, document.title) for path in paths]


def _pictures(site: SiteInputs, name: str) -> Iterator[Path]:
    if site.is_recorded(name):
        yield from sorted(FIGURES.glob(f"{name}*-recorded.png"))
    else:
        yield from owned_pictures(name, list(site.today))


def picture_file(path: Path, message: str) -> Figure:
    """A picture of the report, with what is seen on it."""
    with Image.open(path) as image:
        width, height = image.size
    return Figure(path.name, width, height, message)


def _commands(document: Document, *, is_recorded: bool) -> Sequence[str]:
    """What runs a document again in a checkout."""
    commands = [f"python -m pipeline --force --single-item {stage_of(document)}"]
    if is_recorded:
        commands.append(f"python -m pipeline.record {document.id} --runs 5")
    return commands
