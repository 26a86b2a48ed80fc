"""From one document to its runs: variants times seeds, in groups that share a program."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from nndl_jax.schema import Document, FieldValue, Network
from nndl_jax.specs import variant


class Variant(NamedTuple):
    """One point of a document's axes."""

    name: str
    """Values of the first field of each axis, such as `learning_rate=0.1`; `base` without axes."""
    values: Mapping[str, FieldValue]
    """Values by field path."""
    spec: Document
    """The document at this point, without axes and claims."""


class Run(NamedTuple):
    """One training of one variant."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """A name fit for a file."""
        return f"{self.variant},seed={self.seed}"


class Group(NamedTuple):
    """Runs whose documents differ in numbers only, so that one compiled program serves all."""

    runs: tuple[int, ...]
    """Positions in the batch of runs."""
    specs: tuple[Network, ...]
    """The document of each run."""
    seeds: tuple[int, ...]
    """The seed of each run."""


def variants(spec: Document) -> list[Variant]:
    """All points of a document's axes, the last axis changing fastest."""
    points = [
        {field: value for point in crossing for field, value in point.items()}
        for crossing in product(*map(_points, spec.vary))
    ]
    leads = [next(iter(axis)) for axis in spec.vary]
    return [Variant(_name(point, leads), point, variant(spec, point)) for point in points]


def list_runs(spec: Document, seeds: Sequence[int]) -> list[Run]:
    """The batch of runs of a document, variant by variant, each with every seed."""
    return [Run(point.name, seed) for point in variants(spec) for seed in seeds]


def groups(spec: Network, seeds: Sequence[int]) -> list[Group]:
    """The batch of runs of a network, grouped by the program that trains them."""
    found: dict[Network, list[tuple[int, Network, int]]] = {}
    for position, (point, seed) in enumerate(product(variants(spec), seeds)):
        if not isinstance(point.spec, Network):
            raise TypeError(f"{spec.id} is a {spec.kind}; only networks are trained")
        member = (position, point.spec, seed)
        found.setdefault(template(point.spec), []).append(member)
    return [Group(*zip(*members, strict=True)) for members in found.values()]


def template(spec: Network) -> Network:
    """The document with every number that a compiled program takes as an argument put to one."""
    penalties = {name: float(getattr(spec.regularizer, name) > 0) for name in ("l1", "l2")}
    return spec.model_copy(
        update={
            "optimizer": spec.optimizer.model_copy(
                update={"learning_rate": 1.0, "momentum": float(spec.optimizer.momentum != 0)}
            ),
            "regularizer": spec.regularizer.model_copy(update=penalties),
        }
    )


def _points(axis: Mapping[str, Sequence[FieldValue]]) -> list[dict[str, FieldValue]]:
    length = len(next(iter(axis.values())))
    return [{field: values[index] for field, values in axis.items()} for index in range(length)]


def _name(point: Mapping[str, FieldValue], leads: Sequence[str]) -> str:
    return ",".join(f"{lead.rsplit('.', 1)[-1]}={point[lead]}" for lead in leads) or "base"
