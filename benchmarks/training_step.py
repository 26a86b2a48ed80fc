"""Time of one training step on one core: ours, the book's loop in NumPy, PyTorch, the floor.

The step is the book's of chapter 1, "Implementing our network to classify digits": a mini-batch of
10 of 50,000 images, sigmoid layers, quadratic cost, weights from N(0, 1), learning rate 3.
README.md says what is counted.
"""

import benchmarks.one_core  # noqa: F401

# isort: split
from functools import partial

import numpy as np

from benchmarks.book_loop import book_step, draw_layers
from benchmarks.timing import (
    BATCH_SIZE,
    FLOOR,
    HAS_TORCH,
    NUM_CLASSES,
    NUM_INPUTS,
    OURS,
    TORCH,
    Aim,
    Contenders,
    Work,
    compare,
    engine_work,
    load_network,
    product_works,
    synthetic_dataset,
)
from nndl_jax.data.datasets import Dataset, Split

NUM_TRAIN = 50_000
LEARNING_RATE = 3.0

BOOK = "NumPy, the book's loop"
AIMS = (Aim(BOOK, OURS, "> 18"), Aim(TORCH, OURS, "> 8"), Aim(OURS, FLOOR, "< 5"))


def main() -> None:
    """Prints a table for 784-30-10 and one for 784-100-10."""
    dataset = synthetic_dataset(NUM_TRAIN)
    cases = {
        f"{NUM_INPUTS}-{num_hidden}-{NUM_CLASSES}": partial(contenders, num_hidden, dataset)
        for num_hidden in (30, 100)
    }
    compare(__doc__, cases, AIMS)


def contenders(num_hidden: int, dataset: Dataset) -> Contenders:
    """What is timed for a hidden layer of so many neurons."""
    spec = load_network("ch1-30-hidden", {"model.layers[0].units": num_hidden})
    return {
        OURS: [engine_work(spec, dataset)],
        BOOK: [book_work(num_hidden, dataset.train)],
        **({TORCH: [torch_work(num_hidden, dataset.train)]} if HAS_TORCH else {}),
        FLOOR: product_works(spec),
    }


def book_work(num_hidden: int, train: Split, *, num_steps: int = 500) -> Work:
    """Part of an epoch as it was written in 2013: float64, one example at a time, in columns."""
    rng = np.random.default_rng(0)
    layers = draw_layers((NUM_INPUTS, num_hidden, NUM_CLASSES), rng)
    columns = (train.images / 256)[:, :, np.newaxis]
    targets = np.eye(NUM_CLASSES)[train.labels][:, :, np.newaxis]

    def train_part() -> None:
        nonlocal layers
        for batch in rng.integers(NUM_TRAIN, size=(num_steps, BATCH_SIZE)):
            layers = book_step(
                layers, [(columns[index], targets[index]) for index in batch], LEARNING_RATE
            )

    return Work(train_part, num_steps)


def torch_work(num_hidden: int, train: Split, *, num_steps: int = 2000) -> Work:
    """Part of an epoch of eager PyTorch; `foreach`, `fused` and pixels as bytes were no faster."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    hidden, outputs = nn.Linear(NUM_INPUTS, num_hidden), nn.Linear(num_hidden, NUM_CLASSES)
    model = nn.Sequential(hidden, nn.Sigmoid(), outputs, nn.Sigmoid())
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    # The mean over outputs too is one operation less than 1/2 |y - a|^2; the rate makes up for it.
    loss_fn, rate = nn.MSELoss(), LEARNING_RATE * NUM_CLASSES / 2
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, foreach=False)
    images = torch.from_numpy(train.images).float() / 256
    targets = torch.eye(NUM_CLASSES)[torch.from_numpy(train.labels)]

    def train_part() -> None:
        for batch in torch.randperm(NUM_TRAIN)[: num_steps * BATCH_SIZE].split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(images[batch]), targets[batch]).backward()
            optimizer.step()

    return Work(train_part, num_steps)


if __name__ == "__main__":
    main()
