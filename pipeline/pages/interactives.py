"""The interactives: where each stands, what it says, and the data that it starts from.

All data comes from documents, from what was measured of them, or from weights; scripts hold no
numbers of the book. `docs/interactives.md` says which of the book's own each stands for.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from pipeline.pages.weights import (
    IMAGES,
    Reader,
    image_labels,
    list_readers,
    script_path,
)
from pipeline.store.dataset import load_data
from pipeline.store.results import Results

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SCRIPTS = Path(__file__).parent / "scripts"
SHARED = ("mathematics", "network", "figures")
"""Scripts that every page with an interactive begins with, in order."""


class Site(Protocol):
    """What the pages are made of."""

    @property
    def today(self) -> Mapping[str, Results]:
        """Every document, with what is run of it."""
        ...

    def shown(self, name: str) -> Results:
        """The runs that say most of a document."""
        ...


class Interactive(NamedTuple):
    """A figure to play with."""

    chapter: int | None
    """On whose page it stands; None for the start."""
    title: str
    caption: str
    """Plain text: what is to be seen, and what to do."""
    data: Json
    scripts: tuple[str, ...]
    """Names of scripts in `scripts/`, in the order in which they are loaded."""


def list_interactives(site: Site) -> Mapping[str, Interactive]:
    """All interactives by name, in the order in which they stand on their pages."""
    return {"digit": _digit(site)}


def _digit(site: Site) -> Interactive:
    readers, dataset = list_readers(site.today), load_data()
    firsts = [np.flatnonzero(dataset.test.labels == digit)[:2] for digit in range(10)]
    places = np.transpose(firsts).ravel() if all(len(each) == 2 for each in firsts) else []
    return Interactive(
        chapter=None,
        title="Draw a digit",
        caption=(
            "What is drawn is scaled to 20 pixels and centred by its mass in 28 x 28, as MNIST's "
            "digits were, and read by networks that this pipeline trained. Their weights are the "
            "files that it saved."
        ),
        data={
            "networks": [_describe(reader) for reader in readers],
            "empty": "No network was trained yet, so there is none that could read a drawing; "
            "make trains them.",
            "examples": [
                base64.b64encode(dataset.test.images[place].tobytes()).decode("ascii")
                for place in places
            ],
            "images": {
                "name": IMAGES,
                "path": script_path(IMAGES),
                "labels": image_labels(dataset),
            },
        },
        scripts=(*SHARED, "digit"),
    )


def _describe(reader: Reader) -> Json:
    num_params, layers = reader.document.model.num_params(), reader.document.model.layers
    if all(layer.kind == "dense" for layer in layers):
        sizes = [shape.outputs[0] for shape in reader.document.model.shapes()]
        last = reader.document.model.layers[-1].activation
        title = f"{'-'.join(map(str, (784, *sizes)))}, {last}"
    else:
        title = reader.document.title
    return {
        "name": reader.name,
        "path": script_path(reader.name),
        "title": title,
        "said": (
            f"{reader.document.title}, {num_params:,} weights and biases, of today's run "
            f"{reader.run.name}: {reader.accuracy:.2%} of the test images."
        ),
    }
