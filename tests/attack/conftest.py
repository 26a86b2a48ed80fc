"""How large attacks are, and the table of what they found."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from tabulate import tabulate

from attack.verdict import MAX_SECONDS, Outcome, TryOne

COUNTS = {  # Inputs in `make test`, in `make test-all` and in `make attack`.
    "documents": (100, 100, 20_000),
    "settings": (30, 30, 3_000),
    "weight files": (30, 30, 1_000),
    "snapshots": (30, 30, 1_000),
    "data files": (60, 60, 1_000),
    "files of one's own": (60, 60, 1_000),
    "accepted mutants, run": (2, 2, 200),
    "kills of a trainer": (5, 20, 40),
    "kills of the pipeline": (2, 2, 20),
    "cuts of dvc.lock": (3, 3, None),
}
"""None for all that there are."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--attack-all", action="store_true", help="every attack at its full size")
    parser.addoption("--attack-seed", type=int, default=0, help="other inputs for other seeds")


@pytest.fixture
def attack_size(pytestconfig: pytest.Config) -> Callable[[str], int | None]:
    """A function from the name of an attack to the number of its inputs."""
    with_slow = not pytestconfig.getoption("markexpr")
    column = 2 if pytestconfig.getoption("--attack-all", False) else int(with_slow)
    return lambda name: COUNTS[name][column]


@pytest.fixture
def attack_seed(pytestconfig: pytest.Config) -> int:
    """Decides all inputs."""
    return int(pytestconfig.getoption("--attack-seed", 0))


@pytest.fixture
def conclude(record_property) -> Callable[[Outcome], None]:
    """A function that keeps the figures of an attack and fails if there are findings."""

    def keep(outcome: Outcome) -> None:
        record_property("attack", outcome.figures())
        shown = [f"{number}: {what}" for number, what in outcome.findings.items()][:20]
        assert not shown, f"{len(outcome.findings)} findings:\n" + "\n".join(shown)

    return keep


@pytest.fixture
def attack(attack_size, attack_seed, conclude) -> Callable[..., None]:
    """A function that carries an attack out."""

    def carry_out(name: str, try_one: TryOne, *, max_seconds: float = MAX_SECONDS) -> None:
        outcome = Outcome(name, attack_seed)
        for number in range(attack_size(name)):
            rng = random.Random(f"{attack_seed} {name} {number}")
            outcome.note(number, partial(try_one, rng), max_seconds=max_seconds)
        conclude(outcome)

    return carry_out


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Print what was tried and how it ended; `.pytest_cache/v/attack/figures` has it as JSON."""
    reports = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    found = [dict(report.user_properties)["attack"] for report in reports if report.user_properties]
    if not found:
        return
    found.sort(key=lambda figures: list(COUNTS).index(figures["name"]))
    config.cache.set("attack/figures", found)
    terminalreporter.section("attacks")
    terminalreporter.write_line(_table(found))


def _table(found: Sequence[dict[str, Any]]) -> str:
    counts = ("inputs", "refused", "right")
    rows = [
        [
            figures["name"],
            *(f"{figures[name]:,}" for name in counts),
            f"{len(figures['findings']):,}",
            f"{figures['seconds']:,.0f}",
        ]
        for figures in found
    ]
    headers = ["attack", *counts, "findings", "seconds"]
    return tabulate(rows, headers, tablefmt="github", colalign=("left", *["right"] * 5))
