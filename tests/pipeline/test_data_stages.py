"""The stages `download` and `prepare` as DVC runs them."""

import re

import pytest
from mirrors import FILES, serve

from nndl_jax.data.datasets import load_dataset
from nndl_jax.data.mnist import MNIST_FILES
from nndl_jax.data.published import PUBLISHED
from pipeline import download, prepare
from pipeline.machine.jax_setup import set_up_jax
from pipeline.machine.paths import RAW, cache_folder
from pipeline.store.dataset import load_data


@pytest.fixture(scope="module")
def mirrors():
    with serve() as server:
        yield server


def publish(monkeypatch, **changed):
    """Have MNIST published elsewhere, or otherwise."""
    monkeypatch.setitem(PUBLISHED, "mnist", PUBLISHED["mnist"]._replace(**changed))


@pytest.fixture
def _empty_project(tmp_path, mirrors, monkeypatch):
    """An empty working folder, two faulty mirrors and no cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    publish(monkeypatch, mirrors=(mirrors.address("not-found"), "http://127.0.0.1:9/"))
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDL_MNIST_MIRROR", raising=False)


@pytest.mark.usefixtures("_empty_project")
def test_notice_names_each_source_and_the_remedy(mirrors, monkeypatch, capsys):
    monkeypatch.setenv("NNDL_MNIST_MIRROR", "/nowhere")
    download.main()
    notice = capsys.readouterr().err
    assert "!! - /nowhere (t10k-labels-idx1-ubyte.gz): no such folder\n" in notice
    assert f"!! - {mirrors.address('not-found')} (" in notice
    assert "!! - http://127.0.0.1:9/ (" in notice
    assert "will be marked as not MNIST" in notice
    assert "set NNDL_MNIST_MIRROR=/folder/with/the/four/files" in notice


@pytest.mark.usefixtures("_empty_project")
def test_nothing_is_printed_when_all_is_well(mirrors, monkeypatch, capfd):
    publish(monkeypatch, files=FILES, mirrors=(mirrors.address("good"),))
    download.main()
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_empty_project")
def test_wrong_folder_is_a_warning_when_another_source_steps_in(mnist_folder, monkeypatch, capsys):
    publish(monkeypatch, mirrors=(str(mnist_folder),))
    monkeypatch.setenv("NNDL_MNIST_MIRROR", "/nowhere")
    download.main()
    reason = "/nowhere (t10k-labels-idx1-ubyte.gz): no such folder"
    assert capsys.readouterr().err == f"warning: passed over {reason}\n"


@pytest.mark.usefixtures("_empty_project")
def test_mnist_is_prepared_from_a_local_folder(mnist_folder, monkeypatch, capsys):
    monkeypatch.setenv("NNDL_MNIST_MIRROR", str(mnist_folder))
    download.main()
    assert sorted(path.name for path in RAW.iterdir()) == sorted(MNIST_FILES)
    prepare.main()
    assert load_dataset(prepare.DATASET).name == "mnist"
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_empty_project")
def test_digits_are_prepared_when_mnist_could_not_be_had(capsys):
    download.main()
    capsys.readouterr()
    prepare.main()
    assert load_dataset(prepare.DATASET).name == "digits"
    assert capsys.readouterr().err.startswith("NOT MNIST: ")


@pytest.mark.usefixtures("_empty_project")
def test_prepare_ends_with_one_sentence_when_nothing_was_downloaded():
    with pytest.raises(SystemExit, match=r"^error: data/raw/train-images.*: no such file"):
        prepare.main()


@pytest.mark.usefixtures("_empty_project")
def test_cache_in_the_home_folder_of_nobody_ends_with_one_sentence(monkeypatch):
    monkeypatch.setenv("NNDL_CACHE", "~nosuchuser/cache")
    message = (
        "error: NNDL_CACHE=~nosuchuser/cache: there is no home folder for the '~nosuchuser' in it; "
        "name another folder"
    )
    for stop_fn in (download.main, lambda: set_up_jax(1)):
        with pytest.raises(SystemExit, match=re.escape(message)):
            stop_fn()


@pytest.mark.usefixtures("_empty_project")
def test_cache_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NNDL_CACHE", "~/kept")
    assert cache_folder() == tmp_path / "kept"


@pytest.mark.usefixtures("_empty_project")
def test_mirror_in_the_home_folder_of_nobody_is_named_in_the_notice(monkeypatch, capsys):
    monkeypatch.setenv("NNDL_MNIST_MIRROR", "~nosuchuser/x")
    download.main()
    sentence = (
        "~nosuchuser/x (t10k-labels-idx1-ubyte.gz): there is no home folder for the '~nosuchuser'"
    )
    assert f"!! - {sentence} in it\n" in capsys.readouterr().err


@pytest.mark.usefixtures("_empty_project")
def test_a_damaged_data_set_ends_a_stage_with_one_sentence(capsys):
    with pytest.raises(SystemExit, match=r"^error: data/dataset\.safetensors: no such file"):
        load_data()
    download.main()
    prepare.main()
    capsys.readouterr()
    content = bytearray(prepare.DATASET.read_bytes())
    content[-1] ^= 1
    prepare.DATASET.write_bytes(content)
    with pytest.raises(SystemExit, match=r"^error: data/dataset.safetensors is damaged, for its"):
        load_data()
