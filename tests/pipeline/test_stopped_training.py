"""What a stopped or a finished training leaves: the stage goes on from it, or says why not."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from project import synthetic, tiny_project, write_params

import nndl_jax
from nndl_jax.data.array_files import open_arrays, write_arrays
from nndl_jax.data.datasets import save_dataset
from nndl_jax.training import checkpoint
from nndl_jax.training.environment import describe_environment
from pipeline import resolve, train
from pipeline.machine import process
from pipeline.machine.paths import DATASET
from pipeline.plan.plans import load_plan
from pipeline.store.runs import read_errors

SNAPSHOT = Path(".nndl/tiny/snapshot.safetensors")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project of five epochs in the current folder, which saves after each but the last."""
    folder = tiny_project(tmp_path / "project")
    write_params(folder, overrides="{tiny: {training.epochs: 5}}")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(train, "_SAVE_SHARE", 1e9)
    resolve.main()


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Numbers of the results that trainings go on from, as they begin; None for none."""
    numbers: list[int | None] = []

    def spy(spec, dataset, *, seeds, resume):
        numbers.append(None if resume is None else resume.number)
        return whole(spec, dataset, seeds=seeds, resume=resume)

    whole = nndl_jax.train
    monkeypatch.setattr(nndl_jax, "train", spy)
    return numbers


def run() -> str:
    """A hash of everything that the stage gives."""
    train.run("tiny", load_plan("tiny"))
    total = hashlib.sha256()
    for path in sorted(Path("runs/tiny").rglob("*")):
        if path.is_file():
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def stop(num_saves: int) -> None:
    """Run the stage as if Ctrl-C were pressed after some snapshots."""
    saved = []

    def save_some(snapshot, path, *, identity):
        whole(snapshot, path, identity=identity)
        saved.append(snapshot.number)
        if len(saved) == num_saves:
            raise KeyboardInterrupt

    whole = nndl_jax.save_snapshot
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nndl_jax, "save_snapshot", save_some)
        with pytest.raises(SystemExit, match="stopped"):
            run()


def test_a_finished_training_survives_a_kill_before_dvc_takes_it(
    resumed: list[int | None],
) -> None:
    before = run()
    # DVC removes what it has not taken, and starts the stage again.
    shutil.rmtree("runs")
    assert run() == before
    assert resumed == [None, 3]


def test_what_test_images_are_taken_for_is_counted_over_all_runs() -> None:
    run()
    rows = list(csv.DictReader(Path("runs/tiny/confusion.csv").read_text().splitlines()))
    history = list(csv.DictReader(Path("runs/tiny/history.csv").read_text().splitlines()))
    last = [float(row["test_accuracy"]) for row in history if row["epoch"] == "4"]
    num_images = len(nndl_jax.load_dataset(DATASET).test.labels)
    assert len(last) == 2
    assert sum(int(row["images"]) for row in rows) == 2 * num_images
    right = sum(int(row["images"]) for row in rows if row["class"] == row["taken for"])
    assert right == round(sum(last) * num_images)


def test_what_the_first_network_gets_wrong_is_kept_with_its_certainty() -> None:
    run()
    history = list(csv.DictReader(Path("runs/tiny/history.csv").read_text().splitlines()))
    last = next(float(row["test_accuracy"]) for row in history if row["epoch"] == "4")
    test = nndl_jax.load_dataset(DATASET).test
    errors = read_errors(Path("runs/tiny/misclassified.csv"), len(test.labels))
    assert errors is not None
    assert len(errors) == round((1 - last) * len(test.labels))
    assert all(error.label == test.labels[error.image] != error.output for error in errors)
    certainties = [error.certainty for error in errors]
    assert certainties == sorted(certainties, reverse=True)


def test_data_without_test_images_are_trained_on_all_the_same() -> None:
    write_params(Path(), overrides="{tiny: {monitors: [train_cost], training.epochs: 1}}")
    resolve.main()
    dataset = nndl_jax.load_dataset(DATASET)
    nothing = nndl_jax.Split(*(array[:0] for array in dataset.test))
    save_dataset(dataset._replace(test=nothing), DATASET)
    run()
    assert not Path("runs/tiny/confusion.csv").exists()
    assert not Path("runs/tiny/misclassified.csv").exists()


def test_a_training_that_is_forgotten_begins_anew(resumed: list[int | None]) -> None:
    before = run()
    process.forget_finished()
    assert run() == before
    assert resumed == [None, None]


@pytest.mark.parametrize(
    ("name", "then"),
    [("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"), ("JAX_DEFAULT_PRNG_IMPL", "rbg")],
)
def test_training_stopped_where_jax_worked_in_another_way_begins_anew(
    resumed: list[int | None], capsys: pytest.CaptureFixture[str], name: str, then: str
) -> None:
    now = dict(describe_environment())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(checkpoint, "describe_environment", lambda: now | {name: then})
        stop(1)
    run()
    assert resumed == [None, None]
    assert capsys.readouterr().err == (
        f"{SNAPSHOT}: was made where {name} is {then!r}, and here it is {now[name]!r}, so that "
        "bits could differ; it is not used\n"
    )


@pytest.mark.parametrize(
    ("overrides", "seed", "part", "why"),
    [
        ("training.epochs: 6", "0", "document", "training.epochs changed"),
        (
            "training.epochs: 5",
            "7",
            "list of seeds and another set of arguments",
            "its seeds changed",
        ),
    ],
)
def test_training_of_another_document_or_seeds_begins_anew(
    resumed: list[int | None],
    capsys: pytest.CaptureFixture[str],
    overrides: str,
    seed: str,
    part: str,
    why: str,
) -> None:
    stop(1)
    write_params(Path(), overrides=f"{{tiny: {{{overrides}}}}}", seed=seed)
    resolve.main()
    run()
    assert resumed == [None, None]
    assert capsys.readouterr().err == (
        f"tiny: {why}\n{SNAPSHOT}: belongs to another {part}; it is not used\n"
    )


def test_a_snapshot_without_the_results_before_it_is_not_used(
    resumed: list[int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    stop(2)
    with open_arrays(SNAPSHOT) as file:
        arrays = file.read_all()
    about = json.loads(arrays["about"].tobytes()) | {"history": []}
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    write_arrays(SNAPSHOT, {**arrays, "about": text}, {})
    run()
    assert resumed == [None, 0]  # From the generation before, which has them.
    assert capsys.readouterr().err == (
        f"{SNAPSHOT}: lacks results of the epochs before; it is not used\n"
    )


def test_a_folder_in_the_place_of_a_snapshot_is_in_nobodys_way(
    resumed: list[int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    SNAPSHOT.mkdir(parents=True)
    stop(2)
    assert capsys.readouterr().err == f"{SNAPSHOT}: is not a file; it is not used\n"
    run()
    assert resumed == [None, 1]


def test_what_a_kill_left_of_a_save_is_removed() -> None:
    left = SNAPSHOT.with_name(".0123456789abcdef.writing")
    left.parent.mkdir(parents=True)
    left.write_text("half of a snapshot")
    run()
    assert not left.exists()


def test_snapshots_are_forgotten_when_the_results_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process.forget_finished()
    for name in ("done", "killed"):
        Path(f".nndl/{name}").mkdir(parents=True)
        Path(f"runs/{name}").mkdir(parents=True)
        for file in ("lock", "snapshot.safetensors", "snapshot.previous"):
            Path(f".nndl/{name}/{file}").touch()
    Path("runs/done/history.csv").touch()
    process.forget_finished()
    assert [path.name for path in Path(".nndl/done").iterdir()] == ["lock"]
    assert len(list(Path(".nndl/killed").iterdir())) == 3


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_data_set_without_images_to_train_on_or_to_measure_is_one_sentence(split: str) -> None:
    write_params(Path(), overrides="{tiny: {monitors: [validation_accuracy]}}")
    resolve.main()
    dataset = synthetic(20)
    nothing = nndl_jax.Split(*(array[:0] for array in dataset.test))
    save_dataset(dataset._replace(**{split: nothing}), DATASET)
    with pytest.raises(SystemExit) as caught:
        train.run("tiny", load_plan("tiny"))
    assert str(caught.value).startswith(f"tiny: there are no {split} images; the data set has 0")
    assert not Path("runs/tiny").exists()


def test_a_data_set_of_pictures_of_another_size_is_one_sentence() -> None:
    dataset = synthetic(20)
    splits = [nndl_jax.Split(split.images[:, :64], split.labels) for split in dataset.splits]
    save_dataset(nndl_jax.Dataset("own", *splits), DATASET)
    with pytest.raises(SystemExit, match=r"^tiny: test\.images have the shape \(20, 64\)"):
        train.run("tiny", load_plan("tiny"))
