"""The download stage with faulty mirrors, damaged caches and kills, and the stage `prepare`."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from nndl_jax.datasets import MNIST_FILES, MnistFile, load_dataset
from pipeline import download, prepare
from pipeline.download import download_mnist
from pipeline.paths import NOT_MNIST, RAW

CONTENT = {
    "small.gz": random.Random(0).randbytes(300),
    "large.gz": random.Random(1).randbytes(40_000),
}
FILES = {
    name: MnistFile(len(content), hashlib.sha256(content).hexdigest(), ())
    for name, content in CONTENT.items()
}
# What a mirror with the fault does to the file, and what is said of it.
FAULTS = {
    "not-found": "404 Client Error: Not Found",
    "server-error": "500 Server Error: Internal Server Error",
    "hang-up": "Remote end closed connection without response",
    "gibberish": "gibberish",
    "truncated": "IncompleteRead",
    "silently-truncated": "sends something else than the published file",
    "corrupt": "sends something else than the published file",
    "portal": "sends something else than the published file",
    "stall": "timed out",
    "trickle": "not done after 0.8",
    "trickling-headers": "not done after 0.8",
    "endless": "sends more than the 300 bytes of the file",
    "redirect-loop": "Exceeded 30 redirects",
}
ALL = set(CONTENT)
FAST_FAULTS = sorted(set(FAULTS) - {"stall", "trickle", "trickling-headers"})


class _Mirrors(ThreadingHTTPServer):
    """Serves `/<mode>/<file>`; `modes` says what `/mixed.../<file>` does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.modes: dict[str, str] = {}
        self.requests: list[str] = []
        self.closing = threading.Event()

    def address(self, mode: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{mode}/"

    def handle_error(self, request, client_address) -> None:
        """Stays quiet: clients hang up on faulty mirrors."""


class _Handler(BaseHTTPRequestHandler):
    server: _Mirrors

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        mode, name = self.path.strip("/").split("/")
        content = CONTENT.get(name, bytes(2_000))
        match self.server.modes.get(self.path, mode):
            case "good":
                self._answer(content)
            case "chunked":
                self._answer(
                    b"".join(b"1\r\n%c\r\n" % byte for byte in content) + b"0\r\n\r\n", None
                )
            case "moved":
                self._redirect(f"/good/{name}")
            case "not-found":
                self.send_error(404)
            case "server-error":
                self.send_error(500)
            case "hang-up":
                self.close_connection = True
            case "gibberish":
                self.wfile.write(b"gibberish\r\n\r\n")
            case "truncated":
                self._answer(content[: len(content) // 2], len(content))
            case "silently-truncated":
                self._answer(content[: len(content) // 2])
            case "corrupt":
                self._answer(bytes([content[0] ^ 1]) + content[1:])
            case "portal":
                self._answer(b"<html>Please log in.</html>")
            case "stall":
                self._answer(content[: len(content) // 2], len(content))
                self.server.closing.wait(5)
            case "trickle":
                self._answer(content[:-100], len(content))
                self._trickle(content[-100:])
            case "trickling-headers":
                self._trickle(b"HTTP/1.0 200 OK\r\nX-Long: " + bytes(1_000))
            case "endless":
                self._answer(content, 10**9)
                while not self.server.closing.is_set():
                    self.wfile.write(bytes(10_000))
            case "redirect-loop":
                self._redirect(self.path)
            case unknown:
                raise ValueError(unknown)

    def _answer(self, body: bytes, length: int | None = -1) -> None:
        self.send_response(200)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        elif length >= 0:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, path: str) -> None:
        self.send_response(302)
        self.send_header("Location", path)
        self.end_headers()

    def _trickle(self, content: bytes) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(0.05):
                break


@pytest.fixture(scope="module")
def mirrors():
    server = _Mirrors()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _impatience(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "READ_SECONDS", 0.5)
    monkeypatch.setattr(download, "FILE_SECONDS", 0.8)
    monkeypatch.setattr(download, "BYTES_PER_SECOND", 10e6)


class _Place(NamedTuple):
    """An empty project folder with its own cache."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "data" / "raw"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def fetch(self, *sources: str) -> list[str]:
        return download_mnist(self.raw, sources, cache=self.cache, files=FILES)

    def holds(self, *, raw: set[str], cache: set[str]) -> bool:
        """Whether there are these files and no others, and none with a wrong content."""
        found = {path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()}
        wanted = {Path("data/raw") / name for name in raw} | {
            Path("cache") / name for name in cache
        }
        right = all(
            (self.root / path).read_bytes() == CONTENT[path.name]
            for path in found
            if path.name in CONTENT
        )
        return found == wanted and not list(self.root.glob("data/*.part")) and right


@pytest.fixture
def place(tmp_path) -> _Place:
    return _Place(tmp_path)


@pytest.fixture
def good_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("mode", ["good", "chunked", "moved"])
def test_good_mirror_gives_the_files(place, mirrors, mode):
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


def test_note_is_left_when_all_mirrors_are_faulty(place, mirrors):
    failures = place.fetch("/nowhere", *map(mirrors.address, FAST_FAULTS))
    assert len(failures) == 1 + len(FAST_FAULTS)
    assert place.holds(raw={NOT_MNIST}, cache=set())


def test_closed_port_is_a_failure_like_any_other(place):
    (failure,) = place.fetch("http://127.0.0.1:9/")
    assert failure.endswith("Connection refused")


@pytest.mark.parametrize("address", ["https://", "http://.", "http://[", "http://127.0.0.1:port"])
def test_address_that_is_none_is_a_failure_like_any_other(place, address):
    assert len(place.fetch(address)) == 1
    assert place.holds(raw={NOT_MNIST}, cache=set())


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
    assert place.holds(raw={NOT_MNIST} if missing else ALL, cache=ALL - set(missing))


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
    assert place.holds(raw={NOT_MNIST}, cache=set())
    place.fetch(str(good_folder))
    assert place.holds(raw=ALL, cache=set())


def test_damaged_file_in_a_local_folder_is_named_and_passed_over(place, mirrors, good_folder):
    (good_folder / "large.gz").write_bytes(b"x")
    (failure,) = place.fetch(str(good_folder), mirrors.address("good"))
    assert f"{good_folder / 'large.gz'} is not the published file" in failure
    assert place.holds(raw=ALL, cache={"large.gz"})


def test_local_folder_may_lie_in_the_home_folder(place, good_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(good_folder.parent))
    assert place.fetch(f"~/{good_folder.name}") == []


def test_what_a_kill_left_is_removed_at_the_next_start(place, good_folder):
    for part in (place.raw.with_name("raw.part") / "tmp1", place.cache / "small.gz.part"):
        part.parent.mkdir(parents=True)
        part.write_bytes(b"half")
    place.fetch(str(good_folder))
    assert place.holds(raw=ALL, cache=set())


def _interrupted(place: _Place, mirrors: _Mirrors, stop: signal.Signals) -> int:
    """The exit status of the stage, stopped in the middle of a file."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(download.__file__).parents[1]),
        "NNDL_MNIST_MIRROR": mirrors.address("trickle"),
        "NNDL_CACHE": str(place.cache),
    }
    stage = subprocess.Popen(
        [sys.executable, "-m", "pipeline.download"],
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
    return stage.wait(timeout=5)


@pytest.mark.parametrize(
    ("stop", "status"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)]
)
def test_interrupted_download_leaves_nothing(place, mirrors, stop, status):
    assert _interrupted(place, mirrors, stop) == status
    assert place.holds(raw=set(), cache=set())


def test_killed_download_leaves_nothing_after_the_next_start(place, mirrors):
    assert _interrupted(place, mirrors, signal.SIGKILL) == -signal.SIGKILL
    assert place.holds(raw=set(), cache=set()) is False
    place.fetch(mirrors.address("good"))
    assert place.holds(raw=ALL, cache=ALL)


@pytest.fixture
def _empty_project(tmp_path, mirrors, monkeypatch):
    """An empty working folder, two faulty mirrors and no cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(download, "MIRRORS", (mirrors.address("not-found"), "http://127.0.0.1:9/"))
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDL_MNIST_MIRROR", raising=False)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("_empty_project")
def test_notice_names_each_source_and_the_remedy(mirrors, monkeypatch, capsys):
    monkeypatch.setenv("NNDL_MNIST_MIRROR", "/nowhere")
    download.main()
    notice = capsys.readouterr().err
    assert "!! - /nowhere (t10k-labels-idx1-ubyte.gz): no such folder\n" in notice
    assert f"!! - {mirrors.address('not-found')} (" in notice
    assert "!! - http://127.0.0.1:9/ (" in notice
    assert "will be marked as not MNIST" in notice
    assert "set NNDL_MNIST_MIRROR=/folder/with/the/four/files" in notice


@pytest.mark.usefixtures("_empty_project")
def test_nothing_is_printed_when_all_is_well(mirrors, monkeypatch, capfd):
    monkeypatch.setattr(download, "MNIST_FILES", FILES)
    monkeypatch.setattr(download, "MIRRORS", (mirrors.address("good"),))
    download.main()
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_empty_project")
def test_wrong_folder_is_a_warning_when_another_source_steps_in(mnist_folder, monkeypatch, capsys):
    monkeypatch.setattr(download, "MIRRORS", (str(mnist_folder),))
    monkeypatch.setenv("NNDL_MNIST_MIRROR", "/nowhere")
    download.main()
    reason = "/nowhere (t10k-labels-idx1-ubyte.gz): no such folder"
    assert capsys.readouterr().err == f"warning: passed over {reason}\n"


@pytest.mark.usefixtures("_empty_project")
def test_mnist_is_prepared_from_a_local_folder(mnist_folder, monkeypatch, capsys):
    monkeypatch.setenv("NNDL_MNIST_MIRROR", str(mnist_folder))
    download.main()
    assert sorted(path.name for path in RAW.iterdir()) == sorted(MNIST_FILES)
    prepare.main()
    assert load_dataset(prepare.DATASET).name == "mnist"
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_empty_project")
def test_digits_are_prepared_when_mnist_could_not_be_had(capsys):
    download.main()
    capsys.readouterr()
    prepare.main()
    assert load_dataset(prepare.DATASET).name == "digits"
    assert capsys.readouterr().err.startswith("NOT MNIST: ")


@pytest.mark.usefixtures("_empty_project")
def test_prepare_ends_with_one_sentence_when_nothing_was_downloaded():
    with pytest.raises(SystemExit, match=r"^error: data/raw/train-images.*: no such file"):
        prepare.main()
