"""Training by several processes: the first works as if it were alone, and the others follow it.

The first alone reads, tells and writes files; it sends the others what is to be trained, so that
they need nothing but the code. After each result all of them stop, or gather the state for the
first to save, or go on, as any of them wishes. With one process nothing of this costs anything.
"""

# Annotations stay unread: those that name types of nndl_jax would import JAX before it is set up.
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import nndl_jax
from nndl_jax.documents.variants import Variant
from pipeline.machine.stop import Stop


class Job(NamedTuple):
    """What is to be trained."""

    variants: Sequence[Variant]
    dataset: nndl_jax.Dataset
    seeds: Sequence[int]
    snapshot: nndl_jax.Snapshot | None
    """To go on from."""


class Trained(NamedTuple):
    """A result, and what all processes do after it."""

    result: nndl_jax.EpochResult
    """In host memory if it is the last, or is to be saved."""
    is_over: bool
    """Whether they stop."""
    is_due: bool
    """Whether it is to be saved."""


class Stopped(Exception):  # noqa: N818 -- nothing is wrong.
    """Training ended before its end because it was asked to; its state is saved."""


def lead(
    job: Job, *, should_stop: Callable[[], bool], should_save: Callable[[], bool]
) -> Iterator[Trained]:
    """Results of a training in which all processes take part; the first calls this.

    Args:
        job: what is trained.
        should_stop: is asked after each result but the last.
        should_save: likewise.
    """
    from nndl_jax.training.processes import from_first

    yield from _results(from_first(job), should_stop, should_save)


def join() -> bool:
    """Join the other processes; train with the first until it has no more if this is another.

    Returns:
        Whether this is the first, which leads and at last dismisses the others.
    """
    from nndl_jax.training import cluster
    from nndl_jax.training.processes import from_first, is_first

    cluster.join()
    if is_first():
        return True
    with in_step():
        while (job := from_first(None)) is not None:
            stop = Stop()
            # What all of them refuse or find to diverge, the first tells of.
            with stop.heeded(), stop.patience(), suppress(ValueError, FloatingPointError):
                for _ in _results(job, stop.is_due, lambda: False):
                    pass
    return False


def dismiss() -> None:
    """Have the other processes end; the first calls this when there is no more to train."""
    from nndl_jax.training.processes import from_first

    with in_step():
        from_first(None)


@contextmanager
def in_step() -> Iterator[None]:
    """End this process where it alone fails amid a training of several, so that all of them end."""
    try:
        yield
    except (Stopped, ValueError, FloatingPointError):
        raise  # All of them come to this.
    except BaseException as error:
        from nndl_jax.training.processes import is_alone

        if is_alone():
            raise
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            os._exit(error.code)  # What it ends for is told.
        message = str(error).partition("\n")[0] or "it was stopped"
        print(f"a process of several ends: {message}", file=sys.stderr, flush=True)
        os._exit(1)  # Without waiting for the others, who wait for this.


def _results(
    job: Job, should_stop: Callable[[], bool], should_save: Callable[[], bool]
) -> Iterator[Trained]:
    from nndl_jax.training.processes import agree, is_alone

    for result in nndl_jax.train(job.variants, job.dataset, seeds=job.seeds, resume=job.snapshot):
        is_over, is_due = False, False
        if not result.is_last:
            is_over, is_due = agree(should_stop(), should_save())
        is_kept = result.is_last or is_over or is_due
        yield Trained(result.on_host() if is_kept and not is_alone() else result, is_over, is_due)
        if is_over:
            return
