"""When to lower the learning rate and when to stop, for each run by itself (ch. 3).

The rules work inside the compiled program, on what was just measured: of the validation images, if
a document does not say otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, assert_never

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nndl_jax.documents import Decay, GeneralizationLoss, Network, NoImprovement, Plateau
from nndl_jax.documents.metrics import VALIDATION, OfImages, parse_metric
from nndl_jax.training.evaluation import Evaluation, watch


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
    best_to_stop: Float[Array, "*runs"] | None = None
    """Best of another metric that early stopping watches, the higher the better; None for none."""
    best_at_rate: Float[Array, "*runs"] | None = None
    """The same of the schedule."""


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
    return Rules(*(np.asarray(column, kind) for column, kind in zip(columns, dtypes, strict=True)))


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


def init_progress(spec: Network) -> Progress:
    """The progress of a run before its first epoch."""
    dtype = spec.training.dtype
    worst = [
        None if watched_by(rule) is None else jnp.array(-jnp.inf, dtype)
        for rule in (spec.training.early_stopping, spec.optimizer.schedule)
    ]
    return Progress(
        is_active=jnp.array(True),
        scale=jnp.ones((), dtype),
        best=jnp.array(-1, jnp.int32),
        lowest=jnp.array(jnp.inf, dtype),
        waited=jnp.array(0, jnp.int32),
        waited_at_rate=jnp.array(0, jnp.int32),
        best_to_stop=worst[0],
        best_at_rate=worst[1],
    )


def watched_by(rule: Plateau | Decay | NoImprovement | GeneralizationLoss | None) -> str | None:
    """The metric that a rule watches in the place of the validation accuracy or cost."""
    match rule:
        case Plateau() | NoImprovement():
            return None if rule.metric == VALIDATION else rule.metric
        case GeneralizationLoss():
            return None if rule.metric == "validation_cost" else rule.metric
        case Decay() | None:
            return None
        case _:
            assert_never(rule)


def advance(
    progress: Progress, evaluations: Mapping[str, Evaluation], spec: Network, numbers: Rules
) -> Progress:
    """The progress after an epoch.

    Args:
        progress: before it.
        evaluations: what was measured after it, by split.
        spec: the document; says which rules there are.
        numbers: how strict they are.
    """
    if isinstance(spec.optimizer.schedule, Decay):
        progress = progress._replace(scale=progress.scale / numbers.factor)
    validation = evaluations.get("validation")
    bests = progress.best_to_stop, progress.best_at_rate
    if validation is None and bests == (None, None):
        return progress
    count, cost = progress.best, progress.lowest
    if validation is not None:
        count, cost = jnp.asarray(validation.num_correct), jnp.asarray(validation.cost)
    is_better = count > progress.best
    stopping, schedule = spec.training.early_stopping, spec.optimizer.schedule
    scores = [_score(watched_by(rule), evaluations) for rule in (stopping, schedule)]
    (to_stop, best_to_stop), (to_lower, best_at_rate) = (
        _improve(score, best, is_better) for score, best in zip(scores, bests, strict=True)
    )
    waited = jnp.where(to_stop, 0, progress.waited + 1)
    at_rate = jnp.where(to_lower, 0, progress.waited_at_rate + 1)
    lowest = jnp.minimum(progress.lowest, cost)
    scale, goes_on = progress.scale, jnp.array(True)
    match stopping:
        case NoImprovement():
            goes_on &= waited < numbers.patience
        case GeneralizationLoss():
            watched, least = cost, lowest
            if scores[0] is not None and best_to_stop is not None:
                watched, least = -scores[0], -best_to_stop
            goes_on &= watched <= (1 + numbers.threshold) * least
        case None:
            pass
    if isinstance(schedule, Plateau):
        is_lowered = at_rate >= numbers.schedule_patience
        scale = jnp.where(is_lowered, scale / numbers.factor, scale)
        at_rate = jnp.where(is_lowered, 0, at_rate)
        # A tenth, three times over, is not quite a thousandth.
        goes_on &= scale > numbers.stop_at * 1.0001
    best = jnp.maximum(progress.best, count)
    return Progress(goes_on, scale, best, lowest, waited, at_rate, best_to_stop, best_at_rate)


def _improve(
    score: Float[Array, ""] | None, best: Float[Array, ""] | None, is_better: Bool[Array, ""]
) -> tuple[Bool[Array, ""], Float[Array, ""] | None]:
    """Whether there is a new best of what a rule watches, and the best from now on.

    Args:
        score: of another metric than the validation accuracy; None for that.
        best: score before.
        is_better: whether the validation accuracy is at its best.
    """
    if score is None or best is None:
        return is_better, None
    return score > best, jnp.maximum(score, best)


def _score(metric: str | None, evaluations: Mapping[str, Evaluation]) -> Float[Array, ""] | None:
    """A metric of a run as a number that is higher where it is better; None of none."""
    if metric is None:
        return None
    found = parse_metric(metric)
    if not isinstance(found.quantity, OfImages):
        raise TypeError(f"{metric} is not measured of images, so no rule can watch it")
    value = watch(found, found.quantity, evaluations[found.split])
    return value if found.quantity.best == "highest" else -value
