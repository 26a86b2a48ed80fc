"""What decides the bits of training beside document, seeds, data and code."""

import os
from collections.abc import Mapping

import flax
import jax
import optax

from nndl_jax.training.devices import describe_device

_SETTINGS = (
    "jax_default_prng_impl",
    "jax_disable_most_optimizations",
    "jax_enable_x64",
    "jax_random_seed_offset",
    "jax_threefry_partitionable",
)
_VARIABLES = ("PJRT_NPROC", "XLA_FLAGS")


def describe_environment() -> Mapping[str, str]:
    """Versions, the device and settings, by the names that they are known by.

    The number of devices is none of it: it decides no bits.
    """
    versions = {"jax": jax, "jaxlib": jax.lib, "flax": flax, "optax": optax}
    return {
        **{name: module.__version__ for name, module in versions.items()},
        "device": describe_device(),
        # As an attribute a setting is that of this thread, which `jax.enable_x64` may have changed.
        **{
            name.upper(): str(getattr(jax.config, name, jax.config.values.get(name)))
            for name in _SETTINGS
        },
        **{name: " ".join(sorted(os.environ.get(name, "").split())) for name in _VARIABLES},
    }
