"""What the book computes without training (ch. 1, 2, 3, 5, 6)."""

from collections.abc import Mapping

import numpy as np

from nndl_jax.documents import Backpropagation, Calculation, Document
from nndl_jax.documents.variants import check_seeds, single


def run_calculation(spec: Document, *, seed: int) -> Mapping[str, float]:
    """The document's metrics by name.

    Args:
        spec: a document without `vary`.
        seed: of whatever is random: weights, biases, inputs and directions that are drawn.
            From 0 to 2^32 - 1.

    Raises:
        SpecError: the document has axes, or a metric is not a finite number.
        ValueError: the seed is no such number.
    """
    spec = single(spec, Calculation)
    (seed,) = check_seeds((seed,))
    if isinstance(spec.quantity, Backpropagation):
        # The one calculation with JAX, which the others do without.
        from nndl_jax.networks.gradient_forms import check_backpropagation

        return spec.check_finite(check_backpropagation(spec.quantity, seed=seed))
    values = spec.quantity.measure(np.random.default_rng(seed))
    return spec.check_finite(dict(zip(spec.metrics(), values.tolist(), strict=True)))
