"""The key of a training: it changes with what is computed, and with nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import jax
import pytest
from pydantic import BaseModel

from nndl_jax.documents import DOCUMENTS, Network
from nndl_jax.documents.load import load_spec
from nndl_jax.networks import layers
from nndl_jax.reading.record import Record
from nndl_jax.training import fingerprint
from pipeline.plan import training_key as keys
from pipeline.plan.plans import Plan
from pipeline.plan.resolving import BOOK, resolve_all, without_words
from pipeline.plan.syntax import hash_syntax
from pipeline.plan.training_key import TrainingKey, differences

ROOT = Path(__file__).parents[2]
DEFAULTS = Path(__file__).parent / "defaults.json"
SMALL = {"data.train_images": 100, "training.epochs": 2}
PROGRAMS, ARGUMENTS, VARIANTS = (
    "set of programs",
    "set of arguments",
    "list of variants",
)


@pytest.fixture
def key_of(tmp_path, monkeypatch):
    """The key of a document of the book with some fields changed, worked out anew."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(keys, "_KNOWN", tmp_path)

    def work_out(
        name: str = "ch1-30-hidden", changes: Mapping[str, object] | None = None, seeds=(0,)
    ) -> TrainingKey:
        spec = without_words(load_spec(name, {**SMALL, **(changes or {})}))
        for known in tmp_path.iterdir():
            known.unlink()
        return keys.training_key(name, Plan.of(spec, seeds))

    return work_out


def changed(before: TrainingKey, after: TrainingKey) -> set[str]:
    """The parts that differ, beside the document."""
    pairs = zip(before.parts().items(), after.parts().values(), strict=True)
    return {name for (name, one), other in pairs if one != other} - {"document"}


RULE = {"rule": "no-improvement", "patience": 3}
DROPOUT, SHIFTED = "ch3-dropout", "ch6-expanded"
DOCUMENTS_CHANGED = {
    "learning rate": ("ch1-30-hidden", {"optimizer.learning_rate": 2.0}, {ARGUMENTS}),
    "momentum": ("ch1-30-hidden", {"optimizer.momentum": 0.5}, {PROGRAMS, ARGUMENTS}),
    "other momentum": ("ch3-momentum", {"vary": [{"optimizer.momentum": [0.0, 0.4]}]}, None),
    "selection limit": ("ch1-30-hidden", {"data.train_images": 90}, {PROGRAMS}),
    "digits": ("ch1-30-hidden", {"data.digits": [0, 1]}, None),
    "first weights": ("ch1-30-hidden", {"model.initializer.weights": "normal-fan-in"}, {PROGRAMS}),
    "a monitor": ("ch1-30-hidden", {"monitors": ["test_accuracy", "train_accuracy"]}, {PROGRAMS}),
    "the quantity of a monitor": ("ch1-30-hidden", {"monitors": ["test_cost"]}, set()),
    "how often is measured": ("ch1-30-hidden", {"training.evaluate_every": 2}, {PROGRAMS}),
    "a replay's seed": (
        "ch3-overfitting-replay",
        {"training.replay.seed": 5},
        {ARGUMENTS},
    ),
    "loss": ("ch1-30-hidden", {"loss": "cross-entropy"}, {PROGRAMS}),
    "batch size": ("ch1-30-hidden", {"training.batch_size": 20}, {PROGRAMS}),
    "dropout": (DROPOUT, {"vary": [{"model.layers[1].dropout": [0.0, 0.4]}]}, None),
    "dropout streams": (DROPOUT, {"training.dropout_streams": "common"}, {ARGUMENTS}),
    "dtype": ("ch1-30-hidden", {"training.dtype": "float64"}, {PROGRAMS, ARGUMENTS}),
    "precision": ("ch1-30-hidden", {"training.matmul_precision": "default"}, {PROGRAMS}),
    "stopping": (
        "ch1-30-hidden",
        {"training.early_stopping": RULE, "monitors": ["validation_accuracy"]},
        None,
    ),
    "patience": (
        "ch3-early-stopping",
        {"vary": [{"training.early_stopping.patience": [10, 20, 40]}]},
        None,
    ),
    "schedule": (
        "ch1-30-hidden",
        {"optimizer.schedule": {"rule": "exponential", "half_life": 2}},
        None,
    ),
    "augmentation": (SHIFTED, {"data.augmentation": None}, {PROGRAMS}),
    "regulariser": ("ch1-30-hidden", {"regularizer.l2": 0.1}, {PROGRAMS, ARGUMENTS}),
    "order of variants": (
        "ch1-learning-rates",
        {"vary": [{"optimizer.learning_rate": [1.0, 0.1]}]},
        None,
    ),
}


_books: dict[str, TrainingKey | None] = {}


@pytest.mark.parametrize("change", DOCUMENTS_CHANGED)
def test_a_change_of_a_document_changes_the_parts_that_it_concerns(change: str, key_of) -> None:
    name, changes, parts = DOCUMENTS_CHANGED[change]
    before = _books.setdefault(name, None) or key_of(name)
    _books[name], after = before, key_of(name, changes)
    assert before.document != after.document
    assert differences(before, after)
    if parts is None:
        assert changed(before, after) & {PROGRAMS, ARGUMENTS, VARIANTS}
    else:
        assert changed(before, after) == parts


def test_seeds_are_a_part_of_the_key_and_of_no_program(key_of) -> None:
    before, after = key_of(), key_of(seeds=(1, 2))
    assert changed(before, after) == {"list of seeds", ARGUMENTS}
    assert differences(before, after) == ["its seeds changed"]


def test_the_seeds_that_runs_are_given_are_part_of_the_key(key_of, monkeypatch) -> None:
    before = key_of(seeds=(1, 2))
    original = fingerprint.groups

    def exchanged(spec, seeds):
        return [group._replace(seeds=group.seeds[::-1]) for group in original(spec, seeds)]

    monkeypatch.setattr(fingerprint, "groups", exchanged)
    after = key_of(seeds=(1, 2))
    assert changed(before, after) == {ARGUMENTS}
    assert differences(before, after) == ["its arguments changed"]


def test_a_constant_in_a_layer_changes_the_programs(key_of, monkeypatch) -> None:
    before = key_of()
    original = layers.DenseLayer.weighted_input
    monkeypatch.setattr(
        layers.DenseLayer, "weighted_input", lambda *given, **named: 1.5 * original(*given, **named)
    )
    after = key_of()
    assert changed(before, after) == {PROGRAMS}
    assert differences(before, after) == ["its program changed"]


def test_expanding_axes_in_another_order_changes_the_key(key_of, monkeypatch) -> None:
    before = key_of("ch1-learning-rates")
    module = sys.modules["nndl_jax.documents.variants"]
    original = module.crossings
    monkeypatch.setattr(module, "crossings", lambda axes: list(original(axes))[::-1])
    after = key_of("ch1-learning-rates")
    assert before.document == after.document
    assert VARIANTS in changed(before, after)
    assert differences(before, after) == ["its variants changed"]


def test_other_names_in_python_change_nothing(key_of, monkeypatch) -> None:
    original, found = layers.DenseLayer.weighted_input, []
    for name in ("helper", "another_name"):

        def double(values):
            return 2 * values

        double.__name__ = double.__qualname__ = name
        doubled = jax.jit(double)
        monkeypatch.setattr(
            layers.DenseLayer,
            "weighted_input",
            lambda *args, f=doubled, **kw: f(original(*args, **kw)),
        )
        found.append(key_of())
    assert found[0] == found[1]


def test_the_names_of_results_are_no_part_of_a_program() -> None:
    texts = [
        f"module @jit_{name} attributes {{x = 1}} {{\n  func.func public @main(%arg0: tensor<f32>) "
        f'-> (tensor<f32> {{jax.result_info = "result[0].{field}"}}) '
        f"{{ call @{name}_1(%arg0) }}\n}}"
        for name, field in (("step", "costs"), ("other", "price"))
    ]
    one, other = map(fingerprint.canonical, texts)
    assert one == other
    assert "@0(%arg0: tensor<f32>)" in one
    assert fingerprint.canonical(texts[0].replace("x = 1", "x = 2")) != one


def test_hash_seed_and_devices_change_nothing(key_of) -> None:
    script = (
        "import json; from nndl_jax.training.fingerprint import fingerprint; "
        "from nndl_jax.documents.load import load_spec; "
        f"print(json.dumps(fingerprint(load_spec('ch1-30-hidden', {SMALL!r}), [0])))"
    )
    settings = {"PYTHONHASHSEED": "12", "JAX_NUM_CPU_DEVICES": "8"}
    child = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    key = key_of()
    assert json.loads(child.stdout) == {"programs": key.programs, "arguments": key.arguments}


def test_a_known_key_is_not_worked_out_again_until_a_file_changes(key_of, monkeypatch) -> None:
    before = key_of()
    spec = without_words(load_spec("ch1-30-hidden", SMALL))
    experiment = Plan.of(spec, (0,))
    assert keys.known_key("ch1-30-hidden", experiment) == before
    with mock.patch.object(keys, "version", return_value="another"):
        assert keys.known_key("ch1-30-hidden", experiment) is None
    path = keys._KNOWN / "ch1-30-hidden.json"
    path.write_text(path.read_text()[:100])
    assert keys.known_key("ch1-30-hidden", experiment) is None


def test_a_document_that_is_left_out_has_no_key_to_work_out() -> None:
    spec = without_words(load_spec("ch1-30-hidden"))
    key = keys.known_key("ch1-30-hidden", Plan.of(spec, (0,), selected=False))
    assert key is not None
    assert not key.selected


def test_what_is_listed_as_shown_is_imported() -> None:
    listed = keys.list_code("train", ROOT)
    assert {*listed, *(path.parent for path in listed)} >= keys.SHOWN


def test_the_code_around_the_programs_is_part_of_the_key(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [str(path) for path in keys.host_code()] == [
        "nndl_jax/data/array_files.py",
        "nndl_jax/data/arrays.py",
        "nndl_jax/data/datasets.py",
        "nndl_jax/data/selection.py",
        "nndl_jax/training/checkpoint.py",
        "nndl_jax/training/cluster.py",
        "nndl_jax/training/engine.py",
        "nndl_jax/training/jax_setup.py",
        "nndl_jax/training/processes.py",
        "nndl_jax/training/resumption.py",
        "nndl_jax/training/train.py",
        "nndl_jax/training/trees.py",
        "pipeline/machine/jax_setup.py",
        "pipeline/machine/stop.py",
        "pipeline/store/dataset.py",
        "pipeline/store/runs.py",
        "pipeline/together.py",
        "pipeline/train.py",
    ]


CODE = '''"""A module."""
import os
from a import b

LIMIT: int = 3
"""A limit."""


def scale(x: float, *, by: float = 2.0) -> float:
    """Scales."""
    # Twice.
    if by < 0:
        raise ValueError(f"by must be positive, got {by}")
    return x * by + LIMIT
'''
SAME = {
    "comment": CODE.replace("# Twice.", "# Thrice."),
    "docstrings": CODE.replace("A module", "The module").replace("Scales.", "Grows."),
    "no docstring": CODE.replace('    """Scales."""\n', "").replace('"""A limit."""\n', ""),
    "words of a refusal": CODE.replace("must be positive", "is negative"),
    "imports": CODE.replace("from a import b", "from c.d import b"),
    "annotations": CODE.replace("x: float", "x: int").replace("-> float", "-> int"),
    "layout": CODE.replace("x * by + LIMIT", "(x * by\n        + LIMIT)"),
}
OTHER = {
    "constant": CODE.replace("= 3", "= 4"),
    "kind of a constant": CODE.replace("= 3", "= 3.0"),
    "default": CODE.replace("2.0", "2.5"),
    "operator": CODE.replace("x * by", "x / by"),
    "order": CODE.replace("x * by + LIMIT", "LIMIT + x * by"),
    "another refusal": CODE.replace("ValueError", "TypeError"),
    "a name": CODE.replace("LIMIT", "BOUND"),
    "a docstring's place taken": CODE.replace('"""Scales."""', "0"),
    "keyword only": CODE.replace("*, by", "by"),
}


@pytest.mark.parametrize("edit", [*SAME, *OTHER])
def test_the_hash_of_source_follows_what_it_does(edit: str, tmp_path: Path) -> None:
    before, after = tmp_path / "before.py", tmp_path / "elsewhere.py"
    before.write_text(CODE)
    after.write_text({**SAME, **OTHER}[edit])
    assert before.read_text() != after.read_text()
    assert (hash_syntax(before) == hash_syntax(after)) == (edit in SAME)


def test_documents_without_defaults_are_the_same_documents() -> None:
    _, resolved = resolve_all(ROOT / "spec", BOOK)
    assert len(resolved) > 100
    for experiment in resolved.values():
        text = json.dumps(experiment.sparse())
        assert DOCUMENTS.validate_json(text) == experiment.spec


def test_a_new_field_with_a_default_changes_no_digest() -> None:
    class Grown(Network):
        novelty: int | None = None
        """What no document has."""

    spec = without_words(load_spec("ch6-relu"))
    assert isinstance(spec, Network)
    grown = Grown.model_validate_json(spec.model_dump_json())
    before, after = (Plan.model_construct(spec=document) for document in (spec, grown))
    assert "novelty" in grown.model_dump()
    assert before.digest() == after.digest()


def test_no_default_of_a_record_has_changed() -> None:
    """Documents leave out what is a default, and so do keys and recordings: they would not show it.

    Write a new field's default into the file. One that must change asks for new recordings.
    """
    assert json.loads(DEFAULTS.read_text()) == defaults()


def defaults() -> dict[str, object]:
    found = {}
    for record in _subclasses(Record):
        if not record.__module__.startswith(("nndl_jax.documents.", "nndl_jax.calculations.")):
            continue
        for name, field in record.model_fields.items():
            if not field.is_required():
                default = field.get_default(call_default_factory=True, validated_data={})
                is_record = isinstance(default, BaseModel)
                plain = default.model_dump(mode="json") if is_record else default
                found[f"{record.__name__}.{name}"] = json.loads(json.dumps(plain, default=repr))
    return dict(sorted(found.items()))


def _subclasses(record: type[Record]) -> list[type[Record]]:
    return [kind for child in record.__subclasses__() for kind in (child, *_subclasses(child))]
