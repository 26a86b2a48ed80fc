"""Which class the networks of a document take test images for, as `confusion.csv` says it."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pipeline.store.results import Results
from pipeline.store.runs import CONFUSION, read_table, whole

_SIDES = ("class", "taken for")


class Confusion(NamedTuple):
    """What networks take images for."""

    classes: Sequence[str]
    """Of the images; those of which there are any."""
    guesses: Sequence[str]
    """What some image can be taken for: the classes, and what else outputs can spell."""
    counts: Int[np.ndarray, "classes guesses"]

    def mistakes(self) -> Sequence[tuple[float, str, str]]:
        """The share of a class's images that is taken for another, with both, from the largest."""
        totals = self.counts.sum(axis=1)
        found = [
            (float(self.counts[place] / totals[place[0]]), label, guess)
            for place, (label, guess) in zip(
                np.ndindex(*self.counts.shape), product(self.classes, self.guesses), strict=True
            )
            if label != guess and self.counts[place] > 0
        ]
        return sorted(found, key=lambda mistake: -mistake[0])


def read_confusion(results: Results) -> Confusion | None:
    """What the networks of a document take images for, if it has but one variant.

    Raises:
        OSError: the file is damaged; a sentence that says what to do.
    """
    path = results.beside(CONFUSION)
    if path is None or len(results.variants) > 1:
        return None
    with whole(path):
        rows = read_table(path)
        classes, guesses = (list(dict.fromkeys(row[name] for row in rows)) for name in _SIDES)
        # They are written place by place, so that a line that is missing or changed shows.
        if [tuple(row[name] for name in _SIDES) for row in rows] != [*product(classes, guesses)]:
            raise ValueError
        counts = np.array([int(row["images"]) for row in rows]).reshape(len(classes), -1)
        if counts.min() < 0:
            raise ValueError
    kept = np.flatnonzero(counts.sum(axis=1))
    columns = np.flatnonzero(counts.any(axis=0) | np.isin(guesses, np.array(classes)[kept]))
    found = counts[np.ix_(kept, columns)]
    return Confusion([classes[row] for row in kept], [guesses[at] for at in columns], found)
