"""One run as it is recorded: what is kept of it, and that it comes back as it was written."""

import math
from pathlib import Path

import numpy as np
import pytest
from project import TINY, tiny_project

from nndl_jax.documents import Document
from nndl_jax.documents.claims import Epoch
from nndl_jax.documents.load import parse_spec
from nndl_jax.judging.judge import at_epoch
from pipeline.plan.claimed import claimed_epochs
from pipeline.store.recorded_run import Head, RecordedRun, parse_run, run_files, thinned, write_run
from pipeline.store.recordings import as_history, read_run
from pipeline.store.results import mean_curve

HEAD = Head("rate=1,l2=0", 7, "0123456789abcdef", "mnist", "1 x H100", 2.5, "a; b", "jax 0.1")
VALIDATION = "validation_accuracy"
METRICS = [VALIDATION, "test_accuracy", "test_cost"]


def document(every: int = 1, epochs: int = 500) -> Document:
    training = f"epochs: {epochs}, evaluate_every: {every}"
    return parse_spec(TINY.replace("epochs: 300", training), Path("tiny.yaml"))


def long_run(num_epochs: int = 500, *, seed: int = 0) -> RecordedRun:
    """Accuracies that are equal again and again, and costs that hardly ever are."""
    rng = np.random.default_rng(seed)
    accuracies = rng.integers(9000, 9100, (num_epochs, 2)) / 10_000
    costs = rng.uniform(0.1, 0.2, (num_epochs, 1)).astype(np.float32).astype(np.float64)
    return RecordedRun(HEAD, METRICS, range(num_epochs), np.hstack([accuracies, costs]))


def test_a_run_comes_back_as_it_was_written() -> None:
    values = np.array([[0.5, math.nan], [math.inf, -1e-9], [math.nan, 12345678.0]])
    for head in (HEAD, HEAD._replace(seconds=None, program=None, versions=None)):
        run = RecordedRun(head, ["a", "b"], [0, 3, 4], values)
        found = parse_run(write_run(run))
        assert found[:3] == run[:3]
        np.testing.assert_equal(found.values, values)


def test_a_file_has_a_head_of_lines_and_a_row_for_each_epoch() -> None:
    run = RecordedRun(HEAD, ["a", "b"], [0, 3], np.array([[0.5, math.nan], [1 / 3, 2.0]]))
    assert write_run(run).decode() == (
        "# variant: rate=1,l2=0\n"
        "# seed: 7\n"
        "# document: 0123456789abcdef\n"
        "# data: mnist\n"
        "# device: 1 x H100\n"
        "# seconds: 2.5\n"
        "# program: a; b\n"
        "# versions: jax 0.1\n"
        "epoch,a,b\n"
        "0,0.5,\n"
        "3,0.33333333,2\n"
    )


@pytest.mark.parametrize("variant", ["function=0.2+x/10", "a=../../x", "a=é", "a= b ", "a=#: 1"])
def test_a_run_of_any_variant_has_a_file_of_a_safe_name(variant: str, tmp_path: Path) -> None:
    run = RecordedRun(HEAD._replace(variant=variant), ["a"], [0], np.array([[0.5]]))
    path = tmp_path / run.head.file
    path.write_bytes(write_run(run))
    (tmp_path / run.head.beside("errors.csv")).write_text("")
    assert path.parent == tmp_path
    assert path.name.isascii()
    assert read_run(path).head == run.head
    assert run_files(file.name for file in tmp_path.iterdir()) == [path.name]


def test_the_number_of_epochs_that_are_kept_grows_with_the_logarithm() -> None:
    kept = thinned(long_run(1000), document(epochs=1000), ())
    own = {kept.epochs[-1], *_bests(long_run(1000))}
    evenly = [*range(64), *range(64, 128, 2), *range(128, 256, 4), *range(256, 512, 8)]
    evenly += range(512, 1000, 16)
    assert kept.epochs == sorted({*evenly, *own})


def _bests(run: RecordedRun) -> set[int]:
    """The last epochs at which metrics are best."""
    found = set()
    for metric, values in zip(run.metrics, run.values.T, strict=True):
        best = values.min() if metric.endswith("cost") else values.max()
        found.add(int(np.flatnonzero(values == best)[-1]))
    return found


def test_a_history_of_sixty_measurements_is_kept_whole_whatever_lies_between_them() -> None:
    epochs = [*range(499, 29_500, 500), 29_900]
    run = long_run(60)._replace(epochs=epochs)
    assert thinned(run, document(500, 29_901), ()).epochs == epochs


def test_epochs_that_claims_name_are_kept_if_they_were_measured() -> None:
    kept = thinned(long_run(400), document(epochs=400), (199, 281, 399, 450))
    assert {199, 281, 399} <= {*kept.epochs}
    assert 450 not in kept.epochs


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("epoch", ["best", "last", "best-validation", 0, 63, 281])
def test_what_is_kept_is_judged_as_all_of_it_is(epoch: Epoch, seed: int) -> None:
    runs = [long_run(300 + 50 * index, seed=10 * seed + index) for index in range(3)]
    kept = [thinned(run, document(), (281,)) for run in runs]
    whole, part = as_history(runs), as_history(kept)
    for metric in METRICS:
        values, found = (
            at_epoch(epoch, metric, run.metrics[metric], run.metrics[VALIDATION])
            for run in (whole, part)
        )
        assert values is not None
        assert found is not None
        np.testing.assert_allclose(found, values, rtol=1e-7, atol=0)


def test_what_is_kept_of_what_was_kept_is_all_of_it() -> None:
    once = thinned(long_run(), document(), (199,))
    again = thinned(parse_run(write_run(once)), document(), (199,))
    assert write_run(again) == write_run(once)
    # Nor is anything lost where claims have changed.
    assert {*thinned(once, document(), ()).epochs} < {*once.epochs}
    assert once.is_like(thinned(long_run(), document(), (281,)))


def test_costs_of_batches_and_what_was_never_measured_are_not_kept() -> None:
    run = RecordedRun(HEAD, ["batch_cost", "a", "b"], [0], np.array([[1.0, 2.0, math.nan]]))
    kept = thinned(run, document(), ())
    assert (list(kept.metrics), kept.values.tolist()) == (["a"], [[2.0]])


@pytest.mark.parametrize(
    "other",
    [
        {"values": np.array([[0.5], [0.25]])},
        {"metrics": ["b"]},
        {"epochs": [5, 6]},
    ],
    ids=["a value", "a metric", "all epochs"],
)
def test_runs_that_differ_in_anything_are_not_alike(other: dict) -> None:
    run = RecordedRun(HEAD, ["a"], [0, 1], np.array([[0.5], [0.75]]))
    assert run.is_like(run._replace(head=HEAD._replace(device="another")))
    assert not run.is_like(run._replace(**other))


def test_a_mean_over_runs_has_no_epoch_that_only_some_of_them_have() -> None:
    nan = math.nan
    curves = np.array([[1.0, 2.0, nan, 4.0, nan], [3.0, nan, nan, 6.0, 7.0], [nan] * 5])
    np.testing.assert_equal(mean_curve(curves), [2.0, nan, nan, 5.0, 7.0])


def test_epochs_that_claims_of_any_document_name_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = """\
claims:
  - {kind: number, statement: a, metric: test_accuracy, epoch: 280, value: 0.8}
  - {kind: number, statement: b, metric: test_accuracy, epoch: best, value: 0.8}
  - {kind: curve, statement: c, metric: test_accuracy, values: [0.1, 0.2, 0.3]}
  - kind: comparison
    statement: d
    metric: test_accuracy
    epoch: 7
    better: {}
    worse: {document: zebra}
"""
    tiny_project(tmp_path, num_images=1)
    (tmp_path / "spec/tiny.yaml").write_text(TINY + claims)
    (tmp_path / "spec/zebra.yaml").write_text(TINY.replace("id: tiny", "id: zebra"))
    monkeypatch.chdir(tmp_path)
    assert claimed_epochs() == {"tiny": {0, 1, 2, 7, 280}, "zebra": {7}}
