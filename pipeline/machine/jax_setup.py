"""How JAX works in the stages that use it, which is settled before it is imported."""

import json
import sys

from pipeline.machine.paths import TRAINED_ON, cache_folder
from pipeline.machine.writing import write_text

_NOTED = ("device", "jax", "jaxlib", "XLA_FLAGS")


def set_up_jax(num_runs: int, *, float64: bool = False) -> None:
    """Choose how JAX works, before it is imported, with compiled programs in our cache.

    Args:
        num_runs: more devices than this would idle.
        float64: whether to switch JAX's 64-bit mode on.
    """
    from nndl_jax.training.jax_setup import set_up_jax

    set_up_jax(num_runs, cache_folder(), float64=float64)


def check_jax() -> None:
    """End with a sentence if JAX has nothing to compute on. Imports JAX."""
    from nndl_jax.training.devices import check_devices

    try:
        check_devices()
    except OSError as error:
        sys.exit(str(error))


def note_jax() -> None:
    """Keep what JAX computes on, for the end of `make` to name. Imports JAX."""
    from nndl_jax.training.environment import describe_environment

    environment = describe_environment()
    noted = {name: environment[name] for name in _NOTED}
    write_text(TRAINED_ON, json.dumps(noted, indent=1) + "\n")
