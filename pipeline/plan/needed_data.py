"""The data sets that documents learn: where each is prepared, from what, and who asks for it.

`resolved/_data/<key>.json` says so for the stages `download@<key>` and `prepare@<key>`. MNIST is
prepared for every document without data of its own, and for the pages that show images.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nndl_jax.documents import Document, Network
from nndl_jax.documents.data import Data
from nndl_jax.documents.known_data import MNIST
from nndl_jax.documents.learning import Regularizer
from nndl_jax.documents.optimizers import Sgd
from nndl_jax.reading.record import Record
from pipeline.machine.paths import DATASET, NEEDED, needed_file, raw_folder
from pipeline.machine.writing import write_text
from pipeline.plan.plans import Plan

_SHIPPED = Path("requirements/cpu.txt")
"""What ships with scikit-learn changes with its version alone, which is pinned there."""
_MOST_LETTERS = 24


class NeededData(Record):
    """A data set that a document names."""

    data: Data
    """With what decides how it is read, and nothing else."""
    is_needed: bool
    """Whether a document that learns it is run, or was run and is kept."""
    networks: tuple[Network, ...] = ()
    """Those that a file of one's own must fit: each variant that is run, however it is trained."""


def data_key(data: Data) -> str:
    """What the stages of a data set are called: its name, or one made of a file's.

    >>> data_key(Data(name="iris")), data_key(Data(name="my data/Flowers.csv"))
    ('iris', 'flowers-0f761a91')
    """
    if data.known() is not None:
        return data.name
    stem = re.sub(r"[^a-z0-9]+", "-", Path(data.name).stem.lower()).strip("-")[:_MOST_LETTERS]
    digest = hashlib.sha256(json.dumps([data.name, data.target, _is_real(data)]).encode())
    return f"{stem or 'data'}-{digest.hexdigest()[:8]}"


def data_file(data: Data) -> Path:
    """Where a data set is prepared; the file says so where the data could not be had."""
    return DATASET if data.name == MNIST else DATASET.with_name(f"{data_key(data)}.safetensors")


def data_source(data: Data) -> Path:
    """What a data set is prepared from."""
    known = data.known()
    if known is None:
        return Path(data.name)
    return raw_folder(data.name) if known.from_files else _SHIPPED


def learnt_data(spec: Document) -> Data | None:
    """The data set that a network learns, as it is read; None of examples and other kinds."""
    data = spec.data_learnt()
    if data is None or data.examples is not None:
        return None
    targets = "real" if _is_real(data) else "one-hot"
    return Data(name=data.name, target=data.target, targets=targets)


def list_data(specs: Iterable[Document]) -> dict[str, Data]:
    """All data sets that documents learn, by their keys, MNIST first."""
    found = [data for spec in specs if (data := learnt_data(spec)) is not None]
    keyed = {data_key(data): data for data in found}
    return {MNIST: Data(), **dict(sorted(keyed.items()))}


def needed_data(plans: Mapping[str, Plan]) -> dict[str, NeededData]:
    """What is asked of each data set, by its key."""
    needed = {}
    learners = [plans[plan.spec.subject()] for plan in plans.values() if plan.selected]
    for key, data in list_data(plan.spec for plan in plans.values()).items():
        users = [plan for plan in learners if learnt_data(plan.spec) == data]
        networks = [variant.spec for plan in users for variant in plan.variants]
        told = [_without_rates(spec) for spec in networks if isinstance(spec, Network)]
        differing = {spec.model_dump_json(): spec for spec in told if data.known() is None}
        needed[key] = NeededData(
            data=data,
            is_needed=bool(users) or key == MNIST,
            networks=tuple(differing.values()),
        )
    return needed


def save_needed_data(needed: Mapping[str, NeededData], folder: Path) -> None:
    """Write a file for each data set.

    Args:
        needed: by key.
        folder: that is to become `resolved/`.
    """
    for key, data in needed.items():
        text = data.model_dump_json(indent=1)
        write_text(folder / NEEDED.name / f"{key}.json", f"{text}\n")


def load_needed_data(key: str) -> NeededData:
    """What `resolve` has written of a data set.

    Raises:
        OSError: there is none of this name, in a sentence.
    """
    path = needed_file(key)
    try:
        return TypeAdapter(NeededData).validate_json(path.read_bytes())
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in NEEDED.glob("*.json"))) or "none yet"
        message = f"no document learns it; those that are: {known}"
        raise OSError(f"{key!r}: {message}; `python -m pipeline.resolve` lists them anew") from None
    except ValidationError:
        message = "is not what this version of `resolve` writes; run `python -m pipeline.resolve`"
        raise OSError(f"{path}: {message}") from None


def _is_real(data: Data) -> bool:
    return data.targets == "real"


def _without_rates(spec: Network) -> Network:
    """The same for all rates: another one is no reason to read the data again."""
    return spec.model_copy(
        update={"optimizer": Sgd(learning_rate=1), "regularizer": Regularizer(), "vary": ()}
    )
