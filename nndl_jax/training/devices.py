"""What JAX computes on, in words."""

import os
import re
from functools import lru_cache
from pathlib import Path

import jax


def describe_devices() -> str:
    """Number and model of JAX's devices: `1 x NVIDIA H100`, or cores of a processor.

    Raises:
        OSError: there are none; a sentence that says why and what to do.
    """
    check_devices()
    return f"{len(jax.devices())} x {describe_device()}"


def describe_device() -> str:
    """Model of each of JAX's devices, `NVIDIA H100` or `core of` a processor."""
    device = jax.devices()[0]
    return f"core of {_processor()}" if device.platform == "cpu" else device.device_kind


def check_devices() -> None:
    """Nothing, if JAX has devices.

    Raises:
        OSError: it has not; a sentence with what JAX says of the reason and what to do.
    """
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:  # JAX asserts that a platform has a plugin.
        message = str(error).partition("(")[0].partition("\n")[0].strip() or "there is no plugin"
        raise OSError(
            f"JAX has nothing to compute on, with JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS')}: "
            f"{message}; unset JAX_PLATFORMS to take what there is, or install JAX for this "
            "device: make JAX=cuda, make JAX=tpu"
        ) from None


@lru_cache(maxsize=1)
def _processor() -> str:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else "a processor"
