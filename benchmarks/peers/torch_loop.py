"""The usual loop of PyTorch, eager or with `torch.compile`."""

import os

import torch
from torch import nn

from benchmarks.peers.task import BATCH_SIZE, NUM_CLASSES, NUM_HIDDEN, Task, begin


def main(task: Task) -> float:
    """The last accuracy."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    is_dense = task.kind == "dense"
    model = _dense() if is_dense else _convolutional()
    # The mean over outputs too, as MSELoss takes it, with a rate that makes up for it.
    rate = task.learning_rate * (NUM_CLASSES / 2 if is_dense else 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, foreach=False)
    loss_fn = nn.MSELoss() if is_dense else nn.CrossEntropyLoss()
    shape = (784,) if is_dense else (1, 28, 28)
    train, test = (
        torch.from_numpy(pixels).float().div(256).reshape(-1, *shape)
        for pixels in (task.images.train, task.images.test)
    )
    labels = torch.from_numpy(task.images.train_labels).long()
    targets = torch.eye(NUM_CLASSES)[labels] if is_dense else labels
    test_labels = torch.from_numpy(task.images.test_labels)

    def cost(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return loss_fn(model(images), targets)

    cost_fn = torch.compile(cost) if os.environ.get("TORCH_LOOP") == "compile" else cost
    accuracy = 0.0
    for _ in range(task.num_epochs):
        for batch in torch.randperm(len(labels)).split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            cost_fn(train[batch], targets[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            parts = [model(part).argmax(dim=1) for part in test.split(1000)]
        accuracy = float((torch.cat(parts) == test_labels).float().mean())
    return accuracy


def _dense() -> nn.Module:
    layers = [nn.Linear(784, NUM_HIDDEN), nn.Linear(NUM_HIDDEN, NUM_CLASSES)]
    for layer in layers:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return nn.Sequential(layers[0], nn.Sigmoid(), layers[1], nn.Sigmoid())


def _convolutional() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.Sigmoid(), nn.MaxPool2d(2)),
        *(nn.Conv2d(20, 40, 5), nn.Sigmoid(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(640, 100), nn.Sigmoid(), nn.Linear(100, NUM_CLASSES)),
    )


if __name__ == "__main__":
    begin(main)
