"""What JAX computes on, in words."""

import re
from pathlib import Path

import jax


def describe_devices() -> str:
    """Number and model of JAX's devices: `1 x NVIDIA H100`, or cores of a processor."""
    devices = jax.devices()
    kind = devices[0].device_kind
    if devices[0].platform == "cpu":
        kind = f"core of {_processor()}"
    return f"{len(devices)} x {kind}"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else "a processor"
