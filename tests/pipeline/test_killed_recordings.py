"""Recordings whose process is killed at any of its file operations: nothing is lost."""

import json
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from killing import kills
from project import TINY

from nndl_jax.documents.load import parse_spec
from nndl_jax.documents.variants import Run
from pipeline.machine.paths import RECORDED, RUNS
from pipeline.plan.plans import Plan
from pipeline.store.archive import list_sources, pack
from pipeline.store.finished import Kept
from pipeline.store.recorded_run import Head
from pipeline.store.recordings import add, read_runs
from pipeline.store.runs import network_path, write_history

TARGET = RECORDED / "tiny"
DOCUMENT = "of today"
PLAN = Plan.of(parse_spec(TINY.replace("epochs: 300", "epochs: 3"), Path("tiny.yaml")), [0])
KEPT = Kept("tiny", TARGET, PLAN, DOCUMENT, ())


def train(seed: int) -> None:
    """Leave behind what a trainer does."""
    run = Run("base", seed)
    rows = [{"epoch": [float(epoch)], "test_accuracy": [seed / 8]} for epoch in range(3)]
    write_history("tiny", [run], rows, data="synthetic")
    path = network_path("tiny", run)
    path.parent.mkdir(parents=True)
    path.write_bytes(f"network {seed}".encode())


def find_known(document: str = DOCUMENT) -> set[int]:
    """What any reader finds recorded."""
    return {run.head.seed for run in read_runs(TARGET) if run.head.document == document}


def find_networks() -> set[str]:
    """Names and contents of the networks that are kept."""
    found = KEPT.networks("synthetic").rglob("*.safetensors")
    return {f"{path.stem}: {path.read_text()}" for path in found}


def finish(seed: int, kept: Kept = KEPT) -> None:
    kept.finish({"device": f"device {seed}", "seconds": 1.5})


def record(seed: int) -> None:
    """Record a run as the recorder does, from its start."""
    KEPT.recover()
    if seed not in find_known():
        train(seed)
        finish(seed)


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
    whole, networks = contents(Path()), find_networks()
    assert networks == {f"base,seed={seed}: network {seed}" for seed in (*earlier, 7)}
    count = 0
    for when in kills(lambda: record(7), start=lambda: begin(*earlier)):
        count += 1
        assert {*earlier} <= find_known() <= {*earlier, 7}, when
        record(7)
        assert contents(Path()) == whole, when
    assert count > 20


def test_kill_after_the_numbers_are_there_keeps_them_without_training_again(
    begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> None:
        begin(0)
        train(7)

    begin(0, 7)
    whole, count = contents(Path()), 0
    for when in kills(lambda: finish(7), start=start):
        if (RUNS / "tiny/finished.json").exists():
            count += 1
            with monkeypatch.context() as patch:
                patch.setattr(f"{__name__}.train", None)
                record(7)
            assert contents(Path()) == whole, when
    assert count > 5


def test_kill_while_a_kill_is_mended_loses_nothing_either(begin) -> None:
    def start() -> None:
        begin(0, 7)
        add_elsewhere(1)
        (TARGET / ".abc.writing").write_bytes(b"# variant")

    def add_elsewhere(seed: int) -> None:
        (run, *_) = read_runs(TARGET)
        add(TARGET, [run._replace(head=run.head._replace(seed=seed))])

    start()
    add_elsewhere(2)
    whole = contents(RECORDED)
    assert ".abc.writing" not in "".join(whole)
    for when in kills(lambda: add_elsewhere(2), start=start):
        assert {0, 1, 7} <= find_known() <= {0, 1, 2, 7}, when
        add_elsewhere(2)
        add_elsewhere(3)
        (TARGET / "base,seed=3.csv").unlink()
        assert contents(RECORDED) == whole, when


def test_kill_inside_an_addition_leaves_each_run_whole_or_out(begin) -> None:
    def bring() -> None:
        (run, *_) = read_runs(TARGET)
        heads = [run.head._replace(seed=seed, device="another") for seed in (7, 8)]
        extras = {head.beside("errors.csv"): b"image\n" for head in heads}
        add(TARGET, [run._replace(head=head) for head in heads], extras)

    begin(0)
    before = find_known()
    bring()
    after = contents(RECORDED)
    assert {"tiny/base,seed=7.errors.csv", "tiny/base,seed=8.errors.csv"} < {*after}
    seen = []
    for when in kills(bring, start=lambda: begin(0)):
        seen.append(find_known())
        for name in (f"tiny/base,seed={seed}{end}" for seed in seen[-1] for end in _ends(seed)):
            assert contents(RECORDED)[name] == after[name], when
        bring()
        assert contents(RECORDED) == after, when
    assert seen[0] == before
    assert {0, 7} in seen


def _ends(seed: int) -> tuple[str, ...]:
    return (".csv", ".errors.csv") if seed else (".csv",)


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


def test_many_who_add_at_once_lose_nothing(begin) -> None:
    begin(0)
    (run, *_) = read_runs(TARGET)
    runs = [run._replace(head=run.head._replace(seed=seed)) for seed in range(1, 25)]
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda run: add(TARGET, [run]), [*runs, *runs]))
    assert sorted(new.seed for outcome in added for new in outcome.new) == list(range(1, 25))
    assert find_known() == set(range(25))
    assert {path.name for path in TARGET.iterdir()} == {run.head.file for run in read_runs(TARGET)}


def test_runs_of_an_older_document_make_way_for_the_same_runs_of_todays(begin) -> None:
    begin(0, 7)
    train(7)
    other = KEPT._replace(document="another")
    added = other.finish({"device": "device 7", "seconds": 1.5})
    assert (added.new, added.other, added.replaced) == ([Run("base", 7)], [], [Run("base", 7)])
    assert find_known("another") == {7}
    assert find_known() == {0}


def test_files_beside_a_run_go_with_it_when_it_makes_way(begin) -> None:
    begin(0)
    (run,) = read_runs(TARGET)
    head = Head("base", 7, "older", "synthetic", "device 7")
    extras = {head.beside("errors.csv"): b"old", head.beside("filters.csv"): b"old"}
    add(TARGET, [run._replace(head=head)], extras)
    assert (TARGET / "base,seed=7.filters.csv").exists()
    today = head._replace(document=DOCUMENT)
    add(TARGET, [run._replace(head=today)], {head.beside("errors.csv"): b"new"})
    assert (TARGET / "base,seed=7.errors.csv").read_bytes() == b"new"
    assert not (TARGET / "base,seed=7.filters.csv").exists()


def test_networks_of_another_version_of_a_document_do_not_stay(begin) -> None:
    begin(0)
    train(7)
    other = KEPT._replace(document="another")
    other.finish({"device": "device 7", "seconds": 1.5})
    assert find_networks() == set()
    assert len(list(other.networks("synthetic").rglob("*.safetensors"))) == 1


def test_what_was_finished_of_an_older_document_is_dropped(begin) -> None:
    begin()
    train(7)
    note = {"data": "synthetic", "document": "older", "device": "device 7", "seconds": 1.5}
    (RUNS / "tiny/finished.json").write_text(json.dumps(note))
    KEPT.recover()
    assert not TARGET.exists()
    assert list(RUNS.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff", '{"document": "of today"}'])
def test_spoilt_notes_of_what_was_finished_are_told_and_nothing_is_deleted(
    begin, content: str
) -> None:
    begin()
    train(7)
    path = RUNS / "tiny/finished.json"
    path.write_text(content, encoding="latin-1")
    before = contents(RUNS)
    message = f"{path}: is not what was written; restore it, or delete its folder"
    with pytest.raises(OSError, match=re.escape(message)):
        KEPT.recover()
    assert contents(RUNS) == before


@pytest.mark.parametrize(
    "content",
    [
        "seed\n7\n",
        "variant,seed\nbase,seven\n",
        "\xff",
        "variant,seed,epoch,test_accuracy\nbase,7,0,much\n",
        "variant,seed,epoch,test_accuracy\nbass,7,0,0.5\n",
    ],
)
def test_spoilt_measurements_are_told_and_not_kept(begin, content: str) -> None:
    begin()
    train(7)
    path = RUNS / "tiny/history.csv"
    path.write_text(content, encoding="latin-1")
    message = f"{path}: is not what was written; restore it, or delete its folder"
    with pytest.raises(OSError, match=re.escape(message)):
        finish(7)
    assert not TARGET.exists()


def test_links_in_the_place_of_temporary_names_are_not_followed(begin, tmp_path: Path) -> None:
    begin(0)
    outside = tmp_path / "outside"
    (outside / "weights").mkdir(parents=True)
    (outside / "weights/base,seed=3.safetensors").write_bytes(b"precious")
    before = contents(outside)
    (KEPT.networks("synthetic").parent / "older").symlink_to(outside)
    (TARGET / ".abc.writing").symlink_to(outside)
    record(7)
    assert contents(outside) == before
    assert find_known() == {0, 7}
    assert sorted(path.name for path in TARGET.iterdir()) == ["base,seed=0.csv", "base,seed=7.csv"]


def test_files_that_are_no_leftovers_of_a_recording_stay(begin) -> None:
    begin(0)
    others = [".gitignore.swp", ".DS_Store", ".Tiny.writing~"]
    for name in others:
        (TARGET / name).touch()
    record(7)
    found = sorted(path.name for path in TARGET.iterdir())
    assert found == sorted([*others, "base,seed=0.csv", "base,seed=7.csv"])


def test_runs_that_are_there_with_other_numbers_stay(begin) -> None:
    begin(0)
    before = contents(RECORDED)
    (run,) = read_runs(TARGET)
    other = run._replace(head=run.head._replace(device="another"), values=run.values + 0.5)
    added = add(TARGET, [other])
    assert (added.new, added.other) == ([], [Run("base", 0)])
    assert contents(RECORDED) == before


def test_a_run_with_the_same_numbers_is_known_wherever_it_was_trained(begin) -> None:
    begin(0)
    before = contents(RECORDED)
    (run,) = read_runs(TARGET)
    added = add(TARGET, [run._replace(head=run.head._replace(device="another", seconds=9.0))])
    assert (added.new, added.other) == ([], [])
    assert contents(RECORDED) == before
