"""Runs that are added to those that are recorded, for more of them or for a vote."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from project import CROWD, TINY, edit_heads, read_recorded, tiny_project, write_params

from nndl_jax.documents.variants import Run
from pipeline import record, train
from pipeline.plan.plans import Plan
from pipeline.store.recorded_run import write_run
from pipeline.store.recordings import read_runs

RATES = "vary:\n  - optimizer.learning_rate: [0.5, 1.0]\n"
SHORT = TINY.replace("epochs: 300", "epochs: 2") + RATES
NETWORKS = Path(".nndl/record/networks")
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
    """Numbers and networks, without how long they took."""
    found = [*folder.glob("recorded/*/*.csv"), *(folder / NETWORKS).rglob("*.safetensors")]
    return {str(path.relative_to(folder)): untimed(path) for path in found}


def untimed(path: Path) -> bytes:
    return re.sub(rb"# seconds: .*\n", b"", path.read_bytes())


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
    (network,) = (project / NETWORKS).rglob(f"{Run(SECOND, 0).name}.safetensors")
    network.unlink()
    trained.clear()
    run_record("--runs", "3", "crowd")
    assert trained == [(["1.0"], [0, 2])]
    for end in ("csv", "errors.csv"):
        vote = f"recorded/crowd/base,seed=0.{end}"
        assert files(project)[vote] == files(at_once)[vote]


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
    edit_heads("tiny", data="mnist")
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
def test_time_and_devices_of_all_runs_are_told() -> None:
    run_record("--runs", "1", "tiny")
    first = read_recorded()["tiny"].origin
    assert first is not None
    edit_heads("tiny", device="one abacus", program="another")
    run_record("--runs", "2", "tiny")
    grown = read_recorded()["tiny"].origin
    assert grown is not None
    assert grown.device == f"one abacus; {first.device}"
    assert grown.programs == {"another", *first.programs}
    assert grown.versions == first.versions
    assert first.seconds is not None
    assert grown.seconds is not None
    assert grown.seconds > first.seconds
    run = read_runs(Path("recorded/tiny"))[0]
    unknown = run._replace(head=run.head._replace(seconds=None))
    (Path("recorded/tiny") / run.head.file).write_bytes(write_run(unknown))
    assert read_recorded()["tiny"].origin == grown._replace(seconds=None)


def test_runs_of_another_document_stay_until_todays_take_their_place(
    project: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run_record("--runs", "3", "tiny")
    edit_heads("tiny", document="0" * 16)
    before = files(project / "recorded/tiny")
    assert "tiny" not in read_recorded()
    capsys.readouterr()
    run_record("--runs", "2", "tiny")
    assert trained[-1] == (["0.5", "1.0"], [0, 1])
    assert capsys.readouterr().out.endswith("; 4 runs of another version of it made way\n")
    history = read_recorded()["tiny"].history
    assert history is not None
    assert [run.seed for run in history.runs] == [0, 1, 0, 1]
    after = files(project / "recorded/tiny")
    assert {name for name in before if after[name] == before[name]} == {
        name for name in before if "seed=2" in name
    }


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
    assert before.items() <= files(project).items()
    run_record("--runs", "3", "tiny")
    assert files(project) == files(at_once)
