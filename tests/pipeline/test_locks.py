"""Files of DVC that a kill has left unfinished, or that are spoilt, are set aside."""

import json
import os
from pathlib import Path

import pytest

from pipeline.machine.locks import is_lockfile, is_rwlock, mend

LOCKFILE = """\
schema: '2.0'
stages:
  one:
    cmd: cp a b
    deps:
    - path: a
      hash: md5
      md5: c4ca4238a0b923820dcc509a6f75849b
      size: 1
    params:
      params.yaml:
        profile: quick
    outs:
    - path: b
      hash: md5
      md5: c4ca4238a0b923820dcc509a6f75849b
      size: 1
"""
ENTRY = {"pid": 1, "cmd": "dvc repro"}
SPOILT = [b"", b" \n", b"\xff\xfe", b"[]", b"1", b"null", b"text", b"[" * 50_000, b"\0"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path


def test_a_lock_file_cut_at_any_byte_is_told_from_a_sound_one() -> None:
    # Whole lines, and of each list all files: DVC finds what is missing in its cache.
    parts = ("stages:\n", "    deps:\n", "    params:\n", "    outs:\n")
    ends = [LOCKFILE.index(part) for part in parts] + [len(LOCKFILE)]
    assert [n for n in range(1, len(LOCKFILE) + 1) if is_lockfile(LOCKFILE[:n])] == ends


@pytest.mark.parametrize("content", [*SPOILT, b"schema: '2.0'\nstages: []\n", b"stages: {}\n"])
def test_a_spoilt_lock_file_is_set_aside(content: bytes, project: Path, capsys) -> None:
    Path("dvc.lock").write_bytes(content)
    mend()
    assert not Path("dvc.lock").exists()
    assert Path(".nndl/dvc.lock.damaged").read_bytes() == content
    message = "dvc.lock: was left unfinished by a killed run; moved to .nndl/dvc.lock.damaged\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "content",
    [*SPOILT, b"{", b'{"read": []}', json.dumps({"write": {"a": [ENTRY]}}).encode()],
)
def test_a_spoilt_list_of_files_in_use_is_set_aside(content: bytes, project: Path) -> None:
    path = Path(".dvc/tmp/rwlock")
    path.write_bytes(content)
    mend()
    assert not path.exists()


@pytest.mark.parametrize("name", ["dvc.lock", ".dvc/tmp/rwlock"])
def test_a_folder_in_place_of_a_lock_is_set_aside_each_time(name: str, project: Path) -> None:
    for _ in range(2):
        (project / name / "inside").mkdir(parents=True)
        mend()
        assert not (project / name).exists()
    assert (project / ".nndl" / f"{Path(name).name}.damaged/inside").is_dir()


@pytest.mark.parametrize("name", ["dvc.lock", ".dvc/tmp/rwlock"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.name)])
def test_what_is_no_file_in_place_of_a_lock_is_set_aside(make, name: str, project: Path) -> None:
    path = project / name
    make(path)
    mend()
    assert not os.path.lexists(path)
    path.write_text(LOCKFILE if name == "dvc.lock" else "{}")
    mend()
    assert path.is_file()


def test_sound_locks_stay(project: Path, capsys) -> None:
    rwlock = json.dumps({"write": {"a": ENTRY}, "read": {"b": [ENTRY]}})
    for name, text in {"dvc.lock": LOCKFILE, ".dvc/tmp/rwlock": rwlock}.items():
        Path(name).write_text(text)
    mend()
    assert Path("dvc.lock").read_text() == LOCKFILE
    assert Path(".dvc/tmp/rwlock").read_text() == rwlock
    assert capsys.readouterr().err == ""
    assert is_rwlock("{}")


def test_without_locks_there_is_nothing_to_mend(project: Path) -> None:
    mend()
    assert not Path(".nndl").exists()
