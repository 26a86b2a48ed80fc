"""When to lower the learning rate and when to stop, for each run by itself (ch. 3).

The rules work inside the compiled program, on what was just measured on the validation images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from nndl_jax.documents import Decay, GeneralizationLoss, Network, NoImprovement, Plateau
from nndl_jax.training.evaluation import Evaluation


class Rules(NamedTuple):
    """Numbers of the rules, in which runs of one compiled program may differ."""

    patience: Int[Array | np.ndarray, "*runs"]
    """Epochs without a new best after which training stops."""
    threshold: Float[Array | np.ndarray, "*runs"]
    """Rise of the validation cost after which it stops."""
    schedule_patience: Int[Array | np.ndarray, "*runs"]
    """Epochs without a new best after which the learning rate is lowered."""
    factor: Float[Array | np.ndarray, "*runs"]
    """What it is divided by."""
    stop_at: Float[Array | np.ndarray, "*runs"]
    """Its fraction of the first at which training stops."""


class Progress(NamedTuple):
    """What the rules remember of a run."""

    is_active: Bool[Array, "*runs"]
    scale: Float[Array, "*runs"]
    """The learning rate as a fraction of the first."""
    best: Int[Array, "*runs"]
    """Most validation images classified rightly."""
    lowest: Float[Array, "*runs"]
    """Lowest validation cost."""
    waited: Int[Array, "*runs"]
    """Epochs since the best."""
    waited_at_rate: Int[Array, "*runs"]
    """The same, but not before the learning rate was last lowered."""


def rules(specs: Sequence[Network]) -> Rules:
    """The numbers of several documents, each as an array with an entry per document."""
    rows: list[tuple[int, float, int, float, float]] = []
    for spec in specs:
        stop, schedule = spec.training.early_stopping, spec.optimizer.schedule
        patience = stop.patience if isinstance(stop, NoImprovement) else 0
        threshold = stop.threshold if isinstance(stop, GeneralizationLoss) else 0.0
        rows.append((patience, threshold, *_lowering(schedule)))
    dtype = specs[0].training.dtype
    dtypes = (np.int32, dtype, np.int32, dtype, dtype)
    columns = zip(*rows, strict=True)
    return Rules(*(np.asarray(each, kind) for each, kind in zip(columns, dtypes, strict=True)))


def _lowering(schedule: Plateau | Decay | None) -> tuple[int, float, float]:
    """Patience, factor and end of a schedule."""
    match schedule:
        case Plateau():
            return schedule.patience, schedule.factor, schedule.stop_at
        case Decay():
            return 0, 2 ** (1 / schedule.half_life), 0.0
        case None:
            return 0, 1.0, 0.0


def has_rules(spec: Network) -> bool:
    """Whether a document asks for a schedule, for early stopping or for the best network."""
    training, schedule = spec.training, spec.optimizer.schedule
    return training.early_stopping is not None or schedule is not None or training.keep_best


def init_progress(dtype: DTypeLike) -> Progress:
    """The progress of a run before its first epoch."""
    return Progress(
        is_active=jnp.array(True),
        scale=jnp.ones((), dtype),
        best=jnp.array(-1, jnp.int32),
        lowest=jnp.array(jnp.inf, dtype),
        waited=jnp.array(0, jnp.int32),
        waited_at_rate=jnp.array(0, jnp.int32),
    )


def advance(
    progress: Progress, validation: Evaluation | None, spec: Network, numbers: Rules
) -> Progress:
    """The progress after an epoch.

    Args:
        progress: before it.
        validation: what was measured after it; None where nothing looks at it.
        spec: the document; says which rules there are.
        numbers: how strict they are.
    """
    if isinstance(spec.optimizer.schedule, Decay):
        progress = progress._replace(scale=progress.scale / numbers.factor)
    if validation is None:
        return progress
    count, cost = jnp.asarray(validation.num_correct), jnp.asarray(validation.cost)
    is_better = count > progress.best
    waited, at_rate = (
        jnp.where(is_better, 0, counter + 1)
        for counter in (progress.waited, progress.waited_at_rate)
    )
    lowest = jnp.minimum(progress.lowest, cost)
    scale, goes_on = progress.scale, jnp.array(True)
    match spec.training.early_stopping:
        case NoImprovement():
            goes_on &= waited < numbers.patience
        case GeneralizationLoss():
            goes_on &= cost <= (1 + numbers.threshold) * lowest
        case None:
            pass
    if isinstance(spec.optimizer.schedule, Plateau):
        is_lowered = at_rate >= numbers.schedule_patience
        scale = jnp.where(is_lowered, scale / numbers.factor, scale)
        at_rate = jnp.where(is_lowered, 0, at_rate)
        # A tenth, three times over, is not quite a thousandth.
        goes_on &= scale > numbers.stop_at * 1.0001
    best = jnp.maximum(progress.best, count)
    return Progress(goes_on, scale, best, lowest, waited, at_rate)
