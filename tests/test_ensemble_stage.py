"""The stage that lets networks vote: what it writes of the networks that were trained."""

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import oracle
import pytest
from project import TINY, run, synthetic, tiny_project, write_params

from nndl_jax import load
from nndl_jax.datasets import save_dataset
from nndl_jax.variants import Run
from pipeline import ensemble, evaluate, resolve
from pipeline.runs import network_path, read_history

NUM_RUNS, NUM_IMAGES = 3, 200
# Five epochs at this rate: the second run is at its best before the last.
KEEPING = (
    TINY.replace("epochs: 300, batch_size: 10", "epochs: 5, batch_size: 10, keep_best: true")
    .replace("learning_rate: 1.0", "learning_rate: 3.0")
    .replace("[test_accuracy]", "[validation_accuracy, test_accuracy]")
)
CROWD = """\
kind: ensemble
id: {name}
title: A vote
source: {{chapter: 6, section: Tests}}
members: tiny
size: 3
network: {network}
known_errors:
{known}
claims:
  - {{kind: number, statement: it votes, metric: test_accuracy, value: 0.5, tolerance: 0.5}}
"""
# Every third image, and one that a small test set does not have.
KNOWN = (*range(0, NUM_IMAGES, 3), 9_999)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which three networks were trained, and have voted."""
    folder = tiny_project(tmp_path_factory.mktemp("project"), num_images=NUM_IMAGES)
    (folder / "spec/tiny.yaml").write_text(KEEPING)
    known = "\n".join(f"  - {{image: {image}, output: 0}}" for image in KNOWN)
    for network in ("last", "best"):
        text = CROWD.format(name=network, network=network, known=known)
        (folder / f"spec/{network}.yaml").write_text(text)
    write_params(folder, runs=str(NUM_RUNS))
    for stage in (["resolve"], ["train", "tiny"], ["ensemble", "last"], ["ensemble", "best"]):
        module, *arguments = stage
        cache = str(folder / ".nndl/cache")
        run(sys.executable, "-m", f"pipeline.{module}", *arguments, cwd=folder, NNDL_CACHE=cache)
    return folder


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project


def votes_of(network: str) -> np.ndarray:
    """What each saved network takes each test image for, by the oracle."""
    images = synthetic(NUM_IMAGES).test.images / 256
    votes = []
    for seed in range(NUM_RUNS):
        model, _ = load(network_path("tiny", Run("base", seed), is_best=network == "best"))
        layers = oracle.copy_layers(model)
        votes.append([np.argmax(oracle.feedforward(layers, image)[-1][1]) for image in images])
    return np.array(votes)


def winners(votes: np.ndarray) -> np.ndarray:
    """The most frequent vote; of equals, Counter names the one that it met first."""
    return np.array([Counter(column).most_common(1)[0][0] for column in votes.T.tolist()])


def measured(name: str) -> dict[str, float]:
    history = read_history(Path("runs") / name)
    assert history is not None
    assert list(history.runs) == [Run("base", 0)]
    return {metric: float(curves[0, 0]) for metric, curves in history.metrics.items()}


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("network", ["last", "best"])
def test_errors_are_those_of_a_vote_of_the_saved_networks(network: str) -> None:
    labels, digits = synthetic(NUM_IMAGES).test.labels, winners(votes_of(network))
    expected = [
        {"image": str(image), "label": str(labels[image]), "output": str(digits[image])}
        for image in np.flatnonzero(digits != labels)
    ]
    with Path(f"runs/{network}/errors.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == expected


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("network", ["last", "best"])
def test_measurements_are_those_of_a_vote_of_the_saved_networks(network: str) -> None:
    labels, votes = synthetic(NUM_IMAGES).test.labels, votes_of(network)
    is_wrong = winners(votes) != labels
    num_errors = int(is_wrong.sum())
    assert measured(network) == {
        "test_accuracy": pytest.approx(1 - num_errors / NUM_IMAGES),
        "num_errors": num_errors,
        "num_common_errors": int(is_wrong[::3].sum()),
        "mean_accuracy": pytest.approx(np.mean(votes == labels)),
    }
    assert 0 < num_errors < NUM_IMAGES


@pytest.mark.usefixtures("inside")
def test_networks_disagree_so_that_these_tests_can_fail() -> None:
    last, best = votes_of("last"), votes_of("best")
    has_draw = [len(set(column)) == NUM_RUNS for column in last.T.tolist()]
    assert any(has_draw)
    assert (winners(last) != winners(best)).any()


@pytest.mark.usefixtures("inside")
def test_a_vote_is_told_where_its_numbers_come_from() -> None:
    history = read_history(Path("runs/last"))
    assert history is not None
    assert history.data == "synthetic"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"runs": "3"}, ("consistent", None)),
        ({"runs": "2"}, ("not judged", "other settings")),
        ({"runs": "3", "documents": "[last, best]"}, ("not run", None)),
        ({"runs": "3", "documents": "[tiny, best]"}, ("not run", None)),
    ],
    ids=["as in the document", "fewer networks", "members left out", "itself left out"],
)
def test_a_vote_is_judged_only_if_all_its_networks_were_trained(
    tmp_path: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    expected: tuple[str, str | None],
) -> None:
    folder = shutil.copytree(project, tmp_path / "copy")
    save_dataset(synthetic(NUM_IMAGES)._replace(name="mnist"), folder / "data/dataset.safetensors")
    write_params(folder, **settings)
    monkeypatch.chdir(folder)
    (folder / "report").mkdir()
    resolve.main()
    ensemble.main("last")
    evaluate.main()
    content = json.loads((folder / "report/judgements.json").read_text())
    (entry,) = [each for each in content["judgements"] if each["document"] == "last"]
    assert (entry["verdict"], entry["foreign"]) == expected
