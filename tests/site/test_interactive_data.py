"""The data of the interactives, and the scripts with weights, without a browser."""

import base64
import json
import re

import numpy as np
import pytest
from trial import Documents, TrialSite

from nndl_jax.data.datasets import Dataset, Split, save_dataset
from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.machine.paths import DATASET, run_folder
from pipeline.pages import weights
from pipeline.pages.interactives import SCRIPTS, list_interactives
from pipeline.store.results import Results
from pipeline.store.runs import History, network_path


@pytest.fixture
def dataset(tmp_path, monkeypatch) -> Dataset:
    """Thirty random pictures, three of each digit, in the working folder."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (30, 784), np.uint8), np.arange(30, dtype=np.int32) % 10)
    dataset = Dataset("pictures", split, split, split)
    monkeypatch.chdir(tmp_path)
    DATASET.parent.mkdir()
    save_dataset(dataset, DATASET)
    return dataset


class Nothing(Documents):
    """No documents at all."""

    def __init__(self) -> None:
        super().__init__({})
        self._names = []


def test_without_documents_and_weights_there_are_empty_states_that_say_so(dataset):
    found = list_interactives(TrialSite(Nothing()))
    assert set(found) == {"digit", "overfitting", "hunt", "filters"}
    for interactive in found.values():
        assert interactive.data["empty"].startswith("Nothing was measured yet")


def test_each_interactive_has_its_scripts_its_words_and_data_in_json(dataset):
    found = list_interactives(TrialSite(Documents({})))
    assert len(found) > 15
    for name, interactive in found.items():
        json.dumps(interactive.data, allow_nan=False)
        assert name in interactive.scripts
        assert all((SCRIPTS / f"{script}.js").is_file() for script in interactive.scripts)
        assert len(interactive.caption) > 60


def with_weights(name: str, sizes: list[int]) -> Results:
    """A document with files of these sizes, of which the last reads best."""
    document = load_spec(name)
    runs = list_runs(document, range(len(sizes)))
    for run, size in zip(runs, sizes, strict=True):
        path = network_path(name, run)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.random.default_rng(run.seed).bytes(size))
    accuracies = {"test_accuracy": np.linspace(0.1, 0.9, len(sizes))[:, None]}
    history = History(runs, accuracies, "pictures")
    return Results(document, variants(document), history, None, [run_folder(name) / "history.csv"])


def test_scripts_hold_the_bytes_of_the_files_unchanged(dataset, tmp_path):
    results = with_weights("ch1-30-hidden", [100, 101])
    written = weights.write_weights(tmp_path / "site", {"ch1-30-hidden": results})
    assert [path.name for path in written] == ["ch1-30-hidden.js", "training-images.js"]
    text = re.search(r'\] = "(.*)";', written[0].read_text())[1]
    best = network_path("ch1-30-hidden", results.history.runs[1])
    assert base64.b64decode(text) == best.read_bytes()
    images = re.search(r'\] = "(.*)";', written[1].read_text())[1]
    assert base64.b64decode(images) == weights.halve(dataset.train.images).tobytes()


def test_what_there_is_no_room_for_is_left_out(dataset, monkeypatch):
    monkeypatch.setattr(weights, "MAX_BYTES", 280_000)
    today = {
        "ch1-30-hidden": with_weights("ch1-30-hidden", [20_000]),
        "ch1-100-hidden": with_weights("ch1-100-hidden", [200]),
    }
    assert [reader.name for reader in weights.list_readers(today)] == ["ch1-100-hidden"]


def test_runs_that_were_not_measured_or_whose_files_are_gone_are_left_out(dataset):
    results = with_weights("ch1-30-hidden", [10, 10, 10])
    results.history.metrics["test_accuracy"][2] = np.nan
    network_path("ch1-30-hidden", results.history.runs[1]).unlink()
    (reader,) = weights.list_readers({"ch1-30-hidden": results})
    assert reader.run.seed == 0
