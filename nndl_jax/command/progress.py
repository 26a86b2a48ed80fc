"""What is seen of a training in a terminal: a bar on the way, and a table at its end."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nndl_jax.command.console import show_table

if TYPE_CHECKING:
    import numpy as np

    from nndl_jax.documents import Network
    from nndl_jax.documents.variants import Run

Row = Mapping[str, Sequence[float]]
"""A measurement: a value for each run by the name of the metric, NaN where there is none."""


@contextmanager
def progress_bar(spec: "Network", done: int, *, quiet: bool) -> Iterator[Callable[[Row], None]]:
    """A bar on a terminal, which is gone at the end; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn(spec.id, markup=False), BarColumn(), MofNCompleteColumn())
    last = TextColumn("{task.fields[last]}", markup=False)
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        last,
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    metric = spec.metrics()[0]
    with bar:
        task = bar.add_task(spec.id, total=num_results(spec), completed=done, last="")

        def advance(row: Row) -> None:
            values = [value for value in row[metric] if not math.isnan(value)]
            mean = sum(values) / max(1, len(values))
            bar.update(task, advance=1, last=f"{metric} {mean:.4f}")

        yield advance


def num_results(spec: "Network") -> int:
    """Most measurements of any variant."""
    import nndl_jax

    trainings = [variant.spec.learning() for variant in nndl_jax.variants(spec)]
    return max(-(-found.epochs // found.evaluate_every) for found in trainings if found)


def show_results(spec: "Network", runs: "Sequence[Run]", rows: Sequence[Row]) -> None:
    """Mean and standard deviation over the runs of each variant, last and best."""
    import numpy as np

    from nndl_jax.documents.metrics import parse_metric
    from nndl_jax.judging.judge import best_epoch, last_epoch

    variants = list(dict.fromkeys(run.variant for run in runs))
    table = []
    for metric in spec.metrics():
        missing = [math.nan] * len(runs)
        curves = np.array([row.get(metric, missing) for row in rows], float).T
        last, best = last_epoch(curves), best_epoch(metric, curves)
        has_best = parse_metric(metric).quantity.best is not None
        for variant in variants:
            own = np.array([run.variant == variant for run in runs])
            cells = [_spread(last[own]), _spread(best[own]) if has_best else ""]
            table.append([*([variant] if len(variants) > 1 else []), metric, *cells])
    heads = [*(["variant"] if len(variants) > 1 else []), "metric", "last", "best"]
    show_table(heads, table)


def _spread(values: "np.ndarray") -> str:
    """The mean, with the standard deviation where there are several runs."""
    import numpy as np

    mean = f"{np.mean(values):.6g}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.2g}"
