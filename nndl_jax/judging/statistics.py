"""How far runs of the same network lie apart, and what follows from it.

Few runs tell their variance badly, and two now and then agree by chance to the last image; taken at
their word, they would rule out every other number. So each variance is moderated by a prior guess.
Norms of gradients span decades: everything here sees their logarithms.
"""

from functools import lru_cache
from typing import NamedTuple, assert_never

import numpy as np
import scipy
from jaxtyping import Float

from nndl_jax.documents.metrics import ACCURACY, Quantity

Values = Float[np.ndarray, " runs"]
"""A measurement for each run."""

ROUNDING = 1e-12
"""More than the last bit that a float carries of a fraction of 10,000."""
_NUM_DRAWS = 200_000
_LARGEST_LOGARITHM = float(np.log(np.finfo(np.float64).max))


def to_scale(quantity: Quantity, values: Values | float) -> Values:
    """Measurements as they are compared: log x for norms of gradients, x for all else.

    A norm may be zero, as that of a layer before weights of zero is; it counts as the smallest
    normal float.
    """
    values = np.atleast_1d(values)
    match quantity.scale:
        case "logarithmic":
            return np.log(np.maximum(values, np.finfo(np.float64).tiny))
        case "linear":
            return values
        case _:
            assert_never(quantity.scale)


def from_scale(quantity: Quantity, value: float) -> float:
    """What `to_scale` was given; of a difference between logarithms, the ratio.

    What lies beyond the floats is the largest of them, nearly: JSON has no infinity.
    """
    match quantity.scale:
        case "logarithmic":
            return float(np.exp(min(value, _LARGEST_LOGARITHM)))
        case "linear":
            return float(value)
        case _:
            assert_never(quantity.scale)


def moderate(variance: float, degrees: int, *, prior: float) -> tuple[float, int]:
    """A variance and its degrees of freedom, with a prior guess that weighs as one more of these.

        (d s² + s₀²) / (d + 1)   and   d + 1,

    of a variance s² with d degrees of freedom and a guess s₀². It is the posterior of a variance
    whose prior is the scaled inverse χ² of one degree of freedom and scale s₀².

    Args:
        variance: of the runs.
        degrees: of freedom, one fewer than runs.
        prior: the guess; zero leaves variance and degrees as they are.

    References:
        Smyth (2004), Linear models and empirical Bayes methods for assessing differential
        expression in microarray experiments, Stat. Appl. Genet. Mol. Biol. 3(1), article 3.
    """
    if prior == 0:
        return variance, degrees
    return (degrees * variance + prior) / (degrees + 1), degrees + 1


class Mean(NamedTuple):
    """What runs tell of a mean, or of a difference between two."""

    deviation: float | None
    """Of a run, or of the difference between one of either side; None for a single run."""
    probability: float
    """Of such a mean or one above, if there were none."""
    error: float
    """Standard error of the mean."""
    degrees: float
    """Of freedom, of Student's law."""

    def interval(self, mean: float) -> tuple[float, float]:
        """What holds the true mean with a probability of 95 %."""
        reach = float(scipy.special.stdtrit(self.degrees, 0.975)) * self.error
        return mean - reach, mean + reach

    def beyond(self, mean: float, margin: float) -> float:
        """The probability of such a mean if the true one lay beyond a margin on either side.

        The larger of those of two one-sided tests.

        References:
            Schuirmann (1987), A comparison of the two one-sided tests procedure and the power
            approach for assessing the equivalence of average bioavailability, J. Pharmacokinet.
            Biopharm. 15(6).
        """
        if self.error <= ROUNDING:
            return float(abs(mean) > margin)
        return _tail((margin - abs(mean)) / self.error, self.degrees)


def one_sample(gains: Values, *, prior: float) -> Mean:
    """Whether the mean of gains is above zero.

        t = mean / √(s² / n)

    is held against Student's law, with s² and its degrees of freedom moderated.

    Args:
        gains: positive where the first side is better. The deviation of a single one is None, and
            without any spread, the sign of the gain decides.
        prior: guess of the variance of a gain, as `moderate` takes it.

    References:
        Student (1908), The probable error of a mean, Biometrika 6(1).
    """
    num_runs = len(gains)
    if num_runs < 2:
        return Mean(None, _certain(float(gains[0])), 0.0, 1.0)
    deviation = float(gains.std(ddof=1))
    variance, degrees = moderate(deviation**2, num_runs - 1, prior=prior)
    if variance <= ROUNDING**2:
        return Mean(deviation, _certain(float(gains[0])), 0.0, float(degrees))
    error = float(np.sqrt(variance / num_runs))
    return Mean(deviation, _tail(gains.mean() / error, float(degrees)), error, float(degrees))


def two_samples(
    better: Float[np.ndarray, " runs"], worse: Float[np.ndarray, " other_runs"], *, prior: float
) -> Mean:
    """Whether the mean of one side is above that of the other.

        t = (mean₁ - mean₂) / √(e₁ + e₂),   d = (e₁ + e₂)² / (e₁² / d₁ + e₂² / d₂),   eᵢ = sᵢ² / nᵢ

    is held against Student's law of d degrees of freedom (Welch's test), with each sᵢ² and its
    degrees of freedom dᵢ moderated. The probability is that of no difference or one less.

    Args:
        better: measurements of at least two runs; higher is better.
        worse: the same of the other side, of other runs.
        prior: guess of the variance of a run of either side, as `moderate` takes it.

    References:
        Welch (1947), The generalization of Student's problem when several different population
        variances are involved, Biometrika 34(1-2).
    """
    # SciPy's own test warns where the runs of one side are equal.
    sides = (better, worse)
    deviation = float(np.sqrt(sum(side.var(ddof=1) for side in sides)))
    moderate_sides = [
        moderate(float(side.var(ddof=1)), len(side) - 1, prior=prior) for side in sides
    ]
    error = np.array([variance for variance, _ in moderate_sides]) / [len(side) for side in sides]
    if error.sum() <= ROUNDING**2:
        return Mean(deviation, _certain(float(better[0] - worse[0])), 0.0, 1.0)
    t = (better.mean() - worse.mean()) / np.sqrt(error.sum())
    degrees = float(
        error.sum() ** 2 / (error**2 / [freedom for _, freedom in moderate_sides]).sum()
    )
    return Mean(deviation, _tail(t, degrees), float(np.sqrt(error.sum())), degrees)


def superiority(
    better: Float[np.ndarray, " runs"], worse: Float[np.ndarray, " other_runs"], *, is_paired: bool
) -> float:
    """In which share of pairs a run of the first side beats one of the second; of ties, half.

    Args:
        better: measurements, higher is better.
        worse: the same of the other side; of the same runs if paired, else each meets each.
        is_paired: both are of the same runs, in the same order.

    References:
        Vargha and Delaney (2000), A critique and improvement of the CL common language effect size
        statistics of McGraw and Wong, J. Educ. Behav. Stat. 25(2).
    """
    gains = better - worse if is_paired else better[:, None] - worse
    return float(np.mean((gains > 0) + (gains == 0) / 2))


def count_discoveries(probabilities: Float[np.ndarray, " tests"], rate: float) -> int:
    """How many of many tests find something, if a share of what they find at most is by chance.

    The largest k for which the k-th smallest probability is at most k rate / n, of n tests.

    Args:
        probabilities: of what was seen, if there were nothing to find.
        rate: the share, above 0 and below 1.

    References:
        Benjamini and Hochberg (1995), Controlling the false discovery rate, J. R. Statist. Soc. B
        57(1).

    >>> count_discoveries(np.array([0.001, 0.6, 0.02, 0.04]), 0.05)
    2
    """
    places = np.arange(1, len(probabilities) + 1)
    is_found = np.sort(probabilities) <= places * rate / max(len(probabilities), 1)
    return int(places[is_found].max(initial=0))


def protocol_draws(
    quantity: Quantity, values: Values, *, best_of: int, chosen_by: Values | None = None
) -> Float[np.ndarray, " draws"]:
    """What a protocol would print, over and over, on the scale of `to_scale`.

        σ² = d s² / χ²(d),   μ ~ N(mean, σ² / n),   the best of x₁ ... x_k ~ N(μ, σ²)

    with s² and its degrees of freedom d moderated, for n runs: mean and variance of a normal law
    are drawn from their posterior, then k runs, then the best of those. A single run follows
    Student's law, (x - mean) / (s √(1 + 1/n)) with d degrees of freedom.

    A protocol that chooses by validation accuracy v prints the x of the run with the highest v,
    where x and v have the correlation of our runs, moderated by a guess that there is none.

    Args:
        quantity: what is measured; fractions stay fractions, and of costs the least is best.
        values: measurements of at least two runs.
        best_of: number of runs of which the best is printed, k.
        chosen_by: the runs' validation accuracies; None to choose by the measurement itself.

    References:
        Gelman et al. (2013), Bayesian Data Analysis, ch. 3, sections 3.2 and 3.3.
    """
    known = to_scale(quantity, values)
    mean, num_runs = float(known.mean()), len(known)
    prior = quantity.prior(mean)
    variance, degrees = moderate(float(known.var(ddof=1)), num_runs - 1, prior=prior)
    draws = _standard_draws(degrees, best_of)
    deviation = np.sqrt(variance * degrees / draws.chi_squared)
    center = mean + deviation / np.sqrt(num_runs) * draws.center
    if chosen_by is None:
        best = center + deviation * (draws.least if quantity.best == "lowest" else draws.largest)
    else:
        correlation = _correlation(quantity, known, chosen_by)
        shared = correlation * draws.largest + np.sqrt(1 - correlation**2) * draws.other
        best = center + deviation * shared
    return np.clip(best, 0.0, 1.0) if quantity.unit == "fraction" else best


class _Draws(NamedTuple):
    """What `protocol_draws` puts together, for a mean of zero and a deviation of one."""

    chi_squared: Float[np.ndarray, " draws"]
    center: Float[np.ndarray, " draws"]
    least: Float[np.ndarray, " draws"]
    """The least of the runs of a protocol."""
    largest: Float[np.ndarray, " draws"]
    other: Float[np.ndarray, " draws"]
    """What a run's measurement has of its own, where another one chooses the run."""


@lru_cache(maxsize=16)  # Some hundred claims ask for a few of them, of 8 MB each.
def _standard_draws(degrees: int, best_of: int) -> _Draws:
    rng = np.random.default_rng(0)  # The same draws each time: a verdict must not flicker.
    chi_squared = rng.chisquare(degrees, _NUM_DRAWS)
    center = rng.standard_normal(_NUM_DRAWS)
    runs = rng.standard_normal((_NUM_DRAWS, best_of))
    other = rng.standard_normal(_NUM_DRAWS)
    return _Draws(chi_squared, center, runs.min(axis=1), runs.max(axis=1), other)


def _correlation(quantity: Quantity, known: Values, validation: Values) -> float:
    """Between measurements and validation accuracies of the same runs, moderated towards none."""
    degrees = len(known) - 1
    covariance = float(np.cov(known, validation)[0, 1]) * degrees / (degrees + 1)
    scale = 1.0
    for measured, values in ((quantity, known), (ACCURACY, validation)):
        prior = measured.prior(float(values.mean()))
        scale *= moderate(float(values.var(ddof=1)), degrees, prior=prior)[0]
    return float(np.clip(covariance / np.sqrt(scale), -1, 1)) if scale > 0 else 0.0


def _tail(t: float, degrees: float) -> float:
    """Probability above t under Student's law; `scipy.stats` takes a second to load."""
    return float(scipy.special.stdtr(degrees, -t))


def _certain(gain: float) -> float:
    """Probability of a gain without any spread."""
    return 0.5 if gain == 0 else float(gain < 0)
