"""A loop over batches in Python with a jitted step of Flax NNX, as its tutorials write it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from benchmarks.peers.flax_model import as_floats, build, cost
from benchmarks.peers.task import BATCH_SIZE, Task, begin


def main(task: Task) -> float:
    """The last accuracy."""
    model = build(task.kind)
    optimizer = nnx.Optimizer(model, optax.sgd(task.learning_rate), wrt=nnx.Param)

    @nnx.jit
    def step(
        model: nnx.Module,
        optimizer: nnx.Optimizer,
        images: Float[np.ndarray, "batch 784"],
        labels: Int[np.ndarray, " batch"],
    ) -> None:
        grads = nnx.grad(lambda model: cost(task.kind, model(images), jnp.asarray(labels)))(model)
        optimizer.update(model, grads)

    @nnx.jit
    def num_right(
        model: nnx.Module, images: Float[Array, "test 784"], labels: Int[Array, " test"]
    ) -> Int[Array, ""]:
        return jnp.sum(jnp.argmax(model(images), axis=-1) == labels)

    train, labels = as_floats(task.images.train), task.images.train_labels
    test, test_labels = jax.device_put((as_floats(task.images.test), task.images.test_labels))
    # What the step does not change, `cached_partial` need not look at again: NNX's own advice.
    take_step = nnx.cached_partial(step, model, optimizer)
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(task.num_epochs):
        for batch in rng.permutation(len(labels)).reshape(-1, BATCH_SIZE):
            take_step(train[batch], labels[batch])
        right = int(num_right(model, test, test_labels))
    return right / len(test_labels)


if __name__ == "__main__":
    begin(main)
