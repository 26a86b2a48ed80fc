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
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    content = (ROOT / "dvc.lock").read_bytes()
    LOCK.write_bytes(content)
    whole = read_stages()
    assert len(whole) >= 60
    assert all(whole.values())
    cuts = range(0, len(content), STEP)
    size = attack_size("cuts of dvc.lock")
    cuts = cuts[:: max(1, len(cuts) // size)] if size else cuts
    outcome = Outcome("cuts of dvc.lock", attack_seed)

    def try_cut(content: bytes) -> str:
        ASIDE.unlink(missing_ok=True)
        LOCK.write_bytes(content)
        mend()
        is_aside = not LOCK.exists()
        check(content, ASIDE if is_aside else LOCK, capsys.readouterr().err, whole)
        return REFUSED if is_aside else RIGHT

    for cut in cuts:
        outcome.note(cut, partial(try_cut, content[:cut]))
    conclude(outcome)


def check(content: bytes, kept: Path, message: str, whole: dict[str, list[str]]) -> None:
    """Hold what is left to be kept as it is, and DVC to read all stages with all their files."""
    if kept.read_bytes() != content:
        raise FindingError("what is left of the file is lost")
    if (kept == ASIDE) != message.startswith("dvc.lock: was left unfinished"):
        raise FindingError(f"says {message!r}")
    if (found := read_stages()) != whole:
        raise FindingError(f"DVC reads {len(found)} stages, and {len(whole)} by the whole file")


def read_stages() -> dict[str, list[str]]:
    """The files of each stage, as DVC reads them."""
    from dvc.repo import Repo

    with Repo() as repo:
        return {
            stage.addressing: [str(file) for file in (*stage.deps, *stage.outs)]
            for stage in repo.index.stages
        }
