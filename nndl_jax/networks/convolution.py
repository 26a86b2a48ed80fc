"""Convolution and pooling of images (ch. 6), as products of matrices.

XLA's own convolution is many times slower on a CPU inside of a loop, and slower on a GPU where runs
are mapped over. benchmarks/README.md says what other forms gave.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nndl_jax.networks.products import times

Maps = Float[Array, "batch maps rows columns"]


def convolve(
    images: Maps, kernels: Float[Array, "filters maps height width"], *, stride: tuple[int, int]
) -> Float[Array, "batch filters rows_out columns_out"]:
    """Every kernel laid on every s-th row and t-th column of every image; biases left out.

        z[b, f, r, c] = Σ_{m,i,j} kernels[f, m, i, j] · images[b, m, s r + i, t c + j]

    It is a cross-correlation, as in the book's equation; its program flips the kernels.

    Args:
        images: maps of each image.
        kernels: one for each filter and map.
        stride: s and t above; both are 1 in the book.

    References:
        Nielsen (2015), ch. 6, eq. 125.
    """
    filters, maps, height, width = kernels.shape
    batch, _, rows, columns = images.shape
    down, right = stride
    rows, columns = (rows - height) // down + 1, (columns - width) // right + 1
    tall, wide = (rows - 1) * down + 1, (columns - 1) * right + 1
    # Maps come first, so that the product's long side is the last: patches of 25 pixels times 20
    # filters are multiplied three times faster this way round. Columns before rows: the gradient
    # then adds 5 + 5 shifted arrays, not 25.
    patches = jnp.swapaxes(images, 0, 1)
    patches = jnp.concatenate([patches[:, :, :, j : j + wide : right] for j in range(width)])
    patches = jnp.concatenate([patches[:, :, i : i + tall : down] for i in range(height)])
    flat = kernels.transpose(0, 2, 3, 1).reshape(filters, height * width * maps)
    weighted = times(flat, patches.reshape(height * width * maps, batch * rows * columns))
    return jnp.swapaxes(weighted.reshape(filters, batch, rows, columns), 0, 1)


def pad_same(
    images: Maps, kernel: tuple[int, int], *, stride: tuple[int, int]
) -> Float[Array, "batch maps _ _"]:
    """Images with zeros around them, so that kernels have a place for each stride that fits.

    There are as many before as after, or one more after.

    Args:
        images: maps of each image.
        kernel: its rows and columns.
        stride: of the convolution.
    """
    widths = [(0, 0), (0, 0)]
    for extent, covered, step in zip(images.shape[2:], kernel, stride, strict=True):
        missing = max((extent - 1) // step * step + covered - extent, 0)
        widths.append((missing // 2, missing - missing // 2))
    return jnp.pad(images, widths)


def max_pool(
    images: Maps, window: tuple[int, int]
) -> Float[Array, "batch maps rows_out columns_out"]:
    """The maximum of each window; windows lie side by side and those cut off are left out.

    Where pixels of a window share its maximum, each of them passes on the whole gradient, as in
    Theano, which the book's program uses. Forward-mode derivatives are of the same linear map: the
    changes of all of them add up.

    Args:
        images: maps of each image.
        window: its rows and columns.
    """
    batch, maps, rows, columns = images.shape
    height, width = window
    if window == (1, 1):
        return images
    rows, columns = rows // height, columns // width
    inside = images[:, :, : rows * height, : columns * width]
    apart = inside.reshape(batch, maps, rows, height, columns, width).transpose(3, 5, 1, 0, 2, 4)
    maxima = _maximum(apart.reshape(height * width, maps, batch, rows, columns))
    return jnp.swapaxes(maxima, 0, 1)


def average_pool(
    images: Maps, window: tuple[int, int]
) -> Float[Array, "batch maps rows_out columns_out"]:
    """The mean of each window; windows lie side by side and those cut off are left out.

    Args:
        images: maps of each image.
        window: its rows and columns.
    """
    batch, maps, rows, columns = images.shape
    height, width = window
    rows, columns = rows // height, columns // width
    inside = images[:, :, : rows * height, : columns * width]
    return jnp.mean(inside.reshape(batch, maps, rows, height, columns, width), axis=(3, 5))


@jax.custom_jvp
def _maximum(values: Float[Array, "window *rest"]) -> Float[Array, "*rest"]:
    return jnp.max(values, axis=0)


@_maximum.defjvp
def _maximum_jvp(
    primals: tuple[Float[Array, "window *rest"]], tangents: tuple[Float[Array, "window *rest"]]
) -> tuple[Float[Array, "*rest"], Float[Array, "*rest"]]:
    (values,), (changes,) = primals, tangents
    maxima = jnp.max(values, axis=0)
    # What turns round into the gradient of above: a sum, so that none is shared out.
    passed = jnp.where(values == maxima[None], changes, jnp.zeros_like(changes))
    return maxima, jnp.sum(passed, axis=0)


@jax.custom_jvp
def gradient_apart(values: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """The same values, whose gradient is a result of its own on accelerators.

    A GPU otherwise adds up what comes back to each pixel inside of the sum over all pixels that is
    the bias's gradient, which few of its processors share: a step of two convolutions then takes
    1.2 times as long. On a CPU it would cost a seventh.
    """
    return values


@gradient_apart.defjvp
def _gradient_apart_jvp(
    primals: tuple[Float[Array, "*any"]], tangents: tuple[Float[Array, "*any"]]
) -> tuple[Float[Array, "*any"], Float[Array, "*any"]]:
    def whole(changes: Float[Array, "*any"]) -> Float[Array, "*any"]:
        return jax.lax.optimization_barrier(changes)

    changes = jax.lax.platform_dependent(tangents[0], cpu=lambda tangent: tangent, default=whole)
    return primals[0], changes
