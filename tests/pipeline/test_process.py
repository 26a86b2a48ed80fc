"""How stages start and end: arguments, kills, Ctrl-C, and what the system refuses."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from project import ROOT, environment, run, tiny_project

from nndl_jax.data.datasets import Dataset, Split
from pipeline import baseline, report, resolve, train
from pipeline.machine.paths import RESOLVED
from pipeline.machine.process import exclusive, run_stage
from pipeline.plan.plans import load_plan

STAGES = ("baseline", "calculate", "code", "download", "ensemble", "evaluate", "prepare", "report")
STAGES += ("resolve", "site", "train")
HEAVY = ("pydantic_core", "numpy")


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_project(tmp_path_factory.mktemp("project"))
    (folder / "spec/machine.yaml").write_text((ROOT / "spec/ch1-svm.yaml").read_text())
    text = (folder / "spec/machine.yaml").read_text().replace("id: ch1-svm", "id: machine")
    (folder / "spec/machine.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolve.main()
    return folder


def ending(main, *arguments: str, monkeypatch, **options) -> str:
    """What a stage says that is called with arguments, and ends."""
    monkeypatch.setattr(sys, "argv", [f"pipeline/{main.__module__.split('.')[-1]}.py", *arguments])
    with pytest.raises(SystemExit) as caught:
        run_stage(main, "A stage.", **options)
    return str(caught.value.code)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_settles_its_end_before_it_imports_anything_heavy(stage: str) -> None:
    body = ast.parse((ROOT / f"pipeline/{stage}.py").read_text()).body
    lines = [ast.unparse(node) for node in body if not isinstance(node, ast.Expr)]
    lines = [line for line in lines if "__future__" not in line]
    assert re.match(r"from pipeline.machine.process import .*\bbegin\b", lines[0])
    assert lines[1] == "if __name__ == '__main__':\n    begin()"
    assert lines[-1].startswith("if __name__ == '__main__':\n    run_stage(main, __doc__")


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (train.main, [], "the following arguments are required: id; --help says what it takes"),
        (train.main, ["tiny", "more"], "unrecognized arguments: more; --help says what it takes"),
        (resolve.main, ["tiny"], "unrecognized arguments: tiny; --help says what it takes"),
        (report.main, ["--read"], "unrecognized arguments: --read; --help says what it takes"),
    ],
)
def test_wrong_arguments_are_one_sentence(main, arguments, message, monkeypatch, capsys) -> None:
    monkeypatch.setattr(Path, "write_text", lambda *_: pytest.fail("writes"))
    takes_id = main is train.main
    assert ending(main, *arguments, monkeypatch=monkeypatch, takes_id=takes_id) == "2"
    program = main.__module__
    assert capsys.readouterr().err == f"python -m {program}: {message}\n"


def test_help_of_the_report_deletes_no_figure(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    figure = Path("report/figures/some.png")
    figure.parent.mkdir(parents=True)
    figure.write_bytes(b"")
    assert ending(report.main, "--help", monkeypatch=monkeypatch, flags="readme") == "0"
    assert "--readme" in capsys.readouterr().out
    assert figure.exists()


@pytest.mark.parametrize(
    ("main", "name", "message"),
    [
        (train.main, "tini", "'tini': there is no such document; did you mean 'tiny'?"),
        (train.main, "../tiny", "'../tiny': there is no such document"),
        (train.main, "machine", "machine: is of kind baseline, and only those of kind network are"),
        (baseline.main, "tiny", "tiny: is of kind network, and only those of kind baseline are"),
    ],
)
def test_a_stage_says_which_documents_it_takes(main, name, message, resolved, monkeypatch) -> None:
    monkeypatch.chdir(resolved)
    assert ending(main, name, monkeypatch=monkeypatch, takes_id=True).startswith(message)
    assert not Path("runs").exists()


def test_a_stage_without_resolved_documents_says_what_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = ending(train.main, "tiny", monkeypatch=monkeypatch, takes_id=True)
    assert message == "resolved: is empty; run `python -m pipeline.resolve` first"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"selected": true}', "\xff"])
def test_a_spoilt_resolved_document_is_named(content, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    RESOLVED.mkdir()
    (RESOLVED / "tiny.json").write_text(content, encoding="latin-1")
    with pytest.raises(OSError, match=r"^resolved/tiny\.json: is not what this version"):
        load_plan("tiny")


def test_a_full_disk_is_one_sentence(monkeypatch) -> None:
    def main() -> None:
        with Path("/dev/full").open("w") as file:
            file.write("x")

    message = ending(main, monkeypatch=monkeypatch)
    assert message.endswith("No space left on device; make room and run the same command again, "
                         "what is finished is kept")  # fmt: skip


def test_a_read_only_checkout_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    def refuse(path: Path, **_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    def main() -> None:
        with exclusive("tiny"):
            pass

    monkeypatch.setattr(Path, "mkdir", refuse)
    message = ending(main, monkeypatch=monkeypatch)
    assert message.startswith(".nndl/tiny: Read-only file system; work in a copy of the repository")


def test_a_file_in_place_of_a_folder_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".nndl").write_text("")

    def main() -> None:
        with exclusive("tiny"):
            pass

    assert ending(main, monkeypatch=monkeypatch) == ".nndl/tiny: Not a directory"


def test_a_device_that_is_not_there_is_one_sentence(tmp_path) -> None:
    code = "from pipeline.machine.jax_setup import check_jax; check_jax()"
    done = run(sys.executable, "-c", code, cwd=tmp_path, check=False, JAX_PLATFORMS="cuda")
    assert done.returncode == 1
    assert done.stderr.startswith("JAX has nothing to compute on, with JAX_PLATFORMS=cuda: ")
    assert done.stderr.endswith("make JAX=cuda, make JAX=tpu\n")
    assert done.stderr.count("\n") == 1


def test_a_worker_that_is_killed_ends_its_stage_with_one_sentence(tmp_path: Path) -> None:
    # In a process of its own, where JAX is not loaded.
    code = (
        "import os, signal\n"
        "from pipeline.machine.cores import map_on_cores\n"
        "def end(_):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "map_on_cores(end, [1, 2], desc='machine', unit='run')\n"
    )
    done = run(sys.executable, "-c", code, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("machine: one of its processes was killed")
    assert "Traceback" not in done.stderr


STOPPED = ": stopped; the same command goes on from what is finished\n"


@pytest.mark.parametrize(
    ("number", "status", "times"),
    [(signal.SIGINT, 130, 1), (signal.SIGINT, 130, 3), (signal.SIGTERM, 143, 2)],
)
def test_a_trainer_that_is_stopped_while_it_starts_says_so_in_one_sentence(
    number: int, status: int, times: int, resolved: Path
) -> None:
    trainer = start_trainer(resolved, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(name in loaded(trainer.pid) for name in HEAVY) or trainer.poll())
    for _ in range(times):
        trainer.send_signal(number)
    _, message = trainer.communicate()
    assert (trainer.returncode, message) == (status, f"train{STOPPED}")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stage_is_stopped_at_once_in_the_middle_of_a_long_computation(
    number: int, status: int
) -> None:
    """Python itself would let the signal wait for the end of it, as of a compilation."""
    code = (
        "import hashlib\nfrom pipeline.machine import process\nprocess.begin()\nprint(flush=True)\n"
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    stage = subprocess.Popen([sys.executable, "-c", code], env=environment(), **pipes)
    stage.stdout.readline()
    stage.send_signal(number)
    _, message = stage.communicate(timeout=20)
    assert (stage.returncode, message) == (status, f"-c{STOPPED}")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_copies_of_a_stage_end_by_a_signal_as_ever(resolved: Path) -> None:
    """They have not the thread that tells of it, and nothing of theirs reaches the stage's."""
    code = (
        "import os, signal, time\nfrom pipeline.machine import process\nprocess.begin()\n"
        "child = os.fork()\n"
        "if not child: time.sleep(60)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "print(os.waitpid(child, 0)[1], flush=True)\n"
    )
    done = run(sys.executable, "-W", "ignore", "-c", code, cwd=resolved)
    assert (done.stdout, done.stderr) == (f"{signal.SIGTERM:d}\n", "")


CHILD = """\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
print(child.pid, flush=True)
time.sleep(60)
"""
_COMMAND = f"sys.executable, '-c', {CHILD!r}"


@pytest.mark.parametrize(
    ("number", "to_group", "status"),
    [(signal.SIGINT, True, 130), (signal.SIGINT, False, 130), (signal.SIGTERM, False, 143)],
)
def test_what_a_stopped_process_has_started_ends_with_it(
    number: int, status: int, *, to_group: bool
) -> None:
    """Ctrl-C goes to the whole group; one of it tells of that, also if it comes twice."""
    code = (
        "import sys; from pipeline.machine import process; process.begin(); "
        f"process.run_child({_COMMAND})"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    grandchild = int(parent.stdout.readline())
    for _ in range(2):
        os.killpg(parent.pid, number) if to_group else parent.send_signal(number)
    _, message = parent.communicate(timeout=20)
    assert (parent.returncode, message.count("\n")) == (status, 1)
    assert message.endswith(STOPPED)
    wait_for(lambda: not is_running(grandchild), seconds=5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_a_trainer_that_is_starting_ends_with_its_parent(seconds: float, resolved: Path) -> None:
    """Its parent is of another session than who takes orphans in, as it is on most machines."""
    code = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen({[sys.executable, '-m', 'pipeline.train', 'tiny']!r}).pid)\n"
        "sys.stdout.flush(); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=resolved,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    trainer = int(parent.stdout.readline())
    time.sleep(seconds)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not is_running(trainer), seconds=5)
    assert not (resolved / ".nndl/tiny").exists()


def start_trainer(folder: Path, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "pipeline.train", "tiny"]
    return subprocess.Popen(command, cwd=folder, env=environment(), **options)


def loaded(process: int) -> str:
    """Names of the libraries that a process has loaded."""
    return Path(f"/proc/{process}/maps").read_text()


def is_running(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(") ", 1)[1][0] != "Z"


def wait_for(condition, *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_baseline_without_images_is_one_sentence(resolved: Path, monkeypatch) -> None:
    monkeypatch.chdir(resolved)
    nothing = Split(np.zeros((0, 784), np.uint8), np.zeros(0, np.int32))
    dataset = Dataset("own", nothing, nothing, nothing)
    monkeypatch.setattr(baseline, "_dataset", lambda: dataset)
    with pytest.raises(SystemExit, match=r"^machine: there are no train images; the data set "):
        baseline.run("machine", load_plan("machine"))


def test_stages_start_without_what_windows_lacks() -> None:
    # No flock, no alarms, no masks of signals, no forks; libraries are imported as on Linux.
    stages = ", ".join(f"pipeline.{stage}" for stage in (*STAGES, "record", "__main__"))
    code = f"""
import filelock, os, pooch, signal, sys
sys.modules["fcntl"] = None
for name in ("SIGALRM", "setitimer", "ITIMER_REAL", "pthread_sigmask"):
    delattr(signal, name)
import {stages}
from pipeline.download import _deadline
from pipeline.machine.process import begin
from pipeline.machine.stop import Stop
del os.register_at_fork
sys.platform = "win32"
begin()
with Stop().heeded(), Stop().patience(), _deadline(1):
    print("started")
"""
    assert run(sys.executable, "-c", code, cwd=ROOT).stdout == "started\n"
