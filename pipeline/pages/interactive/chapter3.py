"""How networks learn: a neuron and its cost, softmax, overfitting, the hunt (ch. 3)."""

from collections.abc import Mapping

from nndl_jax.calculations.softmax import Softmax
from nndl_jax.documents import Network
from nndl_jax.documents.variants import variants
from pipeline.pages.interactive.record import (
    NOTHING,
    SHARED,
    Interactive,
    Json,
    Site,
    curve,
    measured,
)

_LOSSES = {
    "quadratic": "quadratic cost",
    "cross-entropy-by-activation": "cross-entropy with the page's gradient",
    "cross-entropy": "cross-entropy",
}
_SWEEPS = (
    "ch3-hunt",
    "ch3-hunt-first-try",
    "ch3-hunt-two-digits",
    "ch3-learning-rates",
    "ch3-l2",
)


def chapter3(site: Site) -> Mapping[str, Interactive | None]:
    """The interactives of the chapter, in order."""
    return {
        "neuron": _neuron(site),
        "softmax": _softmax(site),
        "overfitting": _overfitting(site),
        "hunt": _hunt(site),
    }


def _neuron(site: Site) -> Interactive | None:
    starts: list[Json] = []
    updates = 0
    for _, variant, last in measured(site, "ch3-neuron"):
        spec = variant.spec
        if not isinstance(spec, Network):
            continue
        first, rate = spec.model.initializer, spec.optimizer.learning_rate
        updates = spec.training.epochs
        where = f"start {first.weights}, {first.biases}, η = {rate}"
        starts.append(
            {
                "title": f"{_LOSSES.get(spec.loss, spec.loss)}, {where}",
                "weight": first.weights,
                "bias": first.biases,
                "rate": rate,
                "loss": spec.loss,
                "measured": last.get("train_output"),
            }
        )
    if not starts:
        return None
    return Interactive(
        chapter=3,
        title="A neuron that is wrong, and badly wrong",
        caption=(
            "One neuron learns to turn its input, 1, into 0. With the quadratic cost it learns "
            "slowly where it is badly wrong; with the cross-entropy it does not. The book's page "
            "takes dC/da for the gradient of the cross-entropy, without the factor of the slope; "
            "the right gradient stands beside it."
        ),
        data={"variants": starts, "updates": updates},
        scripts=(*SHARED, "neuron"),
    )


def _softmax(site: Site) -> Interactive | None:
    results = site.today.get("ch3-softmax")
    quantity = None if results is None else results.document.content()
    if not isinstance(quantity, Softmax):
        return None
    return Interactive(
        chapter=3,
        title="Softmax",
        caption=(
            "Raise a weighted input: its own activation grows, all others shrink, and the sum "
            "stays 1. A large factor c makes the greatest take all."
        ),
        data={"weightedInputs": quantity.weighted_inputs},
        scripts=(*SHARED, "softmax"),
    )


def _overfitting(site: Site) -> Interactive:
    metrics = ("train_accuracy", "test_accuracy", "train_cost", "test_cost")
    found: list[Json] = []
    for name in _there(site, "ch3-overfitting-replay", "ch3-overfitting"):
        results = site.shown(name)
        for variant in variants(results.document):
            curves = {metric: curve(results, metric, variant) for metric in metrics}
            if any(values is None for values in curves.values()):
                continue
            by = ", by the author's random numbers" if name.endswith("replay") else ""
            title = f"λ = {variant.values['regularizer.l2']}{by}"
            found.append({"title": title, "curves": curves})
    return Interactive(
        chapter=3,
        title="Overfitting 1,000 images",
        caption=(
            "Training goes on for 400 epochs. Without regularization the accuracy on the training "
            "images reaches 100 per cent and the cost of the test images turns up again after some "
            "fifteen epochs; a λ of 0.1 keeps them together for longer."
        ),
        data={"variants": found, "empty": NOTHING},
        scripts=(*SHARED, "overfitting"),
    )


def _hunt(site: Site) -> Interactive:
    sweeps: list[Json] = []
    for name in _there(site, *_SWEEPS):
        results = site.shown(name)
        tries: list[Json] = []
        for variant in variants(results.document):
            spec, values = variant.spec, curve(results, "validation_accuracy", variant)
            if not isinstance(spec, Network) or values is None:
                continue
            rate, l2 = spec.optimizer.learning_rate, spec.regularizer.l2
            tries.append({"title": variant.name, "rate": rate, "l2": l2, "curve": values})
        if tries:
            sweeps.append({"title": results.document.title, "tries": tries})
    return Interactive(
        chapter=3,
        title="The hunt for hyper-parameters, as a map",
        caption=(
            "Each place is a training with its learning rate and λ; the number is the per cent of "
            "the validation images that it ends with. The lowest row is that of λ = 0. Choose one "
            "to see its curve."
        ),
        data={"sweeps": sweeps, "empty": NOTHING},
        scripts=(*SHARED, "hunt"),
    )


def _there(site: Site, *names: str) -> list[str]:
    """The documents of these names that there are."""
    return [name for name in names if name in site.today]
