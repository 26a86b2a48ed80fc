"""How the processes of the pipeline start and end.

There is one trainer for each experiment: it dies with its parent, and a second one is turned away.
A killed `dvc` would otherwise leave a trainer behind that goes on writing beside its successor.
"""

import argparse
import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from filelock import lock_descriptor

from pipeline.machine.paths import RUNS, STATE

SNAPSHOT = "snapshot.safetensors"
"""Name of the state of a training, in the folder that `exclusive` gives."""

_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_SECONDS = 5.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)


def begin(*, with_parent: bool = True) -> None:
    """Settle how this process ends, before imports that take seconds.

    By Ctrl-C and SIGTERM it ends with a sentence, at once also while it compiles or computes.
    Nothing is cleaned up: whatever is written must outlast a kill in any case.

    On Windows nothing is settled, and Ctrl-C does what it does to any Python program.

    Args:
        with_parent: whether it ends with the process that started it.
    """
    if sys.platform == "win32":
        return  # It has neither forks nor signals to leave to a thread.
    if with_parent:
        die_with_parent()
    # Where Ctrl-C is ignored, who started this tells of it and of what ends for it.
    is_told = with_parent and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    chosen = () if is_told else _STOPS
    chosen = [number for number in chosen if signal.getsignal(number) is not signal.SIG_IGN]
    if not chosen:
        return
    # Python's own handlers wait for the main thread, which may be in XLA for minutes.
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS),
        after_in_child=_forget_signals,
    )
    for number in chosen:
        signal.signal(number, _leave_to_thread)
    threading.Thread(target=_await_stop, args=(read,), daemon=True).start()


def _leave_to_thread(number: int, _: FrameType | None) -> None:
    """What the main thread does of it: nothing more, such as to end with another status."""
    time.sleep(3 * _PATIENCE_SECONDS)
    os._exit(128 + number)


def _await_stop(descriptor: int) -> None:
    while True:
        (number,) = os.read(descriptor, 1)
        if signal.getsignal(number) is _leave_to_thread:  # Else another has taken it over.
            _stop(number)


def _forget_signals() -> None:
    """In a copy of this process, which has not this thread: let signals end it as ever."""
    signal.set_wakeup_fd(-1)
    for number in _STOPS:
        if signal.getsignal(number) is _leave_to_thread:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _stop(number: int) -> None:
    line = "\n" if sys.stderr.isatty() else ""  # Below a progress bar.
    sentence = f"{line}{_program()}: stopped; the same command goes on from what is finished\n"
    os.write(2, sentence.encode())
    _end_descendants()
    os._exit(128 + number)


def run_child(*command: str) -> int:
    """Run another program; gives its exit status.

    It ends with this process, and so does whatever it has started.
    """

    def prepare() -> None:
        # Ctrl-C reaches all processes of a terminal, and one of them tells of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with_parent(own)

    own, can_prepare = os.getpid(), sys.platform != "win32"
    with subprocess.Popen(command, preexec_fn=prepare if can_prepare else None) as child:
        return child.wait()


def _end_descendants() -> None:
    """End what this process has started, and what that has started."""
    import psutil

    found = psutil.Process().children(recursive=True)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in found:
            with suppress(psutil.NoSuchProcess):
                end(process)
        _, found = psutil.wait_procs(found, timeout=_PATIENCE_SECONDS)


def run_stage(
    main: Callable[..., None], description: str | None, *, takes_id: bool = False, flags: str = ""
) -> None:
    """Run a stage as it is asked for on the command line; what goes wrong is told in a sentence.

    Args:
        main: it takes the id of a document and each of the flags by its name.
        description: of the stage, for `--help`.
        takes_id: whether the stage works on one document.
        flags: names of the flags that there are.
    """
    parser = _Parser(f"python -m pipeline.{_program()}", description)
    if takes_id:
        parser.add_argument("name", metavar="id", help="of a document, such as ch1-30-hidden")
    for flag in flags.split():
        parser.add_argument(f"--{flag}", action="store_true")
    arguments = vars(parser.parse_args())
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    with in_a_sentence():
        main(**arguments)


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """Has a process end with a sentence for what the system refuses and for faulty documents."""
    try:
        yield
    except OSError as error:
        sys.exit(in_words(error))
    except ValueError as error:
        from nndl_jax.reading.faults import SpecError  # It takes a second.

        if not isinstance(error, SpecError):
            raise
        sys.exit(str(error))


@contextmanager
def named(name: str) -> Iterator[None]:
    """Has a process end with a sentence that begins with a document's name, if it is run in vain.

    That is for what the library refuses of it: data, networks, a cost that is not finite.
    """
    try:
        yield
    except (ValueError, FloatingPointError) as error:
        sentence = str(error)
        sys.exit(sentence if sentence.startswith(f"{name}:") else f"{name}: {sentence}")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments in one sentence."""

    def __init__(self, command: str, description: str | None) -> None:
        super().__init__(
            prog=command,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.exit(2, f"{self.prog}: {message}; --help says what it takes\n")


def _program() -> str:
    """The name of what runs: of the stage's module, or of the package."""
    path = Path(sys.argv[0])
    return path.parent.name if path.stem == "__main__" else path.stem


def in_words(error: OSError) -> str:
    """What a system call could not do, where, and what helps."""
    if error.strerror is None:
        return str(error)
    place = f"{error.filename or Path.cwd()}: {error.strerror}"
    if error.errno in _NO_SPACE:
        return f"{place}; make room and run the same command again, what is finished is kept"
    if error.errno in _NOT_ALLOWED:
        return f"{place}; work in a copy of the repository that you may write to"
    return place


def die_with_parent(parent: int | None = None) -> None:
    """Have Linux end this process when the one that started it ends; elsewhere do nothing.

    Args:
        parent: the process that started this one, where that is known.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = parent or os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or _is_orphan():
        sentence = "the process that started this one has ended, and it ends as well"
        sys.exit(f"{_program()}: {sentence}; begin it with `setsid` to have it go on alone")


def _is_orphan() -> bool:
    """Whether the parent had ended already: whoever takes orphans in is of another session."""
    if os.getsid(0) == os.getpid():
        return False  # A session of its own, which its parent is never in.
    try:
        return os.getsid(os.getppid()) != os.getsid(0)
    except OSError:
        return False  # A parent that cannot be seen from here.


@contextmanager
def exclusive(name: str) -> Iterator[Path]:
    """Hold the lock of an experiment; gives the folder for its state.

    Raises:
        SystemExit: another process holds it.
    """
    folder = STATE / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        if not lock_descriptor(lock.fileno(), blocking=False):
            lock.seek(0)
            holder = lock.read().strip()
            sys.exit(f"{name}: process {holder} is running this; wait for it or stop it")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder


def forget_finished() -> None:
    """Remove the snapshots of experiments whose results are there, once DVC has taken these."""
    for folder in STATE.glob("*"):
        if (RUNS / folder.name / "history.csv").exists():
            forget(folder.name)


def forget(name: str) -> None:
    """Remove the snapshots of an experiment."""
    for snapshot in (STATE / name).glob("snapshot.*"):
        if snapshot.is_file():
            snapshot.unlink()
