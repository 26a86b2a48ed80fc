"""Changed settings: each is followed as it stands, or refused before anything is written."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from attack.mutants import (
    SPEC,
    VALUES,
    content_of,
    damage,
    dump,
    is_number,
    mutate_text,
    mutate_values,
    places,
    scaled,
)
from attack.verdict import REFUSED, RIGHT, FindingError, attempt
from nndl_jax.reading.faults import SpecError
from nndl_jax.reading.validation import parse_field_path
from pipeline.machine.paths import PARAMS
from pipeline.plan.plans import Plan, load_plan, save_plan
from pipeline.plan.resolving import resolve_all

NAMES = ["ch1-30-hidden", "ch1-learning-rates", "ch1-svm", "ch3-early-stopping", "ch3-momentum"]
NAMES += ["ch4-bump", "ch2-linear", "ch6-shallow", "ch6-relu-l2"]
DOCUMENTS = Path("documents")
LIMITS = {"runs": 2, "max_epochs": 2, "max_train_images": 1000}
PROFILE = {"max_runs": 4, "max_fit_images": 200, **LIMITS}
SETTINGS = {
    "profile": "smoke",
    "documents": NAMES[:3],
    "runs": 3,
    "seed": 12345678,
    "overrides": {
        NAMES[0]: {"optimizer.learning_rate": 1.0, "model.layers[0].units": 10},
        NAMES[3]: {"monitors": ["validation_accuracy", "test_cost"], "loss": "quadratic"},
    },
    "profiles": {
        "smoke": PROFILE,
        "quick": {**PROFILE, "leave_out": NAMES[5:], "limits": {NAMES[4]: LIMITS}},
        "book": {**dict.fromkeys(PROFILE, None), "runs": 5},
    },
}
LIMITED = {("training", "epochs"), ("data", "train_images")}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder: some documents of each kind."""
    (tmp_path / DOCUMENTS).mkdir()
    for name in NAMES:
        shutil.copy(SPEC / f"{name}.yaml", tmp_path / DOCUMENTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nndl_jax.documents.memory._physical_memory", lambda: 16 * 2**30)


def test_changed_settings_are_followed_or_refused(attack):
    def try_one(rng):
        match rng.randrange(4):
            case 0:
                content = mutate_text(dump(SETTINGS), rng).encode(errors="surrogatepass")
            case 1:
                content = damage(dump(SETTINGS).encode(), rng)
            case 2:
                content = mutate_values(SETTINGS, rng, num_changes=rng.choice([1, 1, 2])).encode()
            case _:
                content = dump(override_something(rng)).encode()
        return try_settings(content)

    assert try_settings(dump(SETTINGS).encode()) == RIGHT
    attack("settings", try_one)


def try_settings(content: bytes) -> str:
    PARAMS.write_bytes(content)
    found, _ = attempt(lambda: resolve_all(DOCUMENTS), SpecError, where=PARAMS)
    if found is None:
        return REFUSED
    settings, resolved = found
    for name, experiment in resolved.items():
        check(name, experiment, settings.overrides.get(name, {}))
    return RIGHT


def override_something(rng) -> dict[str, Any]:
    """Settings that put another value in place of one of a document."""
    name = rng.choice(NAMES)
    content = content_of(name)
    parent, key = rng.choice(list(places(content)))
    value = parent[key]
    other = scaled(value, rng) if is_number(value) and rng.random() < 0.7 else rng.choice(VALUES)
    path = path_to(content, parent, key)
    return {**SETTINGS, "documents": "all", "overrides": {name: {path: other}}}


def path_to(content: Any, parent: Any, key: Any, path: str = "") -> str:
    """The field path of a place; empty where it is not there."""
    if content is parent:
        return f"{path}.{key}".removeprefix(".")
    if not isinstance(content, dict | list):
        return ""
    steps = content.items() if isinstance(content, dict) else enumerate(content)
    found = (path_to(inner, parent, key, f"{path}.{step}") for step, inner in steps)
    return next(filter(None, found), "")


def check(name: str, experiment: Plan, overrides: dict[str, Any]) -> None:
    """Hold what is run to be what the settings say."""
    save_plan(name, experiment)
    if load_plan(name) != experiment:
        raise FindingError(f"{name} is another one when it has been written")
    for path, value in overrides.items():
        at, found = parse_field_path(path), experiment.spec.model_dump(mode="json")
        if at[0] in ("vary", "title", "source", "deviations") or at in LIMITED:
            continue
        for step in at:
            found = found[step]
        if is_number(value) and isinstance(found, float):
            value = float(value)  # Whole numbers beyond 2^53 are rounded to floats.
        if value != found and not isinstance(value, dict | list):
            raise FindingError(f"{name}: {path} is {found!r} and not {value!r}")
