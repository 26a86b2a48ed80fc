"""Memory and work that a document asks for, counted before anything is allocated.

An absurd shape does not raise in JAX: it ends the process. So it is refused here.
"""

import os
from math import inf, prod
from typing import cast

from nndl_jax.documents import Document, Network
from nndl_jax.documents.load import crossings, variant
from nndl_jax.reading.faults import SpecError


def num_bytes(spec: Network, num_runs: int) -> int:
    """Bytes that training `num_runs` runs at once holds: weights, gradients and activations."""
    itemsize = 8 if spec.training.dtype == "float64" else 4
    return itemsize * (_num_kept(spec) + _num_activations(spec)) * num_runs


def _num_kept(spec: Network) -> int:
    # weights, gradient, update; what the optimiser remembers; the best so far
    copies = 3 + spec.optimizer.num_slots() + spec.training.keep_best
    return copies * spec.model.num_params()


def _num_activations(spec: Network) -> int:
    per_image = sum(prod(shape.outputs) + shape.num_patches for shape in spec.model.shapes())
    return 3 * spec.training.batch_size * per_image


def num_flops(spec: Network) -> int:
    """Multiplications and additions of a training step, those of matrix products alone.

    Three products of one size a layer: its weighted inputs, and the gradients by its weights and
    by its inputs; the first layer needs no gradient by its inputs. A convolution is a product too.
    """
    shapes = spec.model.shapes()
    products = [shape.num_biases * shape.num_patches or shape.num_weights for shape in shapes]
    first = next(iter(filter(None, products)), 0)
    return 2 * spec.training.batch_size * (3 * sum(products) - first)


def check_memory(spec: Network, num_runs: int = 1) -> None:
    """Refuse a network whose training would not fit in this machine's memory.

    Raises:
        SpecError: names the largest layer, what the network needs and what there is.
    """
    needed, present = num_bytes(spec, num_runs), _physical_memory()
    if needed <= present:
        return
    sizes_said = f"{needed / 2**30:,.1f} GiB and this machine has {present / 2**30:,.1f} GiB"
    if _num_activations(spec) > _num_kept(spec):
        raise SpecError.at(
            spec.id,
            None,
            "training.batch_size",
            f"{num_runs} run(s) on batches of {spec.training.batch_size:,} images each need "
            f"{sizes_said}; make the batches smaller",
        )
    sizes = [shape.num_weights for shape in spec.model.shapes()]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    at, _ = spec.model.stack()[largest]
    raise SpecError.at(
        spec.id,
        None,
        f"model.layers[{at}]",
        f"{num_runs} run(s) of {spec.model.num_params():,} parameters each need "
        f"{sizes_said}; make this layer of {sizes[largest]:,} weights smaller",
    )


def check_fits(spec: Document) -> None:
    """Refuse a document of which one run of some variant would not fit in this machine's memory.

    Raises:
        SpecError: names the layer, or the axis and its values.
    """
    if not isinstance(spec, Network):
        return
    check_memory(spec)
    axes = [(f"vary[{at}]", (axis,)) for at, axis in enumerate(spec.vary)]
    for field, crossed in (*axes, ("vary", spec.vary)):
        for values in crossings(crossed):
            try:
                check_memory(cast(Network, variant(spec, values)))
            except SpecError as error:
                first = error.faults[0]
                message = f"varied over {list(values.values())}: {first.field}: {first.message}"
                raise SpecError.at(spec.id, None, field, message) from None


def _physical_memory() -> float:
    """Bytes; infinite where the system does not say, as Windows does not."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return inf
