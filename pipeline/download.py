"""Stage `download@<data>`: the four files of a published data set, verified, or a note instead.

Sources are tried in this order: the folder or address in `NNDL_MNIST_MIRROR`, or the like of other
data, then those that publish them. What came from an address is kept in the user's cache folder
(`NNDL_CACHE` names another) and taken from there the next time. No content is trusted before its
sum is right; of MNIST in a folder it is that of what is inside, for its files may be unpacked or
gzipped anew.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import gzip
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from nndl_jax.data.mnist import MnistFile
from nndl_jax.data.published import EMNIST, PUBLISHED, cache_name, find_file, mirror_variable
from nndl_jax.documents.known_data import MNIST
from nndl_jax.reading.faults import printable
from pipeline.machine.paths import (
    NOT_HERE,
    NOT_NEEDED,
    cache_folder,
    expand,
    needed_file,
    raw_folder,
)
from pipeline.machine.writing import remove

_MAX_FAILURE = 500
# A file may take FILE_SECONDS and, on top, what its size takes at BYTES_PER_SECOND.
CONNECT_SECONDS, READ_SECONDS, FILE_SECONDS, BYTES_PER_SECOND = 10.0, 20.0, 60.0, 50_000.0


def download_files(
    folder: Path, mirrors: Sequence[str], *, cache: Path, files: Mapping[str, MnistFile]
) -> list[str]:
    """Replaces `folder` by one with every file, verified, or with only a note that they are not.

    What comes back is a phrase for each mirror that was passed over. To be called in the main
    thread, for an alarm signal bounds the time of a transfer.

    Args:
        folder: Right files that it holds already serve like those in `cache`.
        mirrors: Folders and http(s) addresses, the preferred one first. One that fails at a file
            is passed over: the next one is asked for that file and those still missing.
        cache: What came from an address is kept in this folder, if it can be written.
        files: The known size and sum of each file by its name.
    """
    for name in files:
        with suppress(OSError), _part(cache / name):
            pass
    failures: list[str] = []
    with _part(folder) as staging:
        staging.mkdir(parents=True)
        missing = sorted(files, key=lambda name: files[name].num_bytes, reverse=True)
        for mirror in mirrors:
            try:
                while missing:
                    _take(mirror, staging / missing[-1], files[missing[-1]], (cache, folder))
                    missing.pop()
            except (OSError, ValueError, _TransferError) as error:
                # A server words its answer as it likes, in up to 60,000 characters.
                failures.append(printable(f"{mirror} ({missing[-1]}): {error}", _MAX_FAILURE))
        if missing:
            remove(staging)
            staging.mkdir()
            (staging / NOT_HERE).write_text("They could not be had; there are no data here.\n")
        remove(folder)
        staging.rename(folder)
    return failures


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """Where `path` grows: a fixed name, so that the next run finds what a killed one left."""
    part = path.with_name(f"{path.name}.part")
    remove(part)
    try:
        yield part
    finally:
        remove(part)


def _take(mirror: str, target: Path, facts: MnistFile, caches: tuple[Path, Path]) -> None:
    if not mirror.startswith(("https://", "http://")):
        return _take_from_folder(expand(mirror), target, facts)
    for cache in caches:
        with suppress(OSError, ValueError):
            return _take_from_folder(cache, target, facts)
    if facts.num_bytes:
        return _take_from_address(mirror, target, facts, caches[0])
    # It is published with others in an archive, which is kept whole.
    archive = target.with_name(EMNIST.name)
    _take_from_address(mirror, archive, EMNIST.facts, caches[0])
    try:
        return _take_from_folder(archive.parent, target, facts)
    finally:
        archive.unlink()


def _take_from_folder(folder: Path, target: Path, facts: MnistFile) -> None:
    if not folder.is_dir():
        raise FileNotFoundError("no such folder")
    found = find_file(folder, target.name, facts)
    is_packed = found.content != found.unpacked
    target.write_bytes(found.content if is_packed else gzip.compress(found.unpacked, 1, mtime=0))


def _take_from_address(mirror: str, target: Path, facts: MnistFile, cache: Path) -> None:
    try:
        with _deadline(FILE_SECONDS + facts.num_bytes / BYTES_PER_SECOND):
            pooch.retrieve(
                f"{mirror.rstrip('/')}/{target.name}",
                known_hash=facts.sha256 if ":" in facts.sha256 else f"sha256:{facts.sha256}",
                fname=target.name,
                path=target.parent,
                downloader=_capped_downloader(facts.num_bytes),
            )
    except requests.RequestException as error:
        raise _TransferError(str(_root_cause(error))) from error
    except ValueError as error:
        raise _TransferError("sends something else than the published file") from error
    # A full or read-only cache only costs the next checkout a download.
    with suppress(OSError), _part(cache / target.name) as part:
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target, part)
        part.replace(cache / target.name)


class _TransferError(Exception):
    """A transfer that failed; no OSError, which libraries on its way up would take for theirs."""


def _root_cause(error: BaseException) -> BaseException:
    cause = error.__cause__ or error.__context__
    return error if cause is None else _root_cause(cause)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Ends the block when its time is up; a read timeout starts anew with each trickling byte."""

    def ring(*_: object) -> None:
        raise _TransferError(f"not done after {seconds:.3g} s")

    if sys.platform == "win32":  # It has no alarm: who sends a byte now and then is waited for.
        yield
        return
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _capped_downloader(num_bytes: int) -> Callable[..., None]:
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    fetch = pooch.HTTPDownloader(timeout=timeout, headers={"Accept-Encoding": "identity"})

    def download(url: str, output_file: str, caller: pooch.Pooch | None) -> None:
        with (
            Path(output_file).open("wb") as file,
            _CappedBar.wrapattr(file, "write", num_bytes, desc=Path(url).name, disable=None) as out,
        ):
            fetch(url, out, caller)

    return download


class _CappedBar(tqdm):
    """A progress bar, on a terminal only, that ends a transfer of more bytes than its total."""

    num_bytes = 0

    def update(self, n: int | float | None = 1) -> bool | None:
        self.num_bytes += n or 0
        if self.num_bytes > self.total:
            raise _TransferError(f"sends more than the {self.total:,} bytes of the file")
        return super().update(n)


def main(name: str = MNIST) -> None:
    """Leaves `data/raw/`, or `data/raw-<name>/`, and says on standard error what is not had."""
    pooch.get_logger().setLevel("WARNING")
    if name not in PUBLISHED:
        sys.exit(f"{name!r}: is not published in files; what is: {', '.join(PUBLISHED)}")
    folder, cache = raw_folder(name), cache_folder() / cache_name(name)
    if name != MNIST and not json.loads(needed_file(name).read_bytes())["is_needed"]:
        with _part(folder) as staging:
            staging.mkdir(parents=True)
            (staging / NOT_NEEDED).write_text("No document that is run learns them.\n")
            remove(folder)
            staging.rename(folder)
        return
    own, published = os.environ.get(mirror_variable(name)), PUBLISHED[name]
    mirrors = (own, *published.mirrors) if own else published.mirrors
    failures = download_files(folder, mirrors, cache=cache, files=published.files)
    if (folder / NOT_HERE).exists():
        sys.stderr.write(_notice(name, failures))
    else:
        sys.stderr.writelines(f"warning: passed over {failure}\n" for failure in failures)


def _notice(name: str, failures: Sequence[str]) -> str:
    if name != MNIST:
        message = f"{name} could not be had, and documents that learn it are not trained"
        remedy = f"set {mirror_variable(name)} to a folder with its files, or get online"
        return f"{message}: {'; '.join(failures)}; {remedy}, and run `make` again\n"
    lines = (
        "MNIST COULD NOT BE HAD. The pipeline goes on with scikit-learn's digits,",
        "and every result will be marked as not MNIST. Sources tried:",
        *(f"- {failure}" for failure in failures),
        "What to do: set NNDL_MNIST_MIRROR=/folder/with/the/four/files or get online,",
        "then run `make` again.",
    )
    return "\n".join(("!" * 80, *(f"!! {line}" for line in lines), "!" * 80, ""))


if __name__ == "__main__":
    run_stage(main, __doc__, takes_id=True)
