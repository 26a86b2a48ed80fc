"""What a metric is: of which images, in which unit, whether more is better, how it is compared.

A metric is known by its name in documents and results, which `parse_metric` alone reads. What it
measures is a `Quantity`, one record for each, that says all there is to know of its numbers.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, get_args

Split = Literal["train", "validation", "test"]
"""Images of a data set."""

Monitor = Literal[
    "train_accuracy",
    "train_cost",
    "train_output",
    "validation_accuracy",
    "validation_cost",
    "test_accuracy",
    "test_cost",
    "train_errors",
    "validation_errors",
    "test_errors",
    "train_top2_accuracy",
    "validation_top2_accuracy",
    "test_top2_accuracy",
    "train_digit_accuracy",
    "validation_digit_accuracy",
    "test_digit_accuracy",
    "train_unlearned",
    "validation_unlearned",
    "test_unlearned",
    "train_mse",
    "validation_mse",
    "test_mse",
    "train_r2",
    "validation_r2",
    "test_r2",
    "train_saturation",
    "validation_saturation",
    "test_saturation",
    "gradient_norms",
    "weight_gradient_norms",
]
"""What is measured after each epoch. Accuracies are fractions; costs include the penalties;
`train_output` is the mean activation of the first output neuron; errors are counted images.
A top-2 accuracy counts an image as right if its digit is one of the two of the highest outputs.
A digit accuracy gives `test_digit_accuracy.0` and so on, the accuracy on the images of each digit.
Unlearned are the classes of whose images less than half are classified rightly, counted.
Of targets of real numbers, `mse` is the mean squared error over inputs and outputs, and `r2` one
less its share of the variance of the targets, the mean over outputs: 1 where all are met, 0 where
their mean is given. It is no number where targets do not vary.
A saturation gives `test_saturation.1` and so on, one for each layer with biases: of its neurons and
the images, the fraction of pairs in which the neuron is saturated, that is, the slope of its
activation is below a tenth of the activation's largest (ch. 2 and 3). A convolution's neurons are
those of its maps before pooling.
`gradient_norms` are measured before each epoch and give `gradient_norm.1` and so on, one for each
layer: the Euclidean norm of the gradient, by the layer's biases, of the mean cost over the training
images (ch. 5). `weight_gradient_norms` give `weight_gradient_norm.1`, the same by weights."""

VALIDATION = "validation_accuracy"
"""The metric that epochs and runs are chosen by."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What is measured, of whatever images or layer."""

    name: str
    """In metrics: what follows the split, if there is one."""
    unit: Literal["fraction", "nats", "whole", "none"]
    """A fraction is shown in per cent. Costs and gradients are in nats, but for the quadratic cost,
    which has no unit. What is whole is a count, 0 or more."""
    best: Literal["highest", "lowest"] | None = None
    """Which values are better; None where none is: there, the highest is shown."""
    scale: Literal["linear", "logarithmic"] = "linear"
    """On which values are compared and drawn."""
    prior: Callable[[float], float] = lambda mean: 0.0
    """A guess of the variance between runs, before any is known, from their mean on the scale; zero
    for no guess."""
    margin: Callable[[float], float] = lambda mean: math.inf
    """The largest difference from a printed number that a verdict may overlook, from the mean of
    the runs on the scale; infinite where nothing is asked."""
    digits: int = 6
    """Significant digits that are shown; fractions have two of a per cent."""
    by: Literal["layer", "neuron", "digit"] | None = None
    """What it has a value for each of, whose number ends the metric's name."""
    axis: str = ""
    """What an axis says of it; empty for its name."""
    needs_digits: bool = False
    """Whether it looks at the digit that an image shows, and examples of others show none."""
    needs_outputs: bool = False
    """Whether it takes an output for each digit, which binary targets do not have."""
    needs_numbers: bool = False
    """Whether it takes targets of real numbers."""


@dataclass(frozen=True, kw_only=True)
class OfImages(Quantity):
    """What a network makes of the images of a split, after an epoch."""

    kind: Literal[
        "accuracy",
        "cost",
        "output",
        "errors",
        "top2-accuracy",
        "digit-accuracy",
        "unlearned",
        "mse",
        "r2",
        "saturation",
    ]


@dataclass(frozen=True, kw_only=True)
class OfGradients(Quantity):
    """What is known of the gradient over the training images, before an epoch."""

    kind: Literal["gradient-norm", "gradient", "weight-gradient-norm"]


@dataclass(frozen=True, kw_only=True)
class Other(Quantity):
    """What is not measured after each epoch: numbers of calculations, constructions and votes."""


class Metric(NamedTuple):
    """A quantity, and what it is measured of."""

    name: str
    """In documents and results."""
    quantity: OfImages | OfGradients | Other
    split: Split | Literal[""] = ""
    """The images; empty where it is of none, or of those of a mini-batch or a vote."""
    part: str = ""
    """The number of the layer or the like; empty where there is only one value."""

    def of(self, *part: int) -> str:
        """The name of the metric of one part: the number of a layer, or also that of a neuron."""
        stem = f"{self.split}_{self.quantity.name}" if self.split else self.quantity.name
        return ".".join((stem, *map(str, part)))


def _of_draws(mean: float) -> float:
    """As if each of 10,000 images were a draw of its own: p (1 - p) / 10,000."""
    return mean * (1 - mean) / 10_000


def _of_counts(mean: float) -> float:
    """As if each error came by itself: the mean of so many errors (Poisson's law)."""
    return mean


def _of_draws_of_a_digit(mean: float) -> float:
    """As if each of the 1,000 images of a digit were a draw of its own."""
    return mean * (1 - mean) / 1000


def _of_neurons(_: float) -> float:
    """A deviation of two in a hundred neurons."""
    return 0.02**2


def _of_costs(mean: float) -> float:
    """A deviation of 3 %."""
    return (0.03 * mean) ** 2


def _of_logarithms(_: float) -> float:
    """A deviation of a quarter, whatever the mean."""
    return 0.25**2


def _a_point(_: float) -> float:
    """One per cent of the images, or of the neurons."""
    return 0.01


def _a_hundred(_: float) -> float:
    """One per cent of 10,000 images."""
    return 100.0


def _a_tenth(mean: float) -> float:
    """10 % of the mean."""
    return 0.1 * abs(mean)


def _a_factor_of_two(_: float) -> float:
    """Twice or half of a quantity, by whose logarithm this is."""
    return math.log(2)


def _a_tenth_of_logarithms(_: float) -> float:
    """10 % of a quantity, by whose logarithm this is."""
    return math.log(1.1)


ACCURACY = OfImages(
    kind="accuracy",
    name="accuracy",
    unit="fraction",
    best="highest",
    prior=_of_draws,
    margin=_a_point,
    needs_digits=True,
)
COST = OfImages(
    kind="cost",
    name="cost",
    unit="nats",
    best="lowest",
    prior=_of_costs,
    margin=_a_tenth,
    digits=5,
)
OUTPUT = OfImages(kind="output", name="output", unit="none", axis="output of the neuron")
ERRORS = OfImages(
    kind="errors",
    name="errors",
    unit="whole",
    best="lowest",
    prior=_of_counts,
    margin=_a_hundred,
    needs_digits=True,
)
TOP2_ACCURACY = OfImages(
    kind="top2-accuracy",
    name="top2_accuracy",
    unit="fraction",
    best="highest",
    prior=_of_draws,
    margin=_a_point,
    needs_digits=True,
    needs_outputs=True,
)
DIGIT_ACCURACY = OfImages(
    kind="digit-accuracy",
    name="digit_accuracy",
    unit="fraction",
    best="highest",
    prior=_of_draws_of_a_digit,
    margin=_a_point,
    by="digit",
    axis="accuracy",
    needs_digits=True,
)
UNLEARNED = OfImages(
    kind="unlearned",
    name="unlearned",
    unit="whole",
    best="lowest",
    axis="unlearned classes",
    needs_digits=True,
)
MSE = OfImages(
    kind="mse",
    name="mse",
    unit="none",
    best="lowest",
    prior=_of_costs,
    margin=_a_tenth,
    axis="mean squared error",
    needs_numbers=True,
)
R2 = OfImages(kind="r2", name="r2", unit="none", best="highest", axis="R²", needs_numbers=True)
SATURATION = OfImages(
    kind="saturation",
    name="saturation",
    unit="fraction",
    prior=_of_neurons,
    margin=_a_point,
    by="layer",
    axis="saturated neurons",
)
GRADIENT_NORM = OfGradients(
    kind="gradient-norm",
    name="gradient_norm",
    unit="nats",
    scale="logarithmic",
    prior=_of_logarithms,
    margin=_a_tenth_of_logarithms,
    digits=3,
    by="layer",
    axis="norm of ∂C/∂b",
)
WEIGHT_GRADIENT_NORM = OfGradients(
    kind="weight-gradient-norm",
    name="weight_gradient_norm",
    unit="nats",
    scale="logarithmic",
    prior=_of_logarithms,
    margin=_a_tenth_of_logarithms,
    digits=3,
    by="layer",
    axis="norm of ∂C/∂w",
)
GRADIENT = OfGradients(kind="gradient", name="gradient", unit="nats", digits=3, by="neuron")
"""By the biases of single neurons, before the first epoch."""

QUANTITIES: tuple[OfImages | OfGradients, ...] = (
    ACCURACY,
    COST,
    OUTPUT,
    ERRORS,
    TOP2_ACCURACY,
    DIGIT_ACCURACY,
    UNLEARNED,
    MSE,
    R2,
    SATURATION,
    GRADIENT_NORM,
    WEIGHT_GRADIENT_NORM,
    GRADIENT,
)
"""What networks measure, in the order of a report."""

_COUNT = Other(name="count", unit="whole")
_NUMBER = Other(name="number", unit="none")
_RATE = Other(name="rate", unit="none", scale="logarithmic", margin=_a_factor_of_two)
_OF_IMAGES = {quantity.name: quantity for quantity in QUANTITIES if isinstance(quantity, OfImages)}
_OF_GRADIENTS = {
    quantity.name: quantity for quantity in QUANTITIES if isinstance(quantity, OfGradients)
}
_OTHERS: Mapping[str, OfImages | OfGradients | Other] = {
    "order": _RATE,
    "threshold": _RATE,
    "half": _RATE,
    "batch_cost": COST,
    "mean_accuracy": ACCURACY,
    "first_cost": COST,
    "last_cost": COST,
    "hessian_cost": COST,
    "gradient_cost": COST,
    "gradient_norms": GRADIENT_NORM,
    "weight_gradient_norms": WEIGHT_GRADIENT_NORM,
}
"""Of searches, mini-batches, votes and descents, and the monitor of all layers at once."""


@cache
def parse_metric(name: str) -> Metric:
    """The metric, or the monitor, of a name: nothing else looks into names.

    >>> parse_metric("test_accuracy").split, parse_metric("gradient_norm.2").part
    ('test', '2')
    """
    stem, _, part = name.partition(".")
    head, _, tail = stem.partition("_")
    for split in get_args(Split):
        if head == split and tail in _OF_IMAGES:
            return Metric(name, _OF_IMAGES[tail], split, part)
    other = _COUNT if head == "num" else _NUMBER
    return Metric(name, _OTHERS.get(stem) or _OF_GRADIENTS.get(stem, other), "", part)
