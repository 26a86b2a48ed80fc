"""Images that a vote of networks got wrong: which ones, what they are, what was said (ch. 6)."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Ensemble
from pipeline.store.results import Results
from pipeline.store.runs import ERRORS, read_errors

_MOST = 120
_SIDE = 28


class Mistake(NamedTuple):
    """An image that was taken for another digit."""

    number: int
    """Of the test image, from 0."""
    label: int
    output: int
    is_known: bool
    """Whether the book's vote gets it wrong, too."""
    source: str
    """The image itself, as an address."""


class Mistakes(NamedTuple):
    """What a vote got wrong."""

    shown: Sequence[Mistake]
    total: int
    num_known: int
    """How many of them the book's vote gets wrong, too."""
    num_of_book: int


def list_mistakes(results: Results, dataset: Dataset) -> Mistakes | None:
    """What the vote of a document got wrong; None for other documents, and without a vote."""
    document, history = results.document, results.history
    # What was recorded of MNIST is not to be seen among other images.
    if not isinstance(document, Ensemble) or history is None or history.data != dataset.name:
        return None
    errors = read_errors(results.beside(ERRORS), len(dataset.test.images))
    if errors is None:
        return None
    known = {error.image for error in document.known_errors}
    shown = [
        Mistake(
            error["image"],
            error["label"],
            error["output"],
            error["image"] in known,
            image_source(dataset.test.images[error["image"]]),
        )
        for error in errors[:_MOST]
    ]
    num_known = sum(error["image"] in known for error in errors)
    return Mistakes(shown, len(errors), num_known, len(known))


def image_source(pixels: UInt8[np.ndarray, " pixels"]) -> str:
    """An image of MNIST as an address that holds it, dark on light as on paper."""
    buffer = BytesIO()
    Image.fromarray(255 - pixels.reshape(_SIDE, _SIDE)).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
