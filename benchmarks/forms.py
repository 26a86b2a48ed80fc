"""Other forms of a training step, and flags of XLA, to be timed against the library's own.

A form is a context: what an `Engine` compiles inside of it has the other form, and computes the
same.

    with FORMS["unroll-20"]():
        engine = Engine(group, splits, mesh)
        state, _ = engine.run(engine.init(), 0)

XLA reads its flags when it starts, and ends the process if it does not know one: each set of them
is timed in a process of its own.

    python -m benchmarks.forms ch1-30-hidden --runs 32                # all forms and sets of flags
    python -m benchmarks.forms ch1-30-hidden --runs 32 --form sums    # one form, here, as JSON
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from benchmarks.timing import engine_work, load_network, seconds_per_step, synthetic_dataset
from nndl_jax.networks import layers
from nndl_jax.networks.convolution import Maps
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.training import step as steps

Form = Callable[[], AbstractContextManager[None]]


@contextlib.contextmanager
def loop(*, ahead: int, unroll: int) -> Iterator[None]:
    """Larger blocks of mini-batches, or several steps in the body of the loop over them."""
    with mock.patch.multiple(steps, _BATCHES_AHEAD=ahead, _UNROLL=unroll):
        yield


@contextlib.contextmanager
def sums() -> Iterator[None]:
    """Dense layers as sums of products, which XLA can fuse with what is around them."""

    def weighted_input(
        layer: DenseLayer,
        inputs: Float[Array, "*batch in"],
        *,
        dropout_key: Key[Array, ""] | None = None,
    ) -> Float[Array, "*batch out"]:
        if layer.dropout > 0:
            inputs = layer._drop(inputs, dropout_key)
        weight = layer.weight[...].reshape((1,) * (inputs.ndim - 1) + layer.weight.shape)
        weighted = jnp.sum(inputs[..., None, :] * weight, axis=-1)
        return weighted + jnp.broadcast_to(layer.bias[...], weighted.shape)

    with mock.patch.object(DenseLayer, "weighted_input", weighted_input):
        yield


@contextlib.contextmanager
def xla_convolution() -> Iterator[None]:
    """Convolutions by XLA's own operation, for which a GPU has a library."""

    def convolve(
        images: Maps, kernels: Float[Array, "filters maps height width"], *, stride: tuple[int, int]
    ) -> Float[Array, "batch filters rows_out columns_out"]:
        return jax.lax.conv_general_dilated(images, kernels, stride, "VALID")

    with mock.patch.object(layers, "convolve", convolve):
        yield


@contextlib.contextmanager
def algorithm(name: str) -> Iterator[None]:
    """Products by an algorithm of JAX's list, whatever the document's precision."""
    chosen = partial(jax.default_matmul_precision, name)
    with mock.patch.object(jax, "default_matmul_precision", side_effect=lambda _: chosen()):
        yield


@contextlib.contextmanager
def together(*forms: Form) -> Iterator[None]:
    """Several forms at once."""
    with contextlib.ExitStack() as stack:
        for form in forms:
            stack.enter_context(form())
        yield


FORMS: Mapping[str, Form] = {
    "library": contextlib.nullcontext,
    "ahead-100": partial(loop, ahead=100, unroll=1),
    "ahead-500": partial(loop, ahead=500, unroll=1),
    "unroll-5": partial(loop, ahead=20, unroll=5),
    "unroll-20": partial(loop, ahead=20, unroll=20),
    "sums": sums,
    "xla-convolution": xla_convolution,
    "tf32-x3": partial(algorithm, "TF32_TF32_F32_X3"),
    "ahead-500, unroll-20": partial(loop, ahead=500, unroll=20),
    "sums, unroll-5": partial(together, sums, partial(loop, ahead=20, unroll=5)),
    "sums, unroll-20": partial(together, sums, partial(loop, ahead=20, unroll=20)),
}
"""What can take the place of the library's form, by name; all compute the same."""


class Flags(NamedTuple):
    """A set of XLA's flags."""

    text: str
    """As `XLA_FLAGS` takes them."""
    why: str
    """What they may change."""


XLA_FLAG_SETS: Mapping[str, Flags] = {
    "none": Flags("", "XLA as it comes"),
    "graphs of loops": Flags(
        "--xla_gpu_enable_command_buffer=+WHILE,+CONDITIONAL --xla_gpu_graph_min_graph_size=1",
        "a whole loop is one CUDA graph, and no kernel of it is launched from the host",
    ),
    "graphs of unrolled loops": Flags(
        "--xla_gpu_enable_command_buffer=+WHILE,+CONDITIONAL --xla_gpu_graph_min_graph_size=1 "
        "--xla_gpu_command_buffer_unroll_loops=true",
        "the same without a condition that is evaluated between steps",
    ),
    "small graphs": Flags(
        "--xla_gpu_graph_min_graph_size=2", "kernels between two loops are launched as graphs"
    ),
    "no graphs": Flags("--xla_gpu_enable_command_buffer=", "what CUDA graphs are worth"),
    "double buffers": Flags(
        "--xla_gpu_enable_while_loop_double_buffering=true",
        "two steps in the body of a loop, without the copies between them",
    ),
    "cuBLAS": Flags(
        "--xla_gpu_enable_triton_gemm=false",
        "products by the library, with a kernel for what XLA would fuse with them",
    ),
    "Triton": Flags(
        "--xla_gpu_triton_gemm_any=true --xla_gpu_cublas_fallback=false",
        "all products as Triton fusions",
    ),
    "plain products": Flags(
        "--xla_gpu_gemm_rewrite_size_threshold=100000000",
        "small products as loops of XLA's own, which it can fuse",
    ),
    "no autotuning": Flags(
        "--xla_gpu_autotune_level=0", "time to compile, and what the search is worth"
    ),
}
"""What may be worth trying, by name. The flags are known to jaxlib 0.10.2 and 0.11.2."""


def time_form(form: str, document: str, num_runs: int, *, num_train: int = 50_000) -> float:
    """Seconds of a step of all runs together: the fastest of ten epochs, after one to compile.

    Args:
        form: a name in `FORMS`.
        document: the name of a network of the book.
        num_runs: trained side by side.
        num_train: images to train on; pixels are random.
    """
    with FORMS[form]():
        spec = load_network(document, {})
        work = engine_work(spec, synthetic_dataset(num_train), num_runs=num_runs)
        return min([seconds_per_step(work) for _ in range(11)][1:])


def time_with_flags(
    flags: str,
    form: str,
    document: str,
    num_runs: int,
    *,
    num_train: int = 50_000,
    timeout: float = 120,
) -> float:
    """The same in a process of its own, started with a set of flags.

    Args:
        flags: a name in `XLA_FLAG_SETS`.
        form: and what follows it, as in `time_form`.
        document: as there.
        num_runs: as there.
        num_train: as there.
        timeout: in seconds, after which the process is ended.

    Raises:
        RuntimeError: the process failed, for example as XLA does not know a flag.
        subprocess.TimeoutExpired: it took too long.
    """
    arguments = [document, "--runs", num_runs, "--form", form, "--train", num_train]
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.forms", *map(str, arguments)],
        env=environment(XLA_FLAG_SETS[flags].text),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines() or ["nothing was said"]
        raise RuntimeError(f"flags {flags!r} failed with code {child.returncode}: {lines[-1]}")
    return json.loads(child.stdout.splitlines()[-1])["seconds"]


def environment(flags: str) -> dict[str, str]:
    """That of a process with some more flags, which leaves the device's memory to others too."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    return {**os.environ, "XLA_FLAGS": flags, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the time of a step in each form and with each set of flags, or of one form as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("document", help="a network of the book, such as ch1-30-hidden")
    parser.add_argument("--runs", type=int, default=32, help="side by side (default: 32)")
    parser.add_argument("--train", type=int, default=50_000, help="images (default: 50000)")
    parser.add_argument("--form", choices=FORMS, help="time this one only, in this process")
    chosen = parser.parse_args(arguments)
    if chosen.form is not None:
        seconds = time_form(chosen.form, chosen.document, chosen.runs, num_train=chosen.train)
        print(json.dumps({"form": chosen.form, "seconds": seconds}))
        return
    cases = [("none", form) for form in FORMS] + [(flags, "library") for flags in XLA_FLAG_SETS][1:]
    for flags, form in cases:
        try:
            seconds = time_with_flags(
                flags, form, chosen.document, chosen.runs, num_train=chosen.train
            )
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{form:<34}{flags:<26}{error}", flush=True)
        else:
            print(f"{form:<34}{flags:<26}{1e6 * seconds:9.1f} us a step", flush=True)


if __name__ == "__main__":
    main()
