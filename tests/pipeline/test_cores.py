"""Work on every core: in order, by other processes, and by this one where JAX is loaded."""

import os
import sys

import pytest

from pipeline.machine.cores import map_on_cores


def square(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


@pytest.mark.parametrize("is_loaded", [False, True])
def test_results_are_in_order_wherever_they_come_from(
    monkeypatch: pytest.MonkeyPatch, *, is_loaded: bool
) -> None:
    if is_loaded:
        monkeypatch.setitem(sys.modules, "jax", os)
    elif "jax" in sys.modules:
        pytest.skip("JAX is loaded here already, and processes cannot part")
    values, processes = zip(
        *map_on_cores(square, range(20), desc="squares", unit="number"), strict=True
    )
    assert list(values) == [number**2 for number in range(20)]
    assert (set(processes) == {os.getpid()}) is is_loaded
