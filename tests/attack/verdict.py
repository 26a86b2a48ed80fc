"""How one input of an attack ends: refused with a sentence, taken and right, or a finding.

An input is made from a generator of its own, so that the number of a finding, with the seed of the
attack, makes it again.
"""

import random
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from nndl_jax.reading.faults import MAX_SHOWN

Result = TypeVar("Result")
REFUSED, RIGHT = "refused", "right"

TryOne = Callable[[random.Random], str]
"""Makes an input and tries it; gives one of the two, and raises anything else."""

_MAX_LINE = 1500
MAX_SECONDS = 20.0
"""Of the processor, for one input that is read: nobody waits for more."""


class FindingError(AssertionError):
    """Something that is neither refused nor right."""


def attempt(
    action: Callable[[], Result], *errors: type[Exception], where: object
) -> tuple[Result | None, Exception | None]:
    """What comes of something, or the error that refuses it, once that is held to be a sentence.

    Args:
        action: what may be refused.
        errors: with which it may be.
        where: a sentence starts with this.
    """
    try:
        return action(), None
    except errors as error:
        check_sentence(str(error), where)
        return None, error


def check_sentence(message: str, where: object) -> None:
    """Hold a message to be a few lines that a terminal can show, each of which says where."""
    lines = message.split("\n")
    if not 1 <= len(lines) <= MAX_SHOWN + 1:
        raise FindingError(f"{len(lines)} lines are said")
    if len(lines) > MAX_SHOWN and lines[-1].startswith("and ") and lines[-1].endswith(" more"):
        lines.pop()
    for line in lines:
        if not line.startswith(str(where)):
            raise FindingError(f"does not start with {where}: {line!r}")
        if not line.isprintable() or len(line) > _MAX_LINE or "Traceback" in line:
            raise FindingError(f"is no sentence: {line[:_MAX_LINE]!r}")


class Outcome:
    """What has come of an attack so far."""

    def __init__(self, name: str, seed: int) -> None:
        self.ends = {REFUSED: 0, RIGHT: 0}
        self.findings: dict[str, str] = {}
        """By the number or the name of an input."""
        self._name, self._seed, self._began = name, seed, time.monotonic()

    def note(
        self, number: object, try_it: Callable[[], str], *, max_seconds: float = MAX_SECONDS
    ) -> None:
        """Try an input, and count how it ends."""
        used = time.process_time()
        try:
            end = try_it()
            if (used := time.process_time() - used) > max_seconds:
                raise FindingError(f"took {used:.0f} s")
        except Exception:  # Whatever escapes is what is looked for.
            self.findings[str(number)] = traceback.format_exc(limit=-3)
        else:
            self.ends[end] += 1

    def figures(self) -> dict[str, Any]:
        """All of it, to be kept."""
        return {
            "name": self._name,
            "inputs": sum(self.ends.values()) + len(self.findings),
            **self.ends,
            "findings": self.findings,
            "seed": self._seed,
            "seconds": round(time.monotonic() - self._began, 1),
        }
