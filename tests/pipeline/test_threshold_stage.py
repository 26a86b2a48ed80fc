"""The stage that searches a learning rate: what it hands on, and what it writes of it."""

from pathlib import Path

import pytest
from project import TINY, tiny_project, write_params

from nndl_jax.documents import Network
from pipeline import resolve, threshold
from pipeline.record import record
from pipeline.store.recordings import read_runs
from pipeline.store.runs import read_history

SEARCH = """\
kind: threshold
id: rate
title: A rate
source: {chapter: 3, section: Tests}
learner: tiny
claims:
  - {kind: number, statement: it is found, metric: threshold, value: 0.5}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tiny_project(tmp_path, num_images=20)
    (folder / "spec/tiny.yaml").write_text(TINY)
    (folder / "spec/rate.yaml").write_text(SEARCH)
    write_params(folder, runs="2")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(threshold, "set_up_jax", lambda *_, **__: None)
    monkeypatch.setattr(threshold, "check_jax", lambda: None)
    return folder


def test_a_search_is_run_with_the_network_that_it_names(project, monkeypatch):
    given = []

    def find(spec, learner, dataset, *, seeds):
        given.append((spec.id, learner, len(dataset.train.labels), tuple(seeds)))
        return [{"order": 0.1 * seed, "threshold": 0.5, "half": 0.25} for seed in (1, 2)]

    monkeypatch.setattr(threshold, "find_thresholds", find)
    resolve.main()
    threshold.main("rate")
    ((name, learner, num_images, seeds),) = given
    assert isinstance(learner, Network)
    assert (name, learner.id, num_images, len(seeds)) == ("rate", "tiny", 20, 2)
    history = read_history(Path("runs/rate"))
    assert history is not None
    assert history.metrics["order"].tolist() == [[0.1], [0.2]]
    assert history.metrics["half"].tolist() == [[0.25], [0.25]]


def test_a_search_is_recorded_and_more_runs_are_added_to_it(project, monkeypatch):
    def find(spec, learner, dataset, *, seeds):
        assert (spec.id, learner.id) == ("rate", "tiny")
        return [{"order": 0.1, "threshold": seed / 8, "half": seed / 16} for seed in seeds]

    monkeypatch.setattr(threshold, "find_thresholds", find)
    for runs in (2, 3):
        (outcome,) = record(["rate"], runs=runs)
        assert outcome.status == "recorded"
    (outcome,) = record(["rate"], runs=3)
    assert outcome.status == "known"
    runs = read_runs(project / "recorded/rate")
    found = {run.head.seed: run.values[-1, run.metrics.index("threshold")] for run in runs}
    assert found == {seed: seed / 8 for seed in found}
    assert len(found) == 3


def test_a_search_without_its_network_is_refused(project):
    text = SEARCH.replace("learner: tiny", "learner: tiy")
    (project / "spec/rate.yaml").write_text(text)
    with pytest.raises(SystemExit) as caught:
        resolve.main()
    message = "spec/rate.yaml:5: learner: there is no document 'tiy'; did you mean 'tiny'?"
    assert message in str(caught.value)
