"""Votes that cannot be held: each is refused in one sentence, and none is recorded."""

import sys
from pathlib import Path

import pytest
from project import CROWD, TINY, read_recorded, tiny_project, write_params

from nndl_jax.reading.faults import SpecError
from pipeline import record
from pipeline.plan.resolving import resolve_all
from pipeline.store.recordings import as_history, read_runs

SHORT = TINY.replace("epochs: 300", "epochs: 2")
AXES = "vary:\n  - optimizer.learning_rate: [0.5, 1.0]\n  - training.batch_size: [5, 10]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a network of two epochs, and a vote of three of its runs."""
    tiny_project(tmp_path, num_images=20)
    (tmp_path / "spec/tiny.yaml").write_text(SHORT)
    (tmp_path / "spec/crowd.yaml").write_text(CROWD)
    write_params(tmp_path, runs="3")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal() -> str:
    with pytest.raises(SpecError) as caught:
        resolve_all()
    return str(caught.value)


def run_record(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["record", *arguments])
    record.main()


def refused_record(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    with pytest.raises(SystemExit) as ending:
        run_record(monkeypatch, *arguments)
    return ending.value.code


@pytest.mark.parametrize(
    ("variant", "line"),
    [("", 1), ("variant: {optimizer.learning_rate: 0.5}\n", 7)],
    ids=["none", "one axis of two"],
)
def test_one_variant_of_several_must_be_named(project: Path, variant: str, line: int) -> None:
    (project / "spec/tiny.yaml").write_text(SHORT + AXES)
    (project / "spec/crowd.yaml").write_text(CROWD + variant)
    variants = (
        f"learning_rate={rate},batch_size={size}" for rate in (0.5, 1.0) for size in (5, 10)
    )
    message = f"variant: must name one variant of tiny: {', '.join(variants)}"
    assert refusal() == f"spec/crowd.yaml:{line}: {message}"


def test_faulty_members_are_told_of_once(project: Path) -> None:
    (project / "spec/tiny.yaml").write_text(SHORT.replace("epochs: 2", "epochs: 0"))
    assert refusal() == "spec/tiny.yaml:13: training.epochs: must be >= 1, got 0"


@pytest.mark.parametrize("runs", ["0", "-1", "1001"])
def test_no_runs_and_too_many_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, runs: str
) -> None:
    expected = f"runs: must be 1 to 1,000, got {runs}"
    assert refused_record(monkeypatch, "--runs", runs, "tiny") == expected
    assert not (project / "recorded").exists()


def test_a_vote_of_fewer_networks_is_not_recorded(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused_record(monkeypatch, "--runs", "2") == 1
    assert capsys.readouterr().err == "crowd: needs 3 runs of tiny, got 2\n"
    assert set(read_recorded()) == {"tiny"}
    assert Path.cwd() == project


def test_a_vote_is_recorded_anew_with_its_members(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_record(monkeypatch, "--runs", "3")
    assert set(read_recorded()) == {"tiny", "crowd"}
    (project / "spec/tiny.yaml").write_text(SHORT.replace("epochs: 2", "epochs: 3"))
    assert read_recorded() == {}
    run_record(monkeypatch, "--runs", "3")
    assert set(read_recorded()) == {"tiny", "crowd"}


def test_a_vote_in_double_precision_cannot_be_recorded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "spec/tiny.yaml").write_text(SHORT.replace("{epochs", "{dtype: float64, epochs"))
    assert str(refused_record(monkeypatch, "crowd")).startswith("crowd: is no document that can")


@pytest.mark.usefixtures("project")
def test_accuracy_of_a_vote_is_an_exact_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    run_record(monkeypatch, "--runs", "3")
    history = as_history(read_runs(Path("recorded/crowd")))
    num_right = 20 - int(history.metrics["num_errors"][0, 0])
    assert history.metrics["test_accuracy"][0, 0] == num_right / 20
