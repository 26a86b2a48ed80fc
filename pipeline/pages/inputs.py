"""What the pages are made of: documents, what was run and recorded of them, and the judgements."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from nndl_jax.documents import Claim, Document
from pipeline.plan.plans import Today
from pipeline.store.judged import Entry, Judged, read_judgements
from pipeline.store.results import Results, load_all, load_recorded, says_more
from pipeline.tables.claims import settle


class JudgedClaim(NamedTuple):
    """A claim of a document, and what became of it."""

    name: str
    """Of its place in the site, such as `ch3-l2-claim-4`."""
    claim: Claim
    entry: Entry


class SiteInputs(NamedTuple):
    """All that the pages show."""

    settings: Today
    today: Mapping[str, Results]
    """Every document, with what is run of it today."""
    recorded: Mapping[str, Results]
    """Those of which something was recorded at the book's settings."""
    judged: Judged
    claims: Mapping[str, Sequence[JudgedClaim]]
    """Of each document that has any, in order."""

    def document(self, name: str) -> Document:
        """A document as the book has it."""
        return self.today[name].document

    def shown(self, name: str) -> Results:
        """The runs that say most of a document: today's, or the recorded."""
        today, recorded = self.today[name], self.recorded.get(name)
        return recorded if recorded and says_more(recorded, than=today) else today

    def is_recorded(self, name: str) -> bool:
        """Whether what is shown of a document was recorded."""
        return self.shown(name) is not self.today[name]

    def judging(self, entry: Entry) -> Mapping[str, Results]:
        """The results of all documents by which a claim was judged."""
        return self.recorded if entry.get("is_recorded") else self.today


def load_site() -> SiteInputs:
    """Read everything.

    Raises:
        OSError: an earlier stage has not written it; a sentence that says what to do.
    """
    settings, today = load_all()
    judged = read_judgements()
    settled = settle(judged.judgements, judged.recorded)
    claims = {
        name: [
            JudgedClaim(f"{name}-claim-{number}", claim, entry)
            for number, (claim, entry) in enumerate(
                zip(today[name].document.claims, entries, strict=True), 1
            )
        ]
        for name, entries in groupby(settled, key=lambda entry: entry["document"])
    }
    return SiteInputs(settings, today, load_recorded()[0], judged, claims)
