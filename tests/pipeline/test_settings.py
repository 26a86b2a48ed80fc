"""What `params.yaml` makes of the documents: limits, overrides, runs, and the files written."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from nndl_jax.documents import Document, memory
from nndl_jax.documents.load import list_specs, load_spec, override
from nndl_jax.documents.variants import variants
from nndl_jax.reading.faults import SpecError
from pipeline import resolve
from pipeline.plan.plans import Plan, load_plan
from pipeline.plan.resolving import resolve_all
from pipeline.plan.settings import check_names, load_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("ch1-30-hidden", "ch1-learning-rates", "ch1-random-guess", "ch1-svm")
UNLIMITED = {
    "runs": 5,
    "max_runs": None,
    "max_epochs": None,
    "max_train_images": None,
    "max_fit_images": None,
}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """The working folder: two networks and two baselines, on a machine of 16 GiB."""
    (tmp_path / "spec").mkdir()
    for name in DOCUMENTS:
        shutil.copy(ROOT / "spec" / f"{name}.yaml", tmp_path / "spec")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "_physical_memory", lambda: 16 * 2**30)
    return tmp_path


def _write_settings(limits: Mapping[str, int] | None = None, **settings: object) -> None:
    """Settings that change nothing but what is given; JSON is YAML."""
    profiles = {"smoke": UNLIMITED | (limits or {}), "quick": UNLIMITED, "book": UNLIMITED}
    plain = {"profile": "smoke", "documents": "all", "runs": None, "seed": 0, "overrides": {}}
    content = json.dumps({**plain, "profiles": profiles, **settings}, indent=1)
    Path("params.yaml").write_text(content)


def _resolve(limits: Mapping[str, int] | None = None, **settings: object) -> Mapping[str, Plan]:
    _write_settings(limits, **settings)
    return resolve_all()[1]


def _network(limits: Mapping[str, int] | None = None, **settings: object) -> Document:
    return _resolve(limits, **settings)["ch1-30-hidden"].spec


def _written() -> Mapping[str, bytes]:
    """What the stage writes, by document."""
    resolve.main()
    return {path.stem: path.read_bytes() for path in Path("resolved").glob("[!_]*")}


def _edit(name: str, old: str, new: str) -> None:
    path = Path("spec") / f"{name}.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_settings_of_the_repository_are_good():
    check_names(*load_settings(ROOT / "params.yaml"), list_specs(ROOT / "spec"))


def test_without_limits_documents_are_run_as_they_are():
    for name, resolved in _resolve().items():
        told = {"title": name, "claims": (), "deviations": (), "source": resolved.spec.source}
        assert resolved.spec == load_spec(name).model_copy(update=told)


@pytest.mark.parametrize(("most", "expected"), [(2, 2), (30, 30), (100, 30)])
def test_profile_limits_epochs(most, expected):
    assert _network({"max_epochs": most}).training.epochs == expected


@pytest.mark.parametrize(("own", "expected"), [(None, 1000), (500, 500), (5000, 1000)])
def test_profile_limits_training_images(own, expected):
    overrides = {"ch1-30-hidden": {"data.train_images": own}}
    assert _network({"max_train_images": 1000}, overrides=overrides).data.train_images == expected


@pytest.mark.parametrize(
    ("most", "expected"),
    [(2000, (100, 200, 500, 1000, 2000)), (150, (100,)), (1, (100,))],
)
def test_profile_leaves_out_fits_on_more_images_except_the_first(most, expected):
    spec = _resolve({"max_fit_images": most})["ch1-svm"].spec
    assert spec.vary == ({"data.train_images": expected},)


def test_limits_of_networks_leave_baselines_alone_and_the_other_way_round():
    free, limited = _resolve(), _resolve({"max_epochs": 1, "max_train_images": 50})
    assert limited["ch1-svm"] == free["ch1-svm"]
    limited = _resolve({"max_fit_images": 1})
    assert limited["ch1-30-hidden"] == free["ch1-30-hidden"]


def test_profile_leaves_out_variants_with_too_many_images():
    overrides = {"ch1-30-hidden": {"vary": [{"data.train_images": [2, 500, 5000]}]}}
    spec = _network({"max_train_images": 1000}, overrides=overrides)
    assert [variant.values["data.train_images"] for variant in variants(spec)] == [2, 500]


def test_profile_shortens_variants_and_runs_equal_ones_once():
    overrides = {"ch1-30-hidden": {"vary": [{"training.epochs": [2, 500, 5000, 6000]}]}}
    spec = _network({"max_epochs": 1000}, overrides=overrides)
    assert [variant.values["training.epochs"] for variant in variants(spec)] == [2, 500, 1000]


def test_profile_shortens_each_size_of_a_study():
    axis = {"data.train_images": [100, 500, 5000], "training.epochs": [1500, 300, 30]}
    limits = {"max_epochs": 200, "max_train_images": 1000}
    spec = _network(limits, overrides={"ch1-30-hidden": {"vary": [axis]}})
    epochs = {p.values["data.train_images"]: p.values["training.epochs"] for p in variants(spec)}
    assert epochs == {100: 200, 500: 200}


@pytest.mark.parametrize(
    ("name", "seed"),
    [("ch3-overfitting-replay", 12345678), ("ch3-neuron", 0), ("ch1-average-darkness", 0)],
)
def test_what_is_not_random_is_run_once(project, name, seed):
    shutil.copy(ROOT / "spec" / f"{name}.yaml", project / "spec")
    assert _resolve(runs=7)[name].seeds == (seed,)


def test_nested_and_dotted_overrides_are_the_same():
    dotted = {"optimizer.learning_rate": 0.5, "optimizer.momentum": 0.1}
    nested = {"optimizer": {"learning_rate": 0.5, "momentum": 0.1}}
    expected = override(_network(), dotted)
    assert _network(overrides={"ch1-30-hidden": dotted}) == expected
    assert _network(overrides={"ch1-30-hidden": nested}) == expected


def test_override_changes_no_other_document():
    free = _resolve()
    changed = _resolve(overrides={"ch1-30-hidden": {"optimizer.learning_rate": 0.5}})
    assert {name for name in free if changed[name] != free[name]} == {"ch1-30-hidden"}


def test_limits_hold_for_overrides_as_well():
    overrides = {"ch1-30-hidden": {"training.epochs": 300}}
    assert _network({"max_epochs": 2}, overrides=overrides).training.epochs == 2


@pytest.mark.parametrize(
    ("limits", "settings", "expected"),
    [
        ({}, {}, 5),
        ({}, {"runs": 3}, 3),
        # Four learning rates.
        ({"max_runs": 12}, {}, 3),
        ({"max_runs": 15}, {}, 3),
        ({"max_runs": 100}, {}, 5),
        # Two at least, for a spread.
        ({"max_runs": 4}, {}, 2),
        ({"max_runs": 4, "runs": 1}, {}, 1),
        # What is asked for in so many words is done.
        ({"max_runs": 4}, {"runs": 7}, 7),
    ],
)
def test_number_of_runs_of_each_variant(limits, settings, expected):
    assert len(_resolve(limits, **settings)["ch1-learning-rates"].seeds) == expected


def test_runs_take_successive_seeds():
    assert _resolve(runs=3, seed=17)["ch1-30-hidden"].seeds == (17, 18, 19)


def test_baseline_is_run_once_unless_it_guesses():
    resolved = _resolve(runs=3)
    assert (len(resolved["ch1-svm"].seeds), len(resolved["ch1-random-guess"].seeds)) == (1, 3)


def test_documents_that_are_not_named_are_not_selected():
    resolved = _resolve(documents=["ch1-svm", "ch1-random-guess"])
    selected = {name for name, plan in resolved.items() if plan.selected}
    assert selected == {"ch1-svm", "ch1-random-guess"}
    assert set(resolved) == set(DOCUMENTS)


def test_runs_that_exceed_the_memory_are_refused_where_they_are_asked_for():
    # 3 x 4 bytes for each of 3.2 million parameters: 37 MiB for one run, 36 GiB for a thousand.
    _edit("ch1-30-hidden", "units: 30,", "units: 4000,")
    with pytest.raises(SpecError, match="GiB") as caught:
        _resolve(runs=1000)
    (fault,) = caught.value.faults
    assert (fault.where, fault.line, fault.field) == ("params.yaml", 4, "runs")


def test_what_is_written_is_what_is_read():
    resolved = _resolve(runs=2)
    resolve.main()
    assert {name: load_plan(name) for name in DOCUMENTS} == resolved


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Thirty hidden neurons", "title: A few hidden neurons"),
        ("value: 0.9542", "value: 0.9541"),
        ("# The first network", "# The very first network"),
        ("\nclaims:", "\ndeviations: [None known.]\nclaims:"),
        ("section: Implementing our network", "section: Implementing a network"),
    ],
)
def test_what_is_said_of_a_document_changes_no_file(old, new):
    _write_settings()
    before = _written()
    _edit("ch1-30-hidden", old, new)
    assert _written() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("learning_rate: 3.0", "learning_rate: 2.0"),
        ("units: 30,", "units: 31,"),
        ("monitors: [test_accuracy]", "monitors: [test_accuracy, test_cost]"),
        ("batch_size: 10", "batch_size: 20"),
    ],
)
def test_what_decides_the_results_changes_its_own_file_only(old, new):
    _write_settings()
    before = _written()
    _edit("ch1-30-hidden", old, new)
    after = _written()
    assert {name for name in before if after[name] != before[name]} == {"ch1-30-hidden"}


def test_a_value_in_the_place_of_a_varied_field_that_no_variant_has_is_refused():
    # What `dvc exp run -S 'spec/ch1-learning-rates.yaml:optimizer.learning_rate=0.5'` writes.
    _edit(
        "ch1-learning-rates", "optimizer: {learning_rate: 0.001}", "optimizer: {learning_rate: 0.5}"
    )
    with pytest.raises(SpecError) as caught:
        _resolve()
    message = "is varied by vary[0], and no variant has 0.5; set vary as well"
    assert str(caught.value) == (
        f"spec/ch1-learning-rates.yaml:16: optimizer.learning_rate: {message}"
    )


def _commit() -> None:
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@localhost")
    for command in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "Documents")):
        subprocess.run(["git", *command], check=True)


def test_another_variants_value_in_the_place_of_a_varied_field_is_refused():
    # What `dvc exp run -S 'spec/ch1-learning-rates.yaml:optimizer.learning_rate=0.1'` writes.
    _commit()
    _edit(
        "ch1-learning-rates", "optimizer: {learning_rate: 0.001}", "optimizer: {learning_rate: 0.1}"
    )
    with pytest.raises(SpecError) as caught:
        _resolve()
    message = "and 0.1 in the place of 0.001 changes none of its variants; set vary as well"
    assert str(caught.value) == (
        "spec/ch1-learning-rates.yaml:16: optimizer.learning_rate: is varied by vary[0], " + message
    )


def test_a_varied_field_is_set_together_with_its_axis():
    _commit()
    name, rate = "ch1-learning-rates", "optimizer.learning_rate"
    _edit(name, "optimizer: {learning_rate: 0.001}", "optimizer: {learning_rate: 0.1}")
    text = Path(f"spec/{name}.yaml").read_text()
    (axis,) = (line for line in text.splitlines() if line.startswith(f"  - {rate}: ["))
    _edit(name, f"{axis}\n", f"  - {rate}: [0.1, 1.0]\n")
    text = Path(f"spec/{name}.yaml").read_text()
    Path(f"spec/{name}.yaml").write_text(text[: text.index("claims:")])
    assert [variant.name for variant in _resolve()[name].variants] == [
        "learning_rate=0.1",
        "learning_rate=1.0",
    ]


def test_other_edits_of_a_document_with_axes_are_taken():
    _commit()
    _edit("ch1-learning-rates", "batch_size: 10", "batch_size: 20")
    assert _resolve()["ch1-learning-rates"].variants
