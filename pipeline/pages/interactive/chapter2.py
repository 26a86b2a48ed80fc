"""Backpropagation step by step (ch. 2)."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from nndl_jax.documents import Backpropagation
from pipeline.pages.interactive.record import SHARED, Interactive, Json, Site

SIZES = (2, 2, 2)
"""Neurons of each layer: as many numbers as can be seen at once."""
SEED = 0


def chapter2(site: Site) -> Mapping[str, Interactive | None]:
    """The interactives of the chapter, in order."""
    return {"backpropagation": _backpropagation(site)}


def _backpropagation(site: Site) -> Interactive | None:
    results = site.today.get("ch2-backpropagation")
    quantity = None if results is None else results.document.content()
    if not isinstance(quantity, Backpropagation):
        return None
    rng = np.random.default_rng(SEED)
    layers: list[Json] = [
        {
            "weights": rng.standard_normal((outputs, inputs)).round(2).tolist(),
            "biases": rng.standard_normal(outputs).round(2).tolist(),
        }
        for inputs, outputs in pairwise(SIZES)
    ]
    return Interactive(
        chapter=2,
        title="The four equations, step by step",
        caption=(
            "Choose an equation to see it with every number. Drag a weight up or down, or move it "
            "with the arrow keys. Below stands how far the gradients are from those that are "
            "found by moving each weight a little."
        ),
        data={
            "layers": layers,
            "inputs": rng.random(SIZES[0]).round(2).tolist(),
            "targets": [1.0, 0.0],
            "loss": quantity.loss,
            "activation": quantity.activations[0],
        },
        scripts=(*SHARED, "backpropagation"),
    )
