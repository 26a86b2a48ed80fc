"""Places at which networks built by hand are evaluated, a batch of them at a time.

All at once, a thousand hidden neurons at ten thousand places would fill the memory.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

BATCH = 1000

Points = Float[np.ndarray, "points inputs"]
Outputs = Float[np.ndarray, "points outputs"]


def map_batches(fn: Callable[[np.ndarray], np.ndarray], places: np.ndarray) -> np.ndarray:
    """Apply a function to each batch of places, and join what it gives.

    >>> import numpy as np
    >>> map_batches(lambda part: 2 * part, np.arange(2500)).shape
    (2500,)

    Args:
        fn: gives a row for each place.
        places: (places, ...), at least one.
    """
    parts = np.split(places, range(BATCH, len(places), BATCH))
    return np.concatenate([fn(part) for part in parts])
