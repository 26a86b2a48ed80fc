"""Views of experiments that stay from one time to the next while what they show is the same."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import vl_convert
from pydantic import TypeAdapter, ValidationError

from nndl_jax.documents import ComparisonClaim, Document
from pipeline.machine.paths import DATASET, FIGURES, STATE
from pipeline.machine.writing import write_text
from pipeline.pages.experiment import ExperimentView
from pipeline.pages.inputs import SiteInputs
from pipeline.store.drawn import digest_of, digest_of_code, digest_of_file, join_digests

_KEPT = STATE / "site"
_LIBRARIES = ("altair", "latex2mathml", "pygments", "vl-convert-python")
_VIEW = TypeAdapter(ExperimentView)
_VEGA = "window.NNDL = window.NNDL || {}; window.NNDL.vegaEmbed = vegaEmbed;"


def read_view(name: str, digest: str) -> ExperimentView | None:
    """The view of a document that was made of the same last time; None if there is none."""
    try:
        made_of, _, content = _file(name).read_text(encoding="utf-8").partition("\n")
        return _VIEW.validate_json(content) if made_of == digest else None
    except (OSError, ValueError, ValidationError):
        return None


def keep_view(name: str, digest: str, view: ExperimentView) -> None:
    """Have `read_view` find it."""
    write_text(_file(name), f"{digest}\n{_VIEW.dump_json(view).decode()}")


def digest_of_viewer() -> str:
    """Of what makes views, and of the images that some of them show."""
    return join_digests(digest_of_code("site", _LIBRARIES), digest_of_file(DATASET))


def digest_of_view(site: SiteInputs, name: str, code: str) -> str:
    """Of all that the view of a document shows.

    Args:
        site: everything.
        name: of the document.
        code: of `digest_of_viewer`.
    """
    document, summary = site.document(name), site.judged.documents.get(name)
    parts = [
        code,
        site.judged.profile,
        str(summary),
        digest_of_file(Path(site.settings.paths[name])),
    ]
    parts += [f"{judged.name} {judged.entry}" for judged in site.claims.get(name, ())]
    for document_id in sorted({name, *_others(document)}):
        for experiments in (site.today, site.recorded):
            if document_id in experiments:
                results = experiments[document_id]
                parts += [document_id, digest_of(results), results.made, str(results.is_left_out)]
                parts += [str(results.foreign), results.origin.in_words() if results.origin else ""]
    parts += [f"{path.name} {digest_of_file(path)}" for path in sorted(FIGURES.glob(f"{name}*"))]
    return join_digests(*parts)


def vega_script() -> str:
    """Vega as one script that the page loads, from the installed package; made once for each."""
    path = _KEPT / f"vega-{version('vl-convert-python')}.js"
    if not path.is_file():
        bundle = vl_convert.javascript_bundle(_VEGA)
        write_text(path, f"(() => {{\n{bundle}\n}})();\n")
    return path.read_text(encoding="utf-8")


def _others(document: Document) -> Iterator[str]:
    """Documents whose results the view of another shows."""
    for claim in document.claims:
        if isinstance(claim, ComparisonClaim):
            yield from (side.document for side in (claim.better, claim.worse) if side.document)
    if (reference := document.reference()) is not None:
        yield reference.document


def _file(name: str) -> Path:
    return _KEPT / f"{name}.json"
