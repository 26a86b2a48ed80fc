"""Documents of other data than MNIST in the pipeline: listed, prepared, trained, judged, shown."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import mirrors
import numpy as np
import pytest
from project import ROOT, TINY, replace_in, tiny_project, write_params
from ruamel.yaml import YAML
from test_listed import STAGES, refused

from nndl_jax.data import published
from nndl_jax.data.datasets import load_dataset
from nndl_jax.data.named import load_data
from nndl_jax.documents.data import Data
from nndl_jax.documents.variants import list_runs
from pipeline import download, evaluate, models, prepare, report, resolve, train
from pipeline.machine.paths import NO_DATA, NOT_HERE, NOT_NEEDED
from pipeline.plan.listed import update_lists
from pipeline.plan.needed_data import data_file, data_key, load_needed_data
from pipeline.plan.plans import load_plan
from pipeline.plan.resolving import all_documents, todays_overrides
from pipeline.store.judged import read_judgements
from pipeline.store.runs import read_history, write_history

FLOWERS = """\
kind: network
id: flowers
title: Flowers of one's own
data: {name: mine/flowers.csv, standardize: true}
model:
  inputs: [2]
  layers: [{kind: dense, units: 2, activation: softmax}]
  initializer: {weights: normal, biases: normal}
loss: log-likelihood
optimizer: {learning_rate: 1.0}
training: {epochs: 1, batch_size: 5}
monitors: [test_accuracy]
"""
TABLE = "length,width,kind\n" + "1,2,rose\n3,5,tulip\n" * 10


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A document of the book, and one of flowers in a table of one's own."""
    monkeypatch.chdir(tiny_project(tmp_path, num_images=20))
    for name in ("NNDL_KMNIST_MIRROR", "NNDL_EMNIST_LETTERS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Path("experiments").mkdir()
    Path("mine").mkdir()
    Path("mine/flowers.csv").write_text(TABLE)
    write("flowers", FLOWERS)
    return tmp_path


@pytest.fixture(scope="module")
def served() -> Iterator[mirrors.Mirrors]:
    with mirrors.serve() as server:
        yield server


def write(name: str, text: str) -> None:
    Path(f"experiments/{name}.yaml").write_text(text)


def write_iris(**fields: str) -> None:
    text = (ROOT / "docs/data/iris.yaml").read_text()
    for old, new in fields.items():
        text = text.replace(old, new)
    write("iris", text.replace("epochs: 60", "epochs: 3"))


def update() -> list[str]:
    return update_lists(all_documents(), todays_overrides())


def listed(stage: str) -> dict:
    return YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"][stage]["foreach"]


@pytest.mark.usefixtures("project")
def test_data_of_documents_are_listed_each_once_and_taken_out_with_the_last() -> None:
    Path("dvc.yaml").write_text(STAGES)
    write_iris()
    write("irises", Path("experiments/iris.yaml").read_text().replace("id: iris", "id: irises"))
    write("letters", (ROOT / "docs/data/letters.yaml").read_text())
    update()
    flowers = data_key(Data(name="mine/flowers.csv"))
    assert listed("prepare") == {
        "mnist": {"from": "data/raw", "to": "data/dataset.safetensors"},
        "emnist-letters": {
            "from": "data/raw-emnist-letters",
            "to": "data/emnist-letters.safetensors",
        },
        flowers: {"from": "mine/flowers.csv", "to": f"data/{flowers}.safetensors"},
        "iris": {"from": "requirements/cpu.txt", "to": "data/iris.safetensors"},
    }
    assert listed("download") == {
        "mnist": "data/raw",
        "emnist-letters": "data/raw-emnist-letters",
    }
    assert listed("train")["irises"] == listed("train")["iris"] == "data/iris.safetensors"
    assert listed("train")["flowers"] == f"data/{flowers}.safetensors"
    Path("experiments/iris.yaml").unlink()
    update()
    assert "iris" in listed("prepare")
    for path in Path("experiments").iterdir():
        path.unlink()
    update()
    assert listed("prepare").keys() == listed("download").keys() == {"mnist"}
    assert listed("train") == {"tiny": "data/dataset.safetensors"}


def test_an_override_of_the_data_is_listed_and_taken_back(project: Path) -> None:
    Path("experiments/flowers.yaml").unlink()
    Path("dvc.yaml").write_text(STAGES)
    update()
    before = Path("dvc.yaml").read_text()
    write_params(project, overrides="{tiny: {data.name: fashion-mnist}}")
    assert "dvc.yaml: stages.train.foreach: tiny is of data/fashion-mnist.safetensors" in update()
    assert "fashion-mnist" in listed("download")
    write_params(project)
    assert refused()[0].startswith("dvc.yaml:5: stages.download.foreach.fashion-mnist: no document")
    update()
    assert Path("dvc.yaml").read_text() == before


@pytest.mark.usefixtures("project")
def test_a_file_of_ones_own_that_is_not_there_is_named_at_its_line() -> None:
    Path("mine/flowers.csv").unlink()
    assert refused() == [
        "experiments/flowers.yaml:4: data.name: there is no file or folder 'mine/flowers.csv'; "
        "put it there, or name another"
    ]


def test_a_file_that_an_override_names_is_missed_at_the_line_of_that(project: Path) -> None:
    write_params(project, overrides="{flowers: {data.name: mine/roses.csv}}")
    (line,) = refused()
    assert line.startswith("params.yaml:5: overrides.flowers.data.name: there is no file or folder")


@pytest.mark.usefixtures("project")
def test_what_ships_with_scikit_learn_is_prepared_as_the_library_gives_it() -> None:
    write_iris()
    resolve.main()
    prepare.main("iris")
    found, wanted = load_dataset("data/iris.safetensors"), load_data("iris")
    assert (found.name, found.classes, found.shape) == ("iris", wanted.classes, (4,))
    np.testing.assert_array_equal(found.test.images, wanted.test.images)
    first = Path("data/iris.safetensors").read_bytes()
    prepare.main("iris")
    assert Path("data/iris.safetensors").read_bytes() == first


@pytest.mark.usefixtures("project")
def test_a_changed_file_of_ones_own_is_prepared_with_what_it_holds_now() -> None:
    resolve.main()
    key = data_key(Data(name="mine/flowers.csv"))
    for width in (5, 6):
        Path("mine/flowers.csv").write_text(TABLE.replace("3,5", f"3,{width}"))
        prepare.main(key)
        dataset = load_dataset(f"data/{key}.safetensors")
        assert (dataset.name, dataset.classes) == ("mine/flowers.csv", ("rose", "tulip"))
        assert dataset.train.images.max() == width


@pytest.mark.usefixtures("project")
def test_data_that_do_not_fit_are_refused_before_training_with_both_names() -> None:
    write("more", FLOWERS.replace("id: flowers", "id: more").replace("units: 2", "units: 3"))
    write("wide", FLOWERS.replace("id: flowers", "id: wide").replace("[2]", "[7]"))
    resolve.main()
    key = data_key(Data(name="mine/flowers.csv"))
    with pytest.raises(SystemExit) as ending:
        prepare.main(key)
    assert str(ending.value.code).splitlines() == [
        "error: more has 3 outputs, mine/flowers.csv has 2 classes; give other data, or a last "
        "layer of that many units",
        "error: wide wants 7 inputs, mine/flowers.csv has 2; give other data, or set model.inputs "
        "to [2]",
    ]
    assert not Path(f"data/{key}.safetensors").exists()


@pytest.mark.usefixtures("project")
def test_a_split_without_images_is_refused_before_training() -> None:
    for split, count in (("train", 20), ("test", 0)):
        np.save(f"mine/x_{split}.npy", np.zeros((count, 2)))
        np.save(f"mine/y_{split}.npy", np.arange(count) % 2)
    write("flowers", FLOWERS.replace("mine/flowers.csv", "mine/"))
    resolve.main()
    with pytest.raises(SystemExit, match=r"^error: .*mine/.*test"):
        prepare.main(data_key(Data(name="mine/")))


@pytest.mark.usefixtures("project")
def test_images_in_three_colours_are_prepared_for_their_document() -> None:
    write("colours", (ROOT / "docs/data/colours.yaml").read_text())
    pictures = np.arange(20 * 3072, dtype=np.uint32).astype(np.uint8).reshape(20, 32, 32, 3)
    np.savez("data/cifar-10.npz", x_train=pictures, y_train=np.arange(20) % 10)
    Path("experiments/flowers.yaml").unlink()
    write("small", FLOWERS.replace("id: flowers", "id: small").replace("mine/flowers.csv", "iris"))
    replace_in(Path("experiments/small.yaml"), "inputs: [2]", "inputs: [4]")
    replace_in(Path("experiments/small.yaml"), "units: 2", "units: 3")
    resolve.main()
    key = data_key(Data(name="data/cifar-10.npz"))
    # Two images of each class are too few for three splits of each.
    with pytest.raises(SystemExit, match=r"^error: colours, data/cifar-10\.npz: there are no"):
        prepare.main(key)
    more = np.tile(pictures, (5, 1, 1, 1))
    np.savez("data/cifar-10.npz", x_train=more, y_train=[*range(10)] * 10)
    prepare.main(key)
    assert load_dataset(f"data/{key}.safetensors").shape == (3, 32, 32)


@pytest.mark.usefixtures("project")
def test_another_learning_rate_is_no_reason_to_prepare_again() -> None:
    path = f"resolved/_data/{data_key(Data(name='mine/flowers.csv'))}.json"
    resolve.main()
    before = Path(path).read_bytes()
    write("flowers", FLOWERS.replace("learning_rate: 1.0", "learning_rate: 0.1"))
    resolve.main()
    assert Path(path).read_bytes() == before
    write("flowers", FLOWERS.replace("inputs: [2]", "inputs: [3]"))
    resolve.main()
    assert Path(path).read_bytes() != before


def test_data_are_needed_by_documents_that_are_run_or_are_kept(project: Path) -> None:
    write_params(project, documents="[tiny]")
    resolve.main()
    key = data_key(Data(name="mine/flowers.csv"))
    assert not load_needed_data(key).is_needed
    prepare.main(key)
    assert Path(f"data/{key}.safetensors").read_bytes() == NO_DATA
    write_params(project)
    resolve.main()
    write_history("flowers", [], [{"epoch": []}], data="mine/flowers.csv")
    write_params(project, documents="[tiny]")
    resolve.main()
    assert load_needed_data(key).is_needed


@pytest.mark.usefixtures("project")
def test_data_that_no_document_learns_are_told_from_those_that_are() -> None:
    resolve.main()
    with pytest.raises(OSError, match=r"^'irs': no document learns it; those that are: flowers-"):
        prepare.main("irs")


def publish(monkeypatch: pytest.MonkeyPatch, name: str, **changed: object) -> None:
    """Have a data set published in two small files, and a document of it."""
    own = published.PUBLISHED[name]._replace(files=mirrors.FILES, **changed)
    monkeypatch.setitem(published.PUBLISHED, name, own)
    text = (ROOT / "docs/data/letters.yaml").read_text().replace("emnist-letters", name)
    write("letters", text if "emnist" in name else text.replace("units: 26", "units: 10"))
    resolve.main()


@pytest.mark.usefixtures("project")
def test_published_files_come_from_their_address_and_then_from_the_cache(
    served: mirrors.Mirrors, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    publish(monkeypatch, "kmnist", mirrors=(served.address("good"),))
    served.requests.clear()
    for _ in range(2):
        download.main("kmnist")
        found = {path.name: path.read_bytes() for path in Path("data/raw-kmnist").iterdir()}
        assert found == mirrors.CONTENT
    assert len(served.requests) == len(mirrors.CONTENT)
    assert {path.name for path in Path("cache/kmnist").iterdir()} == set(mirrors.CONTENT)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("project")
def test_published_files_come_from_a_folder_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, "kmnist", mirrors=())
    for name, content in mirrors.CONTENT.items():
        (tmp_path / "mine" / name).write_bytes(content)
    monkeypatch.setenv("NNDL_KMNIST_MIRROR", str(tmp_path / "mine"))
    download.main("kmnist")
    assert {path.name for path in Path("data/raw-kmnist").iterdir()} == set(mirrors.CONTENT)


@pytest.mark.usefixtures("project")
def test_emnist_comes_out_of_its_archive_which_is_fetched_once(
    tmp_path: Path, served: mirrors.Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        for name, content in mirrors.CONTENT.items():
            archive.writestr(f"gzip/{name}", content)
    whole = (tmp_path / "whole.zip").read_bytes()
    facts = mirrors.MnistFile(len(whole), mirrors._sha256(whole), (), "")
    monkeypatch.setitem(mirrors.CONTENT, published.EMNIST.name, whole)
    monkeypatch.setattr(download, "EMNIST", published.EMNIST._replace(facts=facts))
    files = {name: file._replace(num_bytes=0) for name, file in mirrors.FILES.items()}
    letters = (ROOT / "docs/data/letters.yaml").read_text()
    for name, units in (("emnist-letters", 26), ("emnist-digits", 10)):
        own = published.PUBLISHED[name]._replace(files=files, mirrors=(served.address("good"),))
        monkeypatch.setitem(published.PUBLISHED, name, own)
        text = letters.replace("emnist-letters", name).replace("id: letters", f"id: {name}")
        write(name, text.replace("units: 26", f"units: {units}"))
    resolve.main()
    served.requests.clear()
    for name in ("emnist-letters", "emnist-digits"):
        download.main(name)
        found = {path.name: path.read_bytes() for path in Path(f"data/raw-{name}").iterdir()}
        assert found.keys() == files.keys()
        assert all(found[file] == mirrors.CONTENT[file] for file in files)
    assert served.requests == [f"/good/{published.EMNIST.name}"]


@pytest.mark.usefixtures("project")
def test_what_nobody_runs_is_not_asked_for(
    project: Path, served: mirrors.Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(project, documents="[tiny]")
    publish(monkeypatch, "kmnist", mirrors=(served.address("good"),))
    served.requests.clear()
    download.main("kmnist")
    assert [path.name for path in Path("data/raw-kmnist").iterdir()] == [NOT_NEEDED]
    assert served.requests == []


@pytest.mark.usefixtures("project")
def test_data_out_of_reach_stop_their_documents_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    Path("experiments/flowers.yaml").unlink()
    publish(monkeypatch, "kmnist", mirrors=("http://127.0.0.1:9/",))
    download.main("kmnist")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kmnist could not be had, and documents that learn it are not trained: ")
    assert line.endswith(
        "; set NNDL_KMNIST_MIRROR to a folder with its files, or get online, and run `make` again"
    )
    assert [path.name for path in Path("data/raw-kmnist").iterdir()] == [NOT_HERE]
    prepare.main("kmnist")
    assert Path("data/kmnist.safetensors").read_bytes() == NO_DATA
    train.main("letters")
    assert capsys.readouterr().err == (
        "letters: is not trained, as its data could not be had; the stage `download` said why\n"
    )
    write_history("tiny", [], [], data="none")
    evaluate.main()
    report.main()
    assert "Not run: its data are not here." in Path("report/results.md").read_text()


CLAIM = """
claims:
  - kind: number
    statement: mine
    metric: test_accuracy
    exact: true
    value: 0.5
"""


@pytest.mark.usefixtures("project")
def test_a_document_of_other_data_is_trained_judged_and_shown_as_ones_own() -> None:
    write_iris()
    Path("experiments/flowers.yaml").unlink()
    replace_in(Path("params.yaml"), "runs: 2", "runs: 1")
    resolve.main()
    prepare.main("iris")
    train.run("iris", load_plan("iris"))
    write_history("tiny", [], [], data="none")
    history = read_history(Path("runs/iris"))
    assert history is not None
    assert history.data == "iris"
    path = Path("experiments/iris.yaml")
    path.write_text(path.read_text() + CLAIM)
    resolve.main()
    evaluate.main()
    found = json.loads(Path("metrics/documents/iris.json").read_text())
    accuracy = found["base"]["test_accuracy.last"]
    assert accuracy == pytest.approx(history.metrics["test_accuracy"][0, -1])
    (entry,) = read_judgements().judgements
    assert (entry["foreign"], entry["verdict"]) == (None, "differs")
    report.main()
    text = Path("report/results.md").read_text()
    section = text[text.index("## Beyond the book, and your own") :]
    assert f"test accuracy {100 * accuracy:.2f} %" in section
    assert "NOT MNIST" not in text
    assert "Not the" not in section
    models.main()
    card = Path("models/iris.md").read_text()
    assert "Limits: it knows inputs like those of iris, 4 each" in card
    assert "bytes" not in card


@pytest.mark.parametrize(
    ("overrides", "data", "foreign"),
    [
        ("{tiny: {data.name: digits}}", "digits", "digits in the place of mnist"),
        ("{}", "digits", "not MNIST"),
        ("{}", "mnist", None),
    ],
)
def test_claims_of_the_book_hold_for_mnist_alone(
    project: Path, overrides: str, data: str, foreign: str | None
) -> None:
    Path("spec/tiny.yaml").write_text(TINY + CLAIM.lstrip())
    write_params(project, overrides=overrides, documents="[tiny]")
    resolve.main()
    plan = load_plan("tiny")
    assert plan.spec.data.name == ("digits" if overrides != "{}" else "mnist")
    runs = list_runs(plan.list_variants(), plan.seeds)
    rows = [{"epoch": [0.0] * len(runs), "test_accuracy": [0.5] * len(runs)}]
    write_history("tiny", runs, rows, data=data)
    write_history("flowers", [], [], data="none")
    evaluate.main()
    (entry,) = read_judgements().judgements
    assert entry["foreign"] == foreign
    assert entry["verdict"] == ("equal" if foreign is None else "not judged")
    report.main()
    has_banner = "**NOT MNIST.** No source" in Path("report/results.md").read_text()
    assert has_banner == (foreign == "not MNIST")


def test_a_data_set_has_one_file_whoever_learns_it() -> None:
    iris = Data(name="iris")
    assert data_file(iris) == data_file(iris.model_copy(update={"train_images": 3}))
    column = Data(name="mine/flowers.csv", target="length", targets="real")
    assert data_file(column) != data_file(Data(name="mine/flowers.csv"))
    assert data_file(Data()) == Path("data/dataset.safetensors")
    assert data_key(Data(name="../..")).startswith("data-")
