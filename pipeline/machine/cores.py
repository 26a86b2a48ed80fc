"""Independent work on every core."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from pipeline.machine.process import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_on_cores(
    fn: Callable[[Item], Result], items: Sequence[Item], *, desc: str, unit: str
) -> Sequence[Result]:
    """Apply a function to each item, with a process for each core; gives results in order.

    Where JAX is loaded already this process does all: it has threads, and cannot be copied.

    Args:
        fn: a function of a module, which other processes find by its name.
        items: whoever begins with the longest ends sooner.
        desc: what is done, for the progress bar.
        unit: of the progress bar, an item.
    """
    with tqdm(total=len(items), desc=desc, unit=unit, disable=None) as progress:
        if "jax" in sys.modules:
            return list(_watched(map(fn, items), progress))
        try:
            with ProcessPoolExecutor(
                os.cpu_count(), initializer=_begin, initargs=(os.getpid(),)
            ) as pool:
                futures = [pool.submit(fn, item) for item in items]
                for future in _watched(as_completed(futures), progress):
                    future.result()
                return [future.result() for future in futures]
        except BrokenProcessPool:
            sys.exit(f"{desc}: one of its processes was killed, most often for want of memory")


def _begin(parent: int) -> None:
    """Workers end with their parent, which alone tells of Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)


def _watched(done: Iterator[Item], progress: tqdm) -> Iterator[Item]:
    for result in done:
        progress.update()
        yield result
