"""What decides the numbers of a training, in named parts, so that a difference explains itself.

DVC trains a document again where its key changes, a snapshot is gone on with where it is the same,
and a recording says of which key it is. The parts are hashes of what is computed, and of the source
of that alone which no program shows: a comment, another name or a moved file changes none.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nndl_jax.reading.faults import Location, field_path
from nndl_jax.reading.record import Record
from pipeline.machine.paths import STATE
from pipeline.machine.writing import write_text
from pipeline.plan.imports import PACKAGES, list_code
from pipeline.plan.plans import Plan
from pipeline.plan.syntax import hash_syntax

_PROGRAMMERS = ("jax", "jaxlib", "flax", "optax", "numpy")
"""Packages that write programs."""
_SHORT = 16
_KNOWN = STATE / "keys"
_ROOT = Path(__file__).parents[2]

SHOWN = frozenset(
    Path(f"nndl_jax/{name}")
    for name in (
        # What documents say stands in the key, and programs show the networks.
        *("reading", "documents", "networks"),
        # Run while a program is written, which shows what they do.
        *(f"training/{name}.py" for name in ("augmentation", "custom", "epoch", "evaluation")),
        *(f"training/{name}.py" for name in ("measuring", "prediction")),
        *(f"training/{name}.py" for name in ("gradients", "program", "shuffle", "state", "step")),
        # Give what programs are called with.
        *(f"training/{name}.py" for name in ("groups", "optimizer", "replay", "rules")),
        # Write the key.
        "training/fingerprint.py",
        # Make data, whose sum is held beside the key.
        *("data/arranging.py", "data/mnist.py"),
        # Compute nothing.
        *("data/files.py", "data/times.py", "training/devices.py", "training/environment.py"),
    )
) | frozenset(
    Path(f"pipeline/{name}.py")
    for name in (
        *("store/forecast", "store/kept", "machine/writing"),
        # Says which file is read, whose sum is held beside the key.
        "plan/needed_data",
        *("plan/imports", "plan/plans", "plan/syntax", "plan/training_key"),
    )
)
"""Rooms and files that `train` imports whose part in its results other parts of the key show."""


class TrainingKey(Record):
    """What decides the numbers of a training; not its data."""

    selected: bool
    """Whether it is trained at all; if not, nothing else is said."""
    document: dict[str, Any]
    """Without defaults, and without what the book says of it."""
    seeds: tuple[int, ...]
    variants: tuple[str, ...]
    """Their names, in order."""
    programs: dict[str, str]
    """Hashes of the lowered programs."""
    arguments: dict[str, str]
    """Hashes of what they are called with."""
    code: str
    """Hash of the code around them."""

    def parts(self) -> dict[str, str]:
        """A hash of each part, by its name in a sentence."""
        told = self.model_dump(mode="json")
        return {
            "document": _hash(told["document"]),
            "list of seeds": _hash(told["seeds"]),
            "list of variants": _hash(told["variants"]),
            "set of programs": _hash(told["programs"]),
            "set of arguments": _hash(told["arguments"]),
            "version of the code": self.code,
        }

    def fingerprint(self) -> dict[str, str]:
        """The beginning of each part's hash, by its name: what is committed."""
        return {part: found[:_SHORT] for part, found in self.parts().items()}

    def programs_short(self) -> list[str]:
        """The beginnings of the programs' hashes, each once."""
        return sorted({digest[:_SHORT] for digest in self.programs.values()})


NOT_SELECTED = TrainingKey(
    selected=False, document={}, seeds=(), variants=(), programs={}, arguments={}, code=""
)


def known_key(name: str, plan: Plan) -> TrainingKey | None:
    """The key of a document, if it was worked out of the same files before, or is of none."""
    if not plan.selected:
        return NOT_SELECTED
    try:
        known = json.loads((_KNOWN / f"{name}.json").read_bytes())
        if known["made of"] == _made_of(plan):
            return TrainingKey.model_validate_json(json.dumps(known["key"]))
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        pass
    return None


def training_key(name: str, plan: Plan) -> TrainingKey:
    """The key of a document: a second of work, where it is not known. Imports JAX for that.

    Args:
        name: the document's id.
        plan: a network, as it is trained.
    """
    key = known_key(name, plan)
    if key is None:
        from nndl_jax.training.fingerprint import fingerprint

        key = TrainingKey(
            selected=True,
            document=plan.sparse(),
            seeds=plan.seeds,
            variants=tuple(variant.name for variant in plan.variants),
            **fingerprint(plan.list_variants(), plan.seeds),
            code=_hash(sorted(hash_syntax(_ROOT / path) for path in host_code())),
        )
        known = {"made of": _made_of(plan), "key": key.model_dump(mode="json")}
        write_text(_KNOWN / f"{name}.json", json.dumps(known))
    return key


def made_by(name: str, plan: Plan) -> dict[str, str]:
    """What trains a document, for its recording: hashes of its programs, and who wrote them."""
    versions = ", ".join(f"{package} {version(package)}" for package in ("jax", "jaxlib"))
    key = training_key(name, plan)
    return {"program": "; ".join(key.programs_short()), "versions": versions}


def host_code() -> list[Path]:
    """Files that `train` imports whose part in its results shows nowhere else in the key."""
    listed = list_code("train", _ROOT)
    return [path for path in listed if SHOWN.isdisjoint((path, *path.parents))]


def differences(before: TrainingKey, after: TrainingKey) -> list[str]:
    """What changed between two keys of a document, each in a few words."""
    found = [f"{field} changed" for field in _fields(before.document, after.document, ())]
    for field, what in (("seeds", "its seeds"), ("variants", "its variants")):
        if getattr(before, field) != getattr(after, field):
            found.append(f"{what} changed")
    if found:
        return found  # Programs and arguments follow the document.
    names = {"programs": "its program", "arguments": "its arguments", "code": "the code around it"}
    return [
        f"{what} changed"
        for field, what in names.items()
        if getattr(before, field) != getattr(after, field)
    ]


def _fields(before: object, after: object, at: Location) -> Iterator[str]:
    """Paths of the fields that differ."""
    match before, after:
        case dict(), dict():
            pairs = [(key, before.get(key), after.get(key)) for key in {**before, **after}]
        case list(), list():
            pairs = [(i, *pair) for i, pair in enumerate(zip_longest(before, after))]
        case _:
            if before != after:
                yield field_path(at)
            return
    for step, one, other in pairs:
        yield from _fields(one, other, (*at, step))


def _made_of(plan: Plan) -> str:
    """A hash of all that a key is worked out of: every file, so that none is forgotten."""
    files = [path for package in PACKAGES for path in sorted((_ROOT / package).rglob("*.py"))]
    hashes = [_hash_file(path, path.stat().st_mtime_ns) for path in files]
    versions = {package: version(package) for package in _PROGRAMMERS}
    return _hash([plan.model_dump(mode="json"), hashes, versions])


@cache  # They are asked for with every document.
def _hash_file(path: Path, _modified: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
