"""An epoch as one compiled program, `lax.scan` over its batches, as those write it who know JAX."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key, UInt8

from benchmarks.peers.flax_model import build, cost
from benchmarks.peers.task import BATCH_SIZE, Task, begin

Split = tuple[UInt8[Array, "images 784"], Int[Array, " images"]]


def main(task: Task) -> float:
    """The last accuracy."""
    graph, params = nnx.split(build(task.kind))

    @partial(jax.jit, donate_argnums=0)
    def epoch(
        params: nnx.State, key: Key[Array, ""], train: Split, test: Split
    ) -> tuple[nnx.State, Float[Array, ""]]:
        def step(params: nnx.State, batch: Int[Array, " batch"]) -> tuple[nnx.State, None]:
            images, labels = train[0][batch].astype(jnp.float32) / 256, train[1][batch]
            grads = jax.grad(
                lambda params: cost(task.kind, nnx.merge(graph, params)(images), labels)
            )(params)
            return jax.tree.map(lambda p, g: p - task.learning_rate * g, params, grads), None

        order = jax.random.permutation(key, len(train[1])).reshape(-1, BATCH_SIZE)
        params, _ = jax.lax.scan(step, params, order)
        logits = nnx.merge(graph, params)(test[0].astype(jnp.float32) / 256)
        return params, jnp.mean(jnp.argmax(logits, axis=-1) == test[1])

    images = task.images
    train, test = jax.device_put(
        ((images.train, images.train_labels), (images.test, images.test_labels))
    )
    accuracy = 0.0
    for number in range(task.num_epochs):
        params, accuracy = epoch(params, jax.random.key(number), train, test)
    return float(accuracy)


if __name__ == "__main__":
    begin(main)
