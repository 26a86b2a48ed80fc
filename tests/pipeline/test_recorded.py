"""What was recorded at the book's settings: judged and reported beside what is run today."""

import json
import sys
from pathlib import Path

import pytest
from project import ROOT, TINY, edit_heads, write_dataset, write_params

from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs
from pipeline import evaluate, programs, report, resolve
from pipeline.machine.paths import BOOKS_PROGRAMS
from pipeline.plan.plans import load_plan
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.plan.training_key import training_key
from pipeline.store.finished import Kept
from pipeline.store.results import Results, identity
from pipeline.store.runs import write_history

NETWORK = (
    (
        TINY.replace("id: tiny", "id: net")
        .replace("A tiny network", "A network")
        .replace("chapter: 1", "chapter: 6")
        .replace("batch_size: 10", "batch_size: 10, keep_best: true")
        .replace("[test_accuracy]", "[validation_accuracy, test_accuracy]")
        .replace("weights: normal,", "weights: normal-fan-in,")
    )
    + """\
vary:
  - model.initializer.weights: [normal-fan-out, normal-fan-in]
    training.shuffle: [false, true]
claims:
  - kind: number
    statement: the best network
    metric: test_accuracy
    epoch: best-validation
    exact: true
    value: 0.75
    variant: {model.initializer.weights: normal-fan-out}
  - kind: comparison
    statement: it beats the plain network
    metric: test_accuracy
    better: {variant: {model.initializer.weights: normal-fan-out}}
    worse: {document: plain}
"""
)
PLAIN = TINY.replace("id: tiny", "id: plain").replace("chapter: 1", "chapter: 6")
RECORDED_PAIRS = "At the book's settings, recorded: test accuracy at the best validation epoch"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose network was recorded, and cut to two epochs today."""
    (tmp_path / "spec").mkdir()
    (tmp_path / "report").mkdir()
    (tmp_path / "spec/net.yaml").write_text(NETWORK)
    (tmp_path / "spec/plain.yaml").write_text(PLAIN)
    write_params(tmp_path, profile="smoke")
    write_dataset(tmp_path, num_images=10)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stage"])
    resolve.main()
    keep("net", network_rows(0.75))
    for name, rows in {"net": network_rows(0.5), "plain": plain_rows(0.25)}.items():
        resolved = load_plan(name)
        write_history(name, list_runs(resolved.spec, resolved.seeds), rows, data="mnist")
    return tmp_path


def network_rows(best: float) -> list[dict[str, list[float]]]:
    """Two runs of each form, best by validation at epoch 0 of two."""
    accuracies = [best, best, best + 0.125, best + 0.125]
    return [
        {"epoch": [0.0] * 4, "validation_accuracy": [0.9] * 4, "test_accuracy": accuracies},
        {"epoch": [1.0] * 4, "validation_accuracy": [0.8] * 4, "test_accuracy": [0.125] * 4},
    ]


def plain_rows(accuracy: float) -> list[dict[str, list[float]]]:
    return [{"epoch": [1.0, 1.0], "test_accuracy": [accuracy, accuracy + 0.001]}]


def keep(name: str, rows: list[dict[str, list[float]]]) -> None:
    """Put made-up measurements where the command `record` keeps them."""
    _, resolved = resolve_all(changes=BOOK | {"runs": 2})
    runs = list_runs(resolved[name].spec, resolved[name].seeds)
    write_history(name, runs, rows, data="mnist")
    target, document = Path("recorded") / name, identity(name, resolved)
    seconds = 1234.5 if name == "net" else None
    Kept(name, target, resolved[name], document, ()).finish(
        {"device": "1 x H100", "seconds": seconds}
    )


def judged() -> dict[str, list[dict]]:
    """The judgements of each kind."""
    resolve.main()
    evaluate.main()
    return json.loads(Path("report/judgements.json").read_text())


def reported() -> str:
    resolve.main()
    evaluate.main()
    report.main()
    return Path("report/results.md").read_text()


def by_statement(entries: list[dict]) -> dict[str, dict]:
    return {entry["statement"]: entry for entry in entries}


@pytest.mark.usefixtures("project")
def test_a_record_is_judged_whatever_is_run_today() -> None:
    content = judged()
    today = by_statement(content["judgements"])["the best network"]
    assert (today["verdict"], today["foreign"]) == ("not judged", "other settings")
    recorded = by_statement(content["recorded"])["the best network"]
    assert (recorded["verdict"], recorded["foreign"]) == ("equal", None)
    assert (recorded["mean"], recorded["num_runs"]) == (0.75, 2)


@pytest.mark.usefixtures("project")
def test_a_record_on_other_data_is_not_judged() -> None:
    edit_heads("net", data="digits")
    recorded = by_statement(judged()["recorded"])["the best network"]
    assert (recorded["verdict"], recorded["foreign"]) == ("not judged", "not MNIST")


@pytest.mark.usefixtures("project")
def test_records_are_compared_with_records_only() -> None:
    statement = "it beats the plain network"
    assert by_statement(judged()["recorded"])[statement]["verdict"] == "not run"
    keep("plain", plain_rows(0.0))
    write_history("plain", [], [], data="mnist")
    # The last epoch: 0.125 in both runs against 0 and 0.001.
    entry = by_statement(judged()["recorded"])[statement]
    assert entry["mean"] == pytest.approx(0.125 - 0.0005)


@pytest.mark.usefixtures("project")
def test_only_documents_that_are_recorded_have_recorded_judgements() -> None:
    assert [entry["document"] for entry in judged()["recorded"]] == ["net", "net"]


@pytest.mark.parametrize(
    ("old", "new", "remains"),
    [
        ("title: A network", "title: Some network", True),
        ("value: 0.75", "value: 0.5", True),
        ("learning_rate: 1.0", "learning_rate: 0.5", False),
        ("epochs: 300", "epochs: 301", False),
    ],
)
def test_a_record_of_a_changed_document_is_not_judged(
    project: Path, old: str, new: str, *, remains: bool
) -> None:
    (project / "spec/net.yaml").write_text(NETWORK.replace(old, new))
    assert bool(judged()["recorded"]) is remains
    assert (RECORDED_PAIRS in reported()) is remains


@pytest.mark.parametrize(("trained", "is_told"), [("a; b", False), ("b", False), ("b; c", True)])
@pytest.mark.usefixtures("project")
def test_a_recording_by_other_programs_is_told_and_stays(trained: str, *, is_told: bool) -> None:
    edit_heads("net", program=trained, versions="jax 0.1, jaxlib 0.2")
    BOOKS_PROGRAMS.parent.mkdir(exist_ok=True)
    BOOKS_PROGRAMS.write_text(json.dumps({"net": ["a", "b"]}))
    assert judged()["recorded"]
    remark = ", in part by other programs than today's (jax 0.1, jaxlib 0.2):"
    assert ("recorded on 1 x H100 in 1,234 s" + remark in reported()) is is_told


@pytest.mark.usefixtures("project")
def test_programs_are_written_for_recordings_that_name_theirs() -> None:
    programs.main()
    assert json.loads(BOOKS_PROGRAMS.read_text()) == {}
    edit_heads("net", program="a")
    programs.main()
    (found,) = json.loads(BOOKS_PROGRAMS.read_text()).values()
    _, resolved = resolve_all(changes=BOOK)
    assert found == training_key("net", resolved["net"]).programs_short()
    assert {path.name for path in BOOKS_PROGRAMS.parent.iterdir()} == {
        "_recorded.json",
        "net.json",
        "plain.json",
    }


@pytest.mark.usefixtures("project")
def test_metrics_and_curves_are_those_of_today() -> None:
    judged()
    found = json.loads(Path("metrics/documents/net.json").read_text())
    assert found["weights=normal-fan-out"]["test_accuracy.best_validation"] == 0.5
    head = Path("report/curves/net.csv").read_text().splitlines()[1]
    assert "0.5" in head.split(",")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("seconds", "expected"), [(308.6, " in 1,234 s:"), (None, ":"), (0.0, ":")]
)
def test_the_report_says_on_what_a_record_was_made(seconds: float | None, expected: str) -> None:
    edit_heads("net", seconds=seconds)
    text = reported()
    assert f"At the book's settings, recorded on 1 x H100{expected}\n" in text


@pytest.mark.usefixtures("project")
def test_a_record_stands_in_the_section_of_its_document_with_its_claims() -> None:
    text = reported()
    sections = {part.split("\n")[0]: part for part in text.split("\n### ")[1:]}
    assert set(sections) == {"A network", "A tiny network"}
    assert "recorded on" not in sections["A tiny network"]
    own, _, recorded = sections["A network"].partition("recorded on")
    assert "**Not the book's experiment: other settings.**" in own
    assert "not judged (other settings)" in own
    row = next(line for line in recorded.splitlines() if "the best network" in line)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells == ["the best network", "75.00 %", "75.00 % ± 0.00", "2", "", "", "equal"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("profile", "expected"), [("smoke", {"net.png", "net-recorded.png"}), ("book", {"net.png"})]
)
def test_a_record_is_drawn_beside_runs_that_were_cut_short(
    project: Path, profile: str, expected: set[str]
) -> None:
    write_params(project, profile=profile)
    reported()
    assert {path.name for path in Path("report/figures").glob("net*")} == expected


@pytest.mark.usefixtures("project")
def test_both_forms_are_shown_of_today_and_as_recorded() -> None:
    text = reported()
    chapter = text[: text.index("\n### ")]
    today, recorded = chapter.split(RECORDED_PAIRS)
    assert "With the profile `smoke`: test accuracy at the best validation epoch" in today
    for part, printed, corrected in ((today, "50.00", "62.50"), (recorded, "75.00", "87.50")):
        (row,) = [line for line in part.splitlines() if line.startswith("| A network")]
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        expected = [f"{printed} % ± 0.00", f"{corrected} % ± 0.00", "+12.50 %", "2"]
        assert cells == ["A network", "75.00 %", *expected]


@pytest.mark.usefixtures("project")
def test_best_and_last_epochs_are_shown_of_today_and_as_recorded() -> None:
    lines = [line for line in reported().splitlines() if line.startswith("| weights = ")]
    shown = [[cell.strip() for cell in line.split("|")[2:4]] for line in lines]
    best = [[f"{value:.2f} % ± 0.00", "12.50 % ± 0.00"] for value in (50, 62.5, 75, 87.5)]
    assert shown == best


def overview() -> str:
    """The table of all experiments."""
    return reported().split("\n## ")[0]


def judged_and_recorded() -> tuple[list[dict], list[dict]]:
    content = judged()
    return content["judgements"], content["recorded"]


@pytest.mark.usefixtures("project")
def test_overview_takes_records_where_today_tells_nothing() -> None:
    text = overview()
    assert "1 of them by runs recorded at the book's settings." in text
    (row,) = [line for line in text.splitlines() if "| A network" in line]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[4:] == ["75.00 % ± 0.00", "2", "equal (recorded)", "1 equal, 1 not judged"]


@pytest.mark.usefixtures("project")
def test_overview_takes_todays_runs_if_they_tell_something() -> None:
    # One claim of today's is judged, and the record's second is not run.
    today, recorded = judged_and_recorded()
    own = [entry | {"verdict": "differs"} for entry in today if entry["document"] == "net"]
    assert report.settle(own, recorded) == own


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("today", "recorded", "expected"),
    [
        ("undecided", "not supported", "not supported"),
        ("not run", "undecided", "undecided"),
        ("undecided", "undecided", None),
        ("supported", "not supported", None),
        ("undecided", "not run", None),
    ],
)
def test_a_record_counts_where_it_says_more_than_today(
    today: str, recorded: str, expected: str | None
) -> None:
    own, others = judged_and_recorded()
    entry = own[0] | {"verdict": today}
    other = others[0] | {"document": entry["document"], "verdict": recorded}
    (settled,) = report.settle([entry], [other])
    assert settled == (entry if expected is None else {**other, "is_recorded": True})


@pytest.mark.usefixtures("project")
def test_a_document_that_is_recorded_only_is_shown_by_its_record(project: Path) -> None:
    write_history("net", [], [], data="mnist")
    text = reported()
    section = text.split("\n### A network\n")[1].split("\n### ")[0]
    assert section.count("| the best network") == 1
    assert "Not run: " in section
    assert "![A network](figures/net.png)" in section.split("recorded on")[1]
    assert (project / "report/figures/net.png").exists()
    assert (project / "report/curves/net.csv").exists()


@pytest.mark.usefixtures("project")
def test_without_records_nothing_is_said_of_them() -> None:
    for path in Path("recorded/net").iterdir():
        path.unlink()
    assert judged()["recorded"] == []
    assert "recorded" not in reported()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"document": "0" * 16}, "of another version of the document"),
        ({"data": "digits"}, "measured on digits, not on mnist"),
    ],
)
def test_a_run_of_something_else_is_not_judged_and_a_sentence_says_which(
    capsys: pytest.CaptureFixture[str], changed: dict[str, str], message: str
) -> None:
    file = "weights=normal-fan-out,seed=1.csv"
    edit_heads("net", only=file, **changed)
    entry = by_statement(judged()["recorded"])["the best network"]
    assert (entry["verdict"], entry["num_runs"]) == ("equal", 1)
    assert capsys.readouterr().err == f"recorded/net: {file} is {message}; not judged\n"
    assert (Path("recorded/net") / file).exists()
    edit_heads("net", only=file.replace("1", "0"), **changed)
    judged()
    first = file.replace("1", "0")
    assert capsys.readouterr().err == (
        f"recorded/net: {first} and 1 more are {message}; not judged\n"
    )


@pytest.mark.usefixtures("project")
def test_the_file_of_a_run_that_is_damaged_is_told_in_a_sentence() -> None:
    path = Path("recorded/net/weights=normal-fan-in,seed=0.csv")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match=f"^{path}: ends within a line; restore it, or delete it$"):
        judged()


@pytest.mark.usefixtures("project")
def test_a_run_under_the_name_of_another_is_told_in_a_sentence() -> None:
    path = Path("recorded/net/weights=normal-fan-in,seed=7.csv")
    path.write_bytes(Path("recorded/net/weights=normal-fan-in,seed=0.csv").read_bytes())
    with pytest.raises(OSError, match=f"^{path}: is the file of '.*,seed=0.csv'; restore it, or "):
        judged()


def test_records_of_the_repository_are_of_its_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, plans = resolve_all(changes=BOOK)
    kept = sorted(path.name for path in Path("recorded").glob("[!.]*"))
    stale = [message for name in kept for message in Results.recorded(load_spec(name), plans)[1]]
    assert not stale, f"record them again, or delete them: {stale}"
