"""Changed documents that are taken are also run: what comes out is finite, or refused in words."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

import jax
import numpy as np
import pytest
from flax import nnx

from attack.mutants import IDS, content_of, dump, mutate_values
from attack.test_params import PROFILE
from attack.verdict import REFUSED, RIGHT, FindingError, attempt
from nndl_jax import (
    build_construction,
    evaluate,
    load,
    measure_construction,
    run_calculation,
    save,
    train,
)
from nndl_jax.data.datasets import Dataset
from nndl_jax.documents import (
    Baseline,
    Calculation,
    Construction,
    Document,
    Ensemble,
    Network,
    Threshold,
)
from nndl_jax.documents.load import parse_spec
from nndl_jax.documents.variants import variants
from nndl_jax.reading.faults import SpecError
from nndl_jax.training.baselines import run_baseline
from nndl_jax.training.train import DivergenceError
from pipeline.plan.limits import apply_settings
from pipeline.plan.settings import Profile, Profiles, Settings

MUTANT = Path("mutant.yaml")
LIMITS = Profile.model_validate({**PROFILE, "max_epochs": 1, "max_train_images": 100})
SETTINGS = Settings(
    profile="smoke",
    documents="all",
    runs=1,
    seed=0,
    overrides={},
    profiles=Profiles(smoke=LIMITS, quick=LIMITS, book=LIMITS),
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* images are asked for")  # The data set is a small one.
def test_changed_documents_that_are_taken_run_for_an_epoch(attack, small_dataset, tmp_path):
    def try_one(rng):
        spec = accepted(rng)
        is_float32 = isinstance(spec, Network) and spec.training.dtype == "float32"
        # Numbers that are not finite are what is looked for, not warned of.
        with np.errstate(all="ignore"), jax.enable_x64(not is_float32):
            is_run, _ = attempt(
                lambda: run(spec, small_dataset, tmp_path), ValueError, DivergenceError, where=""
            )
        return RIGHT if is_run else REFUSED

    # A network takes the time that it asks for: a mutant may have thousands of filters.
    attack("accepted mutants, run", try_one, max_seconds=math.inf)


def accepted(rng: random.Random) -> Document:
    """A variant of a changed document that is taken, limited to an epoch of few images."""
    while True:
        told = ("title", "source", "claims", "deviations")
        content = {k: v for k, v in content_of(rng.choice(IDS)).items() if k not in told[2:]}
        kept = {name: content.pop(name) for name in told[:2] if name in content}
        text = mutate_values(content, rng)
        if text.startswith("{}"):
            continue
        try:
            spec = parse_spec(text + dump(kept), MUTANT)
        except SpecError:
            continue
        if spec.reference() is None:
            return rng.choice(variants(apply_settings(spec, SETTINGS))).spec


def run(spec: Document, dataset: Dataset, folder: Path) -> bool:
    match spec:
        case Network():
            check_network(spec, dataset, folder)
        case Construction():
            check_numbers(measure_construction(spec))
            check_finite(bits(build_construction(spec)))
        case Calculation():
            check_numbers(run_calculation(spec, seed=0))
        case Baseline():
            check_numbers(run_baseline(spec, dataset, seed=0))
        case Ensemble() | Threshold():
            pass  # Networks of another document are needed.
        case _:
            assert_never(spec)
    return True


def check_network(spec: Network, dataset: Dataset, folder: Path) -> None:
    *_, result = train(spec, dataset)
    model, own = result.model(0), result.spec(0)
    measured = {name: float(values[0]) for name, values in result.metrics.items()}
    if not spec.training.allow_divergence:
        check_numbers(measured)
        check_finite(bits(model))
    for name, value in measured.items():
        if name.endswith("accuracy") and not 0 <= value <= 1:
            raise FindingError(f"{name} is {value}")
    save(model, own, folder / "model.safetensors")
    again, _ = load(folder / "model.safetensors")
    for first, second in zip(bits(model), bits(again), strict=True):
        np.testing.assert_array_equal(first, second)
    if "test_cost" in measured and spec.data == type(spec.data)():
        found = float(evaluate(again, dataset.test, own).cost)
        np.testing.assert_allclose(found, measured["test_cost"], rtol=1e-4)


def bits(model: nnx.Module) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


def check_finite(arrays: list[np.ndarray]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise FindingError("weights are not finite")


def check_numbers(measured: Mapping[str, float]) -> None:
    wrong = {name: value for name, value in measured.items() if not math.isfinite(value)}
    if wrong or not measured:
        raise FindingError(f"not finite: {wrong}")
