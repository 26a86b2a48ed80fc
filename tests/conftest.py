"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest

from nndl_jax.datasets import MNIST_FILES


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder with the four published files; a test that needs it is skipped without it."""
    beside_the_repository = Path(__file__).parents[2] / "shared" / "mnist"
    folder = Path(os.environ.get("NNDL_MNIST_MIRROR") or beside_the_repository)
    if not all((folder / name).is_file() for name in MNIST_FILES):
        pytest.skip(f"needs MNIST, not found in {folder}: set NNDL_MNIST_MIRROR to its folder")
    return folder.resolve()
