"""Keras on JAX, by `compile` and `fit`."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras import layers

from benchmarks.peers.task import BATCH_SIZE, NUM_CLASSES, NUM_HIDDEN, Task, begin


def main(task: Task) -> float:
    """The last accuracy."""
    keras.utils.set_random_seed(0)
    is_dense = task.kind == "dense"
    model = keras.Sequential(_dense() if is_dense else _convolutional())
    # The mean over outputs too, as Keras takes it, with a rate that makes up for it.
    rate = task.learning_rate * (NUM_CLASSES / 2 if is_dense else 1)
    loss = "mean_squared_error" if is_dense else "sparse_categorical_crossentropy"
    metric = "categorical_accuracy" if is_dense else "sparse_categorical_accuracy"
    model.compile(keras.optimizers.SGD(rate), loss, metrics=[metric])
    images, shape = task.images, (784,) if is_dense else (28, 28, 1)
    train, test = (
        (pixels.astype("float32") / 256).reshape(-1, *shape)
        for pixels in (images.train, images.test)
    )
    targets, test_targets = (
        keras.utils.to_categorical(labels, NUM_CLASSES) if is_dense else labels
        for labels in (images.train_labels, images.test_labels)
    )
    history = model.fit(
        train,
        targets,
        batch_size=BATCH_SIZE,
        epochs=task.num_epochs,
        validation_data=(test, test_targets),
        validation_batch_size=1000,
        verbose=0,
    )
    return history.history[f"val_{metric}"][-1]


def _dense() -> list[keras.Layer]:
    normal = keras.initializers.RandomNormal(stddev=1.0)
    like = {"activation": "sigmoid", "kernel_initializer": normal, "bias_initializer": normal}
    return [
        keras.Input((784,)),
        layers.Dense(NUM_HIDDEN, **like),
        layers.Dense(NUM_CLASSES, **like),
    ]


def _convolutional() -> list[keras.Layer]:
    return [
        keras.Input((28, 28, 1)),
        *(layers.Conv2D(20, 5, activation="sigmoid"), layers.MaxPooling2D(2)),
        *(layers.Conv2D(40, 5, activation="sigmoid"), layers.MaxPooling2D(2)),
        layers.Flatten(),
        layers.Dense(100, activation="sigmoid"),
        layers.Dense(NUM_CLASSES, activation="softmax"),
    ]


if __name__ == "__main__":
    begin(main)
