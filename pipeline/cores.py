"""Independent work on every core."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from pipeline.process import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_on_cores(fn: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Apply a function to each item, with a process for each core; gives results in order.

    Where JAX is loaded already this process does all: it has threads, and cannot be copied.
    """
    if "jax" in sys.modules:
        yield from map(fn, items)
        return
    with ProcessPoolExecutor(os.cpu_count(), initializer=die_with_parent) as pool:
        yield from pool.map(fn, items)
