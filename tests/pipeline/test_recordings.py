"""Runs that are added to those that are recorded, for more of them or for a vote."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from project import CROWD, TINY, read_recorded, tiny_project, write_params

from nndl_jax.documents.variants import Run
from pipeline import record, train
from pipeline.plan.plans import Plan
from pipeline.store.runs import read_about, read_history

RATES = "vary:\n  - optimizer.learning_rate: [0.5, 1.0]\n"
SHORT = TINY.replace("epochs: 300", "epochs: 2") + RATES
WEIGHTS = Path(".nndl/record/runs/tiny/weights")
SECOND = "learning_rate=1.0"

Trained = list[tuple[Sequence[str], Sequence[int]]]


def run_record(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["record", *arguments])
        record.main()


def new_project(folder: Path) -> Path:
    tiny_project(folder, num_images=20)
    (folder / "spec/tiny.yaml").write_text(SHORT)
    (folder / "spec/crowd.yaml").write_text(
        CROWD.replace("size: 3", "variant: {optimizer.learning_rate: 1.0}\nsize: 3")
    )
    return folder


def files(folder: Path) -> Mapping[str, bytes]:
    """Numbers and networks, without what says where and how long they were made."""
    found = [*folder.glob("recorded/*/*.csv"), *(folder / WEIGHTS).rglob("*.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which three runs and their vote were recorded together."""
    folder = new_project(tmp_path_factory.mktemp("at-once"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_record("--runs", "3")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which nothing is recorded yet."""
    monkeypatch.chdir(new_project(tmp_path))
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The learning rates and seeds of each training."""
    calls: Trained = []
    original = train.run

    def run(name: str, experiment: Plan, **options) -> None:
        rates = [rate for axis in experiment.spec.vary for rate in axis["optimizer.learning_rate"]]
        calls.append(([str(rate) for rate in rates], list(experiment.seeds)))
        original(name, experiment, **options)

    monkeypatch.setattr(train, "run", run)
    return calls


def test_runs_are_added_to_those_that_are_there(
    project: Path, at_once: Path, trained: Trained
) -> None:
    for runs in ("1", "3", "2", "3"):
        run_record("--runs", runs, "tiny")
    assert trained == [(["0.5", "1.0"], [0]), (["0.5", "1.0"], [1, 2])]
    run_record("--runs", "3", "crowd")
    assert len(trained) == 2
    assert files(project) == files(at_once)


def test_runs_from_another_seed_are_added_as_well(project: Path, trained: Trained) -> None:
    run_record("--runs", "1", "tiny")
    write_params(project, seed="5")
    run_record("--runs", "1", "tiny")
    assert [seeds for _, seeds in trained] == [[0], [5]]
    history = read_recorded()["tiny"].history
    assert history is not None
    assert [run.seed for run in history.runs] == [0, 5, 0, 5]


def test_a_vote_trains_the_networks_that_it_asks_for(
    project: Path, at_once: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run_record("--runs", "3", "crowd")
    assert trained == [(["1.0"], [0, 1, 2])]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("crowd: recorded in ")
    assert line.endswith("; for it 3 runs of tiny were recorded")
    history = read_recorded()["tiny"].history
    assert history is not None
    assert {run.variant for run in history.runs} == {SECOND}
    run_record("--runs", "3", "tiny")
    assert files(project) == files(at_once)


def test_networks_that_are_kept_vote_without_being_trained_again(
    project: Path, at_once: Path, trained: Trained
) -> None:
    run_record("--runs", "2", "tiny")
    (project / WEIGHTS / f"{Run(SECOND, 0).name}.safetensors").unlink()
    trained.clear()
    run_record("--runs", "3", "crowd")
    assert trained == [(["1.0"], [0, 2])]
    for name in ("history.csv", "errors.csv"):
        assert (project / "recorded/crowd" / name).read_bytes() == (
            at_once / "recorded/crowd" / name
        ).read_bytes()


def test_all_variants_are_trained_where_one_alone_would_have_another_name(
    project: Path, trained: Trained
) -> None:
    axis = (
        "vary:\n  - optimizer.learning_rate: [0.5, 0.5, 1.0]\n    training.batch_size: [5, 10, 5]\n"
    )
    (project / "spec/tiny.yaml").write_text(SHORT.replace(RATES, axis))
    choice = "{optimizer.learning_rate: 0.5, training.batch_size: 10}"
    (project / "spec/crowd.yaml").write_text(
        CROWD.replace("size: 3", f"variant: {choice}\nsize: 3")
    )
    run_record("--runs", "3", "crowd")
    assert trained == [(["0.5", "0.5", "1.0"], [0, 1, 2])]
    assert set(read_recorded()) == {"tiny", "crowd"}


def test_runs_on_other_data_than_those_that_are_there_are_refused(
    project: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run_record("--runs", "1", "tiny")
    path = project / "recorded/tiny/about.json"
    path.write_text(path.read_text().replace("synthetic", "mnist"))
    before = files(project)
    with pytest.raises(SystemExit, match="1"):
        run_record("--runs", "2", "tiny")
    assert capsys.readouterr().err == (
        "tiny: is recorded on mnist, and data/dataset.safetensors holds synthetic; take that data "
        "set, or delete recorded/tiny\n"
    )
    with pytest.raises(SystemExit, match="1"):
        run_record("--runs", "3", "crowd")
    assert "tiny: is recorded on mnist" in capsys.readouterr().err
    assert len(trained) == 1
    assert files(project) == before


@pytest.mark.usefixtures("project")
def test_time_and_devices_of_all_parts_are_told() -> None:
    folder = Path("recorded/tiny")
    run_record("--runs", "1", "tiny")
    about = read_about(folder)
    text = (folder / "about.json").read_text()
    text = text.replace(about["program"], "another")
    (folder / "about.json").write_text(text.replace(about["device"], "one abacus"))
    run_record("--runs", "2", "tiny")
    grown = read_about(folder)
    assert grown["device"] == f"one abacus; {about['device']}"
    assert grown["program"] == f"another; {about['program']}"
    assert grown["versions"] == about["versions"]
    assert grown["seconds"] > about["seconds"]
    text = (folder / "about.json").read_text()
    (folder / "about.json").write_text(text.replace(str(grown["seconds"]), "null"))
    run_record("--runs", "3", "tiny")
    assert read_about(folder) == {**grown, "seconds": None}


def test_numbers_of_another_document_are_not_mixed(project: Path, trained: Trained) -> None:
    run_record("--runs", "1", "tiny")
    path = project / "recorded/tiny/about.json"
    path.write_text(path.read_text().replace(read_about(path.parent)["document"], "other"))
    run_record("--runs", "2", "tiny")
    history = read_history(path.parent)
    assert history is not None
    assert {run.seed for run in history.runs} == set(trained[-1][1])


def _end_early(name: str, _: Plan, **_options: object) -> None:
    """What a trainer does first, and no more."""
    shutil.rmtree(Path("runs") / name, ignore_errors=True)
    sys.exit("stopped")


def test_networks_outlast_a_recording_that_was_stopped(
    project: Path, at_once: Path, trained: Trained
) -> None:
    run_record("--runs", "2", "tiny")
    before = files(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "run", _end_early)
        with pytest.raises(SystemExit, match="1"):
            run_record("--runs", "3", "crowd")
    trained.clear()
    run_record("--runs", "3", "crowd")
    assert trained == [(["1.0"], [2])]
    assert before.items() - files(project).items() == {
        ("recorded/tiny/history.csv", before["recorded/tiny/history.csv"])
    }
    run_record("--runs", "3", "tiny")
    assert files(project) == files(at_once)
