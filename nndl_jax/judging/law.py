"""The law of what a protocol prints, as far as runs of ours tell it.

Few runs are taken for draws from a normal law whose mean and variance they tell only so far (see
`statistics.protocol_draws`). From thirty on nothing normal is assumed: the law is that of the runs
themselves, by order statistics.
"""

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from nndl_jax.documents.metrics import Quantity
from nndl_jax.judging.statistics import Values, moderate, protocol_draws, to_scale

MANY_RUNS = 30
"""From here on the runs themselves are the law."""
LEVEL = 0.01
"""Least two-sided probability at which a number still counts as drawn from a law."""
_DETECTED = 0.9
_NORMAL_IQR = 1.349
"""Between the quartiles of a normal law of deviation one."""


class Drawn(NamedTuple):
    """A law by very many draws from it."""

    draws: Float[np.ndarray, " draws"]

    def tails(self, value: float) -> tuple[float, float]:
        """Probabilities of at most and of at least a value."""
        return float(np.mean(self.draws <= value)), float(np.mean(self.draws >= value))

    def quantiles(self, levels: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
        """The values below which the law lies with some probabilities."""
        return np.quantile(self.draws, levels)


class Counted(NamedTuple):
    """A law by runs, each with its probability, smoothed by a normal kernel.

        P(X <= x) = Σ_r w_r Φ((x - x_r) / h)

    is the probability of at most x, for runs x_r with probabilities w_r and a bandwidth h.
    """

    runs: Values
    probabilities: Values
    """Of the runs; their sum is one."""
    bandwidth: float
    """Above zero."""
    support: tuple[float, float]
    """Least and largest value that there can be."""

    def tails(self, value: float) -> tuple[float, float]:
        """Probabilities of at most and of at least a value."""
        below = scipy.special.ndtr((value - self.runs) / self.bandwidth)
        least, largest = self.support
        # What the kernel lays beyond the ends of the support lies on them.
        return (
            1.0 if value >= largest else float(self.probabilities @ below),
            1.0 if value <= least else float(self.probabilities @ (1 - below)),
        )

    def quantiles(self, levels: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
        """The values below which the law lies with some probabilities."""
        reach = 6 * self.bandwidth
        low = np.full(len(levels), self.runs.min() - reach)
        high = np.full(len(levels), self.runs.max() + reach)
        for _ in range(60):  # Bisection; a float has 53 bits.
            middle = (low + high) / 2
            shifts = (middle[:, None] - self.runs) / self.bandwidth
            is_low = scipy.special.ndtr(shifts) @ self.probabilities < levels
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        return np.clip((low + high) / 2, *self.support)


Law = Drawn | Counted


def protocol_law(
    quantity: Quantity, values: Values, *, best_of: int, chosen_by: Values | None = None
) -> Law | None:
    """The law of what a protocol prints, on the scale of `to_scale`.

    Args:
        quantity: what is measured; fractions stay fractions, and of costs the least is best.
        values: measurements of at least two runs.
        best_of: number of runs of which the best is printed.
        chosen_by: the runs' validation accuracies; None to choose by the measurement itself.

    Returns:
        None if thirty runs or more are equal and nothing is guessed of their spread.
    """
    if len(values) < MANY_RUNS:
        return Drawn(protocol_draws(quantity, values, best_of=best_of, chosen_by=chosen_by))
    known = to_scale(quantity, values)
    quality = -known if quantity.best == "lowest" else known
    chance = chances(quality if chosen_by is None else chosen_by, best_of)
    bandwidth = _bandwidth(quantity, known)
    support = (0.0, 1.0) if quantity.unit == "fraction" else (-np.inf, np.inf)
    return Counted(known, chance, bandwidth, support) if bandwidth else None


def chances(quality: Values, best_of: int) -> Values:
    """The probability of each of n runs to be the best of k that are drawn like them.

        w_(i) = G(i) - G(i - 1),   G(i) = E[F^k] = Π_{j<k} (i + j) / (n + j)

    for the i-th run from below. The share F of all runs that are no better than it is unknown and
    follows Beta(i, n - i), as the Bayesian bootstrap has it, of which G is the k-th moment. Runs
    of equal quality share their probability.

    Args:
        quality: by which the best is chosen; higher is better.
        best_of: number of runs that are drawn, k.

    References:
        Rubin (1981), The Bayesian bootstrap, Ann. Statist. 9(1).

    >>> chances(np.array([0.1, 0.3, 0.2]), 1).round(3).tolist()
    [0.333, 0.333, 0.333]
    >>> chances(np.array([0.1, 0.3, 0.2]), 2).round(3).tolist()
    [0.167, 0.5, 0.333]
    """
    num_runs = len(quality)
    places = np.arange(num_runs + 1)
    factors = (places[:, None] + np.arange(best_of)) / (num_runs + np.arange(best_of))
    own = np.diff(factors.prod(axis=1))
    _, groups, sizes = np.unique(quality, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    return (np.add.reduceat(own, starts) / sizes)[groups]


def departure(law: Law) -> float:
    """The least shift of what the book prints, up or down, that would mostly be found out.

    A number from a law that lies d higher, and is else as ours, falls beyond the largest value
    that counts as ours with a probability of 0.9 where d = q(0.995) - q(0.1); one from a law that
    lies lower, where d = q(0.9) - q(0.005). This is the larger of the two.
    """
    least, tenth, ninetieth, largest = law.quantiles(
        np.array([LEVEL / 2, 1 - _DETECTED, _DETECTED, 1 - LEVEL / 2])
    )
    return float(max(ninetieth - least, largest - tenth))


def split(values: Values) -> float | None:
    """Where runs part into two kinds, as the middle of the widest gap; None where they do not.

    They do if the gap between two neighbours is wider than three pooled standard deviations of the
    runs on either side, of which there are at least two.

    >>> split(np.array([0.96, 0.87, 0.961, 0.869, 0.959]))
    0.9145
    """
    known = np.sort(values)
    best = None
    for place in range(2, len(known) - 1):
        gap = known[place] - known[place - 1]
        parts = known[:place], known[place:]
        squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
        if gap**2 > 9 * squares / (len(known) - 2) and (best is None or gap > best[0]):
            best = gap, float(known[place - 1] + gap / 2)
    return None if best is None else best[1]


def _bandwidth(quantity: Quantity, known: Values) -> float:
    """1.06 min(s, IQR / 1.349) n^(-1/5), with the variance s² moderated, of runs of one kind.

    Of two kinds, they are those around either mean.

    References:
        Silverman (1986), Density Estimation for Statistics and Data Analysis, section 3.4.2.
    """
    prior = quantity.prior(float(known.mean()))
    place, around = split(known), known - known.mean()
    if place is not None:
        is_upper = known > place
        around = known - np.where(is_upper, known[is_upper].mean(), known[~is_upper].mean())
    variance, _ = moderate(float(around.var(ddof=1)), len(known) - 1, prior=prior)
    low, high = np.quantile(around, [0.25, 0.75])
    # Where most runs are equal, the quartiles say nothing.
    robust = float(high - low) / _NORMAL_IQR or np.inf
    return 1.06 * min(float(np.sqrt(variance)), robust) * len(known) ** -0.2
