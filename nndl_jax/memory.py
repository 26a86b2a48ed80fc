"""Memory that a document asks for, counted before anything is allocated.

An absurd shape does not raise in JAX: it ends the process. So it is refused here.
"""

import os
from math import prod

from nndl_jax.located_yaml import SpecError
from nndl_jax.schema import Network


def num_bytes(spec: Network, num_runs: int) -> int:
    """Bytes that training `num_runs` runs at once holds: weights, gradients and activations."""
    itemsize = 8 if spec.training.dtype == "float64" else 4
    copies = 3 + (spec.optimizer.momentum != 0)  # weights, gradient, update, velocity
    activations = sum(prod(shape.outputs) for shape in spec.model.shapes())
    per_run = copies * spec.model.num_params() + 3 * spec.training.batch_size * activations
    return itemsize * per_run * num_runs


def check_memory(spec: Network, num_runs: int = 1) -> None:
    """Refuse a network whose training would not fit in this machine's memory.

    Raises:
        SpecError: names the largest layer, what the network needs and what there is.
    """
    needed, present = num_bytes(spec, num_runs), _physical_memory()
    if needed <= present:
        return
    sizes = [shape.num_weights for shape in spec.model.shapes()]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    raise SpecError.at(
        spec.id,
        None,
        f"model.layers[{largest}]",
        f"{num_runs} run(s) of {spec.model.num_params():,} parameters each need "
        f"{needed / 2**30:,.1f} GiB and this machine has {present / 2**30:,.1f} GiB; "
        f"make this layer of {sizes[largest]:,} weights smaller",
    )


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
