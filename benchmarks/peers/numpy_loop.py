"""The loop of 2013, `benchmarks.book_loop`."""

import numpy as np

from benchmarks.book_loop import book_step, draw_layers, outputs
from benchmarks.peers.task import BATCH_SIZE, NUM_CLASSES, NUM_HIDDEN, Task, begin


def main(task: Task) -> float:
    """The last accuracy."""
    rng = np.random.default_rng(0)
    layers = draw_layers((784, NUM_HIDDEN, NUM_CLASSES), rng)
    images = task.images
    train, test = ((pixels / 256)[:, :, np.newaxis] for pixels in (images.train, images.test))
    targets = np.eye(NUM_CLASSES)[images.train_labels][:, :, np.newaxis]
    accuracy = 0.0
    for _ in range(task.num_epochs):
        for batch in rng.permutation(len(train)).reshape(-1, BATCH_SIZE):
            examples = [(train[index], targets[index]) for index in batch]
            layers = book_step(layers, examples, task.learning_rate)
        guesses = [np.argmax(outputs(layers, image)) for image in test]
        accuracy = float(np.mean(guesses == images.test_labels))
    return accuracy


if __name__ == "__main__":
    begin(main)
