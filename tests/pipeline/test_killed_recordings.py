"""Recordings whose process is killed at any of its file operations: nothing is lost."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from killing import kills

from nndl_jax.documents.variants import Run
from pipeline.machine.paths import RECORDED, RUNS
from pipeline.store.archive import list_sources, pack
from pipeline.store.recordings import (
    add,
    held,
    keep,
    read_rows,
    recorded_runs,
    recover,
    set_aside,
)
from pipeline.store.runs import network_path, read_about, write_history

TARGET = RECORDED / "tiny"
NAMES = ["base"]
DOCUMENT = "of today"


def train(seed: int) -> None:
    """Leave behind what a trainer does."""
    run = Run("base", seed)
    shutil.rmtree(RUNS / "tiny", ignore_errors=True)
    path = network_path("tiny", run)
    path.parent.mkdir(parents=True)
    path.write_bytes(f"network {seed}".encode())
    rows = [{"epoch": [float(epoch)], "test_accuracy": [seed / 8]} for epoch in range(3)]
    write_history("tiny", [run], rows, data="synthetic")


def find_known() -> set[int]:
    """What any reader finds recorded."""
    with held():
        return {run.seed for run in recorded_runs(TARGET, DOCUMENT)}


def record(seed: int) -> None:
    """Record a run as the recorder does, from its start."""
    recover("tiny", TARGET, NAMES, document=DOCUMENT)
    if seed not in find_known():
        set_aside("tiny", DOCUMENT)
        train(seed)
        keep("tiny", TARGET, NAMES, document=DOCUMENT, device=f"device {seed}", seconds=1.5)


def contents(folder: Path) -> Mapping[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes the working folder anew: the given runs are recorded."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr("os.fsync", lambda _: None)  # It takes long, and a kill undoes nothing.

    def begin(*seeds: int) -> None:
        for path in list(Path().iterdir()):
            shutil.rmtree(path)
        for seed in seeds:
            record(seed)

    return begin


@pytest.mark.parametrize("earlier", [(), (0, 1)], ids=["first", "third"])
def test_kill_inside_a_recording_loses_no_earlier_run(begin, earlier: tuple[int, ...]) -> None:
    begin(*earlier, 7)
    whole = contents(Path())
    count = 0
    for when in kills(lambda: record(7), start=lambda: begin(*earlier)):
        count += 1
        assert find_known() >= {*earlier}, when
        record(7)
        assert contents(Path()) == whole, when
    assert count > 20


def test_kill_after_the_numbers_are_there_keeps_them_without_training_again(
    begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> None:
        begin(0)
        set_aside("tiny", DOCUMENT)
        train(7)

    def finish() -> None:
        keep("tiny", TARGET, NAMES, document=DOCUMENT, device="device 7", seconds=1.5)

    begin(0, 7)
    whole, count = contents(Path()), 0
    for when in kills(finish, start=start):
        if (RUNS / "tiny/unkept.json").exists():
            count += 1
            with monkeypatch.context() as patch:
                patch.setattr(f"{__name__}.train", None)
                record(7)
            assert contents(Path()) == whole, when
    assert count > 5


def test_kill_while_a_kill_is_mended_loses_nothing_either(begin) -> None:
    def start() -> None:
        begin(0, 7)
        beside = RECORDED / ".tiny.abc.writing"
        beside.mkdir()
        TARGET.replace(beside / "old")
        shutil.copytree(beside / "old", beside / "new")

    begin(0, 7)
    whole = contents(RECORDED)
    for when in kills(find_known, start=start):
        assert find_known() == {0, 7}, when
        assert contents(RECORDED) == whole, when


def test_kill_inside_an_addition_leaves_all_of_it_or_nothing(begin) -> None:
    def bring() -> None:
        about = {"data": "synthetic", "document": DOCUMENT, "device": "another", "seconds": 2}
        rows = {Run("base", 7): list(read_rows(TARGET / "history.csv")[Run("base", 0)])}
        rows[Run("base", 7)] = [{**row, "seed": "7"} for row in rows[Run("base", 7)]]
        add(TARGET, NAMES, about=about, rows=rows, extras={"errors.csv": b"image\n"})

    begin(0)
    before = contents(RECORDED)
    bring()
    after = contents(RECORDED)
    seen = []
    for when in kills(bring, start=lambda: begin(0)):
        assert find_known() >= {0}, when
        seen.append(contents(RECORDED))
        assert seen[-1] in (before, after), when
        bring()
        assert contents(RECORDED) == after, when
    assert before in seen
    assert after in seen


def test_kill_while_packing_leaves_the_earlier_archive(begin, tmp_path: Path) -> None:
    path = tmp_path / "recorded.zip"

    def start() -> None:
        begin(0)
        pack(path)
        record(1)

    start()
    before = path.read_bytes()
    pack(path)
    after = path.read_bytes()
    assert before != after
    for when in kills(lambda: pack(path), start=start):
        assert path.read_bytes() in (before, after), when
        (source,) = list_sources(path)
        assert [*source.read()] == ["tiny"], when


def test_runs_of_an_older_document_make_way_for_those_of_todays(begin) -> None:
    begin(0)
    train(7)
    keep("tiny", TARGET, NAMES, document="another", device="device 7", seconds=1.5)
    assert {run.seed for run in recorded_runs(TARGET, "another")} == {7}
    assert find_known() == set()


def test_what_was_to_be_kept_of_an_older_document_is_dropped(begin) -> None:
    begin()
    train(7)
    about = {"data": "synthetic", "document": "older", "device": "device 7", "seconds": 1.5}
    (RUNS / "tiny/unkept.json").write_text(json.dumps(about))
    recover("tiny", TARGET, NAMES, document=DOCUMENT)
    assert not TARGET.exists()
    assert list(RUNS.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff", '{"document": "of today"}'])
def test_spoilt_notes_of_what_was_to_be_kept_are_told_and_nothing_is_deleted(
    begin, content: str
) -> None:
    begin()
    train(7)
    path = RUNS / "tiny/unkept.json"
    path.write_text(content, encoding="latin-1")
    before = contents(RUNS)
    said = f"{path}: is not what was written; restore it, or delete its folder"
    with pytest.raises(OSError, match=re.escape(said)):
        recover("tiny", TARGET, NAMES, document=DOCUMENT)
    assert contents(RUNS) == before


@pytest.mark.parametrize("content", ["seed\n7\n", "variant,seed\nbase,seven\n", "\xff"])
def test_spoilt_measurements_are_told_and_not_kept(begin, content: str) -> None:
    begin()
    train(7)
    path = RUNS / "tiny/history.csv"
    path.write_text(content, encoding="latin-1")
    said = f"{path}: is not what was written; restore it, or delete its folder"
    with pytest.raises(OSError, match=re.escape(said)):
        keep("tiny", TARGET, NAMES, document=DOCUMENT, device="device 7", seconds=1.5)
    assert not TARGET.exists()


def test_links_in_the_place_of_temporary_names_are_not_followed(begin, tmp_path: Path) -> None:
    begin(0)
    outside = tmp_path / "outside"
    (outside / "weights").mkdir(parents=True)
    (outside / "weights/base,seed=3.safetensors").write_bytes(b"precious")
    before = contents(outside)
    (RUNS / ".tiny.earlier").symlink_to(outside)
    (RECORDED / ".tiny.writing").symlink_to(outside)
    (RECORDED / ".tiny.abc.writing").symlink_to(outside)
    record(7)
    assert contents(outside) == before
    assert find_known() == {0, 7}
    assert [path.name for path in RECORDED.iterdir()] == ["tiny"]


def test_files_that_are_no_leftovers_of_a_recording_stay(begin) -> None:
    begin(0)
    others = [".gitignore.swp", ".DS_Store", ".Tiny.writing"]
    for name in others:
        (RECORDED / name).touch()
    find_known()
    assert sorted(path.name for path in RECORDED.iterdir()) == sorted([*others, "tiny"])


def test_runs_that_are_there_with_other_numbers_stay(begin) -> None:
    begin(0)
    before = contents(RECORDED)
    rows = {
        run: [{**each, "test_accuracy": "0.5"} for each in of_run]
        for run, of_run in (read_rows(TARGET / "history.csv").items())
    }
    about = {**read_about(TARGET), "device": "another"}
    added = add(TARGET, NAMES, about=about, rows=rows, extras={})
    assert (added.new, added.other) == ([], [Run("base", 0)])
    assert contents(RECORDED) == before
