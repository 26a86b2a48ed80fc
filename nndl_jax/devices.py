"""What JAX computes on, in words."""

import re
from functools import lru_cache
from pathlib import Path

import jax


def describe_devices() -> str:
    """Number and model of JAX's devices: `1 x NVIDIA H100`, or cores of a processor."""
    return f"{len(jax.devices())} x {describe_device()}"


def describe_device() -> str:
    """Model of each of JAX's devices, `NVIDIA H100` or `core of` a processor."""
    device = jax.devices()[0]
    return f"core of {_processor()}" if device.platform == "cpu" else device.device_kind


@lru_cache(maxsize=1)
def _processor() -> str:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else "a processor"
