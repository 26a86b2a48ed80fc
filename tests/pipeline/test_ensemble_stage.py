"""The stage that lets networks vote: what it writes of the networks that were trained."""

import csv
import json
import shutil
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from project import KEEPING, run, synthetic, tiny_project, write_params

from nndl_jax import build_model, save
from nndl_jax.data.datasets import save_dataset
from nndl_jax.documents import Network
from nndl_jax.documents.load import parse_spec
from nndl_jax.documents.variants import Run
from pipeline import ensemble, evaluate, resolve
from pipeline.store.runs import network_path, read_history, write_history

NUM_RUNS, NUM_IMAGES = 3, 200
TEN_HIDDEN = KEEPING.replace("units: 8", "units: 10")
# What each of three networks takes each digit for: all agree or two do, and are right or wrong; of
# the last networks' votes on 3, 4 and 7 no two are equal, and the first decides.
TAKES = {
    "last": ("0223566989", "0194466839", "0195360789"),
    "best": ("0723456749", "0723456789", "1123456780"),
}
TOGETHER = {"last": "0193566989", "best": "0723456789"}
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
    """A project with three networks, which have voted."""
    folder = tiny_project(tmp_path_factory.mktemp("project"), num_images=NUM_IMAGES)
    (folder / "spec/tiny.yaml").write_text(TEN_HIDDEN)
    known = "\n".join(f"  - {{image: {image}, output: 0}}" for image in KNOWN)
    for network in ("last", "best"):
        text = CROWD.format(name=network, network=network, known=known)
        (folder / f"spec/{network}.yaml").write_text(text)
    write_params(folder, runs=str(NUM_RUNS))
    spec = parse_spec(TEN_HIDDEN, Path("tiny.yaml"))
    for network, tables in TAKES.items():
        for seed, takes in enumerate(tables):
            path = folder / network_path("tiny", Run("base", seed), is_best=network == "best")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_network(spec, takes, path)
    for stage in (["resolve"], ["ensemble", "last"], ["ensemble", "best"]):
        module, *arguments = stage
        cache = str(folder / ".nndl/cache")
        run(sys.executable, "-m", f"pipeline.{module}", *arguments, cwd=folder, NNDL_CACHE=cache)
    return folder


def write_network(spec: Network, takes: str, path: Path) -> None:
    """Write a network that takes each digit for the one at its place.

    A hidden neuron fires for one digit: its weights are the mean picture of that digit, and with
    its bias those pictures reach about 16, others -16. The last layer says what to take it for.
    """
    images, labels = synthetic(NUM_IMAGES).train
    pictures = np.array([images[labels == digit].mean(axis=0) / 256 - 0.5 for digit in range(10)])
    weights = 32 * pictures / np.sum(pictures**2, axis=1, keepdims=True)
    biases = -16 - weights.sum(axis=1) / 2
    meaning = np.array([[float(taken == str(digit)) for taken in takes] for digit in range(10)])
    model = build_model(spec, key=jax.random.key(0))
    arrays = zip(model.layers, (weights, meaning), (biases, np.zeros(10)), strict=True)
    for layer, weight, bias in arrays:
        layer.weight[...] = jnp.asarray(weight, jnp.float32)
        layer.bias[...] = jnp.asarray(bias, jnp.float32)
    save(model, spec, path)


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project


def digits_of(takes: str) -> np.ndarray:
    """What each test image is taken for."""
    return np.array([int(takes[label]) for label in synthetic(NUM_IMAGES).test.labels])


def measured(name: str) -> dict[str, float]:
    history = read_history(Path("runs") / name)
    assert history is not None
    assert list(history.runs) == [Run("base", 0)]
    return {metric: float(curves[0, 0]) for metric, curves in history.metrics.items()}


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("network", ["last", "best"])
def test_errors_are_those_of_a_vote_of_the_saved_networks(network: str) -> None:
    labels, digits = synthetic(NUM_IMAGES).test.labels, digits_of(TOGETHER[network])
    expected = [
        {"image": str(image), "label": str(labels[image]), "output": str(digits[image])}
        for image in np.flatnonzero(digits != labels)
    ]
    with Path(f"runs/{network}/errors.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == expected


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("network", ["last", "best"])
def test_measurements_are_those_of_a_vote_of_the_saved_networks(network: str) -> None:
    labels = synthetic(NUM_IMAGES).test.labels
    is_wrong = digits_of(TOGETHER[network]) != labels
    votes = np.array([digits_of(takes) for takes in TAKES[network]])
    num_errors = int(is_wrong.sum())
    assert measured(network) == {
        "test_accuracy": pytest.approx(1 - num_errors / NUM_IMAGES),
        "num_errors": num_errors,
        "num_common_errors": int(is_wrong[::3].sum()),
        "mean_accuracy": pytest.approx(np.mean(votes == labels)),
    }


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
        # It was run before, and stays.
        ({"runs": "3", "documents": "[tiny, best]"}, ("consistent", None)),
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
    write_history("tiny", [], [], data="mnist", folder=Path("runs/tiny"))
    monkeypatch.setattr("pipeline.store.dataset.is_mnist", lambda _: True)
    (folder / "report").mkdir()
    resolve.main()
    ensemble.main("last")
    evaluate.main()
    content = json.loads((folder / "report/judgements.json").read_text())
    (entry,) = [entry for entry in content["judgements"] if entry["document"] == "last"]
    assert (entry["verdict"], entry["foreign"]) == expected


@pytest.mark.parametrize("fault", ["damaged network", "no images"])
def test_a_vote_that_cannot_be_held_is_one_sentence(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(folder)
    path, message = network_path("tiny", Run("base", 1)), "last: there are no images"
    if fault == "no images":
        dataset = synthetic(NUM_IMAGES)
        nothing = dataset.test._replace(images=dataset.test.images[:0], labels=np.zeros(0, int))
        save_dataset(dataset._replace(test=nothing), Path("data/dataset.safetensors"))
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        message = f"last: {path}: its checksum does not fit; the file is damaged"
    with pytest.raises(SystemExit) as caught:
        ensemble.main("last")
    assert str(caught.value).startswith(message)
