"""Stage `prepare@<data>`: one file of a data set, from what was downloaded or is one's own.

What documents ask of a file of one's own is held against it here, before anything is trained. In
the place of what could not be had stands that it is not here, and scikit-learn's digits of MNIST.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import sys
from collections.abc import Sequence
from pathlib import Path

from nndl_jax.data.datasets import Dataset, save_dataset
from nndl_jax.data.mnist import load_digits, load_mnist
from nndl_jax.data.named import load_data
from nndl_jax.data.selection import read_dataset, select, splits_read
from nndl_jax.documents import Network
from nndl_jax.documents.known_data import MNIST
from pipeline.machine.paths import DATASET, NO_DATA, NOT_HERE, NOT_NEEDED, RAW
from pipeline.machine.writing import remove_unfinished
from pipeline.plan.needed_data import NeededData, data_file, data_source, load_needed_data


def main(name: str = MNIST) -> None:
    """Writes `data/dataset.safetensors`, or `data/<name>.safetensors`."""
    needed = None if name == MNIST else load_needed_data(name)
    path = DATASET if needed is None else data_file(needed.data)
    try:
        dataset = _load_mnist() if needed is None else _load(needed)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(path.parent)
    if dataset is None:
        path.write_bytes(NO_DATA)
    else:
        save_dataset(dataset, path)


def _load_mnist() -> Dataset:
    if (RAW / NOT_HERE).exists():
        print("NOT MNIST: scikit-learn's digits stand in; see data/raw.", file=sys.stderr)
        return load_digits()
    return load_mnist(RAW)


def _load(needed: NeededData) -> Dataset | None:
    """The data set, held against the documents that learn it; None if it is not here."""
    data, source = needed.data, data_source(needed.data)
    if not needed.is_needed or any((source / note).exists() for note in (NOT_HERE, NOT_NEEDED)):
        return None
    known, is_real = data.known(), data.targets == "real"
    folder: Path | None = source if known is not None and known.from_files else None
    dataset = load_data(data.name, folder=folder, target=data.target, is_regression=is_real)
    dataset = dataset._replace(name=data.name)
    _check(dataset, needed.networks)
    return dataset


def _check(dataset: Dataset, networks: Sequence[Network]) -> None:
    """Refuse what any of the documents cannot learn from; names it and the data."""
    faults: list[str] = []
    for spec in networks:
        try:
            select(read_dataset(dataset, splits_read(spec), spec), _unscaled(spec))
        except ValueError as error:
            is_named = str(error).startswith(f"{spec.id} ")
            faults.append(str(error) if is_named else f"{spec.id}, {dataset.name}: {error}")
    if faults:
        raise ValueError("\nerror: ".join(dict.fromkeys(faults)))


def _unscaled(spec: Network) -> Network:
    """The document without what training works out of its data."""
    data = spec.data.model_copy(update={"standardize": False, "scaling": None})
    return spec.model_copy(update={"data": data})


if __name__ == "__main__":
    run_stage(main, __doc__, takes_id=True)
