"""Filters and feature maps of a drawing, and the errors of the vote (ch. 6)."""

from collections.abc import Mapping

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Ensemble
from pipeline.pages.interactive.record import NOTHING, SHARED, Interactive, Json, Site
from pipeline.pages.interactive.start import describe_readers, in_base64, list_examples
from pipeline.store.runs import ERRORS, read_errors

_MOST = 100
"""Of our errors that are shown: an ensemble that was hardly trained has thousands."""


def chapter6(site: Site, dataset: Dataset) -> Mapping[str, Interactive | None]:
    """The interactives of the chapter, in order."""
    return {"filters": _filters(site, dataset), "vote": _vote(site, dataset)}


def _filters(site: Site, dataset: Dataset) -> Interactive:
    with_maps = [reader for reader in describe_readers(site) if reader["has_maps"]]
    return Interactive(
        chapter=6,
        title="Filters and feature maps of your own drawing",
        caption=(
            "Each filter of 5 x 5 weights is laid on every place of the image and gives a feature "
            "map; pooling keeps the greatest of each 2 x 2. Choose a filter and a place of its "
            "map, by touch or with the arrow keys. Weights below 0 are in the second colour."
        ),
        data={"networks": with_maps, "examples": list_examples(dataset), "empty": NOTHING},
        scripts=(*SHARED, "pad", "filters"),
    )


def _vote(site: Site, dataset: Dataset) -> Interactive | None:
    if "ch6-ensemble" not in site.today:
        return None
    results = site.shown("ch6-ensemble")
    document, images = results.document, dataset.test
    # What was recorded of MNIST is not to be seen among other images.
    if results.history is None or results.history.data != dataset.name:
        return None
    if not isinstance(document, Ensemble):
        return None
    found = read_errors(results.beside(ERRORS), len(images.labels)) or []
    ours = {error.image: error.output for error in found}
    is_books = dataset.name == "mnist"
    known = document.known_errors if is_books else ()
    book = {error.image: error.output for error in known}
    places = sorted({*book, *list(ours)[:_MOST]})
    errors: list[Json] = [
        {
            "image": place,
            "label": int(images.labels[place]),
            "book": book.get(place),
            "ours": ours.get(place),
            "pixels": in_base64(images.images[place]),
        }
        for place in places
    ]
    both = len(book.keys() & ours.keys())
    return Interactive(
        chapter=6,
        title="The errors of the vote",
        caption=(
            "What five networks get wrong together, the book's five and ours. Choose an image to "
            "ask the smaller networks of this page about it."
        ),
        data={
            "errors": errors,
            "said": f"{len(book)} wrong in the book, {len(ours)} with ours, {both} with both.",
            "networks": describe_readers(site),
            "empty": NOTHING,
        },
        scripts=(*SHARED, "vote"),
    )
