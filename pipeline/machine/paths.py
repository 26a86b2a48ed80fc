"""Where the stages read and write, from the root of the repository."""

import os
import sys
from pathlib import Path

PARAMS = Path("params.yaml")
DVC = Path("dvc.yaml")
SPEC = Path("spec")
CODE = Path("code")
"""What each stage runs of our own code, `<stage>.txt`."""
RESOLVED = Path("resolved")
"""What decides each experiment's results, `<id>.json`."""
NEEDED = RESOLVED / "_data"
"""What is asked of each data set, `<key>.json`."""
PROGRAMS = Path("programs")
"""What decides the numbers of each training, `<id>.json`."""
BOOKS_PROGRAMS = PROGRAMS / "_recorded.json"
"""Hashes of the programs that would train what was recorded today."""
RAW = Path("data/raw")
"""MNIST's four files, gzipped, or a note that they could not be had. Those of others lie beside."""
NOT_HERE = "NOT-HERE.txt"
"""Name of that note."""
NOT_NEEDED = "NOT-NEEDED.txt"
"""Name of the note that no document which is run learns them."""
DATASET = Path("data/dataset.safetensors")
"""MNIST, or what stands in for it. Other data that documents learn lie beside, `<key>`."""
NO_DATA = b"not here\n"
"""What is in the place of data that could not be had; of an empty file DVC warns."""
RUNS = Path("runs")
"""Measurements and weights of each experiment, `<id>/`."""
CALCULATED = Path("_calculated")
"""In `resolved/` and `runs/`: those of all documents that one stage calculates."""
RECORDED = Path("recorded")
"""Measurements at the book's settings made elsewhere and kept, `<id>/`."""
STATE = Path(".nndl")
"""Locks and snapshots: beside DVC's outputs, which DVC deletes before a stage runs."""
TRAINED_ON = STATE / "device.json"
"""What this machine trained on last: device, versions and flags."""
METRICS = Path("metrics/documents")
"""What was measured of each document, `<id>.json`."""
SUMMARY = Path("metrics/summary.json")
"""How many claims have which verdict, and a number of each document: what DVC shows."""
FINGERPRINTS = Path("metrics/fingerprints.json")
"""Of each network, hashes of what decided its numbers when it was trained last, by part."""
MADE_ON = Path("metrics/made_on.json")
"""The same of the machine that the committed metrics came from."""
CURVES = Path("report/curves")
JUDGEMENTS = Path("report/judgements.json")
RESULTS = Path("report/results.md")
BOOK_ERRORS = Path("report/errors-of-the-book.md")
FIGURES = Path("report/figures")
DRAWN = Path("report/figures.json")
"""What the figures were drawn from."""
SITE = Path("report/site")
"""The results as pages."""
MODELS = Path("models")
"""A trained network of each document, `<id>.safetensors`, with its card."""
SHIPPED = Path("pretrained")
"""Those that the package ships."""
README = Path("README.md")


def run_folder(name: str) -> Path:
    """Where the measurements of a document are."""
    calculated = RUNS / CALCULATED / name
    return calculated if calculated.is_dir() else RUNS / name


def plan_file(name: str) -> Path:
    """Where the plan of a document is."""
    calculated = RESOLVED / CALCULATED / f"{name}.json"
    return calculated if calculated.is_file() else RESOLVED / f"{name}.json"


def raw_folder(name: str) -> Path:
    """Where the files of a published data set are put."""
    return RAW if name == "mnist" else RAW.with_name(f"{RAW.name}-{name}")


def needed_file(key: str) -> Path:
    """Where `resolve` says what is asked of a data set."""
    return NEEDED / f"{key}.json"


def cache_folder() -> Path:
    """Where downloads and compiled programs are kept: `NNDL_CACHE`, or the user's cache.

    Ends the process where that names a home folder that there is not.
    """
    if own := os.environ.get("NNDL_CACHE"):
        try:
            return expand(own)
        except FileNotFoundError as error:
            sys.exit(f"error: NNDL_CACHE={own}: {error}; name another folder")
    import pooch  # It takes a third of a second, and few stages need it.

    return Path(pooch.os_cache("nndl_jax"))


def expand(path: str) -> Path:
    """The path with the home folder that `~` or `~user` stands for at its start.

    Raises:
        FileNotFoundError: there is none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        message = f"there is no home folder for the {Path(path).parts[0]!r} in it"
        raise FileNotFoundError(message) from None
