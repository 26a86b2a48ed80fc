"""What a training computes, as hashes that follow the compiled programs and not their source.

Two trainings of the same document, data and fingerprint give the same numbers. A comment, another
name or a moved module changes no fingerprint; another order of two additions does.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, starmap
from typing import SupportsIndex

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array

from nndl_jax.data.datasets import Split
from nndl_jax.documents.variants import Variants
from nndl_jax.training.custom import NOTHING, Custom
from nndl_jax.training.groups import Group, groups
from nndl_jax.training.optimizer import hyperparameters
from nndl_jax.training.program import like_splits, trace_training
from nndl_jax.training.replay import epoch_orders, initial_layers
from nndl_jax.training.rules import rules
from nndl_jax.training.state import init_state

Hashes = dict[str, str]

_NAMES = (
    # Python's names of functions and of the fields of tuples.
    (re.compile(r'jax\.(?:result_info|arg_info) = "[^"]*"(?:, )?'), ""),
    (re.compile(r" \{\}(?=[,)])"), ""),
    (re.compile(r"^module @\S+", re.MULTILINE), "module"),
)
_SYMBOL = re.compile(r"@[\w.$-]+")


def fingerprint(spec: Variants, seeds: Iterable[SupportsIndex]) -> dict[str, Hashes]:
    """Hashes of the programs that train a document, and of what these are called with.

    Programs are written for a CPU, of one run, from shapes alone: whatever devices there are.

    Args:
        spec: the document of a network, for all its variants, or some of them.
        seeds: of its runs.

    Returns:
        `programs`: the lowered text of what trains each group of variants, for each number of
        epochs between two measurements, and of what draws each variant's first weights.
        `arguments`: which runs each group has and their seeds, numbers of the optimiser and of the
        rules, and the author's draws in a replay.
    """
    members = groups(spec, seeds)
    with jax.enable_x64(members[0].template.training.dtype == "float64"):
        programs = dict(chain.from_iterable(starmap(_programs, enumerate(members))))
    return {"programs": programs, "arguments": _arguments(members)}


def fingerprint_custom(
    custom: Custom,
    init: Sequence[nnx.State] | None,
    members: Sequence[Group],
    splits: Sequence[Mapping[str, Split]],
) -> Hashes:
    """Sums that tell what was given in the place of parts of documents; empty for nothing.

    Args:
        custom: what was given.
        init: weights that runs begin with; None where they are drawn.
        members: the runs.
        splits: what each group is trained on.
    """
    found: Hashes = {}
    if init is not None:
        found["first weights"] = hash_arrays(jax.tree.leaves(list(init)))
    if custom != NOTHING:
        traced = [
            trace_training(_one(group), own, num_epochs=1, side_by_side=False, custom=custom)
            for group, own in zip(members, splits, strict=True)
        ]
        text = " ".join(map(_hash_program, traced))
        found["functions"] = hashlib.sha256(text.encode()).hexdigest()
    return found


def canonical(text: str) -> str:
    """The text of a lowered program without the names that Python code has in it.

    >>> canonical('module @jit_f { func.func public @main() { call @helper() } }')
    'module { func.func public @0() { call @1() } }'
    """
    for pattern, replacement in _NAMES:
        text = pattern.sub(replacement, text)
    numbers: dict[str, str] = {}
    return _SYMBOL.sub(lambda found: numbers.setdefault(found[0], f"@{len(numbers)}"), text)


def _programs(number: int, group: Group) -> Iterable[tuple[str, str]]:
    training = group.template.training
    whole, rest = divmod(training.epochs, training.evaluate_every)
    spans = [training.evaluate_every] * bool(whole) + [rest] * bool(rest)
    splits = like_splits(group.template)
    for num_epochs in spans:
        traced = trace_training(_one(group), splits, num_epochs=num_epochs, side_by_side=False)
        yield f"group {number}, {num_epochs} epochs", _hash_program(traced)
    seed = jax.ShapeDtypeStruct((), np.uint32)
    drawn = dict.fromkeys(spec.model for spec in group.specs)
    for variant, model in enumerate(drawn):
        first = group.template.model_copy(update={"model": model})
        traced = jax.jit(partial(init_state, first)).trace(seed)
        yield f"group {number}, first weights {variant}", _hash_program(traced)


def _one(group: Group) -> Group:
    """The first run of a group alone."""
    return Group(group.template, group.runs[:1], group.specs[:1], group.seeds[:1])


def _hash_program(traced: jax.stages.Traced) -> str:
    text = traced.lower(lowering_platforms=("cpu",)).as_text()
    return hashlib.sha256(canonical(text).encode()).hexdigest()


def _arguments(members: Iterable[Group]) -> Hashes:
    found: Hashes = {}
    for number, group in enumerate(members):
        numbers = {
            "runs and seeds": [np.asarray(group.runs), np.asarray(group.seeds)],
            "hyperparameters": hyperparameters(group.specs),
            "rules": rules(group.specs),
        }
        for name, values in numbers.items():
            found[f"group {number}, {name}"] = hash_arrays(jax.tree.leaves(values))
        num_images = len(like_splits(group.template)["train"].labels)
        replays = {spec.training.replay: spec for spec in group.specs}
        for replay, spec in replays.items():
            if replay is not None:
                name = f"group {number}, replay from {replay.networks_before}"
                layers = jax.tree.leaves(initial_layers(spec, replay))
                order = next(epoch_orders(replay, num_images))
                found[f"{name}, first weights"] = hash_arrays(layers)
                found[f"{name}, first order"] = hash_arrays([order])
    return found


def hash_arrays(arrays: Iterable[np.ndarray | Array]) -> str:
    """A sum of arrays: of their types, shapes and bytes."""
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
