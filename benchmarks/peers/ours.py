"""The document of the book, by `nndl_jax.train`."""

import nndl_jax
from benchmarks.peers.task import Kind, Task, begin
from nndl_jax.documents.load import of_kind

_DOCUMENTS = {
    "dense": ("ch1-30-hidden", {}),
    "convolutional": (
        "ch6-two-conv",
        {
            "vary": [],
            "monitors": ["test_accuracy"],
            "training.keep_best": False,
            "training.shuffle": True,
            "model.initializer.weights": "normal-fan-in",
        },
    ),
}


def document(kind: Kind, num_epochs: int) -> nndl_jax.Network:
    """What is trained."""
    name, changes = _DOCUMENTS[kind]
    spec = nndl_jax.load_spec(name, {**changes, "training.epochs": num_epochs})
    return of_kind(spec, nndl_jax.Network)


def main(task: Task) -> float:
    """The last accuracy."""
    spec = document(task.kind, task.num_epochs)
    images = task.images
    train = nndl_jax.Split(images.train, images.train_labels)
    test = nndl_jax.Split(images.test, images.test_labels)
    dataset = nndl_jax.Dataset("mnist", train, test, test)
    *_, last = nndl_jax.train(spec, dataset, seeds=[0])
    return float(last.metrics["test_accuracy"][0])


if __name__ == "__main__":
    begin(main)
