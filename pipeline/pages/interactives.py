"""The interactives: where each stands, what it says, and the data that it starts from.

All data comes from documents, from what was measured of them, or from weights; scripts hold no
numbers of the book. `docs/interactives.md` says which of the book's own each stands for.
"""

from collections.abc import Mapping

from pipeline.pages.interactive.chapter1 import chapter1
from pipeline.pages.interactive.chapter2 import chapter2
from pipeline.pages.interactive.chapter3 import chapter3
from pipeline.pages.interactive.chapter4 import chapter4
from pipeline.pages.interactive.chapter5 import chapter5
from pipeline.pages.interactive.chapter6 import chapter6
from pipeline.pages.interactive.record import SCRIPTS, Interactive, Site
from pipeline.pages.interactive.start import digit
from pipeline.store.dataset import load_data

__all__ = ["SCRIPTS", "Interactive", "Site", "list_interactives"]


def list_interactives(site: Site) -> Mapping[str, Interactive]:
    """All interactives by name, in the order in which they stand on their pages.

    Those whose documents there are not are left out.
    """
    dataset = load_data()
    found: dict[str, Interactive | None] = {"digit": digit(site, dataset)}
    for chapter in (chapter1, chapter2, chapter3, chapter4):
        found |= chapter(site)
    for chapter in (chapter5, chapter6):
        found |= chapter(site, dataset)
    return {name: interactive for name, interactive in found.items() if interactive is not None}
