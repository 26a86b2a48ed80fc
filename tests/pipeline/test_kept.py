"""Results of documents that `params.yaml` leaves out: they stay, marked with what they are of."""

import json
import shutil
from pathlib import Path

import pytest
from project import TINY, write_dataset, write_params
from test_results import CALCULATION

from nndl_jax.documents.variants import list_runs
from pipeline import evaluate, report, resolve
from pipeline.machine.paths import CODE
from pipeline.plan.plans import load_plan
from pipeline.store.judged import read_judgements
from pipeline.store.runs import read_history, write_history

CLAIMED = (
    TINY
    + """\
claims:
  - kind: number
    statement: the last epoch
    metric: test_accuracy
    epoch: last
    exact: true
    value: 0.75
"""
)
OTHER = CLAIMED.replace("id: tiny", "id: tiny-other").replace("A tiny", "Another tiny")
KEPT = (
    "metrics/documents/tiny-other.json",
    "report/curves/tiny-other.csv",
    "report/figures/tiny-other.png",
)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two networks and a calculation, of which everything was run and reported."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("spec").mkdir()
        for name, text in {"tiny": CLAIMED, "tiny-other": OTHER, "sums": CALCULATION}.items():
            Path(f"spec/{name}.yaml").write_text(text)
        CODE.mkdir()
        Path("code/train.txt").write_text("some code")
        write_dataset(folder, num_images=10)
        write_params(folder)
        resolve.main()
        for name in ("tiny", "tiny-other"):
            measure(name, 0.75)
        measure("sums", 0.5)
        tell()
    return folder


@pytest.fixture
def project(tmp_path: Path, reported: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that tests change."""
    folder = shutil.copytree(reported, tmp_path / "copy")
    monkeypatch.chdir(folder)
    return folder


def measure(name: str, value: float) -> None:
    """Made-up measurements of a document, as its stage would write them."""
    experiment = load_plan(name)
    runs = list_runs(experiment.spec, experiment.seeds)
    metrics = {"sums": ("activation.1", "activation.2")}.get(name, ("test_accuracy",))
    row = {"epoch": [0.0] * len(runs)} | {metric: [value] * len(runs) for metric in metrics}
    data = "none" if name == "sums" else "mnist"
    write_history(name, runs, [row] if experiment.selected else [], data=data)


def tell() -> str:
    evaluate.main()
    report.main()
    return Path("report/results.md").read_text()


def section(text: str, title: str) -> str:
    return text.split(f"\n### {title}\n")[1].split("\n##")[0]


def narrow(folder: Path, **settings: str) -> None:
    """Run `tiny` alone, with other numbers."""
    write_params(folder, documents="[tiny]", **settings)
    resolve.main()
    measure("tiny", 0.5)


def contents(names: tuple[str, ...] = KEPT) -> list[bytes]:
    return [Path(name).read_bytes() for name in names]


def test_a_document_that_is_left_out_is_resolved_as_it_was_run(project: Path) -> None:
    before = {path.name: path.read_bytes() for path in Path("resolved").glob("[!_]*")}
    narrow(project, runs="3", profile="smoke", overrides="{tiny-other: {training.epochs: 9}}")
    after = {path.name: path.read_bytes() for path in Path("resolved").glob("[!_]*")}
    assert {name for name in before if after[name] != before[name]} == {"tiny.json"}


@pytest.mark.parametrize("is_clone", [False, True])
def test_results_of_documents_that_are_left_out_stay(project: Path, *, is_clone: bool) -> None:
    """Also in a fresh clone, which has nothing but what git keeps."""
    before = contents()
    if is_clone:
        shutil.rmtree("runs")
        shutil.rmtree("resolved")
    narrow(project, runs="3", profile="smoke")
    if is_clone:
        measure("tiny-other", 0.0)
        measure("sums", 0.0)
        assert read_history(Path("runs/tiny-other")) is None
    text = tell()
    assert contents() == before
    found = json.loads(Path("metrics/documents/tiny.json").read_text())
    assert found["base"]["test_accuracy.last"] == 0.5
    own = section(text, "Another tiny network")
    made = "2 runs of each variant, seeds from 0, at most 300 epochs"
    assert f"Left out by `params.yaml`; of an earlier run: {made}." in own
    assert "| the last epoch | 75.00 % | 75.00 % ± 0.00 | 2 " in own
    assert "| equal" in own
    assert "![Another tiny network](figures/tiny-other.png)" in own
    assert "Left out by `params.yaml`, and as they were run before: 2." in text
    assert "Not run" not in text


def test_a_second_narrow_run_in_a_clone_still_knows_what_results_are_of(project: Path) -> None:
    shutil.rmtree("runs")
    for runs in ("3", "4"):
        narrow(project, runs=runs)
        measure("tiny-other", 0.0)
        measure("sums", 0.0)
        evaluate.main()
    made = read_judgements().documents["tiny-other"]["made"]
    assert made == "2 runs of each variant, seeds from 0, at most 300 epochs"


def test_results_of_edited_code_are_not_made_anew_but_stay(project: Path) -> None:
    """The stage that trained would run again, for it depends on the list of its code."""
    before = contents(KEPT[:2])
    Path("code/train.txt").write_text("edited code")
    narrow(project)
    assert not load_plan("tiny-other").selected
    measure("tiny-other", 0.0)
    evaluate.main()
    assert contents(KEPT[:2]) == before


def test_an_edited_document_that_is_left_out_is_told_from_its_results(project: Path) -> None:
    path = Path("spec/tiny-other.yaml")
    path.write_text(path.read_text().replace("learning_rate: 1.0", "learning_rate: 2.0"))
    narrow(project)
    evaluate.main()
    judged = read_judgements()
    assert judged.documents["tiny-other"]["foreign"] == "other settings"
    (entry,) = [entry for entry in judged.judgements if entry["document"] == "tiny-other"]
    assert (entry["verdict"], entry["foreign"]) == ("not judged", "other settings")


def test_an_edited_claim_of_a_document_without_runs_is_not_judged(project: Path) -> None:
    shutil.rmtree("runs")
    path = Path("spec/tiny-other.yaml")
    path.write_text(path.read_text().replace("value: 0.75", "value: 0.5"))
    narrow(project)
    measure("tiny-other", 0.0)
    measure("sums", 0.0)
    evaluate.main()
    verdicts = {entry["document"]: entry["verdict"] for entry in read_judgements().judgements}
    assert verdicts == {"tiny": "differs", "tiny-other": "not run"}


def test_results_of_a_document_that_is_gone_go(project: Path) -> None:
    Path("spec/tiny-other.yaml").unlink()
    narrow(project)
    tell()
    assert not any(Path(name).exists() for name in KEPT)
    assert not Path("resolved/tiny-other.json").exists()


def test_what_was_never_run_is_not_run(project: Path) -> None:
    for folder in ("runs", "metrics", "report"):
        shutil.rmtree(folder)
    narrow(project)
    measure("tiny-other", 0.0)
    measure("sums", 0.0)
    assert "Not run: left out by `params.yaml`." in section(tell(), "Another tiny network")
    assert not Path("metrics/documents/tiny-other.json").exists()


def test_settings_of_a_document_that_was_never_run_do_not_run_its_stage(project: Path) -> None:
    for folder in ("runs", "resolved"):
        shutil.rmtree(folder)
    narrow(project)
    before = Path("resolved/tiny-other.json").read_bytes()
    narrow(project, seed="5", runs="7", profile="smoke")
    assert Path("resolved/tiny-other.json").read_bytes() == before
    assert load_plan("tiny").seeds[0] == 5


def test_all_documents_are_run_anew_when_they_are_asked_for_again(project: Path) -> None:
    narrow(project, runs="3")
    write_params(project, runs="3")
    resolve.main()
    assert [len(load_plan(name).seeds) for name in ("tiny", "tiny-other")] == [3, 3]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"profile": 1}'])
def test_spoilt_judgements_are_no_reason_to_lose_metrics(project: Path, content: str) -> None:
    before = contents(KEPT[:2])
    shutil.rmtree("runs/tiny-other")
    Path("report/judgements.json").write_text(content)
    narrow(project)
    measure("tiny-other", 0.0)
    evaluate.main()
    assert contents(KEPT[:2]) == before


def test_a_stage_that_fails_deletes_nothing(project: Path, monkeypatch) -> None:
    names = (
        *KEPT,
        "report/results.md",
        "report/judgements.json",
        "metrics/documents/tiny.json",
        "metrics/summary.json",
    )
    before = contents(names)

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(evaluate, "_write_curves", fail)
    monkeypatch.setattr(report, "map_on_cores", fail)
    for stage in (evaluate, report):
        with pytest.raises((RuntimeError, TypeError)):
            stage.main()
    assert contents(names) == before
    assert not [
        path for path in Path().rglob(".*") if path.name.endswith((".writing", ".replaced"))
    ]


def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is drawn anew."""
    found: list[str] = []
    draw = report._draw

    def note(item: tuple) -> object:
        found.append(item[0].key())
        return draw(item)

    with monkeypatch.context() as patch:
        patch.setattr(report, "map_on_cores", lambda _, items, **__: [note(item) for item in items])
        evaluate.main()
        report.main()
    return found


def test_figures_whose_inputs_did_not_change_are_not_drawn_again(project, monkeypatch) -> None:
    assert drawn(monkeypatch) == []
    narrow(project)
    assert drawn(monkeypatch) == ["tiny"]
    assert drawn(monkeypatch) == []


@pytest.mark.parametrize(
    ("file", "content"),
    [("report/figures/tiny.png", b"painted over"), ("report/figures.json", b"{"), (None, b"")],
)
def test_figures_that_are_spoilt_or_gone_are_drawn_again(project, monkeypatch, file, content):
    if file is None:
        Path("report/figures/tiny.png").unlink()
    else:
        Path(file).write_bytes(content)
    assert "tiny" in drawn(monkeypatch)
    assert Path("report/figures/tiny.png").read_bytes() != b"painted over"


def test_figures_show_an_edited_title(project: Path, monkeypatch) -> None:
    path = Path("spec/tiny.yaml")
    path.write_text(path.read_text().replace("A tiny network", "A small network"))
    resolve.main()
    assert drawn(monkeypatch) == ["tiny"]
