"""Trained networks by name: those that the package ships, and those of a folder of one's own."""

import hashlib
import json
from pathlib import Path

import jax
import pytest
from project import ROOT

import nndl_jax
from nndl_jax.training.pretrained import VARIABLE, find_pretrained

SHIPPED = ("ch1-100-hidden", "ch1-30-hidden")


@pytest.fixture
def folder(tmp_path: Path, small_network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one network, which the variable names."""
    spec = small_network()
    model = nndl_jax.build_model(spec, key=jax.random.key(0))
    nndl_jax.save(model, spec, tmp_path / "small.safetensors")
    content = (tmp_path / "small.safetensors").read_bytes()
    index = {"small": {"sha256": hashlib.sha256(content).hexdigest()}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", SHIPPED)
def test_the_package_ships_small_networks_with_their_cards(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # No folder of models here.
    monkeypatch.delenv(VARIABLE, raising=False)
    path = ROOT / f"pretrained/{name}.safetensors"
    assert find_pretrained(name).read_bytes() == path.read_bytes()
    assert path.stat().st_size < 400_000
    card = path.with_suffix(".md").read_text()
    assert f'nndl_jax.load_pretrained("{name}")' in card
    model = nndl_jax.load_pretrained(name)
    assert model.spec.id == name
    assert set(SHIPPED) <= set(nndl_jax.list_pretrained())


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_card_says_of_its_accuracy_is_so(name: str, mnist_folder: Path) -> None:
    dataset = nndl_jax.load_mnist(mnist_folder)
    found = nndl_jax.evaluate(nndl_jax.load_pretrained(name), dataset.test).accuracy
    index = json.loads((ROOT / "pretrained/index.json").read_text())
    assert found == pytest.approx(index[name]["test_accuracy"], abs=3e-4)  # Other processors round.
    card = (ROOT / f"pretrained/{name}.md").read_text()
    assert f"Accuracy on the test images: {index[name]['test_accuracy']:.4f} (95 %:" in card


@pytest.mark.usefixtures("folder")
def test_a_folder_of_ones_own_is_looked_at_first() -> None:
    assert nndl_jax.load_pretrained("small").spec.id == "small"
    assert "small" in nndl_jax.list_pretrained()
    assert nndl_jax.load_pretrained("ch1-30-hidden").spec.id == "ch1-30-hidden"


def test_another_file_than_the_one_that_is_listed_is_refused(folder: Path) -> None:
    with (folder / "small.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match=r"is not the file that index.json beside it lists"):
        nndl_jax.load_pretrained("small")


def test_a_list_without_its_file_is_told(folder: Path) -> None:
    (folder / "small.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"lists small, and .* is not there"):
        nndl_jax.load_pretrained("small")


@pytest.mark.parametrize("text", ["", "[]", '{"small": 3}', '{"small": {}}'])
def test_a_list_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "index.json").write_text(text)
    with pytest.raises(ValueError, match=r"index.json cannot be read|are no weights of 'small'"):
        nndl_jax.load_pretrained("small")


@pytest.mark.usefixtures("folder")
def test_what_is_not_here_is_told_with_where_to_get_it() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        nndl_jax.load_pretrained("smal")
    message = str(caught.value)
    assert "did you mean 'small'?" in message
    for way in ("nndl train smal", "dvc get CHECKOUT models", VARIABLE):
        assert way in message
