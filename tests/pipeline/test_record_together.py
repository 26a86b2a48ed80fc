"""A recorder of several processes: the first reads and writes, a lost one ends them all."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import TINY, environment, tiny_project
from several import SECONDS, ended, free_address

from pipeline import record

SNAPSHOT = Path(".nndl/record/.nndl/tiny/snapshot.safetensors")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working folder of the first process."""
    tiny_project(tmp_path / "project", num_images=20)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def start(project, *, number):
    """Processes of a recorder; all but the first in a folder that holds nothing."""
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    shared = {
        "JAX_COORDINATOR_ADDRESS": free_address(),
        "JAX_NUM_PROCESSES": str(number),
        "JAX_NUM_CPU_DEVICES": "1",
        "NNDL_CACHE": str(project.parent / "cache"),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.record", "--distributed", "tiny", "--runs", "3"],
            cwd=elsewhere if index else project,
            env=environment(**shared, JAX_PROCESS_ID=str(index)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(number)
    ]


def tables():
    """The table of each run that is recorded, without the lines that say on what it was made."""
    paths = sorted(Path("recorded/tiny").glob("*.csv"))
    return {path.name: re.sub("(?m)^#.*\n", "", path.read_text()) for path in paths}


def record_alone():
    assert [outcome.status for outcome in record.record(["tiny"], runs=3)] == ["recorded"]
    return tables()


@pytest.mark.slow  # In short: two processes that train have the bits of one.
def test_a_lost_process_ends_the_other_and_one_goes_on_with_the_same_bits(project):
    Path("spec/tiny.yaml").write_text(TINY.replace("epochs: 300", "epochs: 800"))
    first, second = processes = start(project, number=2)
    end = time.monotonic() + SECONDS
    while not SNAPSHOT.exists() and first.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    second.send_signal(signal.SIGKILL)
    (status, _, errors), _ = ended(processes)
    assert status == 1
    assert "start all of them again, what is saved is gone on with" in errors
    assert SNAPSHOT.exists()
    assert list((project.parent / "elsewhere").iterdir()) == []
    resumed = record_alone()
    Path("recorded").rename("earlier")
    assert resumed == record_alone()


@pytest.mark.slow  # The one above is of two processes.
@pytest.mark.parametrize("number", [2, 4])
def test_processes_record_what_one_does(project, number):
    found = ended(start(project, number=number))
    assert [status for status, _, _ in found] == [0] * number, found
    assert re.search(r"^tiny: recorded in \d+ s$", found[0][1], re.MULTILINE)
    assert all("tiny" not in output + errors for _, output, errors in found[1:])
    together = tables()
    Path("recorded").rename("earlier")
    assert together == record_alone()


@pytest.mark.slow  # As above.
@pytest.mark.parametrize("told", [0, 1])
def test_a_signal_to_one_stops_all_with_their_state_saved(project, told):
    Path("spec/tiny.yaml").write_text(TINY.replace("epochs: 300", "epochs: 20000"))
    processes = start(project, number=2)
    end = time.monotonic() + SECONDS
    while not SNAPSHOT.exists() and processes[0].poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    processes[told].send_signal(signal.SIGTERM)
    found = ended(processes)
    assert "tiny: stopped; the same command goes on with it\n" in found[0][2]
    assert [status for status, _, _ in found] == [143 * (told == 0), 0]
