"""Images that networks got wrong: which ones, what they are, what was said (ch. 6)."""

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
from pipeline.store.runs import ERRORS, MISCLASSIFIED, Error, read_errors

_MOST_OF_A_VOTE = 120
_MOST = 24
_SIDE = 28


class Mistake(NamedTuple):
    """An image that was taken for another digit."""

    error: Error
    is_known: bool
    """Whether the book's vote gets it wrong, too."""
    source: str
    """The image itself, as an address."""


class Mistakes(NamedTuple):
    """What a vote got wrong, or a network."""

    shown: Sequence[Mistake]
    heading: str
    sentence: str
    """How many there are, and which are shown."""


def list_mistakes(shown: Results, today: Results, dataset: Dataset) -> Mistakes | None:
    """What the vote of a document got wrong, or its first network; None where nothing says so.

    Args:
        shown: the document's results that are shown of it.
        today: those of the latest run, the only ones whose networks are here.
        dataset: whose test images are shown.
    """
    document = shown.document
    results, file = (shown, ERRORS) if isinstance(document, Ensemble) else (today, MISCLASSIFIED)
    # What was recorded of MNIST is not to be seen among other images.
    if results.history is None or results.history.data != dataset.name:
        return None
    errors = read_errors(results.beside(file), len(dataset.test.images))
    if errors is None:
        return None
    known: set[int] = set()
    if isinstance(document, Ensemble):
        known = {error.image for error in document.known_errors}
        again = sum(error.image in known for error in errors)
        heading, most = "What the vote got wrong", _MOST_OF_A_VOTE
        sentence = f"The vote gets {len(errors)} test images wrong."
        if known:
            sentence += f" The book's gets {len(known)} wrong, of which ours gets {again} wrong, "
            sentence += "too; these are framed."
    else:
        heading, most = "What a network got wrong", _MOST
        sentence = (
            f"The first network of the latest run gets {len(errors)} test images wrong. It is most "
            f"certain of these {min(most, len(errors))}; below each is its output for what it says."
        )
    mistakes = [
        Mistake(error, error.image in known, image_source(dataset.test.images[error.image]))
        for error in errors[:most]
    ]
    return Mistakes(mistakes, heading, sentence)


def image_source(pixels: UInt8[np.ndarray, " pixels"]) -> str:
    """An image of MNIST as an address that holds it, dark on light as on paper."""
    buffer = BytesIO()
    Image.fromarray(255 - pixels.reshape(_SIDE, _SIDE)).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
