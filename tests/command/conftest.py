"""What the tests of commands share: a folder of their own, and commands run in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nndl_jax.command.app import app

Command = Callable[..., Result]


@pytest.fixture
def nndl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in an empty folder, with cards kept in another."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDL_MNIST_MIRROR", raising=False)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, words, prog_name="nndl")

    return run
