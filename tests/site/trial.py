"""A page with all interactives, made in seconds.

Its documents are measured in NumPy, and its networks are solved for, not trained.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.linalg import eigsh

import nndl_jax
from nndl_jax.calculations.activations import ACTIVATIONS
from nndl_jax.calculations.analysis import SteepInterval
from nndl_jax.calculations.dense import LayerOutputs
from nndl_jax.calculations.descent import GradientDescent, SmallChange
from nndl_jax.calculations.softmax import Softmax
from nndl_jax.data.datasets import Dataset, save_dataset
from nndl_jax.documents import Calculation, Construction, Document
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.machine.paths import DATASET
from pipeline.pages.interactives import SCRIPTS, list_interactives
from pipeline.pages.weights import write_weights
from pipeline.store.recordings import as_history, read_runs
from pipeline.store.results import Results
from pipeline.store.runs import History, network_path

NumpyQuantity = GradientDescent | SmallChange | Softmax | SteepInterval
ROOT = Path(__file__).parents[2]
_RECORDED = {"ch3-overfitting", "ch3-learning-rates", "ch3-l2", "ch5-gradients", "ch6-ensemble"}
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Interactives</title><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark; }} body {{ margin: 1rem; background: Canvas; }}</style>
<link rel="stylesheet" href="interactives.css">
{scripts}
</head>
<body><main><h1>Interactives</h1>
{figures}
</main></body>
</html>
"""


class Documents(Mapping[str, Results]):
    """The book's documents with what is known of them without training, read when asked for."""

    def __init__(self, known: Mapping[str, Results]) -> None:
        self._names, self._known = list_specs(ROOT / "spec"), dict(known)

    def __getitem__(self, name: str) -> Results:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = _results(load_spec(name))
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class TrialSite(NamedTuple):
    """What the page is made of."""

    today: Documents

    def shown(self, name: str) -> Results:
        """The same."""
        return self.today[name]


def write_page(folder: Path, dataset: Dataset) -> Path:
    """Write the page and all that it loads into a folder, which must be the working one."""
    DATASET.parent.mkdir()
    save_dataset(dataset, DATASET)
    readers = ("ch1-30-hidden", "ch1-100-hidden", "ch6-conv")
    today = Documents({name: _with_weights(name, dataset, folder / "runs") for name in readers})
    site = TrialSite(today)
    write_weights(folder, today)
    shutil.copy2(SCRIPTS.parent / "interactives.css", folder)
    shutil.copytree(SCRIPTS, folder / "scripts")
    figures, scripts = [], {}
    for name, interactive in list_interactives(site).items():
        data = json.dumps(interactive.data).replace("<", "\\u003c")
        figures.append(
            f'<figure class="interactive" id="{name}" data-interactive="{name}">'
            f"<h2>{escape(interactive.title)}</h2>"
            f'<script type="application/json">{data}</script>'
            f"<figcaption>{escape(interactive.caption)}</figcaption></figure>"
        )
        scripts |= dict.fromkeys(interactive.scripts)
    tags = [f'<script defer src="scripts/{name}.js"></script>' for name in scripts]
    page = folder / "index.html"
    page.write_text(
        _PAGE.format(scripts="\n".join(tags), figures="\n".join(figures)), encoding="utf-8"
    )
    return page


def measure(document: Document) -> History | None:
    """What the metrics of a document are, in float64; None of one that is trained."""
    rows = []
    for variant in variants(document):
        match variant.spec:
            case Construction(network=network):
                values = network.measure(_in_numpy(network.layers()))
            case Calculation(quantity=quantity) if isinstance(quantity, NumpyQuantity):
                values = quantity.measure(np.random.default_rng(0))
            case _:
                return None
        rows.append(values)
    metrics = dict(zip(document.metrics(), np.transpose(rows)[..., None], strict=True))
    return History(list_runs(document, [0]), metrics, "none")


def _results(document: Document) -> Results:
    """What is shown of a document: what was recorded of it, or what NumPy measures."""
    recorded = ROOT / "recorded" / document.id
    is_shown = document.id in _RECORDED
    history = as_history(read_runs(recorded)) if is_shown else measure(document)
    return Results(document, variants(document), history, None, sorted(recorded.glob("*.csv")))


def _in_numpy(layers):
    def run(points: np.ndarray, layer: int = -1) -> LayerOutputs:
        for dense in layers[: len(layers) if layer == -1 else layer + 1]:
            weighted = points @ dense.weight.T + dense.bias
            points = ACTIVATIONS[dense.activation](weighted)
        return LayerOutputs(weighted, points)

    return run


def _with_weights(name: str, dataset: Dataset, folder: Path) -> Results:
    """A document with the weights of one run: solved for where it is fully connected."""
    document = load_spec(name)
    run, folder = list_runs(document, [0])[0], folder / name
    # Weights are not drawn, which JAX would compile a program for.
    spec = variants(document)[0].spec
    spec = spec.model_copy(update={"model": spec.model.without_initializers()})
    model = nndl_jax.build_model(spec, key=jax.random.key(0))
    shapes = [layer.weight.shape for layer in model.layers]
    arrays = _solve(dataset, shapes[0][0]) if len(shapes) == 2 else _draw(shapes)
    for layer, (weight, bias) in zip(model.layers, arrays, strict=True):
        layer.weight[...], layer.bias[...] = jnp.asarray(weight), jnp.asarray(bias)
    path = network_path(name, run, is_best=document.training.keep_best, folder=folder)
    path.parent.mkdir(parents=True)
    nndl_jax.save(model, spec, path)
    metrics = {metric: np.full((1, 1), 0.5) for metric in document.metrics()}
    history = History([run], metrics, dataset.name)
    return Results(document, variants(document), history, None, [folder / "history.csv"])


def _draw(shapes: Sequence[tuple[int, ...]]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:])) for shape in shapes]
    return [(weights.astype(np.float32), np.zeros(len(weights), np.float32)) for weights in drawn]


def _solve(dataset: Dataset, num_hidden: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases: hidden neurons are principal components, outputs a ridge regression.

    Of MNIST's test images they classify five of six rightly.
    """
    images, labels = dataset.train.images[:5000] / 256, dataset.train.labels[:5000]
    mean = images.mean(axis=0)
    covariance = (images - mean).T @ (images - mean)
    _, components = eigsh(covariance, k=num_hidden, v0=np.ones(len(mean)))
    weight = 0.5 * components.T
    bias = -weight @ mean
    hidden = ACTIVATIONS["sigmoid"](images @ weight.T + bias)
    inputs = np.column_stack([hidden, np.ones(len(hidden))])
    squares = inputs.T @ inputs + 0.01 * np.eye(num_hidden + 1)
    outputs = np.linalg.solve(squares, inputs.T @ (6 * np.eye(10)[labels] - 3)).T
    both = [(weight, bias), (outputs[:, :-1], outputs[:, -1])]
    return [(weights.astype(np.float32), own.astype(np.float32)) for weights, own in both]
