"""How JAX works in commands."""

import sys

from nndl_jax.data.files import cache_folder


def prepare_jax(num_runs: int) -> None:
    """Choose how JAX works, if it is not imported yet; as the pipeline does."""
    if "jax" not in sys.modules:
        from nndl_jax.training.jax_setup import set_up_jax

        set_up_jax(num_runs, cache_folder())
