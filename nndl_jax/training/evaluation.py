"""What was measured of a network on a set of images, and the metrics that it gives."""

from collections.abc import Mapping
from typing import NamedTuple, assert_never

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from nndl_jax.documents import Network
from nndl_jax.documents.metrics import Metric, OfImages, parse_metric


class Evaluation(NamedTuple):
    """Measurements on one split."""

    num_correct: Int[Array | np.ndarray, "*runs"] | None
    """Images classified rightly; None where a document's own examples are no digits."""
    num_images: Int[Array | np.ndarray, "*runs"] | int
    """Images in the split."""
    cost: Float[Array | np.ndarray, "*runs"]
    """Mean cost per image in nats (quadratic: squared activation), with the penalties."""
    output: Float[Array | np.ndarray, "*runs"]
    """Mean activation of the first output neuron."""
    sums: Mapping[str, Shaped[Array | np.ndarray, "..."]] = {}
    """What else the document monitors, summed over the images, by the kind of quantity."""

    def __repr__(self) -> str:
        first, value = ("output", self.output) if self.num_correct is None else ("accuracy", None)
        numbers = {first: self.accuracy if value is None else value, "cost": self.cost}
        message = ", ".join(f"{name}={_said(value)}" for name, value in numbers.items())
        return f"Evaluation({message})"

    @property
    def accuracy(self) -> Float[np.ndarray, "*runs"] | np.float64:
        """Fraction of images classified rightly, 0 to 1, exact in float64.

        Raises:
            ValueError: nothing was classified, for examples are no digits.
        """
        if self.num_correct is None:
            raise ValueError(
                "examples written out in a document are no digits and have no accuracy; look at "
                "cost or output"
            )
        return np.asarray(self.num_correct) / np.asarray(self.num_images)


def read_evaluation(
    metric: Metric, quantity: OfImages, evaluation: Evaluation
) -> dict[str, Float[np.ndarray, "*runs"]]:
    """The values of a monitor by the names of its metrics.

    Args:
        metric: the monitor.
        quantity: of the metric.
        evaluation: of its split.
    """
    match quantity.kind:
        case "accuracy":
            return {metric.name: np.asarray(evaluation.accuracy)}
        case "cost":
            return {metric.name: np.asarray(evaluation.cost)}
        case "output":
            return {metric.name: np.asarray(evaluation.output)}
        case "errors":
            num_images = np.asarray(evaluation.num_images, np.float64)
            return {metric.name: np.asarray(num_images - np.asarray(evaluation.num_correct))}
        case "top2-accuracy":
            count = np.asarray(evaluation.sums[quantity.kind], np.float64)
            return {metric.name: np.asarray(count / np.asarray(evaluation.num_images))}
        case "digit-accuracy":
            counts = np.asarray(evaluation.sums[quantity.kind], np.float64)
            totals = counts.sum(axis=-1)
            # An ended run has some number for each digit, those that go on for those they have.
            digits = [digit for digit in range(totals.shape[-1]) if np.all(totals[..., digit] > 0)]
            return {
                metric.of(digit): np.asarray(counts[..., digit, digit] / totals[..., digit])
                for digit in digits
            }
        case "unlearned":
            counts = np.asarray(evaluation.sums[quantity.kind], np.float64)
            right, totals = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1)
            # Of a class without images nothing is right and nothing wrong.
            return {metric.name: np.asarray(np.sum(2 * right < totals, axis=-1), np.float64)}
        case "mse" | "r2":
            errors, spreads = np.moveaxis(np.asarray(evaluation.sums[quantity.kind]), -2, 0)
            num_images = np.asarray(evaluation.num_images, np.float64)
            if quantity.kind == "mse":
                return {metric.name: np.asarray(errors.mean(axis=-1) / num_images)}
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = np.where(spreads > 0, errors / spreads, np.nan)
            return {metric.name: np.asarray(1 - shares.mean(axis=-1))}
        case "saturation":
            sums = np.asarray(evaluation.sums[quantity.kind], np.float64)
            fractions = sums / np.asarray(evaluation.num_images)[..., None]
            return {
                metric.of(layer): np.asarray(fractions[..., layer - 1])
                for layer in range(1, 1 + fractions.shape[-1])
            }
        case _:
            assert_never(quantity.kind)


def watch(metric: Metric, quantity: OfImages, evaluation: Evaluation) -> Float[Array, ""]:
    """The value of a metric of one run inside a compiled program, or a count that orders as it."""
    cost = jnp.asarray(evaluation.cost)
    match quantity.kind:
        case "accuracy":
            return jnp.asarray(evaluation.num_correct).astype(cost.dtype)
        case "cost":
            return cost
        case "output":
            return jnp.asarray(evaluation.output)
        case "errors":
            count = jnp.asarray(evaluation.num_images) - jnp.asarray(evaluation.num_correct)
            return count.astype(cost.dtype)
        case "top2-accuracy":
            return jnp.asarray(evaluation.sums[quantity.kind]).astype(cost.dtype)
        case "digit-accuracy":
            digit = int(metric.part)
            return jnp.asarray(evaluation.sums[quantity.kind])[digit, digit].astype(cost.dtype)
        case "unlearned":
            counts = jnp.asarray(evaluation.sums[quantity.kind])
            is_unlearned = 2 * jnp.diagonal(counts) < jnp.sum(counts, axis=-1)
            return jnp.sum(is_unlearned).astype(cost.dtype)
        case "mse":
            return jnp.mean(jnp.asarray(evaluation.sums[quantity.kind])[0]) / evaluation.num_images
        case "r2":
            errors, spreads = jnp.asarray(evaluation.sums[quantity.kind])
            return 1 - jnp.mean(errors / spreads)
        case "saturation":
            return jnp.asarray(evaluation.sums[quantity.kind])[int(metric.part) - 1]
        case _:
            assert_never(quantity.kind)


def monitored(spec: Network, split: str | None = None) -> tuple[OfImages, ...]:
    """What a document measures of the images of a split, or of any."""
    found = [parse_metric(monitor) for monitor in spec.monitors]
    return tuple(
        dict.fromkeys(
            metric.quantity
            for metric in found
            if isinstance(metric.quantity, OfImages) and split in (None, metric.split)
        )
    )


def _said(value: Array | np.ndarray | np.generic) -> str:
    """A number in four digits, or one for each run."""
    rounded = np.asarray(value).round(6)
    return f"{float(rounded):.4g}" if rounded.ndim == 0 else np.array2string(rounded, precision=4)
