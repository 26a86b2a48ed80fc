"""Every network of Nielsen's *Neural Networks and Deep Learning*, as documents that train.

>>> import jax
>>> import nndl_jax
>>> spec = nndl_jax.load_spec("ch1-30-hidden")
>>> model = nndl_jax.build_model(spec, key=jax.random.key(0))
>>> model.layers[0].weight.shape
(30, 784)

Names are imported when they are used, so that nothing waits for what it does not need: reading
documents does not import JAX, and the commands that show what is kept import no document.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nndl_jax.data.datasets import Dataset, Split, load_dataset
    from nndl_jax.data.mnist import load_digits, load_mnist
    from nndl_jax.data.named import load_data
    from nndl_jax.documents import (
        Baseline,
        Calculation,
        Construction,
        Document,
        Ensemble,
        Network,
        Threshold,
    )
    from nndl_jax.documents.load import dump_spec, list_specs, load_network, load_spec
    from nndl_jax.documents.variants import list_runs, variants
    from nndl_jax.networks.backpropagation import backpropagate
    from nndl_jax.networks.calculated import run_calculation
    from nndl_jax.networks.constructed import build_construction, measure_construction
    from nndl_jax.networks.network import FeedforwardNetwork, build_model
    from nndl_jax.reading.faults import SpecError
    from nndl_jax.training.checkpoint import Snapshot, load, load_snapshot, save, save_snapshot
    from nndl_jax.training.devices import describe_devices
    from nndl_jax.training.evaluation import Evaluation
    from nndl_jax.training.gradients import bias_gradients
    from nndl_jax.training.loop import Step, activations, loss_fn, optimizer_of, train_step
    from nndl_jax.training.measuring import evaluate
    from nndl_jax.training.prediction import (
        Misclassified,
        confusion_matrix,
        misclassified,
        predict,
    )
    from nndl_jax.training.pretrained import list_pretrained, load_pretrained
    from nndl_jax.training.threshold import find_thresholds
    from nndl_jax.training.train import DivergenceError, EpochResult, abstract_states, train
    from nndl_jax.training.vote import Vote, vote

_LAZY = {
    "data.datasets": ("Dataset", "Split", "load_dataset"),
    "data.mnist": ("load_digits", "load_mnist"),
    "data.named": ("load_data",),
    "documents": (
        "Baseline",
        "Calculation",
        "Construction",
        "Document",
        "Ensemble",
        "Network",
        "Threshold",
    ),
    "documents.load": ("dump_spec", "list_specs", "load_network", "load_spec"),
    "documents.variants": ("list_runs", "variants"),
    "networks.backpropagation": ("backpropagate",),
    "networks.calculated": ("run_calculation",),
    "networks.constructed": ("build_construction", "measure_construction"),
    "networks.network": ("FeedforwardNetwork", "build_model"),
    "reading.faults": ("SpecError",),
    "training.checkpoint": ("Snapshot", "load", "load_snapshot", "save", "save_snapshot"),
    "training.devices": ("describe_devices",),
    "training.evaluation": ("Evaluation",),
    "training.measuring": ("evaluate",),
    "training.prediction": ("Misclassified", "confusion_matrix", "misclassified", "predict"),
    "training.gradients": ("bias_gradients",),
    "training.loop": ("Step", "activations", "loss_fn", "optimizer_of", "train_step"),
    "training.pretrained": ("list_pretrained", "load_pretrained"),
    "training.threshold": ("find_thresholds",),
    "training.train": ("DivergenceError", "EpochResult", "abstract_states", "train"),
    "training.vote": ("Vote", "vote"),
}
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "Baseline",
    "Calculation",
    "Construction",
    "Dataset",
    "DivergenceError",
    "Document",
    "Ensemble",
    "EpochResult",
    "Evaluation",
    "FeedforwardNetwork",
    "Misclassified",
    "Network",
    "Snapshot",
    "SpecError",
    "Split",
    "Step",
    "Threshold",
    "Vote",
    "abstract_states",
    "activations",
    "backpropagate",
    "bias_gradients",
    "build_construction",
    "build_model",
    "confusion_matrix",
    "describe_devices",
    "dump_spec",
    "evaluate",
    "find_thresholds",
    "list_pretrained",
    "list_runs",
    "list_specs",
    "load",
    "load_data",
    "load_dataset",
    "load_digits",
    "load_mnist",
    "load_network",
    "load_pretrained",
    "load_snapshot",
    "load_spec",
    "loss_fn",
    "measure_construction",
    "misclassified",
    "optimizer_of",
    "predict",
    "run_calculation",
    "save",
    "save_snapshot",
    "train",
    "train_step",
    "variants",
    "vote",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'nndl_jax' has no attribute {name!r}")
    value = getattr(import_module(f"nndl_jax.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
