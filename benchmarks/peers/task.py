"""What every program of this folder is asked to do, and how it gives its answer."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

BATCH_SIZE = 10
NUM_CLASSES = 10
NUM_HIDDEN = 30

Kind = Literal["dense", "convolutional"]
LEARNING_RATES: dict[Kind, float] = {"dense": 3.0, "convolutional": 0.1}


class Images(NamedTuple):
    """Images and labels, as a program finds them in a file."""

    train: UInt8[np.ndarray, "train 784"]
    train_labels: Int[np.ndarray, " train"]
    test: UInt8[np.ndarray, "test 784"]
    test_labels: Int[np.ndarray, " test"]


class Task(NamedTuple):
    """What is trained.

    `dense` is 784-30-10 of chapter 1: sigmoids, quadratic cost, learning rate 3, first weights and
    biases from N(0, 1). `convolutional` are the two convolutions of chapter 6: 20 and 40 filters of
    5 x 5, each with a pool of 2 x 2, a layer of 100 and a softmax of 10, sigmoids, learning rate
    0.1. Both have batches of 10 that are shuffled each epoch, and count the test images that are
    right after every epoch.
    """

    kind: Kind
    num_epochs: int
    images: Images

    @property
    def learning_rate(self) -> float:
        """Of plain gradient descent with the cost of a batch as its mean."""
        return LEARNING_RATES[self.kind]


def begin(main: Callable[[Task], float]) -> None:
    """Give a program its task of the command line; its last accuracy, 0 to 1, is printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, help="of NumPy, with the fields of Images")
    parser.add_argument("kind", choices=list(LEARNING_RATES))
    parser.add_argument("epochs", type=int)
    arguments = parser.parse_args()
    with np.load(arguments.file) as arrays:
        images = Images(**arrays)
    print(f"{main(Task(arguments.kind, arguments.epochs, images)):.4f}")
