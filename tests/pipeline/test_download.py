"""Downloads from faulty mirrors, with damaged caches, and through kills."""

import gzip
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirrors import (
    ALL,
    CONTENT,
    FAST_FAULTS,
    FAULTS,
    FILES,
    UNPACKED,
    Mirrors,
    Place,
    serve,
)

from pipeline import download
from pipeline.download import download_files
from pipeline.machine.paths import NOT_HERE


@pytest.fixture(scope="module")
def mirrors():
    with serve() as server:
        yield server


@pytest.fixture(autouse=True)
def _impatience(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "READ_SECONDS", 0.5)
    monkeypatch.setattr(download, "FILE_SECONDS", 0.8)
    monkeypatch.setattr(download, "BYTES_PER_SECOND", 10e6)


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def good_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("mode", ["good", "chunked", "moved"])
def test_good_mirror_gives_the_files(place, mirrors, mode, monkeypatch):
    monkeypatch.setattr(download, "FILE_SECONDS", 30.0)  # Whatever else the machine does.
    assert place.fetch(mirrors.address(mode)) == []
    assert place.holds(raw=ALL, cache=ALL)


def test_address_needs_no_slash_at_its_end(place, mirrors):
    assert place.fetch(mirrors.address("good").rstrip("/")) == []


def test_bar_shows_on_a_terminal(place, mirrors, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    place.fetch(mirrors.address("good"))
    assert "small.gz: 100%" in terminal.getvalue()


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_mirror_is_passed_over_for_a_good_one(place, mirrors, fault):
    failures = place.fetch(mirrors.address(fault), mirrors.address("good"))
    assert place.holds(raw=ALL, cache=ALL)
    assert len(failures) == 1
    assert failures[0].startswith(f"{mirrors.address(fault)} (small.gz): ")
    assert FAULTS[fault] in failures[0]
    assert failures[0].isprintable()
    assert len(failures[0]) < 600


def test_note_is_left_when_all_mirrors_are_faulty(place, mirrors):
    failures = place.fetch("/nowhere", *map(mirrors.address, FAST_FAULTS))
    assert len(failures) == 1 + len(FAST_FAULTS)
    assert place.holds(raw={NOT_HERE}, cache=set())


def test_closed_port_is_a_failure_like_any_other(place):
    (failure,) = place.fetch("http://127.0.0.1:9/")
    assert failure.endswith("Connection refused")


@pytest.mark.parametrize("address", ["https://", "http://.", "http://[", "http://127.0.0.1:port"])
def test_address_that_is_none_is_a_failure_like_any_other(place, address):
    assert len(place.fetch(address)) == 1
    assert place.holds(raw={NOT_HERE}, cache=set())


def test_second_mirror_is_asked_only_for_what_is_missing(place, mirrors):
    mirrors.modes["/mixed/large.gz"] = "corrupt"
    mirrors.modes["/mixed/small.gz"] = "good"
    mirrors.requests.clear()
    place.fetch(mirrors.address("mixed"), mirrors.address("good"))
    assert mirrors.requests == ["/mixed/small.gz", "/mixed/large.gz", "/good/large.gz"]
    assert place.holds(raw=ALL, cache=ALL)


@pytest.mark.parametrize("seed", range(50))
def test_random_mix_of_faults_ends_right_or_with_a_note(place, mirrors, seed):
    draw = random.Random(seed)
    modes = ["good"] * 20 + FAST_FAULTS * 2 + ["stall", "trickle"]
    names = [f"mixed-{seed}-{i}" for i in range(draw.randint(1, 4))]
    for name in names:
        for file in CONTENT:
            mirrors.modes[f"/{name}/{file}"] = draw.choice(modes)
    missing = ["large.gz", "small.gz"]
    for name in names:
        while missing and mirrors.modes[f"/{name}/{missing[-1]}"] == "good":
            missing.pop()
    place.fetch(*map(mirrors.address, names))
    assert place.holds(raw={NOT_HERE} if missing else ALL, cache=ALL - set(missing))


def test_cached_files_need_no_network(place, mirrors):
    place.fetch(mirrors.address("good"))
    (place.raw / "small.gz").unlink()
    mirrors.requests.clear()
    assert place.fetch(mirrors.address("server-error")) == []
    assert mirrors.requests == []
    assert place.holds(raw=ALL, cache=ALL)


@pytest.mark.parametrize("damage", [b"", b"x" * 300, CONTENT["small.gz"] + b"x"])
def test_damaged_cache_is_healed(place, mirrors, damage):
    place.cache.mkdir()
    (place.cache / "small.gz").write_bytes(damage)
    assert place.fetch(mirrors.address("good")) == []
    assert place.holds(raw=ALL, cache=ALL)


def test_cache_that_cannot_be_written_is_done_without(place, mirrors):
    place.cache.write_bytes(b"a file where a folder should be")
    assert place.fetch(mirrors.address("good")) == []
    assert {path.name for path in place.raw.iterdir()} == ALL


def test_other_files_in_the_cache_folder_are_left_alone(place, mirrors):
    place.cache.mkdir()
    (place.cache / "diary.txt").write_bytes(b"dear diary")
    place.fetch(mirrors.address("good"))
    assert place.holds(raw=ALL, cache=ALL | {"diary.txt"})


def test_right_files_of_the_last_time_serve_when_nothing_else_does(place, mirrors, good_folder):
    place.fetch(str(good_folder))
    assert place.fetch("/nowhere", mirrors.address("not-found")) == [
        "/nowhere (small.gz): no such folder"
    ]
    assert place.holds(raw=ALL, cache=set())


def test_old_note_gives_way_to_the_files(place, good_folder):
    place.fetch("/nowhere")
    assert place.holds(raw={NOT_HERE}, cache=set())
    place.fetch(str(good_folder))
    assert place.holds(raw=ALL, cache=set())


def test_damaged_file_in_a_local_folder_is_named_and_passed_over(place, mirrors, good_folder):
    (good_folder / "large.gz").write_bytes(b"x")
    (failure,) = place.fetch(str(good_folder), mirrors.address("good"))
    assert f"{good_folder / 'large.gz'} is not the published file" in failure
    assert place.holds(raw=ALL, cache={"large.gz"})


FORMS = {
    "unpacked": lambda raw: raw,
    "gzipped anew": lambda raw: gzip.compress(raw, 1, mtime=7),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("is_dotted", [False, True])
def test_a_local_folder_may_hold_files_in_another_form(place, tmp_path, form, is_dotted):
    names = {"a-idx1-ubyte.gz": "small.gz", "b-idx3-ubyte.gz": "large.gz"}
    files = {name: FILES[kept] for name, kept in names.items()}
    (tmp_path / "own").mkdir()
    for name, kept in names.items():
        content = form(UNPACKED[kept])
        own = name if content.startswith(b"\x1f\x8b") else name.removesuffix(".gz")
        (tmp_path / "own" / own.replace("-idx", ".idx" if is_dotted else "-idx")).write_bytes(
            content
        )
    # The second time the folder is gone, and the files of the first serve.
    for source in (str(tmp_path / "own"), "/nowhere"):
        download_files(place.raw, [source, "http://127.0.0.1:9/"], cache=place.cache, files=files)
        found = {path.name: gzip.decompress(path.read_bytes()) for path in place.raw.iterdir()}
        assert found == {name: UNPACKED[kept] for name, kept in names.items()}


def test_unpacked_file_with_other_bytes_is_passed_over(place, mirrors, good_folder):
    (good_folder / "large.gz").unlink()
    (good_folder / "large").write_bytes(UNPACKED["large.gz"][:-1] + b"?")
    (failure,) = place.fetch(str(good_folder), mirrors.address("good"))
    assert f"{good_folder / 'large'} is not the published file: expected 40,000 bytes" in failure
    assert place.holds(raw=ALL, cache={"large.gz"})


def test_home_folder_of_nobody_is_a_failure_like_any_other(place, mirrors):
    (failure,) = place.fetch("~nosuchuser/x", mirrors.address("good"))
    assert failure == (
        "~nosuchuser/x (small.gz): there is no home folder for the '~nosuchuser' in it"
    )
    assert place.holds(raw=ALL, cache=ALL)


def test_local_folder_may_lie_in_the_home_folder(place, good_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(good_folder.parent))
    assert place.fetch(f"~/{good_folder.name}") == []


def test_what_a_kill_left_is_removed_at_the_next_start(place, good_folder):
    for part in (place.raw.with_name("raw.part") / "tmp1", place.cache / "small.gz.part"):
        part.parent.mkdir(parents=True)
        part.write_bytes(b"half")
    place.fetch(str(good_folder))
    assert place.holds(raw=ALL, cache=set())


def _interrupted(place: Place, mirrors: Mirrors, stop: signal.Signals) -> int:
    """The exit status of the stage, stopped in the middle of a file."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(download.__file__).parents[1]),
        "NNDL_MNIST_MIRROR": mirrors.address("trickle"),
        "NNDL_CACHE": str(place.cache),
    }
    stage = subprocess.Popen(
        [sys.executable, "-m", "pipeline.download", "mnist"],
        cwd=place.root,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + 10
    while not any(path.stat().st_size for path in place.root.glob("data/raw.part/*")):
        assert stage.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.02)
    stage.send_signal(stop)
    return stage.wait(timeout=60)


@pytest.mark.parametrize(
    ("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_stopped_download_leaves_nothing_after_the_next_start(place, mirrors, stop, status):
    assert _interrupted(place, mirrors, stop) == status
    assert place.holds(raw=set(), cache=set()) is False
    place.fetch(mirrors.address("good"))
    assert place.holds(raw=ALL, cache=ALL)
