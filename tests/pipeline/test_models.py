"""The stage that gives trained networks names and cards."""

import hashlib
import json
from pathlib import Path

import pytest
from project import KEEPING, tiny_project

import nndl_jax
from nndl_jax.documents.variants import Run
from pipeline import models, resolve
from pipeline.store.runs import network_path, write_history

VARIED = KEEPING + "vary: [{optimizer.learning_rate: [0.5, 1.0]}]\n"
ROW = {"batch_cost": [0.4, 0.3, 0.2, 0.1], "epoch": [0.0] * 4}
VALIDATED = [0.6, 0.7, 0.9, 0.8]
TESTED = [0.99, 0.5, 0.55, 0.6]


def write_runs(
    folder: Path, text: str, metrics: dict[str, list[float]], *, data: str = "mnist"
) -> list[Run]:
    """What training would have left of a document with two variants and two seeds."""
    (folder / "spec/tiny.yaml").write_text(text)
    resolve.main()
    spec = nndl_jax.load_spec(folder / "spec/tiny.yaml")
    runs = nndl_jax.list_runs(spec, (0, 1))
    write_history("tiny", runs, [{**ROW, **metrics}], data=data)
    for run in runs:
        for is_best in (False, True):
            path = network_path("tiny", run, is_best=is_best)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{run.name} {is_best}".encode())
    return runs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_project(tmp_path, num_images=20)


def test_the_best_on_validation_images_stands_for_a_document(project: Path) -> None:
    metrics = {"validation_accuracy": VALIDATED, "test_accuracy": TESTED}
    runs = write_runs(project, VARIED, metrics)
    models.main()
    content = Path("models/tiny.safetensors").read_bytes()
    assert content == f"{runs[2].name} True".encode()  # And not the best on test images.
    index = json.loads(Path("models/index.json").read_text())["tiny"]
    assert index == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "variant": "learning_rate=1.0",
        "seed": 0,
        "data": "mnist",
        "test_accuracy": 0.55,
    }
    card = Path("models/tiny.md").read_text()
    data = hashlib.sha256(Path("data/dataset.safetensors").read_bytes()).hexdigest()
    # Wilson's interval of 11 right of 20.
    for message in ("0.5500 (95 %: 0.3421 to 0.7418", "0.5750 on average", "0.0354", data):
        assert message in card


def test_without_validation_the_cost_in_training_decides_between_runs(project: Path) -> None:
    text = VARIED.replace("[validation_accuracy, test_accuracy]", "[test_accuracy]")
    text = text.replace(", keep_best: true", "")
    runs = write_runs(project, text, {"test_accuracy": TESTED})
    models.main()
    assert Path("models/tiny.safetensors").read_bytes() == f"{runs[1].name} False".encode()
    assert "by cost in training" in Path("models/tiny.md").read_text()


def test_a_document_without_weights_has_no_model(project: Path) -> None:
    for path in [
        network_path("tiny", run, is_best=True)
        for run in write_runs(
            project, VARIED, {"validation_accuracy": VALIDATED, "test_accuracy": TESTED}
        )
    ]:
        path.unlink()
    models.main()
    assert [path.name for path in Path("models").iterdir()] == ["index.json"]
    assert not Path("pretrained").exists()


def test_what_the_package_ships_is_of_the_books_data_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SMALL", ("tiny",))
    metrics = {"validation_accuracy": VALIDATED, "test_accuracy": TESTED}
    write_runs(project, VARIED, metrics)
    models.main()
    shipped = Path("pretrained/tiny.safetensors").read_bytes()
    assert shipped == Path("models/tiny.safetensors").read_bytes()
    write_runs(project, VARIED, {**metrics, "test_accuracy": [0.1] * 4}, data="digits")
    models.main()
    assert "say nothing about the book's: not MNIST" in Path("models/tiny.md").read_text()
    assert "say nothing" not in Path("pretrained/tiny.md").read_text()
