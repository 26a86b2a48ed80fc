"""Any function by neurons: steps, bumps, a challenge, towers (ch. 4)."""

from collections.abc import Mapping

import numpy as np

from nndl_jax.documents import Bumps, Ridges, Towers
from pipeline.pages.interactive.record import (
    SHARED,
    Constructed,
    Interactive,
    Json,
    Site,
    at_places,
    constructed,
)


def chapter4(site: Site) -> Mapping[str, Interactive | None]:
    """The interactives of the chapter, in order."""
    return {
        "step": _step(site),
        "bumps": _bumps(site),
        "design": _design(site),
        "approximation": _approximation(site),
        "ridges": _ridges(site),
        "towers": _towers(site),
    }


def _step(site: Site) -> Interactive | None:
    settings: list[Json] = []
    for _, network, _ in constructed(site, Bumps, "ch4-step", "ch4-ramp"):
        weight, bias = network.steps[0].weight, network.steps[0].bias
        title = f"{network.activation}, w = {weight:g}, b = {bias:g}"
        activation = network.activation
        settings.append({"title": title, "weight": weight, "bias": bias, "activation": activation})
    if not settings:
        return None
    return Interactive(
        chapter=4,
        title="A hidden neuron becomes a step",
        caption=(
            "The larger the weight, the steeper the neuron's output; the step stands at -b/w. Move "
            "the dot, or the sliders. The wavy neuron is the book's example of another activation "
            "with two limits, and it becomes a step as well."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "step"),
    )


def _bumps(site: Site) -> Interactive | None:
    names = ("ch4-two-steps", "ch4-bump", "ch4-double-bump")
    settings = [at_places(variant) for variant in constructed(site, Bumps, *names)]
    if not settings:
        return None
    return Interactive(
        chapter=4,
        title="Two steps, and bumps",
        caption=(
            "Two hidden neurons whose weights to the output are h and -h are a bump of height h. "
            "What is read off below is what the documents measure."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "bumps"),
    )


def _design(site: Site) -> Interactive | None:
    settings: list[Json] = []
    spec: Json = None
    for variant in constructed(site, Bumps, "ch4-design", "ch4-design-by-hand"):
        spec, score = variant.dump(), variant.last.get("score")
        settings.append(
            {"title": variant.title, "heights": variant.network.heights, "score": score}
        )
    if not settings:
        return None
    return Interactive(
        chapter=4,
        title="The design challenge",
        caption=(
            "Move five heights until the steps are on average no further than 0.40 from the grey "
            "curve, what the weighted output ought to be. The book's score is the mean distance at "
            "a hundred places; 0.3717 is the best that there is."
        ),
        data={"settings": settings, "spec": spec},
        scripts=(*SHARED, "design"),
    )


def _approximation(site: Site) -> Interactive | None:
    names = ("ch4-function", "ch4-more-bumps", "ch4-overlap", "ch4-wavy", "ch4-half-bumps")
    settings: list[Json] = [
        {
            "title": variant.title,
            "spec": variant.dump(),
            "meanError": variant.last.get("mean_error"),
            "largestError": variant.last.get("largest_error"),
        }
        for variant in constructed(site, Bumps, *names)
    ]
    if not settings:
        return None
    return Interactive(
        chapter=4,
        title="Any function of your own",
        caption=(
            "Write a formula in x with + - * / **, parentheses, pi, e, sin, cos, tan, exp, log, "
            "sqrt, abs, sigmoid and tanh. Where one bump ends and the next begins, the output "
            "fails in a narrow window; more bumps make the windows narrower, and approximations "
            "of a fraction each, shifted against one another, make the failures smaller."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "approximation"),
    )


def _ridges(site: Site) -> Interactive | None:
    names = ("ch4-two-inputs", "ch4-bump-two-inputs", "ch4-crossed-bumps", "ch4-circular-tower")
    settings = [at_places(variant) for variant in constructed(site, Ridges, *names)]
    if not settings:
        return None
    return Interactive(
        chapter=4,
        title="Steps and bumps of two inputs",
        caption=(
            "With two inputs a neuron is a step along the direction of its weights. Two of them "
            "are a wall, walls that cross add up, and many through one place are a round tower."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "surface", "ridges"),
    )


def _towers(site: Site) -> Interactive | None:
    names = ("ch4-tower", "ch4-two-towers", "ch4-many-towers")
    settings = [_describe(variant) for variant in constructed(site, Towers, *names)]
    if not settings:
        return None
    return Interactive(
        chapter=4,
        title="Towers, and any function of two inputs",
        caption=(
            "A second hidden layer keeps only what is as high as two walls together: a tower. Its "
            "top is flat and the ground around it level if h is large and b near -3h/2. Many "
            "towers are any function; write your own in x1 and x2."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "surface", "towers"),
    )


def _describe(variant: Constructed[Towers]) -> Json:
    """Towers with their middles and the places at which they were measured, and outputs there."""
    boxes = variant.network.boxes
    middles = [tuple(np.add(box.low, box.high) / 2) for box in boxes]
    names = [f"centre.{place}" for place in range(1, 1 + len(boxes))]
    names += [f"value.{place}" for place in range(1, 1 + len(variant.network.at))]
    values = [variant.last.get(name) for name in names]
    places = [*middles, *variant.network.at]
    return {"title": variant.title, "spec": variant.dump(), "at": places, "values": values}
