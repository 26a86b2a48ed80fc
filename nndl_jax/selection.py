"""What a document reads of a data set: its images, its digits, or examples of its own."""

import numpy as np

from nndl_jax.datasets import SPLITS, Dataset, Split
from nndl_jax.schema import Data


def select(dataset: Dataset, data: Data) -> dict[str, Split]:
    """The splits that a document trains on and measures, as it asks for them.

    Digits are chosen before images are counted (ch. 3, section "How to choose a neural network's
    hyper-parameters?"). Written-out examples give a `train` split of float inputs and targets.

    Args:
        dataset: the whole data set.
        data: what the document says of it.
    """
    if data.examples is not None:
        inputs = np.array([each.inputs for each in data.examples])
        return {"train": Split(inputs, np.array([each.targets for each in data.examples]))}
    limits = {"train": data.train_images, "validation": data.validation_images, "test": None}
    return {name: _cut(getattr(dataset, name), data.digits, limits[name]) for name in SPLITS}


def _cut(split: Split, digits: tuple[int, ...] | None, limit: int | None) -> Split:
    if digits is not None:
        kept = np.isin(split.labels, digits)
        split = Split(split.images[kept], split.labels[kept])
    return Split(split.images[:limit], split.labels[:limit])
