"""`dvc.yaml` names every document, and for each stage the code that it really imports."""

import ast
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from project import ROOT, run
from ruamel.yaml import YAML

from nndl_jax.documents import ID_PATTERN, Ensemble, Threshold
from nndl_jax.documents.load import list_specs, load_network, load_spec
from pipeline import code
from pipeline.code import STAGES
from pipeline.plan.imports import PACKAGES, list_code
from pipeline.plan.needed_data import data_file, list_data

DVC = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")
# They turn texts into documents: what they let through stands in resolved/, which is a dependency.
READING = {
    "nndl_jax/reading/faults.py",
    "nndl_jax/reading/located_yaml.py",
    "nndl_jax/reading/validation.py",
    "nndl_jax/documents/memory.py",
}
NO_RESULT = {
    "nndl_jax/__init__.py",
    "nndl_jax/data/summary.py",
    "nndl_jax/reading/html.py",
    "nndl_jax/reading/schema.py",
    "pipeline/__init__.py",
    "pipeline/machine/paths.py",
    "pipeline/machine/process.py",
}
TRAINING = ("programs", "prepare", "train", "baseline", "ensemble", "threshold")


@pytest.mark.parametrize(("stage", "kind"), [("train", "network"), ("baseline", "baseline")])
def test_each_document_has_its_stage(stage: str, kind: str) -> None:
    ids = [name for name in list_specs() if load_spec(name).kind == kind]
    assert list(DVC["stages"][stage]["foreach"]) == ids, "the list in dvc.yaml must equal ls spec/"


def test_each_network_depends_on_the_data_that_it_learns() -> None:
    networks = [load_network(name) for name in DVC["stages"]["train"]["foreach"]]
    files = {spec.id: str(data_file(spec.data)) for spec in networks}
    assert DVC["stages"]["train"]["foreach"] == files
    assert DVC["stages"]["train"]["do"]["deps"] == ["programs/${key}.json", "${item}"]


def test_each_data_set_has_its_stage() -> None:
    sets = list_data(load_spec(name) for name in list_specs())
    prepared = {key: item["to"] for key, item in DVC["stages"]["prepare"]["foreach"].items()}
    assert prepared == {key: str(data_file(data)) for key, data in sets.items()}
    assert prepared["mnist"] == "data/dataset.safetensors"
    assert DVC["stages"]["download"]["foreach"]["mnist"] == "data/raw"


def test_what_is_calculated_has_one_folder_in_and_one_out() -> None:
    stage = DVC["stages"]["calculate"]
    assert stage["deps"] == ["code/calculate.txt", "resolved/_calculated"]
    assert stage["outs"] == ["runs/_calculated"]


def test_what_a_stage_wrote_last_is_there_when_it_runs_again() -> None:
    stages = [DVC["stages"][name] for name in ("resolve", "programs", "evaluate", "report")]
    outs = [out for stage in stages for out in (*stage["outs"], *stage.get("metrics", ()))]
    for out in outs:
        ((name, options),) = out.items()
        assert options["persist"], name


def test_dvc_reads_each_stage(tmp_path: Path) -> None:
    run("dvc", "init", "--no-scm", "--quiet", cwd=tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    listed = run("dvc", "stage", "list", "--name-only", cwd=tmp_path).stdout.split()
    assert {name.split("@")[0] for name in listed} == set(DVC["stages"])
    ids = [name for stage in DVC["stages"].values() for name in stage.get("foreach", ())]
    assert sorted(name.split("@")[1] for name in listed if "@" in name) == sorted(ids)


def test_each_document_is_run_by_one_stage() -> None:
    stages = (DVC["stages"][stage] for stage in ("train", "baseline", "ensemble", "threshold"))
    ids = [name for stage in stages for name in stage["foreach"]]
    kinds = ("calculation", "construction")
    ids += [name for name in list_specs() if load_spec(name).kind in kinds]
    assert sorted(ids) == list_specs()


def test_each_ensemble_has_its_stage_with_its_members() -> None:
    documents = [load_spec(name) for name in list_specs()]
    members = {spec.id: spec.members for spec in documents if isinstance(spec, Ensemble)}
    listed = DVC["stages"]["ensemble"]["foreach"]
    assert {name: item["members"] for name, item in listed.items()} == members
    deps = set(DVC["stages"]["ensemble"]["do"]["deps"])
    assert {"resolved/${key}.json", "resolved/${item.members}.json"} <= deps
    assert {"runs/${item.members}", "${item.data}"} <= deps


def test_each_search_has_its_stage_with_its_network() -> None:
    documents = [load_spec(name) for name in list_specs()]
    learners = {spec.id: spec.learner for spec in documents if isinstance(spec, Threshold)}
    listed = DVC["stages"]["threshold"]["foreach"]
    assert {name: item["learner"] for name, item in listed.items()} == learners
    deps = set(DVC["stages"]["threshold"]["do"]["deps"])
    assert {"resolved/${key}.json", "resolved/${item.learner}.json", "${item.data}"} <= deps


def test_what_was_recorded_is_judged_and_reported_anew() -> None:
    stages = DVC["stages"]
    assert [name for name in stages if "recorded" in stages[name].get("deps", ())] == [
        "programs",
        "evaluate",
        "report",
        "site",
    ]
    assert "data/dataset.safetensors" in stages["report"]["deps"]


def test_each_document_is_shown_by_params_diff() -> None:
    assert DVC["params"] == ["params.yaml", *(f"spec/{name}.yaml" for name in list_specs())]


def test_each_network_is_an_artifact() -> None:
    ids = [name for name in list_specs() if load_spec(name).kind == "network"]
    assert {name: item["path"] for name, item in DVC["artifacts"].items()} == {
        name: f"models/{name}.safetensors" for name in ids
    }
    assert DVC["stages"]["models"]["outs"] == [
        "models",
        {"pretrained": {"cache": False, "persist": True}},
    ]


def test_ids_are_harmless_in_a_shell() -> None:
    import re

    assert all(re.fullmatch(ID_PATTERN, name) for name in list_specs())


@pytest.mark.parametrize("stage", STAGES)
def test_the_list_of_a_stage_is_the_code_that_it_imports(
    stage: str, imported: Mapping[str, set[str]], monkeypatch
) -> None:
    monkeypatch.chdir(ROOT)
    left_out = NO_RESULT if stage == "resolve" else READING | NO_RESULT
    expected = imported[stage] - left_out
    if stage == "download":  # The package imports documents by itself.
        documents = ("nndl_jax/documents/", "nndl_jax/calculations/", "nndl_jax/reading/")
        known = {"nndl_jax/documents/known_data.py", "nndl_jax/reading/html.py"}
        expected = {name for name in expected if name in known or not name.startswith(documents)}
    if stage in TRAINING:  # Documents import what these stages have none of.
        expected = {name for name in expected if not name.startswith("nndl_jax/calculations/")}
    if stage == "train":  # Imported only where processes of several hosts are joined.
        expected |= {"nndl_jax/training/cluster.py"}
    assert {str(path) for path in list_code(stage)} == {*filter(_has_code, expected)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_list_of_its_code(stage: str) -> None:
    entry = DVC["stages"][stage]
    deps = entry.get("do", entry)["deps"]
    wanted = ["programs/${key}.json" if stage == "train" else f"code/{stage}.txt"]
    wanted += ["programs/_recorded.json"] if stage == "report" else []
    wanted += ["pipeline/pages"] if stage == "site" else []  # Templates, styles and scripts.
    if stage == "resolve":  # What is kept of documents that are left out is of the same code.
        kept = ("baseline", "calculate", "ensemble", "threshold", "train")
        wanted = sorted([*wanted, *(f"code/{stage}.txt" for stage in kept)])
    ours = ("code", "programs", *PACKAGES)
    assert [path for path in deps if path.startswith(ours)] == wanted
    assert f"code/{stage}.txt" in DVC["stages"]["code"]["outs"]
    assert DVC["stages"]["code"]["deps"] == list(PACKAGES)


def test_an_edit_changes_the_lists_of_the_stages_that_import_it(tmp_path, monkeypatch) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    monkeypatch.chdir(tmp_path)
    code.main()
    before = {stage: Path(f"code/{stage}.txt").read_text() for stage in STAGES}
    edited = tmp_path / "nndl_jax/calculations/bumps.py"
    reading = {"resolve", "calculate", "evaluate", "report", "site", "models"}
    for edit, stages in (("# A comment.", set()), ("EDIT = 1", reading)):
        edited.write_text(f"{edited.read_text()}{edit}\n")
        code.main()
        after = {stage: Path(f"code/{stage}.txt").read_text() for stage in STAGES}
        assert {stage for stage in STAGES if after[stage] != before[stage]} == stages
    assert before["train"].splitlines() == sorted(before["train"].splitlines(), key=_path_of)


def _has_code(name: str) -> bool:
    """Whether a file holds more than its docstring."""
    return len(ast.parse((ROOT / name).read_text()).body) > 1


def _path_of(line: str) -> str:
    return line.split("  ")[1]


def _files(dependency: str) -> list[str]:
    path = ROOT / dependency
    found = path.rglob("*.py") if path.is_dir() else [path]
    return [str(file.relative_to(ROOT)) for file in found if file.name != "__main__.py"]


def _lazy(stage: str) -> list[str]:
    """Names that a stage takes from the package, which imports them then."""
    tree = ast.parse((ROOT / f"pipeline/{stage}.py").read_text())
    names = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "nndl_jax"
    }
    return sorted(names - {"__file__"})


# Each stage in a copy of one process that has imported what is not ours.
IMPORT_ALL = """\
import ast, importlib, json, os, pathlib, sys
import flax.nnx, jax, matplotlib.pyplot, optax, pydantic, ruamel.yaml, scipy.stats, sklearn.svm

def is_ours(name):
    return name.split(".")[0] in ("nndl_jax", "pipeline")

def ours():
    names = [name for name in sys.modules if is_ours(name)]
    return {name: sys.modules[name] for name in names}

assert not ours()
for stage, lazy in json.loads(sys.argv[1]).items():
    if process := os.fork():
        assert os.waitpid(process, 0)[1] == 0, stage
        continue
    nndl_jax = importlib.import_module("nndl_jax")
    importlib.import_module(f"pipeline.{stage}")
    for name in lazy:
        getattr(nndl_jax, name)
    seen = {"nndl_jax"}
    while waiting := ours().keys() - seen:  # What functions import when they are called.
        for name in waiting:
            for node in ast.walk(ast.parse(pathlib.Path(sys.modules[name].__file__).read_text())):
                if isinstance(node, ast.ImportFrom) and node.col_offset and is_ours(node.module):
                    importlib.import_module(node.module)
        seen |= waiting
    for module in ours().values():
        print(stage, module.__file__, flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def imported() -> Mapping[str, set[str]]:
    """Our files that each stage imports, the names that the package imports lazily included."""
    names = json.dumps({stage: _lazy(stage) for stage in STAGES})
    command = (sys.executable, "-W", "ignore", "-c", IMPORT_ALL, names)
    found: dict[str, set[str]] = {stage: set() for stage in STAGES}
    for line in run(*command, cwd=ROOT).stdout.splitlines():
        stage, path = line.split(" ", 1)
        found[stage].add(str(Path(path).relative_to(ROOT)))
    return found
