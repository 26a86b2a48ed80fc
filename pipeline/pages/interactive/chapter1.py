"""Perceptrons, a sigmoid neuron, and a ball in a valley (ch. 1)."""

from collections.abc import Mapping

from nndl_jax.calculations.descent import GradientDescent, SmallChange
from nndl_jax.documents import Circuit
from pipeline.pages.interactive.record import SHARED, Interactive, Json, Site, constructed, measured


def chapter1(site: Site) -> Mapping[str, Interactive | None]:
    """The interactives of the chapter, in order."""
    return {"perceptrons": _perceptrons(site), "sigmoid": _sigmoid(site), "valley": _valley(site)}


def _perceptrons(site: Site) -> Interactive | None:
    names = ("ch1-half-adder", "ch1-half-adder-merged", "ch1-nand", "ch1-cheese", "ch1-bitwise")
    names += ("ch1-perceptron-limit", "ch1-perceptron-undecided")
    settings: list[Json] = [
        {"title": variant.title, "spec": variant.dump()}
        for variant in constructed(site, Circuit, *names)
    ]
    if not settings:
        return None
    return Interactive(
        chapter=1,
        title="Perceptrons to click through",
        caption=(
            "Set the inputs and watch what each perceptron decides: 1 where its weighted input z "
            "is above 0. Make them sigmoid neurons, and multiply all weights and biases by a large "
            "c: their outputs come near to those of perceptrons, but where z is exactly 0."
        ),
        data={"settings": settings},
        scripts=(*SHARED, "perceptrons"),
    )


def _sigmoid(site: Site) -> Interactive | None:
    found = [
        (quantity, last)
        for _, variant, last in measured(site, "ch1-small-change")
        if isinstance(quantity := variant.spec.content(), SmallChange)
    ]
    if not found:
        return None
    neuron = found[0][0]
    return Interactive(
        chapter=1,
        title="A sigmoid neuron, and small changes",
        caption=(
            "Weights and bias change a little, and so does the output: nearly by the sum of the "
            "changes, each times its partial derivative (eq. 5). The smaller the changes, the "
            "nearer is the ratio to 1."
        ),
        data={
            "inputs": neuron.inputs,
            "weights": neuron.weights,
            "bias": neuron.bias,
            "weightChanges": neuron.weight_changes,
            "biasChange": neuron.bias_change,
            "measured": [
                {"factor": quantity.factor, "ratio": last.get("ratio")} for quantity, last in found
            ],
        },
        scripts=(*SHARED, "sigmoid"),
    )


def _valley(site: Site) -> Interactive | None:
    found = [
        (title, quantity, last)
        for title, variant, last in measured(site, "ch1-gradient-descent")
        if isinstance(quantity := variant.spec.content(), GradientDescent)
    ]
    if not found:
        return None
    variants: list[Json] = [
        {
            "title": f"η = {quantity.learning_rate:g}",
            "rate": quantity.learning_rate,
            "cost": last.get("last_cost"),
        }
        for _, quantity, last in found
    ]
    _, quantity, _ = found[0]
    return Interactive(
        chapter=1,
        title="A ball in a valley",
        caption=(
            "Gradient descent on C = v1² + v2². A small learning rate creeps, a good one gets "
            "down, and above 1 each step climbs further out on the other side. Move the start of "
            "the ball, or the learning rate."
        ),
        data={"start": quantity.start, "steps": quantity.steps, "variants": variants},
        scripts=(*SHARED, "valley"),
    )
