"""How JAX works in programs that use it well, which is settled before it is imported."""

import os
import platform
import sys
from pathlib import Path

PORTABLE = {"--xla_cpu_max_isa": "AVX2", "--xla_cpu_enable_platform_dependent_math": "false"}
"""XLA's flags for the same bits on every x86 processor of the last ten years.

Without the first, code would be written for what else a processor has; without the second, products
of matrices would be summed in the order that is best there.
"""


def set_up_jax(num_runs: int, cache: Path, *, float64: bool = False) -> None:
    """Choose how JAX works, before it is imported; what the user has set stays.

    One thread for each device, and on a CPU one device for each core: the number of threads decides
    how sums are rounded, and independent runs side by side use the cores better.

    Args:
        num_runs: more devices than this would idle.
        cache: folder in which compiled programs are kept.
        float64: whether to switch JAX's 64-bit mode on.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    wanted = {
        "PJRT_NPROC": "1",
        "JAX_NUM_CPU_DEVICES": str(max(1, min(cores, num_runs))),
        "JAX_COMPILATION_CACHE_DIR": str(cache / "xla"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    if float64:
        wanted["JAX_ENABLE_X64"] = "1"
    os.environ["XLA_FLAGS"] = portable_flags(os.environ.get("XLA_FLAGS", ""))
    for variable, value in wanted.items():
        os.environ.setdefault(variable, value)


def portable_flags(flags: str) -> str:
    """Flags for XLA, and those for portable bits that they do not name.

    `--xla_cpu_enable_platform_dependent_math=true` asks for the bits of this processor alone.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return flags
    named = {flag.partition("=")[0] for flag in flags.split()}
    added = [f"{flag}={value}" for flag, value in PORTABLE.items() if flag not in named]
    return " ".join([*flags.split(), *added])
