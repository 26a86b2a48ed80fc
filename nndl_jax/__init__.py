"""Every network of Nielsen's *Neural Networks and Deep Learning*, as documents that train.

>>> import jax
>>> import nndl_jax
>>> spec = nndl_jax.load_spec("ch1-30-hidden")
>>> model = nndl_jax.build_model(spec, key=jax.random.key(0))
>>> model.layers[0].weight.shape
(30, 784)

Reading documents does not import JAX; the names that need it are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from nndl_jax.faults import SpecError
from nndl_jax.schema import Baseline, Calculation, Construction, Document, Ensemble, Network
from nndl_jax.specs import dump_spec, list_specs, load_spec
from nndl_jax.variants import list_runs, variants

if TYPE_CHECKING:
    from nndl_jax.backpropagation import backpropagate
    from nndl_jax.calculations import run_calculation
    from nndl_jax.checkpoint import Snapshot, load, load_snapshot, save, save_snapshot
    from nndl_jax.construction import build_construction, measure_construction
    from nndl_jax.datasets import Dataset, Split, load_dataset, load_digits, load_mnist
    from nndl_jax.devices import describe_devices
    from nndl_jax.ensemble import Vote, vote
    from nndl_jax.evaluation import Evaluation, evaluate, predict
    from nndl_jax.gradients import bias_gradients
    from nndl_jax.model import FeedforwardNetwork, build_model
    from nndl_jax.training import DivergenceError, EpochResult, abstract_states, train

_LAZY = {
    "backpropagation": ("backpropagate",),
    "calculations": ("run_calculation",),
    "checkpoint": ("Snapshot", "load", "load_snapshot", "save", "save_snapshot"),
    "construction": ("build_construction", "measure_construction"),
    "datasets": ("Dataset", "Split", "load_dataset", "load_digits", "load_mnist"),
    "devices": ("describe_devices",),
    "ensemble": ("Vote", "vote"),
    "evaluation": ("Evaluation", "evaluate", "predict"),
    "gradients": ("bias_gradients",),
    "model": ("FeedforwardNetwork", "build_model"),
    "training": ("DivergenceError", "EpochResult", "abstract_states", "train"),
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
    "Network",
    "Snapshot",
    "SpecError",
    "Split",
    "Vote",
    "abstract_states",
    "backpropagate",
    "bias_gradients",
    "build_construction",
    "build_model",
    "describe_devices",
    "dump_spec",
    "evaluate",
    "list_runs",
    "list_specs",
    "load",
    "load_dataset",
    "load_digits",
    "load_mnist",
    "load_snapshot",
    "load_spec",
    "measure_construction",
    "predict",
    "run_calculation",
    "save",
    "save_snapshot",
    "train",
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
