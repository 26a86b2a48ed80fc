"""Where the time of a training step goes on an accelerator: its kernels, by a profile of JAX.

python -m benchmarks.profile_step FOLDER            # profiles the telling cases, a file each
python -m benchmarks.profile_step --read FILE ...   # a table of each, on any machine
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.profiler import ProfileData
from jax.sharding import Mesh

from benchmarks.step_times import Case, prepare

CASES = (Case("784-30-10", 32), Case("two convolutions", 5), Case("two convolutions, dropout", 5))
SHARE = 0.05
"""Of the images of an epoch, which is enough."""


class Kernel(NamedTuple):
    """What a profile says of one kernel."""

    name: str
    launches: int
    microseconds: float
    """All its runs together."""


def profile(case: Case, mesh: Mesh, target: Path) -> int:
    """Write the profile of one short epoch to a file; gives the number of its steps."""
    prepared = prepare(case, mesh, share=SHARE)
    state, arguments = prepared.arguments[0], prepared.arguments[1:]
    state, _ = jax.block_until_ready(prepared.run(state, *arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(prepared.run(state, *arguments))
        (written,) = Path(folder).rglob("*.xplane.pb")
        shutil.copyfile(written, target)
    return prepared.num_steps


def read(path: Path) -> tuple[Sequence[Kernel], float, float]:
    """Kernels of a profile, longest first; microseconds in which any ran; and from first to last.

    Raises:
        ValueError: nothing was run on an accelerator.
    """
    counts, sums, spans = Counter(), Counter(), []
    for plane in ProfileData.from_file(str(path)).planes:
        if not plane.name.startswith("/device:"):
            continue
        for line in plane.lines:
            if not line.name.startswith("Stream"):
                continue
            for event in line.events:
                counts[event.name] += 1
                sums[event.name] += event.duration_ns / 1000
                spans.append((event.start_ns, event.start_ns + event.duration_ns))
    if not spans:
        raise ValueError(f"{path}: holds nothing that an accelerator ran")
    busy, last = 0.0, spans[0][0]
    for begin, end in sorted(spans):
        busy += max(0.0, end - max(begin, last))
        last = max(last, end)
    kernels = [Kernel(name, counts[name], total) for name, total in sums.most_common()]
    return kernels, busy / 1000, (last - min(spans)[0]) / 1000


def main() -> None:
    """Profile, or print what a profile says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--read", action="store_true", help="tables of profiles that are there")
    arguments = parser.parse_args()
    if not arguments.read:
        mesh = Mesh(np.asarray(jax.devices()[:1]), ("runs",))
        for index, case in enumerate(CASES):
            target = arguments.paths[0] / f"profile{index}.xplane.pb"
            num_steps = profile(case, mesh, target)
            print(f"{target.name}: {case}, {num_steps} steps", flush=True)
        return
    for path in arguments.paths:
        try:
            kernels, busy, whole = read(path)
        except ValueError as error:
            sys.exit(str(error))
        print(f"{path.name}: {whole:,.0f} us from first to last, in {busy:,.0f} of them one ran")
        for kernel in kernels[:40]:
            mean = kernel.microseconds / kernel.launches
            print(
                f"{kernel.microseconds:12,.0f} us {kernel.launches:8} x {mean:8.2f}  {kernel.name}"
            )


if __name__ == "__main__":
    main()
