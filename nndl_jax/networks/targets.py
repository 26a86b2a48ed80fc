"""What networks see and are to say: pixels of images, targets of labels, labels of outputs."""

from typing import assert_never

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, Int, UInt8

from nndl_jax.data.arrays import NUM_CLASSES
from nndl_jax.documents import Data, Network

Images = UInt8[Array, "*batch pixels"] | Float[Array, "*batch inputs"]
"""Bytes of images, or inputs of examples written out in a document."""
Labels = Int[Array, "*batch"] | Float[Array, "*batch out"]
"""Digits, or targets of examples written out."""


def pixels(images: Images, spec: Network) -> Float[Array, "*batch pixels"]:
    """Images as the book's program sees them: byte / 256, from 0 (white) to 255/256 (black).

    Floats stay as they are, and so do all inputs where the document has examples of its own.
    """
    inputs = images.astype(spec.training.dtype)
    are_bytes = images.dtype == jnp.uint8 and spec.data.examples is None
    return inputs / 256 if are_bytes else inputs


def encode(
    labels: Int[Array, " batch"] | Float[Array, "batch out"],
    data: Data,
    dtype: DTypeLike,
    *,
    num_classes: int = NUM_CLASSES,
) -> Float[Array, "batch out"]:
    """Targets of a batch of labels: one-hot, or the digit's four bits, lowest first (ch. 1).

    Targets that are numbers, or that a document writes out, stay as they are.

    Args:
        labels: classes from 0 on, such as digits, which are not looked at here:
            `nndl_jax.data.arrays.as_labels` does.
        data: what the document says of targets.
        dtype: of the targets.
        num_classes: for one-hot targets, `spec.num_outputs()`.
    """
    if not data.has_classes():
        return labels.astype(dtype)
    match data.targets:
        case "one-hot":
            return jax.nn.one_hot(labels, num_classes, dtype=dtype)
        case "binary":
            return ((labels[:, None] >> jnp.arange(4, dtype=labels.dtype)[None]) & 1).astype(dtype)
        case "real":
            return labels.astype(dtype)
        case _:
            assert_never(data.targets)


def decode(
    outputs: Float[Array, "batch out"], data: Data
) -> Int[Array, " batch"] | Float[Array, "batch out"]:
    """Labels that output activations (or logits of one-hot targets) stand for.

    Outputs for targets of real numbers stand for themselves. Four bits can spell 10 to 15, which
    are no digits and so always wrong.

    Raises:
        ValueError: the document has examples of its own, whose outputs stand for no labels.
    """
    if data.examples is not None:
        raise ValueError(
            "outputs for examples written out in a document stand for no digits; look at the "
            "outputs themselves, model(inputs), or at the cost"
        )
    match data.targets:
        case "one-hot":
            return jnp.argmax(outputs, axis=-1).astype(jnp.int32)
        case "binary":
            return (outputs > 0.5).astype(jnp.int32) @ jnp.array([1, 2, 4, 8], jnp.int32)
        case "real":
            return outputs
        case _:
            assert_never(data.targets)
