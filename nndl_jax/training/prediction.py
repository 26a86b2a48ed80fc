"""What a network takes images for, one by one and class by class."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Shaped
from numpy.typing import ArrayLike

from nndl_jax.data.datasets import Split
from nndl_jax.data.selection import read_images, read_split
from nndl_jax.documents import Document, Network
from nndl_jax.networks.network import (
    FeedforwardNetwork,
    document_of,
    fitting_network,
    split_model,
)
from nndl_jax.networks.targets import Images, decode, pixels
from nndl_jax.training.measuring import chunk_size, confusion


class Misclassified(NamedTuple):
    """Images that a network takes for another class, from where it is most certain."""

    images: Int[np.ndarray, " wrong"]
    """Places in the split, from 0."""
    labels: Int[np.ndarray, " wrong"]
    guesses: Int[np.ndarray, " wrong"]
    certainties: Float[np.ndarray, " wrong"]
    """Outputs of the guessed classes: probabilities where the last layer is softmax."""


def predict(
    model: FeedforwardNetwork, images: Split | ArrayLike, spec: Document | None = None
) -> Int[np.ndarray, " images"] | Float[np.ndarray, "images out"]:
    """The digit or other class that a network takes each image for.

    Where targets are real numbers, the network's outputs, a row an input. Four outputs of binary
    targets can spell 10 to 15, which are no digits.

    Args:
        model: the network.
        images: as `evaluate` takes them, alone or in a split, whose labels are not looked at; also
            a single one, (784,) or (28, 28), which gives one digit.
        spec: the document that the network was built from; None for the one that it knows.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network.
        ValueError: they are no images, the network is of other inputs or outputs, or the document
            has examples of its own, which are no digits; says what was found.
    """
    spec = document_of(model, spec)
    pictures = read_images(images, spec)
    return _run(fitting_network(model, spec), pictures, spec)[0]


def confusion_matrix(
    model: FeedforwardNetwork, split: Split, spec: Document | None = None
) -> Int[np.ndarray, "classes guesses"]:
    """How many images of each class a network takes for each; four binary outputs can spell 15.

    Args:
        model: the network.
        split: images and labels as `evaluate` takes them.
        spec: the document that the network was built from; None for the one that it knows.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network, or the split no `Split`.
        ValueError: the document has no classes, or what `evaluate` raises.
    """
    spec = document_of(model, spec)
    if not spec.data.has_classes():
        message = "has outputs of real numbers, which take nothing for a class; look at its cost"
        raise ValueError(f"{spec.id}: {message}")
    images, labels = read_split(split, spec)
    guesses, _ = _run(fitting_network(model, spec), images, spec)
    num_guesses = 2 ** spec.num_outputs() if spec.data.targets == "binary" else spec.num_outputs()
    return np.asarray(confusion(guesses, labels, (spec.num_classes(), num_guesses)))


def misclassified(
    model: FeedforwardNetwork, split: Split, spec: Document | None = None
) -> Misclassified:
    """The images of a split that a network takes for another class, and how certain it is.

    Args:
        model: the network.
        split: images and labels as `evaluate` takes them.
        spec: the document that the network was built from; None for the one that it knows.

    Raises:
        SpecError: the document has axes.
        TypeError: the model is no network, or the split no `Split`.
        ValueError: the document has no output for each class, or what `evaluate` raises.
    """
    spec = document_of(model, spec)
    if not spec.data.is_one_hot():
        message = "has no output for each class, so that none says how certain it is of one"
        raise ValueError(f"{spec.id}: {message}; `predict` gives what it says")
    images, labels = read_split(split, spec)
    guesses, outputs = _run(fitting_network(model, spec), images, spec)
    wrong = np.flatnonzero(guesses != labels)
    certainties = outputs[wrong, guesses[wrong]]
    order = np.argsort(-certainties, kind="stable")
    wrong = wrong[order]
    return Misclassified(wrong, labels[wrong], guesses[wrong], certainties[order])


def _run(
    model: FeedforwardNetwork, pictures: Shaped[np.ndarray, "images *_"], spec: Network
) -> tuple[
    Int[np.ndarray, " images"] | Float[np.ndarray, "images out"], Float[np.ndarray, "images out"]
]:
    """What a network says of images, and its outputs."""
    size, (graph, params) = chunk_size(spec), split_model(model)
    none = np.zeros((0, spec.num_outputs()), spec.training.dtype)
    found = [(np.zeros(0, np.int32) if spec.data.has_classes() else none, none)]
    for at in range(0, len(pictures), size):
        part = pictures[at : at + size]
        found.append(_predict(params, part, graph=graph, spec=spec.bare()))
    said, outputs = zip(*found, strict=True)
    return np.concatenate(said), np.concatenate(outputs)


@partial(jax.jit, static_argnames=("graph", "spec"))
def _predict(
    params: nnx.State,
    images: Images,
    *,
    graph: nnx.GraphDef[FeedforwardNetwork],
    spec: Network,
) -> tuple[Int[Array, " images"] | Float[Array, "images out"], Float[Array, "images out"]]:
    model = nnx.merge(graph, params)
    with jax.default_matmul_precision(spec.training.matmul_precision):
        outputs = model(pixels(images, spec))
        return decode(outputs, spec.data), outputs
