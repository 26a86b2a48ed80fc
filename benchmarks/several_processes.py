"""How training by several processes costs on this machine: an epoch, and what they tell each other.

    python -m benchmarks.several_processes [NUMBER ...]

It starts 1, 2 and 4 processes of one device each, or as many as it is told, that train eight runs
of 784-30-10 together on made-up images. Where there are more processes than cores, times of the
processor are what to compare.
"""

import os
import socket
import subprocess
import sys
import time

NUM_RUNS, NUM_IMAGES, NUM_RESULTS = 8, 10_000, 8


def main() -> None:
    """Start the processes, or be one of them."""
    if "JAX_PROCESS_ID" in os.environ:
        _train()
        return
    print("processes   epoch, s   processor of the first, s   exchange, ms   KiB")
    for number in [int(argument) for argument in sys.argv[1:]] or (1, 2, 4):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        shared = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(number)}
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.several_processes"],
                env={**os.environ, **shared, "JAX_PROCESS_ID": str(index)},
            )
            for index in range(number)
        ]
        for process in processes:
            process.wait()


def _train() -> None:
    os.environ["JAX_NUM_CPU_DEVICES"] = "1"
    from pipeline.machine.jax_setup import set_up_jax

    set_up_jax(1)
    import jax
    import numpy as np

    import nndl_jax
    from nndl_jax.training import cluster, processes

    cluster.join()
    rng = np.random.default_rng(0)

    def split(number: int) -> nndl_jax.Split:
        images = rng.integers(0, 256, (number, 784)).astype(np.uint8)
        return nndl_jax.Split(images, rng.integers(0, 10, number).astype(np.int32))

    dataset = nndl_jax.Dataset("made up", split(NUM_IMAGES), split(1_000), split(1_000))
    spec = nndl_jax.load_spec("ch1-30-hidden")
    rows: list[tuple[float, float]] = []
    for result in nndl_jax.train(spec, dataset, seeds=range(NUM_RUNS)):
        rows.append((time.perf_counter(), time.process_time()))
        if result.number == NUM_RESULTS:
            break
    wall, processor = np.median(np.diff(np.asarray(rows), axis=0)[1:], axis=0)
    over = processes.one_of_each()
    metrics = np.zeros((NUM_RUNS, NUM_IMAGES // 10), np.float32)
    told = jax.device_put(metrics)
    took = []
    for _ in range(30):
        start = time.perf_counter()
        processes.whole(told, over)
        took.append(time.perf_counter() - start)
    if processes.is_first():
        milliseconds, size = 1e3 * np.median(took), metrics.nbytes / 1024
        print(
            f"{over.size:9} {wall:10.3f} {processor:27.3f} {milliseconds:14.2f} {size:5.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
