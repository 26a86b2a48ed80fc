"""What can be said of a claim, and which of two judgements says more."""

from typing import Literal

Verdict = Literal[
    "equal",
    "differs",
    "consistent",
    "inconsistent",
    "too few runs",
    "too varied",
    "supported",
    "not supported",
    "no difference",
    "undecided",
    "not judged",
    "not run",
]

_TOLD = {"not run": 0, "not judged": 0, "undecided": 1, "too few runs": 1}
"""How much those verdicts tell that leave a claim open; all others tell more."""


def weight(verdict: str, num_runs: int) -> tuple[int, int]:
    """How much a judgement tells, and by how many runs: the larger of two stands.

    >>> weight("consistent", 5) > weight("too few runs", 7) > weight("too few runs", 2)
    True
    """
    return _TOLD.get(verdict, 2), num_runs
