"""Commands that train networks and measure trained ones."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from project import KEEPING, TINY, write_dataset

import nndl_jax
from nndl_jax.command import training
from nndl_jax.documents.known_data import KNOWN_DATA
from nndl_jax.documents.variants import Run

SHORT = ("-S", "training.epochs=3")


@pytest.fixture
def tiny(nndl) -> str:
    """A small document in the working folder, beside a small data set."""
    Path("tiny.yaml").write_text(TINY)
    write_dataset(Path(), num_images=100)
    return "tiny.yaml"


def test_train_gives_what_the_library_gives(nndl, tiny: str) -> None:
    done = nndl("train", tiny, *SHORT, "--runs", "2", "--seed", "5")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""  # No bar where nobody looks.
    spec = nndl_jax.load_spec(tiny, {"training.epochs": 3})
    dataset = nndl_jax.load_dataset("data/dataset.safetensors")
    accuracies = []
    for result in nndl_jax.train(spec, dataset, seeds=[5, 6]):
        accuracies.append(result.metrics["test_accuracy"])
    last, best = accuracies[-1], np.max(accuracies, axis=0)
    cells = [f"{values.mean():.6g} ± {values.std(ddof=1):.2g}" for values in (last, best)]
    heads, row, _, where = done.stdout.splitlines()
    assert heads.split() == ["metric", "last", "best"]
    assert re.split(r"  +", row) == ["test_accuracy", *cells]
    assert where == "2 network(s) on synthetic in trained/tiny"
    for seed, accuracy in zip((5, 6), last, strict=True):
        model, kept = nndl_jax.load(f"trained/tiny/seed={seed}.safetensors")
        assert kept == spec.bare()
        assert nndl_jax.evaluate(model, dataset.test, kept).accuracy == accuracy
    assert sorted(path.name for path in Path("trained/tiny").iterdir()) == [
        "results.json",
        "seed=5.safetensors",
        "seed=6.safetensors",
    ]


def test_a_whole_training_of_a_document_as_it_stands_is_timed(nndl, tmp_path: Path) -> None:
    Path("tiny.yaml").write_text(TINY.replace("epochs: 300", "epochs: 2"))
    write_dataset(Path(), num_images=100)
    times = tmp_path / "cache/seconds.json"
    assert nndl("train", "tiny.yaml", "-S", "training.epochs=1", "--out", "a").exit_code == 0
    assert not times.exists()
    assert nndl("train", "tiny.yaml").exit_code == 0
    assert 0 < json.loads(times.read_text())["tiny"] < 600


def test_train_gives_a_row_for_each_variant_and_measurement(nndl, tiny: str) -> None:
    vary = 'vary=[{"optimizer.learning_rate": [0.5, 1.0]}]'
    monitors = "monitors=[test_accuracy, test_cost, train_output]"
    done = nndl("train", tiny, *SHORT, "-S", vary, "-S", monitors)
    heads, *rows = done.stdout.splitlines()[:-2]
    assert heads.split() == ["variant", "metric", "last", "best"]
    named = [
        (variant, metric)
        for metric in ("test_accuracy", "test_cost", "train_output")
        for variant in ("learning_rate=0.5", "learning_rate=1.0")
    ]
    assert [tuple(row.split()[:2]) for row in rows] == named
    results = json.loads(Path("trained/tiny/results.json").read_text())
    costs = np.array([row["test_cost"] for row in results["epochs"]])
    shown = [row.split()[2:] for row in rows[2:4]]
    assert shown == [[f"{costs[-1, i]:.6g}", f"{costs[:, i].min():.6g}"] for i in range(2)]
    assert "±" not in done.stdout
    for run in results["runs"]:
        _, spec = nndl_jax.load(Path("trained/tiny", run["weights"]))
        assert f"learning_rate={spec.optimizer.learning_rate}" == run["variant"]


def test_the_best_network_is_saved_where_it_is_kept(nndl, tiny: str) -> None:
    Path(tiny).write_text(KEEPING)
    assert nndl("train", tiny, *SHORT, "--quiet").output == ""
    model, spec = nndl_jax.load("trained/tiny/seed=0,best.safetensors")
    results = json.loads(Path("trained/tiny/results.json").read_text())
    dataset = nndl_jax.load_dataset("data/dataset.safetensors")
    found = nndl_jax.evaluate(model, dataset.validation, spec).accuracy
    assert found == max(row["validation_accuracy"][0] for row in results["epochs"])


def test_train_goes_on_after_an_interruption_to_the_same_bits(
    nndl, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", tiny, "-S", "training.epochs=6", "--runs", "2")
    assert nndl(*command, "--out", "whole").exit_code == 0
    numbers = []
    train = nndl_jax.train

    def interrupted(*args, **kwargs) -> Iterator[nndl_jax.EpochResult]:
        for result in train(*args, **kwargs):
            numbers.append(result.number)
            yield result
            if len(numbers) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(nndl_jax, "train", interrupted)
    monkeypatch.setattr(training, "_SAVE_SHARE", 1e9)  # A snapshot of every epoch.
    done = nndl(*command, "--out", "parts")
    assert done.exit_code == 130
    assert done.stderr == "tiny: stopped; the same command goes on after 3 measurement(s)\n"
    again = nndl(*command, "--out", "parts")
    assert again.exit_code == 0
    assert again.stderr == "tiny: goes on after 3 of 6 measurements\n"
    assert numbers == [0, 1, 2, 3, 4, 5]
    names = sorted(path.name for path in Path("whole").iterdir())
    assert names == sorted(path.name for path in Path("parts").iterdir())
    for name in names:
        assert Path("whole", name).read_bytes() == Path("parts", name).read_bytes(), name


def test_a_snapshot_of_another_training_is_not_used(
    nndl, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args, **kwargs) -> Iterator[nndl_jax.EpochResult]:
        yield next(train(*args, **kwargs))
        raise KeyboardInterrupt

    train = nndl_jax.train
    with monkeypatch.context() as patch:
        patch.setattr(nndl_jax, "train", interrupted)
        assert nndl("train", tiny, *SHORT).exit_code == 130
        patch.setattr(training, "code_sum", lambda rooms: "another")
        done = nndl("train", tiny, *SHORT)
        assert "belongs to another code; it is not used" in done.stderr
    done = nndl("train", tiny, *SHORT, "-S", "optimizer.learning_rate=2.0")
    assert done.exit_code == 0
    assert "belongs to another document and another code; it is not used" in done.stderr


def test_train_does_not_train_twice_nor_over_another_training(nndl, tiny: str) -> None:
    first = nndl("train", tiny, *SHORT)
    before = Path("trained/tiny/results.json").stat().st_mtime_ns
    again = nndl("train", tiny, *SHORT)
    assert again.stdout == first.stdout
    assert again.stderr == "trained/tiny holds this training already; move it away to train again\n"
    other = nndl("train", tiny, *SHORT, "--seed", "1")
    assert other.exit_code == 1
    message = (
        "trained/tiny holds a training of another choice of seeds; give another --out, or move"
    )
    assert other.stderr == f"error: {message} it away\n"
    assert Path("trained/tiny/results.json").stat().st_mtime_ns == before


def test_a_document_with_examples_needs_no_data(nndl) -> None:
    done = nndl("train", "ch3-neuron", "-S", "training.epochs=2", "-S", "vary=[]")
    assert done.exit_code == 0, done.stderr
    (weights,) = Path("trained/ch3-neuron").glob("*.safetensors")
    measured = nndl("evaluate", str(weights))
    assert re.fullmatch(r"ch3-neuron on its examples: cost \S+, mean output \S+\n", measured.stdout)


def test_evaluate_counts_what_each_digit_is_taken_for(nndl, tiny: str) -> None:
    nndl("train", tiny, *SHORT)
    weights = "trained/tiny/seed=0.safetensors"
    found = json.loads(nndl("evaluate", weights, "--json").stdout)
    confusion = np.array(found["confusion"])
    dataset = nndl_jax.load_dataset("data/dataset.safetensors")
    assert confusion.sum(axis=1).tolist() == np.bincount(dataset.test.labels).tolist()
    model, spec = nndl_jax.load(weights)
    accuracy = nndl_jax.evaluate(model, dataset.test, spec).accuracy
    assert found["accuracy"] == np.trace(confusion) / 100 == accuracy
    shown = nndl("evaluate", weights, "--split", "train").stdout
    assert "tiny on 100 images of synthetic, train" in shown


def test_digits_are_a_data_set(nndl, tiny: str) -> None:
    pytest.importorskip("sklearn")
    nndl("train", tiny, *SHORT)
    weights = "trained/tiny/seed=0.safetensors"
    shown = nndl("evaluate", weights, "--data", "digits").stdout
    assert "tiny on 300 images of digits, test" in shown


OTHERS = {
    "iris": (
        "name: iris, standardize: true",
        "{kind: dense, units: 3, activation: softmax}",
        ("log-likelihood", "validation_accuracy"),
    ),
    "diabetes": (
        "name: diabetes, targets: real, standardize: true",
        "{kind: dense, units: 1, activation: linear}",
        ("quadratic", "validation_r2"),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_document_says_which_data_are_learnt_and_measured(nndl, name: str) -> None:
    pytest.importorskip("sklearn")
    data, layer, (loss, monitor) = OTHERS[name]
    known = KNOWN_DATA[name]
    Path("mine.yaml").write_text(
        f"kind: network\nid: mine\ntitle: Mine\ndata: {{{data}}}\nmodel:\n"
        f"  inputs: [{known.num_inputs}]\n  layers: [{layer}]\n"
        "  initializer: {weights: normal-fan-in, biases: zeros}\n"
        f"loss: {loss}\noptimizer: {{learning_rate: 0.05}}\n"
        f"training: {{epochs: 3, batch_size: 10}}\nmonitors: [{monitor}]\n"
    )
    done = nndl("train", "mine.yaml")
    assert f"1 network(s) on {name} in trained/mine" in done.stdout
    weights = "trained/mine/seed=0.safetensors"
    found = json.loads(nndl("evaluate", weights, "--split", "validation", "--json").stdout)
    results = json.loads(Path("trained/mine/results.json").read_text())
    last = results["epochs"][-1][monitor][0]
    assert found[monitor.removeprefix("validation_")] == pytest.approx(last, rel=1e-4)
    shown = nndl("evaluate", weights).stdout
    assert ("setosa" in shown) == (name == "iris")
    assert (", r2 " in shown) == (name == "diabetes")
    refused = nndl("evaluate", weights, "--data", "digits")
    assert refused.exit_code == 1
    assert f"mine wants {known.num_inputs} inputs, digits has 784" in refused.stderr


def test_large_inputs_that_are_not_scaled_are_told(nndl, tiny: str) -> None:
    rows = [",".join(["200", "0"] * 392 + [str(label)]) for label in [*range(10)] * 5]
    Path("pixels.csv").write_text("\n".join(rows) + "\n")
    told = nndl("train", tiny, *SHORT, "-S", "data.name=./pixels.csv").stderr
    assert told == (
        "pixels: inputs go from 0 to 200, and are learnt as they are; -S data.standardize=true "
        "scales them\n"
    )


def test_files_of_weights_have_names_that_are_safe_and_differ() -> None:
    names = ["base", "rule=a/b", "rule=a:b", "../../x", "units=4"]
    found = training.weights_names([Run(name, 0) for name in names])
    assert found[0] == "seed=0"
    assert found[4] == "units=4,seed=0"
    assert len(set(found)) == len(found)
    assert not any(re.search(r"[/:]|^\.", name) for name in found)
