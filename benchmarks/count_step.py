"""What a training step is made of on an NVIDIA H100: its kernels, as XLA compiles them without one.

    pip install 'jax[cuda13]'
    python -m benchmarks.count_step ch1-30-hidden --runs 32
    python -m benchmarks.count_step ch1-30-hidden --runs 32 --form "sums, unroll-20"

Needs NVIDIA's compiler (which the packages above bring), no driver and no device. What XLA would
measure before it chooses a product's tiles, it takes a default for.
"""

import argparse
import importlib.util
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Lowered

from benchmarks.forms import FORMS
from benchmarks.timing import load_network
from nndl_jax.data.selection import select
from nndl_jax.documents import Network
from nndl_jax.training.groups import groups
from nndl_jax.training.program import like_mnist, trace_training

H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  name: "NVIDIA H100 80GB HBM3" device_vendor: "NVIDIA Corporation"
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  l2_cache_size: 52428800 memory_bandwidth: 3352320000000 device_memory_size: 84942979072
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
"""The processor, as XLA's compiler wants it described."""

_NO_KERNELS = {"parameter", "get-tuple-element", "tuple", "constant", "bitcast"}


class Loop(NamedTuple):
    """A loop of a compiled program."""

    num_trips: int | None
    """How often its body is run; None where XLA does not know."""
    kernels: Counter[str]
    """Operations in its body that are launched, by kind; a loop in it counts as one."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the loops of an epoch of a network's runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("document", help="a network of the book, such as ch1-30-hidden")
    parser.add_argument("--runs", type=int, default=32, help="side by side (default: 32)")
    parser.add_argument("--form", choices=FORMS, default="library", help="of the step")
    chosen = parser.parse_args(arguments)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_compiler()}".strip()
    # Without this JAX looks for a GPU, finds none, and forgets the compiler that it found.
    jax.config.update("jax_platforms", "cpu")
    [device] = topologies.get_topology_desc(
        platform="cuda", topology="1x1x1", target_config=H100
    ).devices
    with FORMS[chosen.form]():
        lowered = lower(
            load_network(chosen.document, {}), chosen.runs, Mesh(np.array([device]), ("runs",))
        )
    compiled = lowered.compile()
    memory, text = compiled.memory_analysis(), compiled.as_text()
    if memory is None or text is None:
        raise RuntimeError(f"XLA for {device.device_kind} says nothing of what it compiled")
    num_bytes = memory.temp_size_in_bytes
    print(f"{chosen.document}, {chosen.runs} runs, {chosen.form}: {num_bytes / 1e6:.0f} MB beside")
    print("what is given and returned. Loops, inner ones first:")
    for loop in loops(text):
        kinds = ", ".join(f"{number} {kind}" for kind, number in loop.kernels.most_common())
        print(f"{loop.num_trips} times {sum(loop.kernels.values())} kernels: {kinds}")


def lower(spec: Network, num_runs: int, mesh: Mesh) -> Lowered:
    """An epoch of runs, mapped as on an accelerator, with its measurement."""
    (group, *_) = groups(spec, range(num_runs))
    splits = select(like_mnist(), group.template)
    on_device = NamedSharding(mesh, PartitionSpec())
    return trace_training(
        group, splits, num_epochs=1, side_by_side=True, sharding=on_device
    ).lower()


def loops(text: str) -> list[Loop]:
    """The loops in the text of a compiled program, in its order."""
    bodies = _computations(text)
    found = []
    for line in text.splitlines():
        body = re.search(r" while\(.*body=%?([\w.\-]+)", line)
        if body:
            trips = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
            kernels = Counter(filter(None, map(_kind, bodies[body[1]])))
            found.append(Loop(int(trips[1]) if trips else None, kernels))
    return found


def _computations(text: str) -> Mapping[str, list[str]]:
    computations, lines = {}, []
    for line in text.splitlines():
        start = re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line)
        if start:
            lines = computations.setdefault(start[1], [])
        elif " = " in line:
            lines.append(line)
    return computations


def _kind(line: str) -> str | None:
    """The kind of an operation that is launched."""
    operation = re.search(r" = (?:\(.*?\)|\S+) ([a-z\-]+)\(", line)
    if operation is None or operation[1] in _NO_KERNELS:
        return None
    kind = re.search(r"kind=k(\w+)", line)
    return f"{operation[1]} ({kind[1].lower()})" if kind else operation[1]


def _compiler() -> str:
    """The flag that says where NVIDIA's compiler is."""
    package = importlib.util.find_spec("nvidia")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ModuleNotFoundError("NVIDIA's compiler is not installed: pip install 'jax[cuda13]'")
    return f"--xla_gpu_cuda_data_dir={Path(folders[0]) / 'cu13'}"


if __name__ == "__main__":
    main()
