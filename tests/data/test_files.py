"""Files that are written whole or not at all, whoever writes them."""

import jax
import numpy as np
import pytest

from nndl_jax import Dataset, Split, build_model, save
from nndl_jax.data import files
from nndl_jax.data.datasets import save_dataset
from nndl_jax.data.files import replace_file
from pipeline.machine.writing import remove_unfinished, write_text


@pytest.fixture(params=["bytes", "network", "data set"])
def write(request, small_network):
    """Something that writes a file."""
    match request.param:
        case "bytes":
            return lambda path: replace_file(path, b"new")
        case "network":
            spec = small_network()
            model = build_model(spec, key=jax.random.key(0))
            return lambda path: save(model, spec, path)
        case _:
            split = Split(np.zeros((3, 4), np.uint8), np.zeros(3, np.int32))
            return lambda path: save_dataset(Dataset("own", split, split, split), path)


def test_no_link_is_followed_in_writing(write, tmp_path, monkeypatch):
    (tmp_path / "victim").write_text("mine")
    path = tmp_path / "file"
    # One whose name is guessed stops it, ...
    with monkeypatch.context() as patched:
        patched.setattr(files.secrets, "token_hex", lambda num_bytes: "guessed")
        guessed = tmp_path / ".guessed.writing"
        guessed.symlink_to("victim")
        with pytest.raises(FileExistsError):
            write(path)
        assert guessed.is_symlink()
    # ... and one in the file's own place is replaced.
    path.symlink_to("victim")
    write(path)
    assert (tmp_path / "victim").read_text() == "mine"
    assert not path.is_symlink()


def test_a_full_disk_leaves_what_was_there(write, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left on device"):
        write(path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_that_there_is_not_or_in_the_place_of_a_file_is_named(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder to write file into"):
        write(tmp_path / "none/file")
    with pytest.raises(IsADirectoryError, match="is a folder, where a file is to be written"):
        write(tmp_path)


def test_what_a_kill_left_of_a_file_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(files.Path, "unlink", lambda path, missing_ok: None)
    monkeypatch.setattr(files.Path, "replace", lambda path, target: None)
    replace_file(tmp_path / "file", b"new")
    monkeypatch.undo()
    (left,) = tmp_path.iterdir()
    (tmp_path / ".other").write_text("")
    remove_unfinished(tmp_path)
    assert not left.exists()
    assert (tmp_path / ".other").exists()


def test_a_text_of_the_pipeline_is_not_written_through_a_link(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".text.writing").symlink_to("victim")
    (tmp_path / "text").symlink_to("victim")
    write_text(tmp_path / "text", "new")
    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "text").read_text() == "new"
