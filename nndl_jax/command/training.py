"""The command that trains networks, and goes on with it."""

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nndl_jax.command.cards import code_sum, own_file
from nndl_jax.command.chosen_data import DataOption, data_for, digest_of, precision_of
from nndl_jax.command.console import Changes, Named, Quiet, in_a_sentence, say, show
from nndl_jax.command.documents import read_changes
from nndl_jax.command.progress import Row, num_results, progress_bar, show_results
from nndl_jax.command.setup import prepare_jax
from nndl_jax.data.files import cache_folder
from nndl_jax.data.times import note_time

if TYPE_CHECKING:
    from nndl_jax.data.datasets import Dataset
    from nndl_jax.documents import Network
    from nndl_jax.documents.variants import Run
    from nndl_jax.training.train import EpochResult

SNAPSHOT = "snapshot.safetensors"
RESULTS = "results.json"

_SAVE_SHARE = 0.05
"""Saving may take this share of the time: an epoch of a small network is shorter than a save."""
_TRAINERS = ("calculations", "documents", "data", "networks", "training")
"""Rooms whose code decides what training gives: it is finished by what it was begun with."""
_SAVED_SUFFIX = ".safetensors"


@in_a_sentence
def train(
    document: Named,
    changes: Changes = None,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Runs of each variant.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first run.")] = 0,
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where results go; else trained/ID.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a network and save the weights of each run.

    All its variants are trained. After Ctrl-C the same command goes on from where it was stopped.
    """
    import nndl_jax
    from nndl_jax.documents.load import of_kind
    from nndl_jax.documents.memory import check_fits
    from nndl_jax.documents.variants import check_seeds

    spec = nndl_jax.load_spec(own_file(document), read_changes(changes))
    spec = of_kind(spec, nndl_jax.Network)
    seeds = check_seeds(range(seed, seed + runs))
    check_fits(spec)
    dataset = data_for(spec, data)
    folder = out or Path("trained") / spec.id
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, and results go into a folder; give another --out")
    identity = {
        "document": _digest(spec.model_dump_json(exclude=_SAID).encode()),
        "choice of seeds": ", ".join(map(str, seeds)),
        "data set": digest_of(dataset),
    }
    rows = _finished(folder, identity)
    if rows is not None:
        say(f"{folder} holds this training already; move it away to train again")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        if not quiet:
            _tell_of_scale(spec, dataset)
        prepare_jax(len(seeds))
        begin, is_whole = time.monotonic(), not (folder / SNAPSHOT).exists()
        with precision_of(spec):
            rows = _train(spec, dataset, seeds, folder, identity, quiet=quiet)
        if is_whole and not changes and data is None:
            with suppress(OSError, RuntimeError):  # Where there is no cache, no time is kept.
                note_time(cache_folder(), spec.id, time.monotonic() - begin)
    if not quiet:
        show_results(spec, nndl_jax.list_runs(spec, seeds), rows)
        show(f"\n{len(nndl_jax.list_runs(spec, seeds))} network(s) on {dataset.name} in {folder}")


def _tell_of_scale(spec: "Network", dataset: "Dataset") -> None:
    """Name inputs that are learnt as they are though they are large, such as pixels in a table."""
    data, inputs = spec.data, dataset.train.images
    if data.examples or data.is_of_images() or data.is_scaled() or inputs.dtype.kind != "f":
        return
    low, high = float(inputs.min(initial=0)), float(inputs.max(initial=0))
    if max(-low, high) > _LARGE:
        message = f"inputs go from {low:g} to {high:g}, and are learnt as they are"
        say(f"{dataset.name}: {message}; -S data.standardize=true scales them")


_LARGE = 20.0
"""Inputs beyond this saturate neurons with the usual first weights."""

_SAID = {"title", "source", "claims", "deviations", "errata"}
"""Parts of a document that decide nothing of its training."""


def weights_names(runs: "Sequence[Run]") -> list[str]:
    """A name for the file of each run, without what no file's name should have."""
    names: list[str] = []
    for run in runs:
        variant = "" if run.variant == "base" else f"{run.variant},"
        safe = re.sub(r"[^A-Za-z0-9_,.=+-]+", "_", variant)[:100]
        name = f"{safe.lstrip('.')}seed={run.seed}"
        names.append(f"{len(names)},{name}" if name in names else name)
    return names


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _finished(folder: Path, identity: Mapping[str, str]) -> list[Row] | None:
    """What a training that has ended here has measured; None where there is none.

    Raises:
        ValueError: the results here are of another training, or unreadable.
    """
    path = folder / RESULTS
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kept, measured = dict(found["identity"]), list(found["epochs"])
        rows: list[Row] = [
            {name: [_number(value) for value in values] for name, values in row.items()}
            for row in measured
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{path} cannot be read; move it away, or give another --out") from None
    others = [part for part in identity if kept.get(part) != identity[part]]
    if others:
        message = f"holds a training of another {' and another '.join(others)}"
        raise ValueError(f"{folder} {message}; give another --out, or move it away")
    return rows


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _train(
    spec: "Network",
    dataset: "Dataset",
    seeds: Sequence[int],
    folder: Path,
    identity: Mapping[str, str],
    *,
    quiet: bool,
) -> list[Row]:
    """Measurements of every epoch; snapshots, weights and results go to the folder."""
    import nndl_jax

    snapshot_path, here = folder / SNAPSHOT, {**identity, "code": code_sum(_TRAINERS)}
    like = nndl_jax.abstract_states(spec, seeds)
    snapshot, problems = nndl_jax.load_snapshot(
        snapshot_path, identity=here, like=like, needs_history=True
    )
    for problem in problems:
        say(problem)
    rows: list[Row] = [] if snapshot is None else list(snapshot.history)
    if rows and not quiet:
        say(f"{spec.id}: goes on after {len(rows)} of {num_results(spec)} measurements")
    save_at, num_saved = 0.0, len(rows)
    try:
        with progress_bar(spec, len(rows), quiet=quiet) as advance:
            for result in nndl_jax.train(spec, dataset, seeds=seeds, resume=snapshot):
                rows.append(_row(result))
                advance(rows[-1])
                if result.is_last:
                    _save(result, rows, folder, identity, dataset.name)
                elif time.monotonic() >= save_at:
                    start = time.monotonic()
                    current = result.snapshot()._replace(history=rows)
                    nndl_jax.save_snapshot(current, snapshot_path, identity=here)
                    num_saved = len(rows)
                    save_at = start + (time.monotonic() - start) / _SAVE_SHARE
    except KeyboardInterrupt:
        say(f"{spec.id}: stopped; the same command goes on after {num_saved} measurement(s)")
        raise typer.Exit(130) from None
    for path in (snapshot_path, snapshot_path.with_suffix(".previous")):
        path.unlink(missing_ok=True)
    return rows


def _row(result: "EpochResult") -> Row:
    epochs = [float(epoch) if epoch >= 0 else math.nan for epoch in result.epochs]
    return {"epoch": epochs} | {name: values.tolist() for name, values in result.metrics.items()}


def _save(
    result: "EpochResult",
    rows: Sequence[Row],
    folder: Path,
    identity: Mapping[str, str],
    data: str,
) -> None:
    """Write each run's network, the best too where it is kept, and then what was measured."""
    import nndl_jax
    from nndl_jax.data.files import replace_file

    names = weights_names(result.runs)
    for index, name in enumerate(names):
        spec = result.spec(index)
        nndl_jax.save(result.model(index), spec, folder / f"{name}{_SAVED_SUFFIX}")
        if spec.training.keep_best:
            best = result.model(index, is_best=True)
            nndl_jax.save(best, spec, folder / f"{name},best{_SAVED_SUFFIX}")
    epochs = [
        {
            name: [None if math.isnan(value) else value for value in values]
            for name, values in row.items()
        }
        for row in rows
    ]
    about = {
        "id": result.spec(0).id,
        "data": data,
        "identity": dict(identity),
        "runs": [
            {"variant": run.variant, "seed": run.seed, "weights": f"{name}{_SAVED_SUFFIX}"}
            for run, name in zip(result.runs, names, strict=True)
        ],
        "epochs": epochs,
    }
    replace_file(folder / RESULTS, (json.dumps(about, indent=1) + "\n").encode())
