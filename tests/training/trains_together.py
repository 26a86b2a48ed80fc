"""One of several processes that train together, as `test_processes.py` starts them.

    python trains_together.py FOLDER [--until NUMBER] [--resume] [--lost PROCESS]

It trains the document in FOLDER and prints a hash of all that it knows at the end; the first
process writes the last snapshot to FOLDER.
"""

import argparse
import hashlib
import os
import signal
from pathlib import Path

import jax
import numpy as np
from flax import nnx

import nndl_jax
from nndl_jax.training.cluster import join
from nndl_jax.training.processes import agree, from_first, is_first

IDENTITY = {"document": "small"}
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--lost", type=int)
    arguments = parser.parse_args()
    join()
    spec = nndl_jax.load_spec(arguments.folder / "small.yaml")
    dataset = nndl_jax.load_dataset(arguments.folder / "small.npz")
    snapshot = None
    if arguments.resume:
        like = nndl_jax.abstract_states(spec, SEEDS)
        path = arguments.folder / "before.safetensors"
        snapshot, problems = nndl_jax.load_snapshot(path, identity=IDENTITY, like=like)
        assert not problems, problems
    history = [] if snapshot is None else list(snapshot.history)
    result = None
    for result in nndl_jax.train(spec, dataset, seeds=SEEDS, resume=snapshot):
        history.append({name: values.tolist() for name, values in result.metrics.items()})
        if arguments.lost == jax.process_index():
            os.kill(os.getpid(), signal.SIGKILL)
        if result.number == arguments.until:
            break
    after = result.snapshot()._replace(history=history)
    if is_first():
        nndl_jax.save_snapshot(after, arguments.folder / "after.safetensors", identity=IDENTITY)
    models = [result.model(2), result.on_host().model(2)]
    told = digest((after.states, [nnx.state(model) for model in models]), after.history)
    print("hash", told, flush=True)
    print("first", from_first(jax.process_index()), *agree(not is_first(), False), flush=True)
    try:
        next(nndl_jax.train(spec, dataset, seeds=[jax.process_index()]))
    except ValueError as error:
        print("refused", error, flush=True)


def digest(arrays: object, history: object) -> str:
    """A hash of the arrays of a tree, and of numbers."""
    total = hashlib.sha256(repr(history).encode())
    for leaf in jax.tree.leaves(arrays):
        total.update(np.ascontiguousarray(leaf))
    return total.hexdigest()


if __name__ == "__main__":
    main()
