"""Where the stages read and write, from the root of the repository."""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
DVC = Path("dvc.yaml")
SPEC = Path("spec")
CODE = Path("code")
"""What each stage runs of our own code, `<stage>.txt`."""
RESOLVED = Path("resolved")
"""What decides each experiment's results, `<id>.json`."""
RAW = Path("data/raw")
"""MNIST's four files as published, or a note that they could not be had."""
NOT_MNIST = "NOT-MNIST.txt"
"""Name of that note."""
DATASET = Path("data/dataset.safetensors")
RUNS = Path("runs")
"""Measurements and weights of each experiment, `<id>/`."""
RECORDED = Path("recorded")
"""Measurements at the book's settings made elsewhere and kept, `<id>/`."""
STATE = Path(".nndl")
"""Locks and snapshots: beside DVC's outputs, which DVC deletes before a stage runs."""
METRICS = Path("metrics")
CURVES = Path("report/curves")
JUDGEMENTS = Path("report/judgements.json")
RESULTS = Path("report/results.md")
FIGURES = Path("report/figures")
DRAWN = Path("report/figures.json")
"""What the figures were drawn from."""
README = Path("README.md")


def cache_folder() -> Path:
    """Where downloads and compiled programs are kept: `NNDL_CACHE`, or the user's cache."""
    if own := os.environ.get("NNDL_CACHE"):
        return Path(own).expanduser()
    import pooch  # It takes a third of a second, and few stages need it.

    return Path(pooch.os_cache("nndl_jax"))
