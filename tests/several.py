"""Processes that are started to train together."""

import socket
import subprocess
import time
from collections.abc import Sequence

SECONDS = 300
"""How long they have at most."""


def free_address() -> str:
    """A port of this host that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The status of each, and what it says on both channels."""
    end = time.monotonic() + SECONDS
    try:
        outputs = [process.communicate(timeout=end - time.monotonic()) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        (process.returncode, *output) for process, output in zip(processes, outputs, strict=True)
    ]
