"""A small site that the tests of files and those in a browser look at."""

from pathlib import Path

import pytest
from small_site import write_site


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site with an experiment of most kinds."""
    return write_site(tmp_path_factory.mktemp("project"))
