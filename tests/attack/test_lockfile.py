"""`dvc.lock` cut short: it is set aside, or DVC reads every stage beside what is left of it."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from project import ROOT, run

from attack.verdict import REFUSED, RIGHT, FindingError, Outcome
from pipeline.machine.locks import mend

STEP = 512
LOCK, ASIDE = Path("dvc.lock"), Path(".nndl/dvc.lock.damaged")


@pytest.mark.slow
def test_a_cut_lock_file_is_set_aside_or_read(
    attack_size, attack_seed, conclude, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run("dvc", "init", "--no-scm", "--quiet", cwd=tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    content = (ROOT / "dvc.lock").read_bytes()
    cuts = range(0, len(content), STEP)
    size = attack_size("cuts of dvc.lock")
    cuts = cuts[:: max(1, len(cuts) // size)] if size else cuts
    outcome = Outcome("cuts of dvc.lock", attack_seed)

    def try_cut(content: bytes) -> str:
        ASIDE.unlink(missing_ok=True)
        LOCK.write_bytes(content)
        mend()
        is_aside = not LOCK.exists()
        check(content, ASIDE if is_aside else LOCK, capsys.readouterr().err)
        return REFUSED if is_aside else RIGHT

    for cut in cuts:
        outcome.note(cut, partial(try_cut, content[:cut]))
    conclude(outcome)


def check(content: bytes, kept: Path, message: str) -> None:
    """Hold what is left to be kept as it is, and DVC to read all stages."""
    from dvc.repo import Repo

    if kept.read_bytes() != content:
        raise FindingError("what is left of the file is lost")
    if (kept == ASIDE) != message.startswith("dvc.lock: was left unfinished"):
        raise FindingError(f"says {message!r}")
    with Repo() as repo:
        names = [stage.addressing for stage in repo.index.stages]
        files = [str(file) for stage in repo.index.stages for file in (*stage.deps, *stage.outs)]
    if len(names) < 60 or len(files) < 300:
        raise FindingError(f"DVC reads {len(names)} stages of {len(files)} files")
