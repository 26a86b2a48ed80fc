"""Damaged files of weights, states and data: refused with the file's name, or still the same."""

import gzip
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from attack.files import damage_file, put
from attack.mutants import damage
from attack.verdict import REFUSED, RIGHT, FindingError, attempt, check_sentence
from nndl_jax import abstract_states, load, load_snapshot, save, save_snapshot, train
from nndl_jax.data.datasets import load_dataset, save_dataset
from nndl_jax.data.mnist import MnistFile, read_published

IDENTITY = {"document": "ours", "data set": "small"}


@pytest.fixture(scope="module")
def trained(small_network, small_dataset):
    """A document, three snapshots of its training, and the network at the end."""
    spec = small_network({"training.epochs": 3, "optimizer.momentum": 0.5})
    results = train(spec, small_dataset, seeds=[0, 1])
    snapshots, history = [], []
    for result in results:
        history.append({name: values.tolist() for name, values in result.metrics.items()})
        snapshots.append(result.snapshot()._replace(history=list(history)))
        model = result.model(0)
    return spec, snapshots, model


def bits(tree) -> list[tuple[str, tuple[int, ...], bytes]]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return [(leaf.dtype.name, leaf.shape, leaf.tobytes()) for leaf in leaves]


def test_damaged_weight_files_are_refused_or_give_the_same_network(attack, trained, tmp_path):
    spec, _, model = trained
    path = tmp_path / "weights.safetensors"
    save(model, spec, path)
    content, weights = path.read_bytes(), bits(nnx.state(model, nnx.Param))

    def try_one(rng):
        put(path, damage_file(content, rng))
        found, _ = attempt(lambda: load(path), ValueError, where=path)
        if found is None:
            return REFUSED
        if found[1] != spec.bare() or bits(nnx.state(found[0], nnx.Param)) != weights:
            raise FindingError("another network is loaded")
        return RIGHT

    attack("weight files", try_one)


def test_damaged_snapshots_are_never_gone_on_from(attack, trained, tmp_path):
    spec, snapshots, _ = trained
    path = tmp_path / "snapshot.safetensors"
    for snapshot in snapshots[:2]:
        save_snapshot(snapshot, path, identity=IDENTITY)
    generations = (path, path.with_suffix(".previous"))
    contents = [generation.read_bytes() for generation in generations]
    like = abstract_states(spec, [0, 1])

    def try_one(rng):
        damaged = rng.choice([(0,), (0,), (1,), (0, 1)])
        for at, (generation, content) in enumerate(zip(generations, contents, strict=True)):
            put(generation, damage_file(content, rng) if at in damaged else content)
        found, problems = load_snapshot(path, identity=IDENTITY, like=like)
        for problem in problems:
            check_sentence(problem, path.with_suffix(""))
        if found is None:
            return check_lost(problems, damaged)
        saved = snapshots[found.number]
        same = bits(found.states) == bits(saved.states) and found.runs == tuple(saved.runs)
        if not same or [dict(row) for row in found.history] != plain(saved.history):
            raise FindingError("another state is gone on from")
        if 0 not in damaged and found.number != 1:
            raise FindingError("the newest is sound and not used")
        return REFUSED if problems else RIGHT

    attack("snapshots", try_one)


def check_lost(problems: Sequence[str], damaged: Sequence[int]) -> str:
    if len(problems) != 2 or len(damaged) != 2:
        raise FindingError(f"a sound state is not used: {problems}")
    return REFUSED


def plain(history) -> list[dict[str, tuple[float, ...]]]:
    return [{name: tuple(values) for name, values in row.items()} for row in history]


def test_damaged_data_files_are_refused_or_give_the_same_data(attack, small_dataset, tmp_path):
    path = tmp_path / "dataset.safetensors"
    save_dataset(small_dataset, path)
    content = path.read_bytes()
    published = published_file(tmp_path)

    def try_one(rng):
        if rng.random() < 0.3:
            return try_published(*published, rng)
        put(path, damage_file(content, rng))
        found, _ = attempt(lambda: load_dataset(path), ValueError, where=path)
        if found is None:
            return REFUSED
        if found.name != small_dataset.name or bits(found.splits) != bits(small_dataset.splits):
            raise FindingError("other data are loaded")
        return RIGHT

    attack("data files", try_one)


def published_file(folder: Path) -> tuple[Path, bytes, MnistFile]:
    """A gzipped file of labels as MNIST's are, where it is, and what is known of it."""
    labels = np.arange(500, dtype=np.uint8) % 10
    inside = bytes([0, 0, 8, 1]) + len(labels).to_bytes(4, "big") + labels.tobytes()
    content = gzip.compress(inside, mtime=0)
    sums = [hashlib.sha256(data).hexdigest() for data in (content, inside)]
    return (
        folder / "labels-idx1-ubyte.gz",
        inside,
        MnistFile(len(content), sums[0], labels.shape, sums[1]),
    )


def try_published(path: Path, inside: bytes, facts: MnistFile, rng: random.Random) -> str:
    content = damage(inside if rng.random() < 0.3 else gzip.compress(inside), rng)
    put(path, content)
    found, _ = attempt(
        lambda: read_published(path.parent, path.name, facts), ValueError, where=path
    )
    if found is None:
        return REFUSED
    if found.unpacked != inside:
        raise FindingError("other labels are read")
    return RIGHT
