"""The interactives: where each stands, what it says, and the data that it starts from.

All data comes from documents, from what was measured of them, or from weights; scripts hold no
numbers of the book. `docs/interactives.md` says which of the book's own each stands for.
"""

from collections.abc import Mapping

from pipeline.pages.interactive.chapter3 import chapter3
from pipeline.pages.interactive.chapter4 import chapter4
from pipeline.pages.interactive.record import SCRIPTS, Interactive, Site
from pipeline.pages.interactive.start import digit

__all__ = ["SCRIPTS", "Interactive", "Site", "list_interactives"]


def list_interactives(site: Site) -> Mapping[str, Interactive]:
    """All interactives by name, in the order in which they stand on their pages.

    Those whose documents there are not are left out.
    """
    found = {"digit": digit(site), **chapter3(site), **chapter4(site)}
    return {name: each for name, each in found.items() if each is not None}
