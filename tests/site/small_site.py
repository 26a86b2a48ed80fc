"""A small site, written by the stages from results that are made by hand: nothing is trained."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from project import CROWD, write_dataset, write_params

from nndl_jax.documents.variants import list_runs
from pipeline import evaluate, resolve, site
from pipeline.machine.paths import FIGURES, SITE
from pipeline.plan.plans import load_plan
from pipeline.store.runs import write_history

TITLE = "Nets & <script>alert(1)</script> such"
NETWORK = f"""\
kind: network
id: tiny
title: {TITLE}
source: {{chapter: 6, section: Tests}}
model:
  inputs: [1, 28, 28]
  layers:
    - {{kind: conv, filters: 4, kernel: [5, 5], activation: relu}}
    - {{kind: max-pool, window: [2, 2]}}
    - {{kind: dense, units: 30, activation: sigmoid}}
    - {{kind: dense, units: 10, activation: softmax, dropout: 0.5}}
  initializer: {{weights: normal-fan-in, biases: normal}}
loss: log-likelihood
optimizer: {{learning_rate: 1.0, momentum: 0.5}}
regularizer: {{l2: 0.1}}
training: {{epochs: 4, batch_size: 10}}
monitors: [test_accuracy, validation_accuracy, train_cost]
vary:
  - optimizer.learning_rate: [0.5, 1.0]
claims:
  - kind: curve
    statement: every epoch
    metric: test_accuracy
    values: [0.5, 0.6, 0.7, 0.8]
    variant: {{optimizer.learning_rate: 0.5}}
  - kind: number
    statement: the best epoch
    metric: test_accuracy
    epoch: best
    best_of: 3
    value: 0.91
    variant: {{optimizer.learning_rate: 1.0}}
  - kind: number
    statement: the last cost
    metric: train_cost
    exact: true
    value: 0.5
    tolerance: 0.001
    variant: {{optimizer.learning_rate: 0.5}}
  - kind: comparison
    statement: faster is better
    metric: test_accuracy
    better: {{variant: {{optimizer.learning_rate: 1.0}}}}
    worse: {{variant: {{optimizer.learning_rate: 0.5}}}}
  - kind: number
    statement: never measured
    metric: train_cost
    epoch: 9
    value: 1.0
    variant: {{optimizer.learning_rate: 1.0}}
deviations: [It is made up.]
"""
CALCULATION = """\
kind: calculation
id: sums
title: Sums
source: {chapter: 3, section: Tests}
quantity: {kind: softmax, weighted_inputs: [0.0, 1.0]}
claims:
  - {kind: number, statement: the first, metric: activation.1, value: 0.27, tolerance: 0.005}
"""
OWN = """\
kind: network
id: mine
title: My own
model:
  inputs: [784]
  layers: [{kind: dense, units: 10, activation: sigmoid}]
  initializer: {weights: normal, biases: normal}
loss: cross-entropy
optimizer: {learning_rate: 1.0}
training: {epochs: 1, batch_size: 10}
monitors: [test_accuracy]
"""
RATES = (0.5, 1.0)


def write_site(folder: Path) -> Path:
    """Write a project and its site into a folder; gives that of the site."""
    (folder / "spec").mkdir()
    documents = {"tiny": NETWORK, "sums": CALCULATION, "mine": OWN}
    documents["crowd"] = CROWD + "variant: {optimizer.learning_rate: 1.0}\n"
    for name, text in documents.items():
        (folder / f"spec/{name}.yaml").write_text(text)
    write_params(folder)
    write_dataset(folder, num_images=20)
    with contextlib.chdir(folder):
        resolve.main()
        _measure()
        evaluate.main()
        FIGURES.mkdir()
        Image.new("RGB", (300, 200), "white").save(FIGURES / "sums.png")
        site.main()
    return folder / SITE


def _measure() -> None:
    """Two runs of each rate, of which the faster is better; a vote; nothing of one's own."""
    rows = [
        {
            "epoch": [float(epoch)] * 4,
            "test_accuracy": [0.5 + 0.1 * epoch] * 2 + [0.6 + 0.1 * epoch, 0.61 + 0.1 * epoch],
            "validation_accuracy": [0.5, 0.5, 0.6, 0.6],
            "train_cost": [2.0 - 0.5 * epoch] * 2 + [1.0, 1.0],
        }
        for epoch in range(4)
    ]
    _write("tiny", rows, data="mnist")
    first, second = (1 + np.exp([1.0, -1.0])) ** -1
    _write("sums", [{"epoch": [0.0], "activation.1": [first], "activation.2": [second]}])
    vote = {"test_accuracy": 0.9, "num_errors": 2.0, "num_common_errors": 0.0, "mean_accuracy": 0.8}
    _write("crowd", [{"epoch": [0.0], **{k: [v] for k, v in vote.items()}}], data="synthetic")
    Path("runs/crowd/errors.csv").write_text("image,label,output\n3,3,5\n14,4,9\n")
    write_history("mine", list_runs(load_plan("mine").spec, [0]), [], data="mnist")


def _write(name: str, rows: Sequence[dict], data: str = "none") -> None:
    plan, count = load_plan(name), len(rows[0]["epoch"])
    seeds = plan.seeds[: max(1, count // len(plan.variants))]
    write_history(name, list_runs(plan.spec, seeds), rows, data=data)


def chart_of(folder: Path, name: str) -> dict:
    """The specification of a chart, as the page's script gets it."""
    text = (folder / f"charts/{name}.js").read_text(encoding="utf-8")
    return json.loads(text.partition("=")[2].rstrip().rstrip(";"))
