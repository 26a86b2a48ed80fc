"""Gradients that vanish and explode (ch. 5)."""

from collections.abc import Mapping

from nndl_jax.calculations.analysis import SteepInterval
from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import Chain
from nndl_jax.documents.variants import variants
from pipeline.pages.interactive.record import (
    SHARED,
    Interactive,
    Json,
    Site,
    constructed,
    curve,
    measured,
)
from pipeline.pages.weights import IMAGES, image_labels, script_path

_MOST_LAYERS = 4


def chapter5(site: Site, dataset: Dataset) -> Mapping[str, Interactive | None]:
    """The interactives of the chapter, in order."""
    return {"gradients": _gradients(site, dataset), "chain": _chain(site), "width": _width(site)}


def _gradients(site: Site, dataset: Dataset) -> Interactive | None:
    if "ch5-gradients" not in site.today:
        return None
    results = site.shown("ch5-gradients")
    found: list[Json] = []
    for variant in variants(results.document):
        names = [f"gradient_norm.{layer}" for layer in range(1, 1 + _MOST_LAYERS)]
        norms = [values for name in names if (values := curve(results, name, variant))]
        # The output layer's own stands last.
        hidden = norms[: int(variant.values.get("model.layers[0].repeat", _MOST_LAYERS))]
        if hidden:
            found.append({"title": f"{len(hidden)} hidden layers", "norms": hidden})
    return Interactive(
        chapter=5,
        title="Gradients, layer by layer",
        caption=(
            "How fast each hidden layer would learn: the norm of the mean gradient by its biases, "
            "on a logarithmic scale. Add layers, and the first ones slow down; make the weights "
            "larger, or the neurons others, and see what helps. Here 50 training images of 14 x 14 "
            "pixels are used; below stands what the pipeline measured on 1,000 whole ones."
        ),
        data={
            "images": {
                "name": IMAGES,
                "path": script_path(IMAGES),
                "labels": image_labels(dataset),
            },
            "variants": found,
        },
        scripts=(*SHARED, "gradients"),
    )


def _chain(site: Site) -> Interactive | None:
    settings: list[Json] = [
        {"title": variant.title, "spec": variant.dump(), "ratio": variant.last.get("ratio.3")}
        for variant in constructed(site, Chain, "ch5-exploding", "ch5-product")
    ]
    if not settings:
        return None
    return Interactive(
        chapter=5,
        title="A chain that explodes, or vanishes",
        caption=(
            "The gradient by the first bias is that by a later one times a factor w σ'(z) for each "
            "neuron between. No slope is above 1/4, so weights below 4 make gradients vanish, and "
            "weights of 100 with biases that keep z at 0 make them explode."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "chain"),
    )


def _width(site: Site) -> Interactive | None:
    found = [
        (quantity.weight, last)
        for _, variant, last in measured(site, "ch5-width")
        if isinstance(quantity := variant.spec.content(), SteepInterval)
    ]
    if not found:
        return None
    weight = max(found, key=lambda pair: pair[1].get("width") or 0.0)[0]
    return Interactive(
        chapter=5,
        title="How narrow the way is",
        caption=(
            "For the gradient not to shrink at a neuron, |w σ'(w a + b)| must be 1 or more. That "
            "takes a weight of at least 4, and then inputs from an interval that is never wider "
            "than 0.45."
        ),
        data={
            "weight": weight,
            "measured": [{"weight": w, "width": last.get("width")} for w, last in found],
            "largest": found[0][1].get("largest_width"),
        },
        scripts=(*SHARED, "width"),
    )
