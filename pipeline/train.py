"""Stage `train@<id>`: train all runs of a network, an epoch at a time, from where it was stopped.

After an epoch the state goes to `.nndl/<id>/`, so that a killed stage goes on from there and ends
with the same bits. It stays there when training ends: before DVC has taken the results, a kill
loses these. The stage `evaluate` comes after that, and forgets it.
"""

# Annotations stay unread: those that name types of nndl_jax would import JAX before it is set up.
from __future__ import annotations

from pipeline.machine.process import SNAPSHOT, begin, exclusive, named, run_stage

if __name__ == "__main__":
    begin()

import hashlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from pydantic import ValidationError
from tqdm import tqdm

import nndl_jax
from nndl_jax.data.selection import cut
from nndl_jax.documents import Network
from nndl_jax.documents.variants import Variant, list_runs
from pipeline.machine.jax_setup import check_jax, note_jax, set_up_jax
from pipeline.machine.paths import RUNS, STATE
from pipeline.machine.writing import remove_unfinished, replacing, write_text
from pipeline.plan.plans import Plan, load_plan
from pipeline.plan.training_key import TrainingKey, differences, training_key
from pipeline.store import forecast
from pipeline.store.dataset import data_of, file_of, is_missing, load_data
from pipeline.store.runs import (
    MISCLASSIFIED,
    Error,
    Row,
    network_path,
    write_confusions,
    write_errors,
    write_history,
)
from pipeline.together import Job, Stopped, in_step, lead

# Saving may take this share of the time: an epoch of a small network is shorter than a save.
_SAVE_SHARE = 0.05
_MOST_CHANGES = 3
_TRAINED = STATE / "trained"
"""Keys of what was trained here last."""


def main(name: str) -> None:
    """Train the document with this id."""
    plan = load_plan(name, Network, "trained")
    spec = plan.spec
    path = file_of(spec)
    if plan.selected and is_missing(path):
        message = "is not trained, as its data could not be had"
        print(f"{name}: {message}; the stage `download` said why", file=sys.stderr)
    if not plan.selected or is_missing(path):
        with exclusive(name):
            write_history(name, [], [], data="none")
        return
    training = spec.learning()
    is_float64 = training is not None and training.dtype == "float64"
    set_up_jax(len(list_runs(plan.list_variants(), plan.seeds)), float64=is_float64)
    check_jax()
    note_jax()
    with exclusive(name):
        if told := forecast.place(name):
            print(told, file=sys.stderr)
        goes_on, begin = (STATE / name / SNAPSHOT).exists(), time.monotonic()
        run(name, plan)
        if not goes_on:
            forecast.note(name, time.monotonic() - begin)


def run(name: str, plan: Plan, *, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Train a document, or go on with it.

    Args:
        name: its id.
        plan: the document and its seeds.
        should_stop: is asked after each measurement whether to end with its state saved.

    Raises:
        Stopped: `should_stop` said so.
    """
    try:
        with named(name):
            _run(name, plan, should_stop)
    except KeyboardInterrupt:
        sys.exit(f"{name}: stopped; the same command goes on from the last saved epoch")


def _run(name: str, plan: Plan, should_stop: Callable[[], bool]) -> None:
    """Train, then write everything that the stage gives."""
    folder = STATE / name
    folder.mkdir(parents=True, exist_ok=True)
    spec, dataset = plan.spec, load_data(file_of(plan.spec))
    if not isinstance(spec, Network):
        raise TypeError(f"{name} is a {spec.kind}; only networks are trained")
    with replacing(RUNS / name) as fresh:
        rows = _train(plan, dataset, (folder, fresh), should_stop)
        data = data_of(spec, dataset.name)
        runs = list_runs(plan.list_variants(), plan.seeds)
        write_history(name, runs, rows, data=data, folder=fresh)


def _train(
    plan: Plan,
    dataset: nndl_jax.Dataset,
    folders: tuple[Path, Path],
    should_stop: Callable[[], bool],
) -> list[Row]:
    """Measurements of every epoch; snapshots go to a file on the way, networks to a folder."""
    folder, fresh = folders
    name, variants, seeds = plan.spec.id, plan.list_variants(), plan.seeds
    path, key = folder / SNAPSHOT, training_key(name, plan)
    _tell_why(name, key)
    identity = {**key.parts(), "data set": _sum(file_of(plan.spec))}
    remove_unfinished(folder)
    like = nndl_jax.abstract_states(variants, seeds)
    snapshot, problems = nndl_jax.load_snapshot(
        path, identity=identity, like=like, needs_history=True
    )
    for problem in problems:
        print(problem, file=sys.stderr)
    rows: list[Row] = [] if snapshot is None else list(snapshot.history)
    job = Job(variants, dataset, seeds, snapshot)
    save_at = 0.0
    results = lead(job, should_stop=should_stop, should_save=lambda: time.monotonic() >= save_at)
    progress = tqdm(
        total=_num_results(variants), initial=len(rows), desc=name, unit="result", disable=None
    )
    with progress, in_step():
        for result, is_over, is_due in results:
            rows.append(_row(result))
            progress.set_postfix_str(_summary(rows[-1]), refresh=False)
            progress.update()
            if result.is_last:
                _save_networks(name, result, fresh)
                write_confusions(_confusions(result, dataset), dataset.classes, fresh)
                if errors := list(_errors(result, dataset)):
                    write_errors(errors, fresh / MISCLASSIFIED)
            elif is_over or is_due:
                start = time.monotonic()
                current = result.snapshot()._replace(history=rows)
                nndl_jax.save_snapshot(current, path, identity=identity)
                save_at = start + (time.monotonic() - start) / _SAVE_SHARE
                if is_over:
                    raise Stopped
    return rows


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _num_results(variants: Sequence[Variant]) -> int:
    """Most results that any variant gives."""
    trainings = [variant.spec.learning() for variant in variants]
    return max(-(-found.epochs // found.evaluate_every) for found in trainings if found)


def _row(result: nndl_jax.EpochResult) -> Row:
    """What a result holds, as plain numbers: not a number for a run that has ended."""
    epochs = [float(epoch) if epoch >= 0 else math.nan for epoch in result.epochs]
    return {"epoch": epochs} | {name: values.tolist() for name, values in result.metrics.items()}


def _save_networks(name: str, result: nndl_jax.EpochResult, folder: Path) -> None:
    """Each run's last network, and the best if it is kept, with its variant's document."""
    for index, run in enumerate(result.runs):
        spec = result.spec(index)
        for is_best in (False, True) if spec.training.keep_best else (False,):
            path = network_path(name, run, is_best=is_best, folder=folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            nndl_jax.save(result.model(index, is_best=is_best), spec, path)


def _confusions(
    result: nndl_jax.EpochResult, dataset: nndl_jax.Dataset
) -> dict[str, Int[np.ndarray, "classes guesses"]]:
    """What the networks of each variant take test images for, the runs together.

    They are the best ones where these are kept. There is nothing to say of targets that are no
    classes, or where data have no test images.
    """
    counts: dict[str, Int[np.ndarray, "classes guesses"]] = {}
    for index, run in enumerate(result.runs):
        spec, labels = result.spec(index), dataset.test.labels
        if not spec.data.has_classes() or not np.isin(labels, spec.data.digits or labels).any():
            continue
        images = cut(dataset, "test", digits=spec.data.digits, limit=None)
        model = result.model(index, is_best=spec.training.keep_best)
        found = nndl_jax.confusion_matrix(model, images, spec)
        counts[run.variant] = counts.get(run.variant, 0) + found
    return counts


def _errors(result: nndl_jax.EpochResult, dataset: nndl_jax.Dataset) -> Iterator[Error]:
    """Test images that the first run's network takes for another class, the most certain first.

    It is the best one where that is kept. Documents of several variants have nobody to speak for
    them, and those without an output for each class nothing to say it with.
    """
    spec, names = result.spec(0), {run.variant for run in result.runs}
    if len(names) > 1 or not spec.data.is_one_hot():
        return
    places = np.arange(len(dataset.test.labels))
    if spec.data.digits is not None:
        places = np.flatnonzero(np.isin(dataset.test.labels, spec.data.digits))
    if not places.size:
        return
    images = cut(dataset, "test", digits=spec.data.digits, limit=None)
    model = result.model(0, is_best=spec.training.keep_best)
    for place, label, guess, certainty in zip(
        *nndl_jax.misclassified(model, images, spec), strict=True
    ):
        yield Error(int(places[place]), int(label), int(guess), float(certainty))


def _summary(row: Row) -> str:
    """The mean of the first monitor over the runs that go on, for the progress bar."""
    metric = next(name for name in row if name not in ("epoch", "batch_cost"))
    values = [value for value in row[metric] if not math.isnan(value)]
    return f"{metric.replace('_', ' ')} {sum(values) / max(1, len(values)):.4f}"


def _tell_why(name: str, key: TrainingKey) -> None:
    """Say what made this training other than the last here, and remember it for the next."""
    path = _TRAINED / f"{name}.json"
    try:
        changes = differences(TrainingKey.model_validate_json(path.read_bytes()), key)
    except (OSError, ValidationError):
        changes = []
    if changes:
        more = f" and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
        print(f"{name}: {', '.join(changes[:_MOST_CHANGES])}{more}", file=sys.stderr)
    write_text(path, key.model_dump_json() + "\n")


if __name__ == "__main__":
    run_stage(main, __doc__, takes_id=True)
