"""Commands that train networks and measure trained ones."""

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nndl_jax.command.cards import code_sum
from nndl_jax.command.console import (
    AsJson,
    Changes,
    Named,
    Quiet,
    in_a_sentence,
    say,
    show,
    show_json,
    show_table,
)
from nndl_jax.command.documents import read_changes
from nndl_jax.command.setup import prepare_jax
from nndl_jax.data.files import cache_folder
from nndl_jax.data.times import note_time

if TYPE_CHECKING:
    import numpy as np

    from nndl_jax.data.datasets import Dataset
    from nndl_jax.documents import Network
    from nndl_jax.documents.data import Data
    from nndl_jax.documents.variants import Run
    from nndl_jax.training.train import EpochResult

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help="A name (mnist, fashion-mnist, digits, iris ...), a file or folder of yours, or the "
        "book's mnist.pkl.gz; else what the document names: MNIST of data/dataset.safetensors or "
        "NNDL_MNIST_MIRROR.",
    ),
]
PREPARED = Path("data/dataset.safetensors")
SNAPSHOT = "snapshot.safetensors"
RESULTS = "results.json"

Row = Mapping[str, Sequence[float]]
"""A measurement: a value for each run by the name of the metric, NaN where there is none."""

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
    """Train a network, all its variants, and save the weights of each run.

    After Ctrl-C the same command goes on from where it was stopped.
    """
    import nndl_jax
    from nndl_jax.documents.load import of_kind
    from nndl_jax.documents.memory import check_fits
    from nndl_jax.documents.variants import check_seeds

    spec = of_kind(nndl_jax.load_spec(document, read_changes(changes)), nndl_jax.Network)
    seeds = check_seeds(range(seed, seed + runs))
    check_fits(spec)
    dataset = _no_data() if spec.data.examples else read_data(data, spec.data)
    folder = out or Path("trained") / spec.id
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
        with _precision(spec):
            rows = _train(spec, dataset, seeds, folder, identity, quiet=quiet)
        if is_whole and not changes and data is None:
            with suppress(OSError, RuntimeError):  # Where there is no cache, no time is kept.
                note_time(cache_folder(), spec.id, time.monotonic() - begin)
    if not quiet:
        _show_results(spec, nndl_jax.list_runs(spec, seeds), rows)
        show(f"\n{len(nndl_jax.list_runs(spec, seeds))} network(s) on {dataset.name} in {folder}")


def _tell_of_scale(spec: "Network", dataset: "Dataset") -> None:
    """Name inputs that are learnt as they are though they are large, such as pixels in a table."""
    data, inputs = spec.data, dataset.train.images
    if data.examples or data.is_of_images() or data.is_scaled() or inputs.dtype.kind != "f":
        return
    low, high = float(inputs.min(initial=0)), float(inputs.max(initial=0))
    if max(-low, high) > _LARGE:
        said = f"inputs go from {low:g} to {high:g}, and are learnt as they are"
        say(f"{dataset.name}: {said}; -S data.standardize=true scales them")


_LARGE = 20.0
"""Inputs beyond this saturate neurons with the usual first weights."""

_SAID = {"title", "source", "claims", "deviations", "errata"}
"""Parts of a document that decide nothing of its training."""


@in_a_sentence
def evaluate(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A file of nndl train.")],
    data: DataOption = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    as_json: AsJson = False,
) -> None:
    """Measure a trained network: accuracy, cost, and which digit it takes for which.

    Where targets are real numbers, mean squared error and R2.
    """
    from nndl_jax.data.datasets import SPLITS
    from nndl_jax.data.selection import check_sizes, cut, read_dataset, select

    if split not in SPLITS:
        raise typer.BadParameter(f"must be one of {', '.join(SPLITS)}, got {split!r}")
    prepare_jax(1)
    import jax

    import nndl_jax

    with jax.enable_x64(True):  # Its document may ask for that.
        _, spec = nndl_jax.load(weights)
    dataset = _no_data() if spec.data.examples else read_data(data, spec.data)
    with _precision(spec):
        model, _ = nndl_jax.load(weights)
        confusion: list[list[int]] = []
        if spec.data.examples:
            images = select(dataset, spec)["train"]
            found = nndl_jax.evaluate(model, images, spec)
            measured = {"cost": float(found.cost), "output": float(found.output)}
        else:
            check_sizes(dataset, spec)
            read = read_dataset(dataset, [split], spec)
            images = cut(read, split, digits=spec.data.digits, limit=None)
            found = nndl_jax.evaluate(model, images, spec)
            measured = {"cost": float(found.cost)}
            if spec.data.has_classes():
                measured |= {"accuracy": float(found.accuracy)}
                confusion = nndl_jax.confusion_matrix(model, images, spec).tolist()
            else:
                measured |= _errors(images.labels, nndl_jax.predict(model, images, spec))
    about = {"id": spec.id, "data": dataset.name, "split": split, "images": len(images.labels)}
    if as_json:
        show_json(about | measured | ({"confusion": confusion} if confusion else {}))
    elif spec.data.examples:
        said = f"cost {measured['cost']:.6g}, mean output {measured['output']:.6g}"
        show(f"{spec.id} on its examples: {said}")
    else:
        show(f"{spec.id} on {len(images.labels):,} images of {dataset.name}, {split}")
        accuracy = f"accuracy {measured['accuracy']:.4f}, " if confusion else ""
        others = [f", {name} {measured[name]:.6g}" for name in ("mse", "r2") if name in measured]
        show(f"{accuracy}cost {measured['cost']:.6g}{''.join(others)}\n")
        if confusion:
            _show_confusion(confusion, dataset.classes)


def _errors(targets: "np.ndarray", outputs: "np.ndarray") -> dict[str, float]:
    """Mean squared error, and one less its share of the targets' variance, the mean of outputs."""
    import numpy as np

    errors, variances = ((outputs - targets) ** 2).mean(axis=0), targets.var(axis=0)
    shares = errors / np.where(variances > 0, variances, np.nan)
    return {"mse": float(errors.mean()), "r2": float(1 - shares.mean())}


def _show_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str] | None) -> None:
    digits = [str(digit) for digit in range(len(confusion[0]))]
    names = [*classes, *digits[len(classes) :]] if classes else digits
    what = "class" if classes and list(classes) != digits[: len(classes)] else "digit"
    rows = [
        [name, *(f"{count:,}" if count else "." for count in counts)]
        for name, counts in zip(names, confusion, strict=False)
    ]
    show_table((what, *names), rows, right=(what, *names))
    show(f"rows: the {what} in the image; columns: the {what} that the network takes it for")


def read_data(data: str | None, named: "Data") -> "Dataset":
    """The data set that an option names, or else the document.

    Raises:
        ValueError: there is none, or it is damaged.
        FileNotFoundError: there is no such file.
        ImportError: what reads it is not installed.
    """
    from nndl_jax.data.datasets import load_dataset
    from nndl_jax.data.named import load_data, load_data_of
    from nndl_jax.documents.known_data import MNIST

    if data is None and named.name != MNIST:
        return load_data_of(named)
    if data is None and PREPARED.is_file():
        return load_dataset(PREPARED)
    data = data or os.environ.get("NNDL_MNIST_MIRROR")
    if not data:
        raise ValueError(
            "no data set is named: give --data digits, or the folder with MNIST's four files, or "
            f"a file of save_dataset; without it {PREPARED} is read if it is there"
        )
    if data.endswith((".pkl", ".pkl.gz")) and Path(data).is_file():
        from nndl_jax.data.pickled import load_books_mnist

        return load_books_mnist(Path(data))
    try:
        return load_data(data, target=named.target, is_regression=named.targets == "real")
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"--data {data}: {error}") from None


def digest_of(dataset: "Dataset") -> str:
    """A sum of all images and labels."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.validation, dataset.test):
        for array in split:
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _precision(spec: "Network") -> AbstractContextManager[object]:
    """In which JAX computes in the document's type of numbers."""
    import jax

    return jax.enable_x64(True) if spec.training.dtype == "float64" else nullcontext()


def weights_names(runs: "Sequence[Run]") -> list[str]:
    """A name for the file of each run, without what no file's name should have."""
    names: list[str] = []
    for run in runs:
        variant = "" if run.variant == "base" else f"{run.variant},"
        safe = re.sub(r"[^A-Za-z0-9_,.=+-]+", "_", variant)[:100]
        name = f"{safe.lstrip('.')}seed={run.seed}"
        names.append(f"{len(names)},{name}" if name in names else name)
    return names


def _no_data() -> "Dataset":
    """For documents with examples of their own, which read no data set."""
    import numpy as np

    from nndl_jax.data.datasets import Dataset, Split

    none = Split(np.zeros((0, 784), np.uint8), np.zeros(0, np.int32))
    return Dataset("examples", none, none, none)


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
        said = f"holds a training of another {' and another '.join(others)}"
        raise ValueError(f"{folder} {said}; give another --out, or move it away")
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
        say(f"{spec.id}: goes on after {len(rows)} of {_num_results(spec)} measurements")
    save_at, num_saved = 0.0, len(rows)
    try:
        with _progress(spec, len(rows), quiet=quiet) as advance:
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


def _num_results(spec: "Network") -> int:
    """Most measurements of any variant."""
    import nndl_jax
    from nndl_jax.documents import Network

    trainings = [
        point.spec.training for point in nndl_jax.variants(spec) if isinstance(point.spec, Network)
    ]
    return max(-(-training.epochs // training.evaluate_every) for training in trainings)


@contextmanager
def _progress(spec: "Network", done: int, *, quiet: bool) -> Iterator[Callable[[Row], None]]:
    """A bar on a terminal, which is gone at the end; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn(spec.id, markup=False), BarColumn(), MofNCompleteColumn())
    last = TextColumn("{task.fields[last]}", markup=False)
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        last,
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    metric = spec.metrics()[0]
    with bar:
        task = bar.add_task(spec.id, total=_num_results(spec), completed=done, last="")

        def advance(row: Row) -> None:
            values = [value for value in row[metric] if not math.isnan(value)]
            mean = sum(values) / max(1, len(values))
            bar.update(task, advance=1, last=f"{metric} {mean:.4f}")

        yield advance


def _show_results(spec: "Network", runs: "Sequence[Run]", rows: Sequence[Row]) -> None:
    """Mean and standard deviation over the runs of each variant, last and best."""
    import numpy as np

    from nndl_jax.documents.metrics import parse_metric
    from nndl_jax.judging.judge import best_epoch, last_epoch

    variants = list(dict.fromkeys(run.variant for run in runs))
    table = []
    for metric in spec.metrics():
        missing = [math.nan] * len(runs)
        curves = np.array([row.get(metric, missing) for row in rows], float).T
        last, best = last_epoch(curves), best_epoch(metric, curves)
        has_best = parse_metric(metric).quantity.best is not None
        for variant in variants:
            own = np.array([run.variant == variant for run in runs])
            cells = [_spread(last[own]), _spread(best[own]) if has_best else ""]
            table.append([*([variant] if len(variants) > 1 else []), metric, *cells])
    heads = [*(["variant"] if len(variants) > 1 else []), "metric", "last", "best"]
    show_table(heads, table)


def _spread(values: "np.ndarray") -> str:
    """The mean, with the standard deviation where there are several runs."""
    import numpy as np

    mean = f"{np.mean(values):.6g}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.2g}"
