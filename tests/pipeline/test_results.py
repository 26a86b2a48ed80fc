"""From measurements to verdicts: metrics, curves, judgements and the report."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from project import MACHINE, write_dataset, write_params

from nndl_jax.documents.variants import list_runs
from pipeline import evaluate, report, resolve
from pipeline.plan.plans import load_plan
from pipeline.store.runs import write_history

NAN = float("nan")
NETWORK = """\
kind: network
id: net
title: A network
source: {chapter: 5, section: Tests}
model:
  inputs: [784]
  layers:
    - {kind: dense, units: 8, activation: sigmoid}
    - {kind: dense, units: 10, activation: sigmoid}
  initializer: {weights: normal, biases: normal}
loss: cross-entropy
optimizer: {learning_rate: 1.0}
training: {epochs: 1200, batch_size: 10}
monitors: [test_accuracy, train_accuracy, train_cost, gradient_norms]
vary:
  - optimizer.learning_rate: [0.5, 1.0]
claims:
  - kind: curve
    statement: every epoch
    metric: test_accuracy
    values: [0.25, 0.5, 0.75]
    variant: {optimizer.learning_rate: 0.5}
  - kind: number
    statement: the last cost
    metric: train_cost
    exact: true
    value: 3.25
    variant: {optimizer.learning_rate: 0.5}
  - kind: comparison
    statement: it overfits
    metric: train_accuracy
    epoch: 2
    better: {variant: {optimizer.learning_rate: 0.5}}
    worse: {variant: {optimizer.learning_rate: 0.5}, metric: test_accuracy}
  - kind: comparison
    statement: it beats the machine
    metric: test_accuracy
    epoch: best
    better: {variant: {optimizer.learning_rate: 0.5}}
    worse: {document: machine, variant: {data.train_images: 200}}
  - kind: comparison
    statement: the last layer learns faster
    metric: gradient_norm.2
    epoch: 0
    better: {variant: {optimizer.learning_rate: 0.5}}
    worse: {variant: {optimizer.learning_rate: 0.5}, metric: gradient_norm.1}
  - kind: number
    statement: never measured
    metric: train_cost
    epoch: 1
    value: 1.0
    variant: {optimizer.learning_rate: 1.0}
"""
SIZES = f"{MACHINE}vary:\n  - data.train_images: [100, 200]\n"
CALCULATION = """\
kind: calculation
id: sums
title: Sums
source: {chapter: 3, section: Tests}
quantity: {kind: softmax, weighted_inputs: [0.0, 1.0]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a network, a baseline and a calculation that were run."""
    (tmp_path / "spec").mkdir()
    for name, text in {"net": NETWORK, "machine": SIZES, "sums": CALCULATION}.items():
        (tmp_path / f"spec/{name}.yaml").write_text(text)
    write_params(tmp_path)
    write_dataset(tmp_path, num_images=10)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stage"])
    resolve.main()
    write("net", network_rows())
    write("machine", [{"epoch": [0.0, 0.0], "test_accuracy": [0.5, 0.7]}])
    row = {"epoch": [0.0], "activation.1": [0.26894142], "activation.2": [0.73105858]}
    write("sums", [row], data="none")
    return tmp_path


def network_rows() -> list[dict[str, list[float]]]:
    """Two runs with a rate of 0.5 and epochs 0, 1, 2; two with 1.0 and many odd ones."""
    start = {"gradient_norm.1": [0.01, 0.03], "gradient_norm.2": [0.1, 0.33]}
    rows = [
        {
            "epoch": [epoch, epoch, NAN, NAN],
            "test_accuracy": [0.25 + 0.25 * epoch, 0.25 + 0.251 * epoch, NAN, NAN],
            "train_accuracy": [0.3 + 0.25 * epoch, 0.35 + 0.251 * epoch, NAN, NAN],
            "train_cost": [5.25 - epoch, 5.25 - epoch, NAN, NAN],
            "gradient.1.1": [0.5 if epoch == 0 else NAN] * 4,
            **{norm: [*values, NAN, NAN] for norm, values in start.items()},
        }
        for epoch in (0.0, 1.0, 2.0)
    ]
    late = [
        {"epoch": [NAN, NAN, epoch, epoch], "test_accuracy": [NAN, NAN, 0.1, 0.3]}
        for epoch in np.arange(3.0, 1199.0, 2.0)
    ]
    last = {"epoch": [NAN, NAN, NAN, 1199.0], "test_accuracy": [NAN, NAN, NAN, 0.3]}
    return [*rows, *late, last]


def write(name: str, rows: list[dict[str, list[float]]], data: str = "mnist") -> None:
    resolved = load_plan(name)
    runs = list_runs(resolved.spec, resolved.seeds[: len(rows[0]["epoch"])])
    write_history(name, runs[: len(rows[0]["epoch"])], rows, data=data)


def judgements() -> dict[str, dict]:
    evaluate.main()
    entries = json.loads(Path("report/judgements.json").read_text())["judgements"]
    return {entry["statement"]: entry for entry in entries}


def test_a_curve_is_judged_epoch_by_epoch(project: Path) -> None:
    entry = judgements()["every epoch"]
    assert (entry["verdict"], entry["num_equal"], entry["num_epochs"]) == ("differs", 1, 3)
    assert entry["deviation"] == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("shorter", "measured", "overfits"),
    [("epochs: 2", 1.0, "not run"), ("epochs: 1200, evaluate_every: 3", 2.0, "supported")],
)
def test_claims_beyond_what_a_shorter_training_measures_are_not_run(
    project: Path, shorter: str, measured: float, overfits: str
) -> None:
    # `dvc exp run -S spec/net.yaml:training.epochs=2` edits the document itself.
    text = NETWORK.replace("epochs: 1200", shorter).replace(", gradient_norms]", "]")
    before, after = "  - kind: comparison\n    statement: the last layer", "  - kind: number\n"
    text = text.split(before)[0] + after + text.rsplit(after, 1)[1]
    (project / "spec/net.yaml").write_text(text)
    resolve.main()
    write("net", [row for row in network_rows() if row["epoch"][0] == measured])
    verdicts = {name: entry["verdict"] for name, entry in judgements().items()}
    assert verdicts["every epoch"] == verdicts["never measured"] == "not run"
    assert verdicts["it overfits"] == overfits


def test_the_last_epoch_is_the_last_that_was_measured(project: Path) -> None:
    entry = judgements()["the last cost"]
    assert (entry["verdict"], entry["mean"], entry["num_runs"]) == ("equal", 3.25, 2)


def test_metrics_of_the_same_runs_are_compared_run_by_run(project: Path) -> None:
    # The gains of the two runs are 0.05 and 0.1; unpaired, they would have another spread.
    entry = judgements()["it overfits"]
    assert entry["mean"] == pytest.approx(0.075)
    assert entry["spread"] == pytest.approx(np.std([0.05, 0.1], ddof=1))


def test_a_support_vector_machine_is_a_number_to_compare_with(project: Path) -> None:
    # Two runs, 0.75 and 0.752, against 0.7: their own spread, and t = 51 with one degree.
    entry = judgements()["it beats the machine"]
    assert (entry["verdict"], entry["num_runs"]) == ("supported", 2)
    assert entry["spread"] == pytest.approx(np.std([0.75, 0.752], ddof=1))


def test_gradients_are_compared_by_their_ratio(project: Path) -> None:
    entry = judgements()["the last layer learns faster"]
    assert entry["mean"] == pytest.approx(np.sqrt(10 * 11))


def test_an_epoch_without_measurement_is_not_judged(project: Path) -> None:
    entry = judgements()["never measured"]
    assert (entry["verdict"], entry["mean"]) == ("not run", None)


@pytest.mark.parametrize(
    ("data", "foreign"), [("mnist", None), ("examples", None), ("digits", "not MNIST")]
)
def test_only_stand_ins_make_results_foreign(project: Path, data: str, foreign: str | None) -> None:
    write("net", network_rows(), data=data)
    entry = judgements()["the last cost"]
    assert entry["foreign"] == foreign
    assert entry["verdict"] == ("equal" if foreign is None else "not judged")


def test_metrics_are_means_over_runs_of_the_last_and_the_best_epoch(project: Path) -> None:
    evaluate.main()
    found = json.loads(Path("metrics/documents/net.json").read_text())
    assert (found["data"], found["runs"]) == ("mnist", 2)
    assert found["learning_rate=0.5"] == {
        "test_accuracy.last": 0.751,
        "test_accuracy.best": 0.751,
        "train_accuracy.last": 0.826,
        "train_accuracy.best": 0.826,
        "train_cost.last": 3.25,
        "train_cost.best": 3.25,
        "gradient_norm.1.first": 0.02,
        "gradient_norm.1.last": 0.02,
        "gradient_norm.2.first": 0.215,
        "gradient_norm.2.last": 0.215,
    }


def test_metrics_of_a_calculation_are_its_values(project: Path) -> None:
    evaluate.main()
    found = json.loads(Path("metrics/documents/sums.json").read_text())
    own = {"activation.1": 0.268941, "activation.2": 0.731059}
    assert found == {"data": "none", "runs": 1, "base": own}


def test_the_summary_counts_verdicts_and_has_a_number_of_each_document(project: Path) -> None:
    evaluate.main()
    found = json.loads(Path("metrics/summary.json").read_text())
    verdicts = [entry["verdict"] for entry in judgements().values()]
    assert found["verdicts"] == {
        verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))
    }
    documents = [path.stem for path in Path("metrics/documents").iterdir()]
    assert sorted(found["documents"]) == sorted(documents)
    assert found["documents"]["sums"] == {"activation.1": 0.268941}
    assert all(len(own) == 1 for own in found["documents"].values())


def test_curves_are_means_at_measured_epochs_and_few(project: Path) -> None:
    evaluate.main()
    with Path("report/curves/net.csv").open() as file:
        rows = list(csv.DictReader(file))
    slow, fast = "test_accuracy learning_rate=0.5", "test_accuracy learning_rate=1.0"
    assert len(rows) <= 500
    assert [row["epoch"] for row in rows[:4]] == ["0", "1", "2", "3"]
    assert [row[slow] for row in rows[:4]] == ["0.25", "0.5005", "0.751", ""]
    assert [row[fast] for row in rows[:4]] == ["", "", "", "0.2"]
    assert (rows[-1]["epoch"], rows[-1][fast]) == ("1199", "0.3")
    assert not any(name.startswith("gradient.") for name in rows[0])
    assert [path.name for path in Path("report/curves").iterdir()] == ["net.csv"]


def test_the_report_goes_by_chapters_and_shows_all_pictures(project: Path) -> None:
    evaluate.main()
    report.main()
    text = Path("report/results.md").read_text()
    places = [text.index(head) for head in ("## Chapter 1. ", "## Chapter 3. ", "## Chapter 5. ")]
    places += [text.index(head) for head in ("### A machine", "### Sums", "### A network")]
    assert places[0] < places[3] < places[1] < places[4] < places[2] < places[5]
    pictures = {path.name for path in Path("report/figures").iterdir()}
    assert pictures >= {"machine.png", "net.png", "net-bars.png", "sums.png"}
    assert all(f"](figures/{name})" in text for name in pictures)
