"""Mirrors that serve small files rightly or in every wrong way, and a place to fetch them to."""

import gzip
import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from nndl_jax.data.mnist import MnistFile
from pipeline.download import download_files


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


UNPACKED = {
    "small.gz": random.Random(0).randbytes(300),
    "large.gz": random.Random(1).randbytes(40_000),
}
CONTENT = {name: gzip.compress(content, mtime=0) for name, content in UNPACKED.items()}
FILES = {
    # All but eight of its bytes are the numbers of an array of rank 1.
    name: MnistFile(
        len(content), _sha256(content), (len(UNPACKED[name]) - 8,), _sha256(UNPACKED[name])
    )
    for name, content in CONTENT.items()
}
# What a mirror with the fault does to the file, and what is said of it.
FAULTS = {
    "not-found": "404 Client Error: Not Found",
    "server-error": "500 Server Error: Internal Server Error",
    "wordy": r"503 Server Error: \x1b[2J\x07aaaa",
    "hang-up": "Remote end closed connection without response",
    "gibberish": "gibberish",
    "truncated": "IncompleteRead",
    "silently-truncated": "sends something else than the published file",
    "corrupt": "sends something else than the published file",
    "portal": "sends something else than the published file",
    "stall": "timed out",
    "trickle": "not done after 0.8",
    "trickling-headers": "not done after 0.8",
    "endless": "sends more than the 323 bytes of the file",
    "redirect-loop": "Exceeded 30 redirects",
}
ALL = set(CONTENT)
FAST_FAULTS = sorted(set(FAULTS) - {"stall", "trickle", "trickling-headers"})


class Mirrors(ThreadingHTTPServer):
    """Serves `/<mode>/<file>`; `modes` says what `/mixed.../<file>` does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.modes: dict[str, str] = {}
        self.requests: list[str] = []
        self.closing = threading.Event()

    def address(self, mode: str) -> str:
        """Where files are served in this way."""
        return f"http://127.0.0.1:{self.server_port}/{mode}/"

    def handle_error(self, request, client_address) -> None:
        """Stays quiet: clients hang up on faulty mirrors."""


class _Handler(BaseHTTPRequestHandler):
    server: Mirrors

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
            case "wordy":
                self.wfile.write(b"HTTP/1.0 503 \x1b[2J\x07" + b"a" * 60_000 + b"\r\n\r\n")
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


class Place(NamedTuple):
    """An empty project folder with its own cache."""

    root: Path

    @property
    def raw(self) -> Path:
        """The folder that the stage leaves."""
        return self.root / "data" / "raw"

    @property
    def cache(self) -> Path:
        """The folder that keeps what came from an address."""
        return self.root / "cache"

    def fetch(self, *sources: str) -> list[str]:
        """Download from these sources; what was said of those passed over."""
        return download_files(self.raw, sources, cache=self.cache, files=FILES)

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


@contextmanager
def serve() -> Iterator[Mirrors]:
    """Mirrors at work in a thread."""
    server = Mirrors()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()
