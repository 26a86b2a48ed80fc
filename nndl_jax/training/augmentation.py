"""More training images than there are: shifted copies and random distortions (ch. 6).

Nothing is stored: copies are made, and distortions drawn, on the device when a mini-batch is read.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from nndl_jax.data.datasets import Split
from nndl_jax.documents import Augmentation, Distortions, Shifts

SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, -1), (0, 1))
"""Rows down and columns to the right that an image and its copies are shifted by. The book's
program has the copies in another order, which is shuffled away."""


_SHAPE = (28, 28)


def num_examples(augmentation: Augmentation | None, num_images: int) -> int:
    """Training examples that so many images give in an epoch."""
    return num_images * (len(SHIFTS) if isinstance(augmentation, Shifts) else 1)


def read(
    split: Split, examples: Int[Array, " batch"], augmentation: Augmentation | None
) -> tuple[Array, Array]:
    """Images and labels of examples, numbered image by image and copy by copy."""
    images, labels = jnp.asarray(split.images), jnp.asarray(split.labels)
    if not isinstance(augmentation, Shifts):
        return images[examples], labels[examples]
    numbers, copies = examples // len(SHIFTS), examples % len(SHIFTS)
    return shift(images[numbers], copies), labels[numbers]


def shift(
    images: UInt8[Array, "batch pixels"] | Float[Array, "batch pixels"],
    copies: Int[Array, " batch"],
) -> UInt8[Array, "batch pixels"] | Float[Array, "batch pixels"]:
    """Each image shifted as its number in `SHIFTS` says; rows and columns laid bare are white."""
    square = images.reshape(-1, *_SHAPE)
    framed = jnp.pad(square, ((0, 0), (1, 1), (1, 1)))
    shifted = [framed[:, 1 - down : 29 - down, 1 - right : 29 - right] for down, right in SHIFTS]
    wanted = copies[:, None, None]
    chosen = shifted[0]
    for copy, candidate in enumerate(shifted[1:], start=1):
        chosen = jnp.where(wanted == copy, candidate, chosen)
    return chosen.reshape(images.shape)


def distort(
    images: Float[Array, "batch pixels"], spec: Distortions, *, key: Key[Array, ""]
) -> Float[Array, "batch pixels"]:
    """Images rotated, skewed, shifted and bent, each by amounts of its own.

    A pixel takes its value, by bilinear interpolation, from the place that a random affine map and
    a random field of displacements send it to; outside of the image all is white.

    Args:
        images: of 28 x 28 pixels in 0 .. 1.
        spec: how far distortions go.
        key: used up here.

    References:
        Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks
        applied to visual document analysis, ICDAR.
    """
    square = images.reshape(-1, *_SHAPE)
    keys = jax.random.split(key, len(square))
    bent = jax.vmap(lambda image, key: _distort_one(image, spec, key))(square, keys)
    return bent.reshape(images.shape)


def _distort_one(
    image: Float[Array, "rows columns"], spec: Distortions, key: Key[Array, ""]
) -> Float[Array, "rows columns"]:
    affine_key, field_key = jax.random.split(key)
    drawn = jax.random.uniform(affine_key, (4,), image.dtype, -1, 1)
    rotation, slant = jnp.deg2rad(spec.rotation * drawn[0]), jnp.deg2rad(spec.skew * drawn[1])
    cosine, sine, tangent = jnp.cos(rotation), jnp.sin(rotation), jnp.tan(slant)
    # Columns (x) slant with rows (y), and then both turn.
    y, x = (places - (places.shape[0] - 1) / 2 for places in _grid(image))
    x += tangent * y
    y, x = cosine * y - sine * x, sine * y + cosine * x
    moved = jnp.stack([y, x]) + spec.translation * drawn[2:, None, None]
    places = moved + (image.shape[0] - 1) / 2
    if spec.elastic > 0:
        places += spec.elastic * _smooth_field(field_key, spec.smoothness, image)
    return jax.scipy.ndimage.map_coordinates(image, list(places), order=1, mode="constant")


def _grid(image: Float[Array, "rows columns"]) -> Float[Array, "2 rows columns"]:
    return jnp.indices(image.shape).astype(image.dtype)


def _smooth_field(
    key: Key[Array, ""], deviation: float, image: Float[Array, "rows columns"]
) -> Float[Array, "2 rows columns"]:
    """Displacements: uniform numbers of each pixel, averaged with a Gaussian's weights."""
    field = jax.random.uniform(key, (2, *image.shape), image.dtype, -1, 1)
    rows, columns = (_gaussian(length, deviation, image) for length in image.shape)
    return jnp.einsum("ij,djk,lk->dil", rows, field, columns)


def _gaussian(
    length: int, deviation: float, image: Float[Array, "rows columns"]
) -> Float[Array, "length length"]:
    """Weights of each place for each other one, a Gaussian whose whole sum is one."""
    places, everywhere = np.arange(length), np.arange(-4 * length, 4 * length + 1)
    total = np.exp(-0.5 * (everywhere / deviation) ** 2).sum()
    weights = np.exp(-0.5 * ((places[:, None] - places[None]) / deviation) ** 2) / total
    return jnp.asarray(weights, image.dtype)
