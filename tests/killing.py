"""Kills in the middle of what a function writes: before each of its file operations in turn."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"}


class Killed(BaseException):
    """Stands for the end of the process: from then on no file operation is done any more."""


class _Reaper:
    """Counts file operations that change something, and ends them after a number of them."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.opened: Path | None = None
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple) -> None:
        if self.left is None:
            return
        is_open = event == "open" and self._is_for_writing(*arguments[1:])
        if not is_open and event not in _CHANGES:
            return
        if self.left == 0:
            raise Killed
        self.left -= 1
        self.opened = Path.cwd() / arguments[0] if is_open else None

    @staticmethod
    def _is_for_writing(mode: str | None, flags: int) -> bool:
        return bool(flags & os.O_CREAT) if mode is None else not {*"wxa+"}.isdisjoint(mode)


_reaper: list[_Reaper] = []


@contextmanager
def _killed_after(number: int) -> Iterator[_Reaper]:
    # A hook cannot be taken back, so that there is one for all tests.
    if not _reaper:
        _reaper.append(_Reaper())
    (reaper,) = _reaper
    reaper.left, reaper.opened = number, None
    try:
        yield reaper
    finally:
        reaper.left = None


def kills(action: Callable[[], object], *, start: Callable[[], object]) -> Iterator[str]:
    """Do something again and again, each time killed one operation later; gives where, each time.

    A file that was being written is also seen cut in half.

    Args:
        action: what is killed.
        start: makes the state anew that it begins from.
    """
    number, is_done = 0, False
    while not is_done:
        for is_cut in (False, True):
            start()
            with _killed_after(number) as reaper:
                try:
                    action()
                except Killed:
                    pass
                else:
                    is_done = True
                opened = reaper.opened
            if is_done:
                break
            if is_cut:
                if opened is None or not opened.exists():
                    continue
                content = opened.read_bytes()
                opened.write_bytes(content[: len(content) // 2])
            yield f"after {number} operations{', the last one cut' if is_cut else ''}"
        number += 1
