"""A digit that is drawn, and what trained networks make of it."""

import base64

import numpy as np

from nndl_jax.data.datasets import Dataset
from pipeline.pages.interactive.record import NOTHING, SHARED, Interactive, Json, Site
from pipeline.pages.weights import IMAGES, Reader, image_labels, list_readers, script_path


def digit(site: Site, dataset: Dataset) -> Interactive:
    """The field to draw in, at the start."""
    return Interactive(
        chapter=None,
        title="Draw a digit",
        caption=(
            "What is drawn is scaled to 20 pixels and centred by its mass in 28 x 28, as MNIST's "
            "digits were, and read by networks that this pipeline trained. Their weights are the "
            "files that it saved."
        ),
        data={
            "networks": describe_readers(site),
            "empty": NOTHING,
            "examples": list_examples(dataset),
            "images": {
                "name": IMAGES,
                "path": script_path(IMAGES),
                "labels": image_labels(dataset),
            },
        },
        scripts=(*SHARED, "pad", "digit"),
    )


def describe_readers(site: Site) -> list[dict[str, Json]]:
    """The networks that read drawings, with what a page has to say of them."""
    return [_describe(reader) for reader in list_readers(site.today)]


def list_examples(dataset: Dataset) -> list[str]:
    """Two test images of each digit in base64, if there are as many."""
    test = dataset.test
    firsts = [np.flatnonzero(test.labels == digit)[:2] for digit in range(10)]
    places = np.transpose(firsts).ravel() if all(len(images) == 2 for images in firsts) else []
    return [in_base64(test.images[place]) for place in places]


def in_base64(image: np.ndarray) -> str:
    """The bytes of an image as a text."""
    return base64.b64encode(image.tobytes()).decode("ascii")


def _describe(reader: Reader) -> dict[str, Json]:
    model = reader.document.model
    title = reader.document.title
    if all(layer.kind == "dense" for layer in model.layers):
        sizes = (784, *(shape.outputs[0] for shape in model.shapes()))
        title = f"{'-'.join(map(str, sizes))}, {model.layers[-1].activation}"
    return {
        "name": reader.name,
        "path": script_path(reader.name),
        "title": title,
        "has_maps": any(layer.kind == "conv" for layer in model.layers),
        "said": (
            f"{reader.document.title}, {model.num_params():,} weights and biases, of today's run "
            f"{reader.run.name}: {reader.accuracy:.2%} of the test images."
        ),
    }
