"""A document without its line in `dvc.yaml`, or a line without its document, stops everything."""

from pathlib import Path

import pytest
from project import CROWD, MACHINE, TINY, write_params
from test_results import CALCULATION

from nndl_jax.reading.faults import SpecError
from pipeline import evaluate, resolve
from pipeline.plan.listed import update_lists
from pipeline.plan.plans import load_documents, load_plan
from pipeline.plan.resolving import all_documents, resolve_all, todays_overrides

STAGES = """\
stages:
  download:
    foreach:
      mnist: data/raw
  prepare:
    foreach:
      mnist:
        from: data/raw
        to: data/dataset.safetensors
  train:
    foreach:
      tiny: data/dataset.safetensors
    do:
      cmd: python -m pipeline.train ${key}
  baseline:
    foreach: [machine]
  calculate:
    deps: [resolved/_calculated]
    outs: [runs/_calculated]
  ensemble:
    foreach:
      crowd:
        members: tiny
        data: data/dataset.safetensors
params:
  - params.yaml
  - spec/tiny.yaml
  - spec/machine.yaml
  - spec/sums.yaml
  - spec/crowd.yaml
"""
LINE = "tiny: data/dataset.safetensors"
ADDS = "`python -m pipeline` adds the line"
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
        (
            "tiny",
            [
                "dvc.yaml:11: stages.train.foreach: {lacks} network; {adds}: "
                "mine: data/dataset.safetensors"
            ],
        ),
        (
            "machine",
            ["dvc.yaml:16: stages.baseline.foreach: {lacks} baseline; {adds}: - mine"],
        ),
        (
            "crowd",
            [
                "dvc.yaml:21: stages.ensemble.foreach: {lacks} ensemble; {adds}: "
                "mine: {{members: tiny, data: data/dataset.safetensors}}"
            ],
        ),
    ],
)
def test_a_document_that_dvc_yaml_lacks_is_named(name: str, expected: list[str]) -> None:
    fork(name)
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(f"{text}  - spec/mine.yaml\n")
    lacks = "lacks spec/mine.yaml, of kind"
    assert refused() == [line.format(lacks=lacks, adds=ADDS) for line in expected]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("machine", ["dvc.yaml:16: stages.baseline.foreach[0]"]),
        ("crowd", ["dvc.yaml:22: stages.ensemble.foreach.crowd"]),
        ("sums", []),
    ],
)
def test_a_line_in_dvc_yaml_without_a_document_is_named(name: str, lines: list[str]) -> None:
    Path(f"spec/{name}.yaml").unlink()
    message = "`python -m pipeline` takes the line out"
    place = 1 + list(DOCUMENTS).index(name)
    params = f"dvc.yaml:{26 + place}: params[{place}]: there is no spec/{name}.yaml; {message}"
    stages = [f"{line}: there is no document {name!r}; {message}" for line in lines]
    assert refused() == [*stages, params]


def test_a_document_that_is_gone_is_named_by_every_line_that_speaks_of_it() -> None:
    Path("spec/sums.yaml").unlink()
    params = Path("params.yaml").read_text().replace("documents: all", "documents: [sums]")
    Path("params.yaml").write_text(params)
    places = [line.split(": ")[0] for line in refused()]
    assert places == ["params.yaml:2", "dvc.yaml:29"]


def test_a_document_that_the_list_of_parameter_files_lacks_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("  - spec/sums.yaml\n", ""))
    message = f"lacks spec/sums.yaml, of kind calculation; {ADDS}: - spec/sums.yaml"
    assert refused() == [f"dvc.yaml:25: params: {message}"]


def test_a_parameter_file_without_a_document_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(f"{text}  - spec/gone.yaml\n")
    message = "there is no spec/gone.yaml; `python -m pipeline` takes the line out"
    assert refused() == [f"dvc.yaml:31: params[5]: {message}"]


def test_a_document_in_the_list_of_another_kind_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("[machine]", "[machine, tiny]"))
    (line,) = refused()
    assert line == (
        "dvc.yaml:16: stages.baseline.foreach[1]: tiny is of kind network, which this stage does "
        "not run; `python -m pipeline` takes the line out"
    )


def test_a_vote_of_other_members_than_the_documents_is_named() -> None:
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("members: tiny", "members: other"))
    (line,) = refused()
    assert line == (
        "dvc.yaml:22: stages.ensemble.foreach.crowd: must be {members: tiny, data: "
        "data/dataset.safetensors}, got {members: other, data: data/dataset.safetensors}; "
        "`python -m pipeline` writes it"
    )


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


def updated() -> list[str]:
    """What is said of the lists of `dvc.yaml`, which are good then."""
    message = update_lists(all_documents(), todays_overrides())
    resolve_all()
    assert update_lists(all_documents(), todays_overrides()) == []
    return message


def test_lists_that_are_good_stay_as_they_are() -> None:
    assert updated() == []
    assert Path("dvc.yaml").read_text() == STAGES


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("folder", ["spec", "experiments"])
def test_a_new_document_of_each_kind_is_listed(name: str, folder: str) -> None:
    Path(folder).mkdir(exist_ok=True)
    text = DOCUMENTS[name].replace(f"id: {name}\n", "id: mine\n")
    Path(f"{folder}/mine.yaml").write_text(text)
    stage = {"tiny": "train", "machine": "baseline", "crowd": "ensemble"}.get(name)
    lines = [] if stage is None else [f"dvc.yaml: stages.{stage}.foreach: mine is added"]
    assert updated() == [*lines, f"dvc.yaml: params: {folder}/mine.yaml is added"]


def test_comments_and_order_of_lists_stay() -> None:
    Path("dvc.yaml").write_text(STAGES.replace(LINE, f"{LINE}  # the first"))
    fork("tiny")
    updated()
    mine = LINE.replace("tiny", "mine")
    assert f"      {mine}\n      {LINE}  # the first\n    do:" in Path("dvc.yaml").read_text()
    Path("spec/mine.yaml").unlink()
    assert updated() == [
        "dvc.yaml: params: spec/mine.yaml is taken out",
        "dvc.yaml: stages.train.foreach: mine is taken out",
    ]
    assert f"    foreach:\n      {LINE}  # the first\n    do:" in Path("dvc.yaml").read_text()


def test_a_document_of_another_kind_changes_its_list() -> None:
    Path("spec/machine.yaml").write_text(TINY.replace("id: tiny", "id: machine"))
    assert updated() == [
        "dvc.yaml: stages.baseline.foreach: machine is taken out",
        "dvc.yaml: stages.train.foreach: machine is added",
    ]


def test_a_vote_of_other_members_is_listed_with_them() -> None:
    fork("tiny")
    Path("spec/crowd.yaml").write_text(CROWD.replace("members: tiny", "members: mine"))
    entry = "{members: mine, data: data/dataset.safetensors}"
    assert f"dvc.yaml: stages.ensemble.foreach: crowd is of {entry}" in updated()


def test_what_cannot_be_read_stays_listed() -> None:
    Path("spec/tiny.yaml").write_text("kind: network\n")
    assert update_lists(all_documents(), {}) == []
    assert Path("dvc.yaml").read_text() == STAGES


def test_the_line_of_a_vote_of_members_that_there_are_not_stays() -> None:
    Path("spec/crowd.yaml").write_text(CROWD.replace("members: tiny", "members: tyni"))
    assert update_lists(all_documents(), {}) == []
    (line,) = refused()
    assert line.startswith("spec/crowd.yaml:5: members: there is no document 'tyni'")


def own(text: str = TINY) -> str:
    """A document without a place in the book."""
    lines = text.replace("id: tiny", "id: mine").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("source:"))


def test_a_document_of_ones_own_needs_no_chapter() -> None:
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(own())
    updated()
    resolve.main()
    document = load_documents()["mine"]
    assert document.source is None
    assert load_plan("mine").spec == load_plan("tiny").spec.model_copy(
        update={"id": "mine", "title": "mine"}
    )


def test_two_documents_of_one_name_are_refused() -> None:
    Path("experiments").mkdir()
    Path("experiments/tiny.yaml").write_text(TINY)
    message = "experiments/tiny.yaml: id: is that of spec/tiny.yaml too; rename this one"
    assert refused() == [message]


def test_a_fault_in_a_document_of_ones_own_is_at_its_line() -> None:
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(own().replace("units: 8", "units: 0"))
    assert refused() == ["experiments/mine.yaml:7: model.layers[0].units: must be >= 1, got 0"]


def test_another_folder_than_experiments_is_named_in_the_settings() -> None:
    Path("mine").mkdir()
    Path("mine/mine.yaml").write_text(own())
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(f"{text}experiments: mine\n")
    assert updated() == [
        "dvc.yaml: stages.train.foreach: mine is added",
        "dvc.yaml: params: mine/mine.yaml is added",
    ]
    Path("params.yaml").write_text(f"{text}experiments: gone\n")
    assert refused()[0] == (
        "params.yaml:10: experiments: there is no folder 'gone'; make it, or take 'experiments'"
    )
