"""When a recorder stops: at a time, or soon after a signal asks it to."""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_PATIENCE = 5.0
"""Seconds that an epoch may take to end once a signal has come."""


class Stop:
    """Whether to stop, which is asked between two epochs.

    Attributes:
        signal: the first that came, SIGINT or SIGTERM; None so far.
    """

    def __init__(self, deadline: float = math.inf) -> None:
        """Begin.

        Args:
            deadline: a value of `time.monotonic()`.
        """
        self.signal: int | None = None
        self._deadline = deadline
        self._is_patient = False

    def is_due(self) -> bool:
        """Whether the time is over or a signal has come."""
        return self.signal is not None or time.monotonic() >= self._deadline

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Let signals stop what is done inside, by a KeyboardInterrupt.

        Raises:
            SystemExit: with the status of the signal, if that was not caught inside.
        """
        numbers = [signal.SIGINT, signal.SIGTERM]
        if sys.platform != "win32":
            numbers.append(signal.SIGALRM)
        is_main = threading.current_thread() is threading.main_thread()
        # Whoever starts this with `nohup` or `&` has it ignore some.
        chosen = [n for n in numbers if is_main and signal.getsignal(n) != signal.SIG_IGN]
        earlier = {number: signal.signal(number, self._handle) for number in chosen}
        try:
            yield
        except KeyboardInterrupt:
            if self.signal is None:
                raise
            print("stopped", file=sys.stderr)
            sys.exit(self.status())
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Let the first signal wait a few seconds for what is done inside to ask `is_due`."""
        self._is_patient = True
        try:
            yield
        finally:
            self._is_patient = False
            if sys.platform != "win32":
                signal.setitimer(signal.ITIMER_REAL, 0)

    def status(self) -> int:
        """The exit status of a process that a signal ended."""
        return 128 + (self.signal or 0)

    def _handle(self, number: int, _: FrameType | None) -> None:
        is_first = self.signal is None
        if is_first:
            self.signal = number
        if not (is_first and self._is_patient):
            raise KeyboardInterrupt
        if sys.platform != "win32":  # There, the epoch ends first, however long it takes.
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
