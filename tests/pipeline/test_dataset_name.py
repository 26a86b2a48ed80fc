"""A data set is MNIST if it holds MNIST, whatever it is called."""

from pathlib import Path

import numpy as np
import pytest
from project import CROWD, MACHINE, ROOT, synthetic, tiny_project

from nndl_jax.data.datasets import Dataset, Split, save_dataset
from nndl_jax.data.mnist import is_mnist as holds_mnist
from nndl_jax.data.mnist import load_mnist
from nndl_jax.documents.load import load_spec
from pipeline import baseline, ensemble, resolve, train
from pipeline.plan.plans import load_plan
from pipeline.store import dataset

RUN = {"tiny": train.run, "crowd": ensemble.run, "machine": baseline.run}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, whose data say that they are MNIST: 600 images, all labelled 0."""
    tiny_project(tmp_path)
    (tmp_path / "spec/crowd.yaml").write_text(CROWD)
    (tmp_path / "spec/machine.yaml").write_text(MACHINE)
    split = Split(synthetic(600).train.images, np.zeros(600, np.int32))
    save_dataset(Dataset("mnist", split, split, split), tmp_path / "data/dataset.safetensors")
    monkeypatch.chdir(tmp_path)
    baseline._dataset.cache_clear()
    return tmp_path


@pytest.fixture(scope="module")
def mnist(mnist_folder: Path) -> Dataset:
    return load_mnist(mnist_folder)


def test_the_published_files_are_mnist_in_any_order_of_memory(mnist: Dataset) -> None:
    assert holds_mnist(mnist._replace(name="something"))
    other = Split(np.asfortranarray(mnist.test.images), mnist.test.labels[::-1][::-1])
    assert holds_mnist(mnist._replace(test=other))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_one_other_label_is_not_mnist(mnist: Dataset, split: str) -> None:
    images, labels = getattr(mnist, split)
    other = np.append(labels[:-1], np.int32((labels[-1] + 1) % 10))
    assert not holds_mnist(mnist._replace(**{split: Split(images, other)}))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["tiny", "crowd", "machine"])
def test_600_images_all_labelled_0_whose_file_says_mnist_are_refused_by_every_stage(
    name: str,
) -> None:
    resolve.main()
    with pytest.raises(SystemExit) as ending:
        RUN[name](name, load_plan(name))
    assert ending.value.code == (
        "error: data/dataset.safetensors says that it is MNIST and holds other images or labels, "
        "600, 600, 600 of them; delete it and make it again, or save them under a name of their "
        "own."
    )
    assert not Path("runs").exists()


def test_other_data_under_a_name_of_their_own_are_taken(project: Path) -> None:
    save_dataset(synthetic(10), project / "data/dataset.safetensors")
    assert dataset.load_data().name == "synthetic"


@pytest.mark.usefixtures("project")
def test_without_a_data_set_a_sentence_says_so() -> None:
    dataset.DATASET.unlink()
    with pytest.raises(SystemExit) as ending:
        dataset.load_data()
    assert ending.value.code == (
        "error: data/dataset.safetensors: no such file; `make` writes it, or save_dataset your own"
    )


@pytest.mark.usefixtures("project")
def test_without_a_sound_data_set_a_sentence_says_so() -> None:
    dataset.DATASET.write_bytes(b"no data")
    with pytest.raises(SystemExit, match=r"^error: data/dataset\.safetensors.*; write it again"):
        dataset.load_data()


@pytest.mark.usefixtures("project")
def test_a_document_of_examples_is_measured_on_those() -> None:
    tiny = load_spec(Path("spec/tiny.yaml"))
    assert dataset.data_of(tiny, "digits") == "digits"
    assert dataset.data_of(load_spec("ch3-neuron"), "digits") == "examples"
    assert dataset.data_of(load_spec(ROOT / "docs/data/iris.yaml"), "digits") == "iris"
