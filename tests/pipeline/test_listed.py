"""A document without its line in `dvc.yaml`, or a line without its document, stops everything."""

from pathlib import Path

import pytest
from project import MACHINE, TINY, write_params
from test_results import CALCULATION

from nndl_jax.reading.faults import SpecError
from pipeline import evaluate, resolve
from pipeline.plan.resolving import resolve_all

CROWD = """\
kind: ensemble
id: crowd
title: A vote
source: {chapter: 6, section: Tests}
members: tiny
size: 3
"""
STAGES = """\
stages:
  train:
    foreach:
      - tiny
    do:
      cmd: python -m pipeline.train ${item}
  baseline:
    foreach: [machine]
  calculate:
    deps: [resolved/_calculated]
    outs: [runs/_calculated]
  ensemble:
    foreach:
      crowd: tiny
params:
  - params.yaml
  - spec/tiny.yaml
  - spec/machine.yaml
  - spec/sums.yaml
  - spec/crowd.yaml
"""
DOCUMENTS = {"tiny": TINY, "machine": MACHINE, "sums": CALCULATION, "crowd": CROWD}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A document of each kind, and their lists."""
    monkeypatch.chdir(tmp_path)
    Path("spec").mkdir()
    for name, text in DOCUMENTS.items():
        Path(f"spec/{name}.yaml").write_text(text)
    Path("dvc.yaml").write_text(STAGES)
    write_params(tmp_path)
    return tmp_path


def refused() -> list[str]:
    with pytest.raises(SpecError) as caught:
        resolve_all()
    return str(caught.value).splitlines()


def fork(name: str) -> None:
    Path("spec/mine.yaml").write_text(DOCUMENTS[name].replace(f"id: {name}\n", "id: mine\n"))


def test_lists_that_equal_the_folder_are_good() -> None:
    assert set(resolve_all()[1]) == set(DOCUMENTS)


def test_a_project_without_dvc_needs_no_lists() -> None:
    Path("dvc.yaml").unlink()
    fork("tiny")
    assert "mine" in resolve_all()[1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny", ["dvc.yaml:3: stages.train.foreach: {lacks} network; add the line: - mine"]),
        (
            "machine",
            ["dvc.yaml:8: stages.baseline.foreach: {lacks} baseline; add the line: - mine"],
        ),
        (
            "crowd",
            ["dvc.yaml:13: stages.ensemble.foreach: {lacks} ensemble; add the line: mine: tiny"],
        ),
    ],
)
def test_a_document_that_dvc_yaml_lacks_is_named(name: str, expected: list[str]) -> None:
    fork(name)
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(f"{text}  - spec/mine.yaml\n")
    lacks = "lacks spec/mine.yaml, of kind"
    assert refused() == [line.format(lacks=lacks) for line in expected]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("machine", ["dvc.yaml:8: stages.baseline.foreach[0]"]),
        ("crowd", ["dvc.yaml:14: stages.ensemble.foreach.crowd"]),
        ("sums", []),
    ],
)
def test_a_line_in_dvc_yaml_without_a_document_is_named(name: str, lines: list[str]) -> None:
    Path(f"spec/{name}.yaml").unlink()
    said = f"there is no document {name!r}; delete the line, or bring spec/{name}.yaml back"
    place = 1 + list(DOCUMENTS).index(name)
    params = f"dvc.yaml:{16 + place}: params[{place}]"
    assert refused() == [f"{line}: {said}" for line in (*lines, params)]


def test_a_document_that_is_gone_is_named_by_every_line_that_speaks_of_it() -> None:
    Path("spec/sums.yaml").unlink()
    params = Path("params.yaml").read_text().replace("documents: all", "documents: [sums]")
    Path("params.yaml").write_text(params)
    places = [line.split(": ")[0] for line in refused()]
    assert places == ["params.yaml:2", "dvc.yaml:19"]


def test_a_document_that_the_list_of_parameter_files_lacks_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("  - spec/sums.yaml\n", ""))
    said = "lacks spec/sums.yaml, of kind calculation; add the line: - spec/sums.yaml"
    assert refused() == [f"dvc.yaml:15: params: {said}"]


def test_a_parameter_file_without_a_document_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(f"{text}  - spec/gone.yaml\n")
    said = "there is no document 'gone'; delete the line, or bring spec/gone.yaml back"
    assert refused() == [f"dvc.yaml:21: params[5]: {said}"]


def test_a_document_in_the_list_of_another_kind_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("[machine]", "[machine, tiny]"))
    (line,) = refused()
    assert line == (
        "dvc.yaml:8: stages.baseline.foreach[1]: tiny is of kind network, which this stage does "
        "not run; delete it"
    )


def test_a_vote_of_other_members_than_the_documents_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("crowd: tiny", "crowd: other"))
    said = "must be the document's members, 'tiny', got 'other'"
    assert refused() == [f"dvc.yaml:14: stages.ensemble.foreach.crowd: {said}"]


@pytest.mark.parametrize("text", ["", "[]", "stages: {}", "stages: []", "stages: {train: 1}"])
def test_a_file_without_lists_lacks_all_documents(text: str) -> None:
    Path("dvc.yaml").write_text(text)
    assert all(line.startswith("dvc.yaml") for line in refused())


def test_nothing_is_touched_before_lists_are_compared() -> None:
    Path("metrics").mkdir()
    Path("metrics/tiny.json").write_text("{}")
    fork("tiny")
    with pytest.raises(SystemExit):
        resolve.main()
    with pytest.raises(OSError, match=r"run `python -m pipeline\.resolve` first"):
        evaluate.main()
    assert Path("metrics/tiny.json").exists()
