"""What the recorder has run: its numbers go to `recorded/<id>/`, its networks to `networks/<id>/`.

A kill loses neither: what is finished is noted, and what was left undone is done by whoever comes
next.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from nndl_jax.data.files import replace_file
from pipeline.machine.paths import RUNS
from pipeline.machine.writing import file_name, remove
from pipeline.plan.plans import Plan
from pipeline.store.as_runs import as_runs
from pipeline.store.recorded_run import EXTRAS, RecordedRun, parse_run, run_files, thinned
from pipeline.store.recordings import Added, add
from pipeline.store.runs import ABOUT, HISTORY, read_about, spoilt

_NOTE = "finished.json"
"""In `runs/<id>`: what is to be kept of it, as the heads of its runs say it."""
_NETWORKS = Path("networks")


class Kept(NamedTuple):
    """Where the results of a document are kept, and what of them."""

    name: str
    """The document's id."""
    target: Path
    """`recorded/<id>`."""
    plan: Plan
    """At the book's settings."""
    document: str
    """Its identity."""
    numbered: Collection[int]
    """Epochs that claims name."""

    def finish(self, head: Mapping[str, object]) -> Added:
        """Keep what is in `runs/<id>`.

        Args:
            head: what the heads of its runs are to say beside the data: `device` and `seconds` of
                all together; `program` and `versions` if they are known.
        """
        own = RUNS / self.name
        note = {**read_about(own), "document": self.document, **head}
        replace_file(own / _NOTE, json.dumps(note).encode())
        return self._finish()

    def recover(self) -> None:
        """Finish what a kill has left of an earlier run of the recorder; remove what cannot be."""
        if read_about(RUNS / self.name, _NOTE).get("document") == self.document:
            self._finish()
        remove(RUNS / self.name)

    def networks(self, data: str) -> Path:
        """The folder of the networks that were trained on some data, as `runs/<id>` is one."""
        return _NETWORKS / self.name / f"{self.document},{file_name(data)}"

    def _finish(self) -> Added:
        own = RUNS / self.name
        files = {extra: (own / extra).read_bytes() for extra in EXTRAS if (own / extra).exists()}
        files |= {ABOUT: (own / _NOTE).read_bytes(), HISTORY: (own / HISTORY).read_bytes()}
        try:
            files = as_runs(files)
            runs = [self._thinned(parse_run(files[file])) for file in run_files(files)]
        except (KeyError, ValueError):
            raise OSError(spoilt(own / HISTORY)) from None
        added = add(self.target, runs, files)
        self._move_networks(own, self.networks(read_about(own)["data"]))
        (own / _NOTE).unlink()  # What is removed from here on is no longer finished.
        remove(own)
        return added

    def _thinned(self, run: RecordedRun) -> RecordedRun:
        return thinned(run, self.plan.spec_of(run.head.variant), self.numbered)

    def _move_networks(self, own: Path, into: Path) -> None:
        """Put networks beside those that are kept, and none of another version of the document."""
        for path in sorted(own.glob("weights/**/*.safetensors")):
            kept = into / path.relative_to(own)
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
        for other in _NETWORKS.glob(f"{self.name}/*"):
            if other.name != into.name:
                remove(other)
