"""Time of one training step of chapter 6's networks on one core: ours, PyTorch, the floor.

Both have two convolutions of 20 and 40 filters with max-pooling and rectified linear units, and a
mini-batch of 10. The first goes on with a layer of 100 and has L2 regularisation; the second with
two layers of 1,000 and drops half of the inputs of each dense layer (ch. 6, "Convolutional neural
networks in practice"). README.md says what is counted.
"""

import benchmarks.one_core  # noqa: F401

# isort: split
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.timing import (
    BATCH_SIZE,
    FLOOR,
    HAS_TORCH,
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
from nndl_jax.documents import Conv, Dense, Network

if TYPE_CHECKING:
    from torch import nn

NUM_TRAIN = 5_000

TORCH_TUNED = "PyTorch, channels last"
AIMS = (
    Aim(TORCH, OURS, "> 3, at least 1.6"),
    Aim(TORCH_TUNED, OURS, "> 3, at least 1.6"),
    Aim(OURS, FLOOR, "< 2, at most 4"),
)


def main() -> None:
    """Prints a table for each of the two networks."""
    dataset = synthetic_dataset(NUM_TRAIN)
    specs = {
        "conv20-conv40-100-10": load_network("ch6-relu", {}),
        # Shifted copies of images make an epoch longer, not a step.
        "conv20-conv40-1000-1000-10, dropout": load_network(
            "ch6-dropout", {"data.augmentation": None}
        ),
    }
    cases = {title: partial(contenders, spec, dataset) for title, spec in specs.items()}
    compare(__doc__, cases, AIMS)


def contenders(spec: Network, dataset: Dataset) -> Contenders:
    """What is timed for a network."""
    others = {}
    if HAS_TORCH:
        others[TORCH] = [torch_work(spec, dataset.train)]
        others[TORCH_TUNED] = [torch_work(spec, dataset.train, is_tuned=True)]
    return {OURS: [engine_work(spec, dataset)], **others, FLOOR: product_works(spec)}


def torch_work(
    spec: Network, train: Split, *, is_tuned: bool = False, num_steps: int = 200
) -> Work:
    """Part of an epoch of eager PyTorch.

    Args:
        spec: the document; its layers, learning rate and L2 penalty are taken.
        train: images and labels.
        is_tuned: channels of images and kernels last in memory, and a fused update.
        num_steps: of the part.
    """
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layout = torch.channels_last if is_tuned else torch.contiguous_format
    model = nn.Sequential(*_torch_layers(spec))
    nn.utils.convert_conv2d_weight_memory_format(model, layout)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=spec.optimizer.learning_rate,
        weight_decay=spec.regularizer.l2 / NUM_TRAIN,
        foreach=False,
        fused=is_tuned,
    )
    images = torch.from_numpy(train.images).float().reshape(-1, *spec.model.inputs) / 256
    images, labels = images.to(memory_format=layout), torch.from_numpy(train.labels).long()

    def train_part() -> None:
        for batch in torch.randperm(NUM_TRAIN)[: num_steps * BATCH_SIZE].split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(images[batch]), labels[batch]).backward()
            optimizer.step()

    return Work(train_part, num_steps)


def _torch_layers(spec: Network) -> Iterator["nn.Module"]:
    """The document's layers; pooling before the activation, as ours, is faster than after it."""
    from torch import nn

    stack = [layer for _, layer in spec.model.stack()]
    for index, (layer, shape) in enumerate(zip(stack, spec.model.shapes(), strict=True)):
        if isinstance(layer, Conv):
            yield nn.Conv2d(shape.inputs[0], layer.filters, layer.kernel)
            continue
        if isinstance(layer, Dense):
            if len(shape.inputs) > 1:
                yield nn.Flatten()
            if layer.dropout > 0:
                yield nn.Dropout(layer.dropout)
            yield nn.Linear(shape.num_weights // layer.units, layer.units)
        else:
            yield nn.MaxPool2d(layer.window)
        if index < len(stack) - 1:
            yield nn.ReLU()


if __name__ == "__main__":
    main()
