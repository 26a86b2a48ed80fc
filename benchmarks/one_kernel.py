"""Many steps of a network with one hidden layer as one kernel a run, for NVIDIA's processors.

XLA makes about a dozen kernels of such a step, of a few microseconds each, and brings all weights
from memory and back. Here a run is one program of a Pallas kernel (Triton's backend) and stays on
one multiprocessor: its weights are in registers for as many steps as it is called for, and a step
reads nothing but ten images, their labels and their numbers. Sigmoid layers, plain gradient
descent, quadratic or cross-entropy cost (ch. 1, eq. 20 and 21; ch. 2, BP1-BP4).

Products are sums of float32 products, one rounding each, without tensor cores: those round to ten
bits. `pixel / 256` is left for last, which rounds nothing: 256 is a power of two.

What the compiler makes of it, and why the kernel is as it is: README.md, "On an accelerator".
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float, Int, UInt8

Loss = Literal["quadratic", "cross-entropy"]

NUM_INPUTS = 784
_NUM_WORDS = NUM_INPUTS // 2
_NUM_CLASSES = 10
_WIDTH = 16
"""Examples of a mini-batch, and outputs, with those that pad them: the least that Triton
multiplies."""

_CHUNKS = (*((64 * index, 64) for index in range(6)), (384, 8))
"""Words of an image, of two pixels each, that are multiplied at once: first and number. Triton
takes powers of two, and reads what has fewer places than there are threads straight to where each
thread needs it; more would go through shared memory, with barriers."""


class Weights(NamedTuple):
    """Parameters of all runs."""

    hidden: Float[Array | np.ndarray, "runs hidden inputs"]
    hidden_bias: Float[Array | np.ndarray, "runs hidden"]
    output: Float[Array | np.ndarray, "runs classes hidden"]
    output_bias: Float[Array | np.ndarray, "runs classes"]

    @classmethod
    def from_params(cls, params: nnx.State) -> "Weights":
        """Those of a state of the library, with a row for each run."""
        return cls(*jax.tree.leaves(_in_order(params)))


def _in_order(params: nnx.State) -> list[tuple[Array, Array]]:
    layers = nnx.to_pure_dict(params)["layers"]
    return [(layers[index]["weight"], layers[index]["bias"]) for index in sorted(layers)]


@partial(jax.jit, static_argnames=("loss", "num_warps", "at_once", "interpret"))
def train_steps(
    weights: Weights,
    images: UInt8[Array, "examples inputs"],
    labels: Int[Array, " examples"],
    orders: Int[Array, "runs steps batch"],
    learning_rates: Float[Array, " runs"],
    *,
    loss: Loss,
    num_warps: int = 8,
    at_once: int = 2,
    interpret: bool = False,
) -> tuple[Weights, Float[Array, "runs steps"]]:
    """The weights after a step for each mini-batch, and the mean cost of each before its step.

    Args:
        weights: before the first step.
        images: that all runs share.
        labels: of the images.
        orders: numbers of the images of each mini-batch; at most 16 in one.
        learning_rates: of each run.
        loss: the cost.
        num_warps: of 32 threads, that share the work of a run.
        at_once: examples whose work is written out side by side; a divisor of the mini-batch.
        interpret: compute it without a GPU, operation by operation.

    Raises:
        ValueError: a mini-batch is too large, or cannot be divided.
    """
    num_runs, num_steps, batch_size = orders.shape
    if batch_size > _WIDTH or batch_size % at_once:
        message = f"mini-batches must have at most {_WIDTH} examples, and a multiple of {at_once}"
        raise ValueError(f"{message} (at_once), got {batch_size}")
    num_hidden = weights.hidden.shape[1]
    blocks = _blocks(num_hidden)
    num_rows = sum(rows for _, rows in blocks)
    words = images.astype(jnp.bfloat16).reshape(-1, _NUM_WORDS, 2)
    words = jax.lax.bitcast_convert_type(words, jnp.int32).reshape(-1)
    padding = ((0, 0), (0, 0), (0, _WIDTH - batch_size))
    padded = _Padded(
        # By place in a word: each pixel of a word that is read has weights of its own.
        _pad(weights.hidden, 1, num_rows)
        .reshape(num_runs, num_rows, _NUM_WORDS, 2)
        .transpose(0, 3, 1, 2),
        _pad(weights.hidden_bias, 1, num_rows),
        _pad(_pad(weights.output, 2, num_rows), 1, _WIDTH),
        _pad(weights.output_bias, 1, _WIDTH),
    )
    kernel = partial(
        _kernel,
        blocks=blocks,
        num_hidden=num_hidden,
        batch_size=batch_size,
        at_once=at_once,
        loss=loss,
        fma=_multiply_and_add if interpret else _fused_multiply_and_add,
    )
    costs = jax.ShapeDtypeStruct((num_runs, num_steps), jnp.float32)
    outs = (*(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in padded), costs)
    runwise = (jnp.pad(orders, padding), jnp.pad(labels[orders], padding), learning_rates[:, None])
    *after, costs = pl.pallas_call(
        kernel,
        grid=(num_runs,),
        in_specs=[
            pl.BlockSpec(words.shape, lambda run: (0,)),
            *(_row_of(leaf.shape) for leaf in (*runwise, *padded)),
        ],
        out_specs=[_row_of(out.shape) for out in outs],
        out_shape=outs,
        compiler_params=triton.CompilerParams(num_warps=num_warps, num_stages=1),
        interpret=interpret,
    )(words, *runwise, *padded)
    hidden, hidden_bias, output, output_bias = after
    hidden = hidden.transpose(0, 2, 3, 1).reshape(num_runs, num_rows, NUM_INPUTS)
    after = Weights(
        hidden[:, :num_hidden],
        hidden_bias[:, :num_hidden],
        output[:, :_NUM_CLASSES, :num_hidden],
        output_bias[:, :_NUM_CLASSES],
    )
    return after, costs


class _Padded(NamedTuple):
    """Parameters as the kernel takes them; what is padded is zero, and stays it."""

    hidden: Float[Array, "*runs 2 rows words"]
    hidden_bias: Float[Array, "*runs rows"]
    output: Float[Array, "*runs width rows"]
    output_bias: Float[Array, "*runs width"]


class _Refs(NamedTuple):
    """The same in memory, as a run sees them."""

    hidden: jax.Ref
    hidden_bias: jax.Ref
    output: jax.Ref
    output_bias: jax.Ref


class _Block(NamedTuple):
    """Parameters of some hidden neurons, in the registers of a run's threads."""

    planes: tuple[tuple[Array, ...], ...]
    """Hidden weights: by chunk, then by place in a word; (rows, words) each."""
    bias: Float[Array, " rows"]
    output: Float[Array, "width rows"]


_Fma = Callable[[Array, Array, Array], Array]


def _kernel(
    words_ref: jax.Ref,
    orders_ref: jax.Ref,
    labels_ref: jax.Ref,
    rate_ref: jax.Ref,
    *refs: jax.Ref,
    blocks: tuple[tuple[int, int], ...],
    num_hidden: int,
    batch_size: int,
    at_once: int,
    loss: Loss,
    fma: _Fma,
) -> None:
    """All steps of one run, from parameters in memory to parameters in memory."""
    before, after, costs_ref = _Refs(*refs[:4]), _Refs(*refs[4:8]), refs[8]
    num_steps, num_groups = orders_ref.shape[0], batch_size // at_once
    rate = rate_ref[0] / batch_size

    def read(step: Array, group: Array) -> tuple[tuple[Array, ...], ...]:
        """Words of a group of examples, by example and chunk."""
        examples = [orders_ref[step, group * at_once + index] for index in range(at_once)]
        return tuple(
            tuple(
                words_ref[pl.ds(pl.multiple_of(example * _NUM_WORDS + first, 8), number)]
                for first, number in _CHUNKS
            )
            for example in examples
        )

    def train_step(step: Array, carry: tuple) -> tuple:
        params, output_bias = carry

        def weigh(planes: tuple[tuple[Array, ...], ...], rows: int) -> Float[Array, "rows width"]:
            def weigh_group(group: Array, weighted: Array) -> Array:
                for index, words in enumerate(read(step, group)):
                    products = _products(planes, words, fma)
                    weighted = _put(products, group * at_once + index, weighted)
                return weighted

            zeros = jnp.zeros((rows, _WIDTH), jnp.float32)
            return jax.lax.fori_loop(0, num_groups, weigh_group, zeros)

        def change(
            planes: tuple[tuple[Array, ...], ...], changes: Float[Array, "rows width"]
        ) -> tuple[tuple[Array, ...], ...]:
            def change_group(
                group: Array, planes: tuple[tuple[Array, ...], ...]
            ) -> tuple[tuple[Array, ...], ...]:
                for index, words in enumerate(read(step, group)):
                    column = _take(changes, group * at_once + index)
                    planes = _add_products(column, words, planes, fma)
                return planes

            return jax.lax.fori_loop(0, num_groups, change_group, planes)

        weighted = [
            weigh(block.planes, rows) for block, (_, rows) in zip(params, blocks, strict=True)
        ]
        hidden = tuple(
            _activations(z / 256 + block.bias[:, None], first, num_hidden, batch_size)
            for (first, _), block, z in zip(blocks, params, weighted, strict=True)
        )
        logits = jnp.broadcast_to(output_bias[:, None], (_WIDTH, _WIDTH))
        for block, a in zip(params, hidden, strict=True):
            logits += _dot(block.output, a)
        cost, delta = _cost_and_delta(logits, labels_ref[step, :], batch_size, loss)
        costs_ref[step] = cost / batch_size
        delta *= -rate
        deltas = tuple(
            _dot(block.output, delta, trans_a=True) * a * (1 - a)
            for block, a in zip(params, hidden, strict=True)
        )
        planes = [
            change(block.planes, hidden_delta / 256)
            for block, hidden_delta in zip(params, deltas, strict=True)
        ]
        params = tuple(
            _Block(
                weights,
                block.bias + jnp.sum(hidden_delta, axis=1),
                block.output + _dot(delta, a, trans_b=True),
            )
            for weights, block, hidden_delta, a in zip(planes, params, deltas, hidden, strict=True)
        )
        return params, output_bias + jnp.sum(delta, axis=1)

    start = (_load(before, blocks), before.output_bias[:])
    params, output_bias = jax.lax.fori_loop(0, num_steps, train_step, start)
    _save(after, blocks, params)
    after.output_bias[:] = output_bias


def _pixels(words: Array) -> list[Array]:
    """The two pixels of each word: a bfloat16 is the upper half of the float32 that it equals."""
    halves = (words << 16, words & jnp.int32(-(1 << 16)))
    return [jax.lax.bitcast_convert_type(half, jnp.float32)[None, :] for half in halves]


def _products(
    planes: tuple[tuple[Array, ...], ...], words: tuple[Array, ...], fma: _Fma
) -> Float[Array, " rows"]:
    """256 times the weighted inputs of an example, without the bias."""
    wide, rest = jnp.zeros_like(planes[0][0]), jnp.zeros_like(planes[-1][0])
    for weights, chunk in zip(planes, words, strict=True):
        for weight, pixel in zip(weights, _pixels(chunk), strict=True):
            if weight.shape == wide.shape:
                wide = fma(weight, pixel, wide)
            else:
                rest = fma(weight, pixel, rest)
    return jnp.sum(wide, axis=1) + jnp.sum(rest, axis=1)


def _add_products(
    change: Float[Array, " rows"],
    words: tuple[Array, ...],
    planes: tuple[tuple[Array, ...], ...],
    fma: _Fma,
) -> tuple[tuple[Array, ...], ...]:
    return tuple(
        tuple(
            fma(change[:, None], pixel, weight)
            for weight, pixel in zip(weights, _pixels(chunk), strict=True)
        )
        for weights, chunk in zip(planes, words, strict=True)
    )


def _activations(
    weighted: Float[Array, "rows width"], first: int, num_hidden: int, batch_size: int
) -> Float[Array, "rows width"]:
    """Activations of a block; those of rows and examples that only pad it are zero."""
    is_real = (_iota(weighted, 0) + first < num_hidden) & (_iota(weighted, 1) < batch_size)
    return jnp.where(is_real, jax.nn.sigmoid(weighted), jnp.zeros_like(weighted))


def _cost_and_delta(
    logits: Float[Array, "width width"], labels: Int[Array, " width"], batch_size: int, loss: Loss
) -> tuple[Float[Array, ""], Float[Array, "width width"]]:
    """The summed cost of a mini-batch, and dC/dz of its outputs."""
    is_real = (_iota(logits, 0) < _NUM_CLASSES) & (_iota(logits, 1) < batch_size)
    targets = (_iota(logits, 0) == labels[None, :]).astype(jnp.float32)
    outputs = jax.nn.sigmoid(logits)
    delta = outputs - targets
    if loss == "quadratic":
        cost = 0.5 * delta * delta
        delta = delta * outputs * (1 - outputs)
    else:
        cost = jnp.maximum(logits, 0) - logits * targets + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    cost, delta = (jnp.where(is_real, array, jnp.zeros_like(array)) for array in (cost, delta))
    return jnp.sum(jnp.sum(cost, axis=1), axis=0), delta


def _put(
    column: Float[Array, " rows"], place: Int[Array, ""], values: Float[Array, "rows width"]
) -> Float[Array, "rows width"]:
    return jnp.where(_iota(values, 1) == place, column[:, None], values)


def _take(values: Float[Array, "rows width"], place: Int[Array, ""]) -> Float[Array, " rows"]:
    chosen = jnp.where(_iota(values, 1) == place, values, jnp.zeros_like(values))
    return jnp.sum(chosen, axis=1)


def _dot(a: Array, b: Array, *, trans_a: bool = False, trans_b: bool = False) -> Array:
    highest = jax.lax.Precision.HIGHEST
    return triton.dot(a, b, trans_a=trans_a, trans_b=trans_b, precision=highest)


def _iota(like: Array, axis: int) -> Int[Array, "..."]:
    return jax.lax.broadcasted_iota(jnp.int32, like.shape, axis)


def _multiply_and_add(a: Array, b: Array, c: Array) -> Array:
    """The numbers a b + c."""
    return a * b + c


def _fused_multiply_and_add(a: Array, b: Array, c: Array) -> Array:
    """The same in one instruction: left alone, XLA's Triton makes two of it."""
    [result] = triton.elementwise_inline_asm(
        "fma.rn.f32 $0, $1, $2, $3;",
        args=[jnp.broadcast_to(array, c.shape) for array in (a, b, c)],
        constraints="=f,f,f,f",
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(c.shape, c.dtype)],
    )
    return result


def _load(refs: _Refs, blocks: tuple[tuple[int, int], ...]) -> tuple[_Block, ...]:
    return tuple(
        _Block(
            tuple(
                tuple(refs.hidden[place, pl.ds(*rows), pl.ds(*chunk)] for place in range(2))
                for chunk in _CHUNKS
            ),
            refs.hidden_bias[pl.ds(*rows)],
            refs.output[:, pl.ds(*rows)],
        )
        for rows in blocks
    )


def _save(refs: _Refs, blocks: tuple[tuple[int, int], ...], params: tuple[_Block, ...]) -> None:
    for rows, block in zip(blocks, params, strict=True):
        for chunk, weights in zip(_CHUNKS, block.planes, strict=True):
            for place, weight in enumerate(weights):
                refs.hidden[place, pl.ds(*rows), pl.ds(*chunk)] = weight
        refs.hidden_bias[pl.ds(*rows)] = block.bias
        refs.output[:, pl.ds(*rows)] = block.output


def _blocks(num_hidden: int) -> tuple[tuple[int, int], ...]:
    """Blocks of 32 hidden neurons, the last of 16 if that is enough: their first and number.

    >>> _blocks(30), _blocks(100)
    (((0, 32),), ((0, 32), (32, 32), (64, 32), (96, 16)))
    """
    firsts = range(0, num_hidden, 32)
    return tuple((first, 16 if num_hidden - first <= 16 else 32) for first in firsts)


def _pad(array: Array | np.ndarray, axis: int, length: int) -> Array:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, length - array.shape[axis])
    return jnp.pad(array, widths)


def _row_of(shape: tuple[int, ...]) -> pl.BlockSpec:
    """What a run sees of an array: its own row."""
    return pl.BlockSpec((None, *shape[1:]), lambda run: (run,) + (0,) * (len(shape) - 1))


def time_one_kernel(
    num_hidden: int,
    num_runs: int,
    num_steps: int = 5000,
    *,
    num_examples: int = 50_000,
    num_warps: int = 8,
    at_once: int = 2,
    interpret: bool = False,
) -> float:
    """Seconds of a step of all runs together: the best of three calls, after one to compile."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(num_examples, NUM_INPUTS), dtype=np.uint8)
    labels = rng.integers(_NUM_CLASSES, size=num_examples, dtype=np.int32)
    orders = rng.integers(num_examples, size=(num_runs, num_steps, 10), dtype=np.int32)
    shapes = ((num_hidden, NUM_INPUTS), (num_hidden,), (_NUM_CLASSES, num_hidden), (_NUM_CLASSES,))
    weights = Weights(*(rng.standard_normal((num_runs, *shape), np.float32) for shape in shapes))
    arguments = jax.device_put((weights, images, labels, orders, np.full(num_runs, 3, np.float32)))
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        jax.block_until_ready(
            train_steps(
                *arguments,
                loss="quadratic",
                num_warps=num_warps,
                at_once=at_once,
                interpret=interpret,
            )
        )
        seconds.append((time.perf_counter() - start) / num_steps)
    return min(seconds[1:])
