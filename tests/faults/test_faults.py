"""Faulty documents and settings: each is refused with its whole message, and nothing is written.

`faults/spec` and `faults/params` hold one file for each fault, whose first lines are the message:
`# expect: <line>: <field>: <what is said>`, without the name of the file.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from nndl_jax.documents import memory
from nndl_jax.documents.load import parse_spec
from nndl_jax.reading.faults import SpecError
from pipeline import resolve
from pipeline.machine.paths import STATE

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).parent
DOCUMENTS = sorted((FAULTS / "spec").glob("*.yaml"))
SETTINGS = sorted((FAULTS / "params").glob("*.yaml"))
GOOD_SETTINGS = """\
profile: quick
documents: all
runs: null
seed: 0
overrides: {}
profiles:
  smoke: {runs: 2, max_runs: 4, max_epochs: 2, max_train_images: 1000, max_fit_images: 200}
  quick: {runs: 4, max_runs: 8, max_epochs: null, max_train_images: null, max_fit_images: 2000}
  book: {runs: 5, max_runs: null, max_epochs: null, max_train_images: null, max_fit_images: null}
"""
UNREADABLE = {
    "empty": (b"", "1: the file is empty"),
    "too-large": (b"#" * 200_001, "1: the file has 200,001 bytes; at most 200,000 are read"),
    "utf-16": (
        "kind: network\n".encode("utf-16"),
        "1: the file is not UTF-8 text; save it as UTF-8",
    ),
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The working folder: good settings, no document yet, on a machine of 16 GiB."""
    (tmp_path / "spec").mkdir()
    (tmp_path / "params.yaml").write_text(GOOD_SETTINGS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory, "_physical_memory", lambda: 16 * 2**30)
    return tmp_path


def _add_good_documents(project: Path) -> None:
    for name in ("ch1-30-hidden", "ch1-svm"):
        shutil.copy(ROOT / "spec" / f"{name}.yaml", project / "spec")


def _expected(fault: Path, place: str) -> str:
    """The message that a file announces."""
    lines = fault.read_text(encoding="utf-8", errors="replace").splitlines()
    marked = [line for line in lines if line.startswith("# expect: ")]
    return "\n".join(f"{place}:{line.removeprefix('# expect: ')}" for line in marked)


def _contents(folder: Path) -> Mapping[Path, bytes | None]:
    """Every file below a folder with its bytes, every folder with None; not what is kept aside."""
    found = [path for path in folder.rglob("*") if STATE.name not in path.parts]
    return {path: path.read_bytes() if path.is_file() else None for path in found}


def _refusal(project: Path) -> object:
    """What `resolve` ends with; fails if it changes anything."""
    before = _contents(project)
    with pytest.raises(SystemExit) as ending:
        resolve.main()
    assert _contents(project) == before
    return ending.value.code


def _run_resolve(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.resolve"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_good_documents_are_resolved(project):
    _add_good_documents(project)
    resolve.main()
    written = {path.name for path in (project / "resolved").iterdir()}
    all_together = {"_book.json", "_data", "_documents.json", "_today.json"}
    assert written == {"ch1-30-hidden.json", "ch1-svm.json"} | all_together


@pytest.mark.parametrize("fault", DOCUMENTS, ids=lambda path: path.stem)
def test_faulty_document_is_refused_with_its_message(project, fault):
    shutil.copy(fault, project / "spec")
    assert _refusal(project) == _expected(fault, f"spec/{fault.name}")


@pytest.mark.parametrize("fault", SETTINGS, ids=lambda path: path.stem)
def test_faulty_settings_are_refused_with_their_message(project, fault):
    _add_good_documents(project)
    shutil.copy(fault, project / "params.yaml")
    assert _refusal(project) == _expected(fault, "params.yaml")


@pytest.mark.parametrize("fault", UNREADABLE)
@pytest.mark.parametrize("place", ["spec/ch1-30-hidden.yaml", "params.yaml"])
def test_unreadable_file_is_refused_with_its_message(project, place, fault):
    _add_good_documents(project)
    raw, expected = UNREADABLE[fault]
    (project / place).write_bytes(raw)
    assert _refusal(project) == f"{place}:{expected}"


def test_folder_in_place_of_a_document_is_refused(project):
    (project / "spec/folder.yaml").mkdir()
    assert _refusal(project) == "spec/folder.yaml: cannot be read: Is a directory"


def test_missing_settings_are_refused(project):
    _add_good_documents(project)
    (project / "params.yaml").unlink()
    assert _refusal(project) == "params.yaml: cannot be read: No such file or directory"


def test_folder_without_documents_is_refused(project):
    assert _refusal(project) == "spec: there are no documents here; work in the repository's folder"


def test_faults_of_settings_and_all_documents_come_in_one_message(project):
    _add_good_documents(project)
    for name in ("ch1-30-hidden", "ch1-svm"):
        document = project / "spec" / f"{name}.yaml"
        document.write_text(document.read_text().replace("chapter: 1", "chapter: 0"))
    (project / "params.yaml").write_text(GOOD_SETTINGS.replace("quick\n", "slow\n"))
    assert str(_refusal(project)).split("\n") == [
        "params.yaml:1: profile: must be one of smoke, quick, book, got 'slow'",
        "spec/ch1-30-hidden.yaml:6: source.chapter: must be >= 1, got 0",
        "spec/ch1-svm.yaml:7: source.chapter: must be >= 1, got 0",
    ]


@pytest.mark.parametrize("name", ["learning-rate-nan", "python-tag", "several-faults"])
def test_refusal_ends_the_command_with_status_1_and_no_traceback(project, name):
    fault = FAULTS / "spec" / f"{name}.yaml"
    shutil.copy(fault, project / "spec")
    ending = _run_resolve(project)
    assert (ending.returncode, ending.stdout) == (1, "")
    assert ending.stderr == _expected(fault, f"spec/{fault.name}") + "\n"


def test_faulty_tag_runs_nothing(project):
    shutil.copy(FAULTS / "spec/python-tag.yaml", project / "spec")
    _run_resolve(project)
    assert not (project / "pwned").exists()


def test_resolve_imports_neither_jax_nor_what_scipy_takes_long_for(project):
    _add_good_documents(project)
    script = (
        "import sys, pipeline.resolve; pipeline.resolve.main();"
        "print(sorted({'jax', 'flax', 'optax', 'scipy.special'} & sys.modules.keys()))"
    )
    ending = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (ending.stdout, ending.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", ["ch1-30-hidden", "ch1-binary-output", "ch1-svm"])
def test_unknown_key_is_refused_in_its_line_wherever_it_stands(name):
    text = (ROOT / f"spec/{name}.yaml").read_text(encoding="utf-8")
    for mapping in _mappings(YAML(typ="safe", pure=True).compose(text)):
        mark = mapping.start_mark
        key = "{surprise: 1, " if mapping.flow_style else "surprise: 1\n" + " " * mark.column
        start = mark.index + bool(mapping.flow_style)
        with pytest.raises(SpecError, match="surprise") as caught:
            parse_spec(text[: mark.index] + key + text[start:], Path("mutant.yaml"))
        assert mark.line + 1 in [fault.line for fault in caught.value.faults]


def _mappings(node: Node) -> Iterator[MappingNode]:
    if isinstance(node, MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _mappings(item)
