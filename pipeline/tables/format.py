"""How quantities and variants are named and numbers shown, by what they measure."""

from collections.abc import Sequence
from typing import assert_never

from nndl_jax.documents import Document, Network
from nndl_jax.documents.metrics import parse_metric

_MAX_VALUE = 60
_SPLITS = {"train": "training"}
_SYMBOLS = {
    "bias": "b",
    "count": "N",
    "height": "h",
    "input_activation": "a",
    "l1": "λ (L1)",
    "l2": "λ",
    "learning_rate": "η",
    "momentum": "μ",
    "overlaps": "M",
    "repeat": "hidden layers",
    "scale": "c",
    "slope": "w",
    "train_images": "training images",
    "units": "hidden neurons",
    "weighted_input": "z",
}


def quantity_name(metric: str) -> str:
    """A metric in words.

    >>> quantity_name("train_cost"), quantity_name("gradient_norm.2")
    ('training cost', 'layer 2')
    """
    found = parse_metric(metric)
    if found.quantity.by in ("layer", "digit"):
        return f"{found.quantity.by} {found.part}"
    first, *rest = metric.replace(".", " ").replace("_", " ").split()
    return " ".join([_SPLITS.get(first, first), *rest])


def axis_label(metrics: Sequence[str], document: Document) -> str:
    """What metrics of one kind have in common, with its unit.

    Costs that are logarithms are in nats, and so are their gradients by biases, which have no unit.
    """
    quantity = parse_metric(metrics[0]).quantity
    name = quantity.axis or (quantity_name(metrics[0]) if len(metrics) == 1 else quantity.name)
    match quantity.unit:
        case "fraction":
            return f"{name} (%)"
        case "nats":
            nats = isinstance(document, Network) and document.loss != "quadratic"
            return f"{name} (nats)" if nats else name
        case "whole" | "none":
            return name
        case _:
            assert_never(quantity.unit)


def variant_labels(names: Sequence[str]) -> list[str]:
    """Names of variants in words, without what they have in common.

    >>> variant_labels(["units=30,l2=0.0", "units=30,l2=5.0"])
    ['λ = 0', 'λ = 5']
    """
    parts = [name.split(",") for name in names]
    shared = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    return [", ".join(_in_words(part) for part in fields if part not in shared) for fields in parts]


def _in_words(part: str) -> str:
    name, _, value = part.partition("=")
    known = _SYMBOLS.get(name, name.replace("_", " "))
    return f"{known} = {_shorten(value.removesuffix('.0'))}" if value else name


def _shorten(value: str) -> str:
    """A formula may be longer than a picture is wide."""
    return value if len(value) <= _MAX_VALUE else f"{value[: _MAX_VALUE - 24]} ... {value[-19:]}"


def show(metric: str, value: float) -> str:
    """A value of a metric.

    >>> show("test_accuracy", 0.9542), show("train_cost", 0.391684), show("gradient_norm.1", 8.7e-5)
    ('95.42 %', '0.39168', '8.7e-05')
    """
    quantity = parse_metric(metric).quantity
    if quantity.unit == "fraction":
        return f"{100 * value:.2f} %"
    return f"{value:.{quantity.digits}g}"


def show_mean(metric: str, mean: float, spread: float | None) -> str:
    """A mean with the standard deviation that belongs to it.

    >>> show_mean("test_accuracy", 0.9542, 0.0021)
    '95.42 % ± 0.21'
    """
    if spread is None:
        return show(metric, mean)
    is_fraction = parse_metric(metric).quantity.unit == "fraction"
    shown = f"{100 * spread:.2f}" if is_fraction else f"{spread:.2g}"
    return f"{show(metric, mean)} ± {shown}"


def show_gain(metric: str, gain: float, spread: float | None) -> str:
    """By how much one side of a comparison lies above the other, or how many times of gradients.

    >>> show_gain("test_accuracy", 0.03, None), show_gain("gradient_norm.2", 4.7, 1.2)
    ('+3.00 %', '4.7 times ×÷ 1.2')
    """
    if parse_metric(metric).quantity.scale == "logarithmic":
        factor = "" if spread is None else f" ×÷ {spread:.2g}"
        return f"{show(metric, gain)} times{factor}"
    return f"{'+' if gain > 0 else ''}{show_mean(metric, gain, spread)}"


def show_range(metric: str, low: float, high: float) -> str:
    """A range of values of a metric."""
    if parse_metric(metric).quantity.unit == "fraction":
        return f"{100 * low:.2f} to {100 * high:.2f} %"
    return f"{show(metric, low)} to {show(metric, high)}"


def show_departure(metric: str, departure: float) -> str:
    """By how much a number would have to differ, or by which factor.

    >>> show_departure("test_accuracy", 0.0072), show_departure("gradient_norm.2", 1.8)
    ('±0.72 %', '×÷ 1.8')
    """
    quantity = parse_metric(metric).quantity
    if quantity.scale == "logarithmic":
        return f"×÷ {departure:.2g}"
    if quantity.unit == "fraction":
        return f"±{100 * departure:.2f} %"
    return f"±{departure:.2g}"


def data_name(data: str, *, is_wanted: bool = False) -> str:
    """What numbers come from.

    >>> data_name("digits"), data_name("iris", is_wanted=True)
    ('NOT MNIST (digits)', 'iris')

    Args:
        data: name of the data set.
        is_wanted: whether the document asks for it.
    """
    names = {"mnist": "MNIST", "examples": "examples of the document", "none": "calculated"}
    return names.get(data, data if is_wanted else f"NOT MNIST ({data})")
