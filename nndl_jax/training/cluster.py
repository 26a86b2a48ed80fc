"""Joining the processes that train together, and their end when one of them is lost."""

import ctypes
import os
import signal
import sys

import jax

HEARTBEAT_SECONDS = 30
"""A process that has not been heard of for so long is lost."""

_SHUTDOWN_SECONDS = 30
"""How long a process that is done waits for the others."""
_LOST = (
    b"another process of this training was lost, so this one ends as well; start all of them "
    b"again, what is saved is gone on with\n"
)


def join() -> None:
    """Have JAX see the devices of all processes that the same command started, before it is used.

    `jax.distributed.initialize()` finds the others under SLURM, Open MPI, on TPU pods, and where
    its package for Kubernetes is installed. Elsewhere three variables tell of them: the address of
    the first process and a free port of it in `JAX_COORDINATOR_ADDRESS`, their number in
    `JAX_NUM_PROCESSES` and which one this is in `JAX_PROCESS_ID`, from 0.

    When a process is lost, the others end within a minute with a sentence and status 1.

    Raises:
        ValueError: nothing tells of the other processes, or a variable is no number.
        OSError: the others did not come, or the address cannot be used.
    """
    number, process = (_whole(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    # A signal is ours to answer: its service would only note that one has come.
    jax.config.update("jax_enable_preemption_service", False)
    _end_with_a_sentence()
    try:
        jax.distributed.initialize(
            num_processes=number,
            process_id=process,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )
    except ValueError as error:
        raise ValueError(
            "which processes train together is not known: start them by SLURM, Open MPI or on a "
            "TPU pod, or set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID for "
            f"each; JAX says: {error}"
        ) from None
    except RuntimeError as error:
        message = str(error).partition("\n")[0]
        raise OSError(
            f"the processes that train together did not find each other: {message}"
        ) from None


def _whole(name: str) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name}: must be a whole number, got {text!r}")
    return int(text)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _say_lost(_: int) -> None:
    os.write(2, _LOST)
    os._exit(1)


def _end_with_a_sentence() -> None:
    """Have the abort that JAX ends a process with, when another is lost, tell what to do.

    A handler of Python's own would wait for the main thread, which may be in XLA.
    """
    if sys.platform == "win32":
        return
    set_handler = ctypes.CDLL(None).signal
    set_handler.argtypes = (ctypes.c_int, ctypes.c_void_p)
    set_handler.restype = ctypes.c_void_p
    set_handler(signal.SIGABRT, ctypes.cast(_say_lost, ctypes.c_void_p))
