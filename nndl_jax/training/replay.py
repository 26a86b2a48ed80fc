"""The author's random draws: NumPy's legacy generator and the shuffle of Python 2.

His scripts for the figures of chapter 3 seed both generators alike. With their draws, his pixels
and float64, a run of ours gives the curves that he recorded (ch. 3, sections "Overfitting and
regularization", "Weight initialization" and "How to choose a neural network's hyper-parameters?").
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from nndl_jax.documents import Network, Replay

_NUM_AT_ONCE = 1_000_000

Layers = list[tuple[Float[np.ndarray, "out in"], Float[np.ndarray, " out"]]]


def initial_layers(spec: Network, replay: Replay) -> Layers:
    """Weights and biases of each layer, as `network2.Network` draws them.

    All biases are drawn first, layer by layer, then all weights; every network that the script made
    before, or made anew, has drawn as many numbers. His default initialisation divides the weights
    by sqrt(n_in).

    Args:
        spec: the document.
        replay: where in the script its network stands.
    """
    sizes = [(shape.num_biases, shape.num_weights) for shape in spec.model.shapes()]
    count = sum(map(sum, sizes))
    rng = np.random.RandomState(replay.seed)
    for _ in range(replay.networks_before):
        rng.standard_normal(count)
    biases = [rng.standard_normal(num_biases) for num_biases, _ in sizes]
    weights = [rng.standard_normal((units, num // units)) for units, num in sizes]
    if spec.model.initializer.weights == "normal-fan-in":
        weights = [array / np.sqrt(array.shape[1]) for array in weights]
    return list(zip(weights, biases, strict=True))


def epoch_orders(replay: Replay, num_images: int) -> Iterator[Int[np.ndarray, " images"]]:
    """The order of the training images in one epoch after another, without end.

    Python 2's `random.shuffle` goes from the last image to the second and swaps each with one
    before it or itself, number floor(u (i + 1)) of a uniform u. It works in place, so that each
    epoch shuffles the order of the epoch before.

    Args:
        replay: where in the script this training stands.
        num_images: in the list that is shuffled.
    """
    rng = _python_generator(replay.seed)
    for drawn in range(0, replay.uniforms_before, _NUM_AT_ONCE):
        rng.random_sample(min(_NUM_AT_ONCE, replay.uniforms_before - drawn))
    order = list(range(num_images))
    for _ in range(replay.shuffles_before):
        _shuffle(order, rng)
    while True:
        _shuffle(order, rng)
        yield np.array(order, np.int32)


def _python_generator(seed: int) -> np.random.RandomState:
    """A generator whose uniforms are those of `random.random` in Python 2 and 3.

    Both are the Mersenne Twister; Python seeds it with a list of 32-bit words. (NumPy takes an
    array of one word for a plain number, and seeds otherwise.)
    """
    return np.random.RandomState([seed])


def _shuffle(order: list[int], rng: np.random.RandomState) -> None:
    last = len(order) - 1
    places = np.arange(last, 0, -1)
    partners: Sequence[int] = (rng.random_sample(last) * (places + 1)).astype(np.int64).tolist()
    for place, partner in zip(range(last, 0, -1), partners, strict=True):
        order[place], order[partner] = order[partner], order[place]
