"""What another machine has recorded: checked, and added to what is recorded here."""

import json
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from project import CROWD, ROOT, TINY, edit_heads, tiny_project

from nndl_jax.documents.variants import list_runs
from pipeline import add_recordings, record
from pipeline.plan.claimed import claimed_epochs
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.store.archive import list_sources, pack
from pipeline.store.check_recording import check_run
from pipeline.store.finished import Kept
from pipeline.store.recorded_run import run_files, write_run
from pipeline.store.recordings import read_runs
from pipeline.store.results import identity
from pipeline.store.runs import write_history

CAME = Path("came")
SHORT = TINY.replace("epochs: 300", "epochs: 3").replace(
    "[test_accuracy]", "[test_accuracy, test_cost]"
)


ON_H100 = {"device": "1 x NVIDIA H100 80GB HBM3", "seconds": 12.5}


def measure(name: str, *, runs: int = 2, accuracy: float = 0.75, is_earlier: bool = False) -> None:
    """Write what a recorder elsewhere has made of a document, now or in the earlier form."""
    _, resolved = resolve_all(changes=BOOK | {"runs": runs})
    own = list_runs(resolved[name].spec, resolved[name].seeds)
    if name == "tiny":
        measured = {"batch_cost": 0.5, "test_accuracy": accuracy, "test_cost": 0.25}
        num_epochs = 3
    else:
        measured = {
            "test_accuracy": accuracy,
            "num_errors": 1.0,
            "num_common_errors": 0.0,
            "mean_accuracy": 0.5,
        }
        num_epochs = 1
    rows = [
        {"epoch": [float(epoch)] * len(own)}
        | {
            metric: [value + index / 64 for index, _ in enumerate(own)]
            for metric, value in (measured.items())
        }
        for epoch in range(num_epochs)
    ]
    write_history(name, own, rows, data="mnist")
    if name == "crowd":
        (Path("runs") / name / "errors.csv").write_text("image,label,output\n3,1,7\n")
    shutil.rmtree(CAME / name, ignore_errors=True)
    document = identity(name, resolved)
    if is_earlier:
        (CAME / name).parent.mkdir(exist_ok=True)
        (Path("runs") / name).rename(CAME / name)
        about = {"data": "mnist", "document": document + 48 * "0"} | ON_H100
        (CAME / name / "about.json").write_text(json.dumps(about))
    else:
        Kept(name, CAME / name, resolved[name], document, ()).finish(ON_H100)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, to which recordings of a network and of a vote have come."""
    tiny_project(tmp_path, num_images=1)
    (tmp_path / "spec/tiny.yaml").write_text(SHORT)
    (tmp_path / "spec/crowd.yaml").write_text(CROWD)
    monkeypatch.chdir(tmp_path)
    measure("tiny")
    measure("crowd")
    return tmp_path


def bring(*arguments: str) -> object:
    """The exit status of the command, or what it ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["record", "--add", str(CAME), *arguments])
        try:
            record.main()
        except SystemExit as ending:
            return ending.code
    return 0


def contents(folder: Path) -> Mapping[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.usefixtures("project")
def test_recordings_from_a_folder_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    assert bring() == 0
    assert capsys.readouterr() == (
        "crowd: added 1 of 1 run(s)\ntiny: added 2 of 2 run(s)\nrun `make` for the report\n",
        "",
    )
    assert contents(Path("recorded")) == contents(CAME)
    assert {*contents(CAME)} == {
        "crowd/base,seed=0.csv",
        "crowd/base,seed=0.errors.csv",
        "tiny/base,seed=0.csv",
        "tiny/base,seed=1.csv",
    }


@pytest.mark.usefixtures("project")
def test_recordings_of_the_earlier_form_become_files_of_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bring()
    before, message = contents(Path("recorded")), capsys.readouterr()
    shutil.rmtree("recorded")
    for name in ("tiny", "crowd"):
        measure(name, is_earlier=True)
    assert {*contents(CAME / "tiny")} == {"about.json", "history.csv"}
    assert bring() == 0
    assert capsys.readouterr() == message
    assert contents(Path("recorded")) == before
    with zipfile.ZipFile("earlier.zip", "w") as archive:
        for path in sorted(CAME.rglob("*.*")):
            archive.write(path, path.relative_to(CAME))
    shutil.rmtree(CAME)
    CAME.mkdir()
    Path("earlier.zip").rename(CAME / "earlier.zip")
    shutil.rmtree("recorded")
    assert bring() == 0
    assert contents(Path("recorded")) == before


@pytest.mark.usefixtures("project")
def test_recordings_from_an_archive_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    bring()
    before, message = contents(Path("recorded")), capsys.readouterr()
    pack(Path("results.zip"))
    shutil.rmtree("recorded")
    shutil.rmtree(CAME)
    CAME.mkdir()
    Path("results.zip").rename(CAME / "results.zip")
    (CAME / "times.json").write_text("{}")
    assert bring() == 0
    assert capsys.readouterr() == message
    assert contents(Path("recorded")) == before


@pytest.mark.usefixtures("project")
def test_equal_recordings_give_equal_archives(tmp_path: Path) -> None:
    pack(tmp_path / "one.zip", CAME)
    shutil.copytree(CAME, "copy")
    (CAME / "notes.txt").touch()
    (CAME / "tiny/.abc.writing").touch()
    pack(tmp_path / "two.zip", Path("copy"))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == [
            "crowd/base,seed=0.csv",
            "crowd/base,seed=0.errors.csv",
            "tiny/base,seed=0.csv",
            "tiny/base,seed=1.csv",
        ]


@pytest.mark.usefixtures("project")
def test_more_runs_are_added_to_those_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    bring()
    measure("tiny", runs=3)
    capsys.readouterr()
    before = contents(Path("recorded"))
    assert bring() == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == [
        "crowd: added 0 of 1 run(s); the others are recorded already",
        "tiny: added 1 of 3 run(s); the others are recorded already",
    ]
    runs = read_runs(Path("recorded/tiny"))
    assert [run.head.seed for run in runs] == [0, 1, 2]
    # Of each its share of the time of those that were trained with it.
    assert [run.head.seconds for run in runs] == [6.25, 6.25, 4.167]
    assert before.items() <= contents(Path("recorded")).items()


@pytest.mark.usefixtures("project")
def test_nothing_changes_where_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    bring()
    before = contents(Path("recorded"))
    capsys.readouterr()
    assert bring() == 0
    assert capsys.readouterr().out == (
        "crowd: added 0 of 1 run(s); the others are recorded already\n"
        "tiny: added 0 of 2 run(s); the others are recorded already\n"
    )
    assert contents(Path("recorded")) == before


@pytest.mark.usefixtures("project")
def test_runs_that_are_there_with_other_numbers_stay(capsys: pytest.CaptureFixture[str]) -> None:
    bring()
    before = contents(Path("recorded"))
    measure("tiny", accuracy=0.5)
    capsys.readouterr()
    assert bring() == 1
    assert capsys.readouterr().err == (
        "came: tiny: 2 run(s) are recorded with other numbers, which stay; the first: "
        "base,seed=0, base,seed=1\n"
    )
    assert contents(Path("recorded")) == before


@pytest.mark.usefixtures("project")
def test_a_recording_of_a_changed_document_is_left_out_and_the_others_are_added(
    capsys: pytest.CaptureFixture[str],
) -> None:
    changed = CROWD.replace("size: 3", "size: 2")
    Path("spec/crowd.yaml").write_text(changed)
    assert bring() == 1
    message = "was recorded of another version of the document; left out\n"
    assert capsys.readouterr().err == f"came: crowd: base,seed=0.csv: {message}"
    assert [path.name for path in Path("recorded").iterdir()] == ["tiny"]


RUN = CAME / "tiny/base,seed=0.csv"


def edit(file: str, old: str, new: str) -> Callable[[], object]:
    def apply() -> None:
        path = CAME / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return apply


def of_run(old: str, new: str) -> Callable[[], object]:
    return edit("tiny/base,seed=0.csv", old, new)


HEAD = "epoch,test_accuracy,test_cost\n"
ROW = "1,0.75,0.25\n"
FIELDS = (
    "must begin with lines for variant, seed, document, data, device, may have seconds, program, "
    "versions, each once, and nothing else"
)
FAULTS = {
    "other data": (of_run("mnist", "digits"), "was measured on 'digits', not on 'mnist'"),
    "no head": (lambda: RUN.write_text(HEAD + ROW), FIELDS),
    "a field missing": (of_run("# device: 1 x NVIDIA H100 80GB HBM3\n", ""), FIELDS),
    "a field twice": (of_run("# data", "# data: mnist\n# data"), FIELDS),
    "another field": (of_run("# data", "# more: 1\n# data"), FIELDS),
    "an empty field": (of_run("# data: mnist", "# data: "), FIELDS),
    "a device that is no name": (
        of_run("NVIDIA", "<b>"),
        "device: must be a name, got '1 x <b> H100 80GB HBM3'",
    ),
    "infinite seconds": (of_run("6.25", "Infinity"), "seconds: must be a number, got 'Infinity'"),
    "a column too few": (
        lambda: cut_column("test_cost"),
        "column 'test_cost' is missing",
    ),
    "a column too many": (
        of_run("test_cost", "more"),
        "column 'more' is not measured by the document",
    ),
    "a column twice": (
        of_run("test_cost", "test_accuracy"),
        "must have a table that begins with the column epoch, each column once",
    ),
    "another column first": (
        of_run("epoch,", "time,"),
        "must have a table that begins with the column epoch, each column once",
    ),
    "no table": (
        lambda: RUN.write_text(RUN.read_text().split(HEAD)[0]),
        "must have a table that begins with the column epoch, each column once",
    ),
    "no epochs": (lambda: RUN.write_text(RUN.read_text().split(HEAD)[0] + HEAD), "holds no epochs"),
    "an empty file": (lambda: RUN.write_text(""), "ends within a line"),
    "cut in a number": (lambda: RUN.write_bytes(RUN.read_bytes()[:-2]), "ends within a line"),
    "a short line": (of_run(ROW, "1,0.75\n"), "line 9: must have 3 cells, got 2"),
    "another variant": (
        lambda: rename("base", "bass"),
        "variant: there is no 'bass'; did you mean 'base'?",
    ),
    "the name of another run": (
        of_run("# seed: 0", "# seed: 7"),
        "is of a run whose file is base,seed=7.csv",
    ),
    "a seed that is no number": (
        of_run("# seed: 0", "# seed: -1"),
        "seed: must be a whole number up to 4,294,967,295, got '-1'",
    ),
    "a seed above the largest": (
        of_run("# seed: 0", "# seed: 4294967296"),
        "seed: must be a whole number up to 4,294,967,295, got '4294967296'",
    ),
    "an epoch after the last": (
        lambda: RUN.write_text(RUN.read_text() + ROW.replace("1", "3", 1)),
        "epoch 3 is not measured by the document",
    ),
    "an epoch twice": (
        of_run(ROW, ROW + ROW),
        "line 10: epoch: must be a whole number above 1, got '1'",
    ),
    "an epoch that is no number": (
        of_run(ROW, ROW.replace("1", "one", 1)),
        "line 9: epoch: must be a whole number above 0, got 'one'",
    ),
    "an epoch left out": (of_run(ROW, ""), "epoch 1 is missing"),
    "a run that was not finished": (
        of_run(ROW.replace("1", "2", 1), ""),
        "ends at epoch 1, and must go on to 2",
    ),
    "an accuracy above 1": (
        of_run("0.75", "11.44"),
        "epoch 0: test_accuracy: must be 0 to 1, got 11.44",
    ),
    "an infinite cost": (
        of_run("0.25", "inf"),
        "epoch 0: test_cost: must be a finite number, got inf",
    ),
    "an empty cost": (
        of_run("0.25", ""),
        "epoch 0: test_cost: must be a finite number, got nothing",
    ),
    "no number": (of_run("0.25", "0x1"), "line 8: test_cost: must be a number, got '0x1'"),
    "a number of words": (of_run("0.25", "1_0"), "line 8: test_cost: must be a number, got '1_0'"),
    "not UTF-8": (lambda: RUN.write_bytes(b"\xff\n"), "is no text in UTF-8"),
    "errors of a network": (
        lambda: (CAME / "tiny/base,seed=0.errors.csv").write_text("image,label,output\n"),
        "base,seed=0.errors.csv belongs to a vote, and this is none",
    ),
}
VOTE_FAULTS = {
    "a vote without errors": (
        lambda: (CAME / "crowd/base,seed=0.errors.csv").unlink(),
        "base,seed=0.errors.csv is missing",
    ),
    "a digit of two figures": (
        edit("crowd/base,seed=0.errors.csv", "3,1,7", "3,1,17"),
        "errors.csv, line 2: output: must be a whole number up to 9, got '17'",
    ),
    "errors that are cut": (
        edit("crowd/base,seed=0.errors.csv", "3,1,7\n", "3,1"),
        "errors.csv: ends within a line",
    ),
    "an error of two cells": (
        edit("crowd/base,seed=0.errors.csv", "3,1,7", "3,1"),
        "errors.csv, line 2: must have 3 cells, got 2",
    ),
    "errors under other names": (
        edit("crowd/base,seed=0.errors.csv", "label", "digit"),
        "errors.csv: must have the columns image, label, output",
    ),
    "filters of no numbers": (
        lambda: (CAME / "crowd/base,seed=0.filters.csv").write_text(
            "filter,row,column,weight\n0,0,0,nan\n"
        ),
        "filters.csv, line 2: weight: must be a finite number, got 'nan'",
    ),
    "half an error": (
        edit("crowd/base,seed=0.csv", ",1,0,", ",1.5,0,"),
        "epoch 0: num_errors: must be a whole number, got 1.5",
    ),
}


def cut_column(name: str) -> None:
    """Leave the last column of a run out."""
    lines = RUN.read_text().split("\n")
    start = lines.index(HEAD.strip())
    cut = [line.rpartition(",")[0] for line in lines[start:]]
    assert lines[start].endswith(f",{name}")
    RUN.write_text("\n".join([*lines[:start], *cut]))


def rename(old: str, new: str) -> None:
    """Give a run another variant, and the name of that."""
    of_run(f"# variant: {old}", f"# variant: {new}")()
    RUN.rename(RUN.with_name(RUN.name.replace(old, new)))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_run_is_left_out_with_one_sentence_and_the_others_are_added(
    capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    spoil, expected = FAULTS[fault]
    spoil()
    assert bring() == 1
    file = "bass,seed=0.csv" if fault == "another variant" else RUN.name
    assert capsys.readouterr().err == f"came: tiny: {file}: {expected}; left out\n"
    assert {*contents(Path("recorded"))} == {
        "crowd/base,seed=0.csv",
        "crowd/base,seed=0.errors.csv",
        "tiny/base,seed=1.csv",
    }


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("fault", VOTE_FAULTS)
def test_a_faulty_vote_is_left_out_with_one_sentence(
    capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    spoil, expected = VOTE_FAULTS[fault]
    spoil()
    assert bring() == 1
    assert capsys.readouterr().err == f"came: crowd: base,seed=0.csv: {expected}; left out\n"
    assert [path.name for path in Path("recorded").iterdir()] == ["tiny"]


EARLIER_FAULTS = {
    "no history": (lambda: (CAME / "tiny/history.csv").unlink(), "history.csv is missing"),
    "no JSON": (
        lambda: (CAME / "tiny/about.json").write_text("{"),
        "about.json: holds something else",
    ),
    "no mapping": (
        lambda: (CAME / "tiny/about.json").write_text("[1]"),
        "about.json: holds something else",
    ),
    "an infinite number of seconds": (
        edit("tiny/about.json", "12.5", "Infinity"),
        "about.json: holds something else",
    ),
    "a field too many": (
        edit("tiny/about.json", '"data"', '"more": 1, "data"'),
        f"base,seed=0.csv and 1 more: {FIELDS}",
    ),
    "lines in a device": (
        edit("tiny/about.json", "NVIDIA", "\\n# more: "),
        f"base,seed=0.csv and 1 more: {FIELDS}",
    ),
    "no variant": (
        edit("tiny/history.csv", "variant", "number"),
        "history.csv: holds something else",
    ),
    "no runs": (
        lambda: (CAME / "tiny/history.csv").write_text("variant,seed,epoch\n"),
        "history.csv: holds something else",
    ),
    "cut in a number": (
        lambda: (CAME / "tiny/history.csv").write_bytes(
            (CAME / "tiny/history.csv").read_bytes()[:-2]
        ),
        "history.csv: holds something else",
    ),
    "a seed that is no number": (
        edit("tiny/history.csv", "base,0", "base,zero"),
        "history.csv: holds something else",
    ),
    "an accuracy above 1": (
        edit("tiny/history.csv", "0.75", "11.44"),
        "base,seed=0.csv: epoch 0: test_accuracy: must be 0 to 1, got 11.44",
    ),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("fault", EARLIER_FAULTS)
def test_a_faulty_recording_of_the_earlier_form_is_left_out_with_one_sentence(
    capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    measure("tiny", is_earlier=True)
    spoil, expected = EARLIER_FAULTS[fault]
    spoil()
    assert bring() == 1
    assert capsys.readouterr().err.endswith(f"came: tiny: {expected}; left out\n")
    assert not Path("recorded/tiny/base,seed=0.csv").exists()


@pytest.mark.usefixtures("project")
def test_recordings_of_an_unknown_document_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (CAME / "tiny").rename(CAME / "tin")
    assert bring() == 1
    message = "there is no such document; did you mean 'tiny'?; left out"
    assert capsys.readouterr().err == f"came: tin: {message}\n"
    assert [path.name for path in Path("recorded").iterdir()] == ["crowd"]


@pytest.mark.usefixtures("project")
def test_runs_of_another_version_make_way_for_those_of_todays_and_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bring()
    edit_heads("tiny", document="0" * 16)
    capsys.readouterr()
    assert bring() == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "tiny: added 2 of 2 run(s); 2 of another version or other data made way"
    )
    assert contents(Path("recorded")) == contents(CAME)


@pytest.mark.usefixtures("project")
def test_a_link_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    RUN.rename("elsewhere.csv")
    RUN.symlink_to(Path("elsewhere.csv").absolute())
    assert bring() == 1
    message = "came/tiny/base,seed=0.csv: is not a regular file; left out\n"
    assert capsys.readouterr().err == message
    assert [path.name for path in Path("recorded").iterdir()] == ["crowd"]


@pytest.mark.usefixtures("project")
def test_a_folder_without_recordings_is_told() -> None:
    shutil.rmtree(CAME)
    assert bring() == "came: there is no such folder"
    CAME.mkdir()
    wanted = "what is wanted is <id>/<run>.csv, or .zip files with such"
    assert bring() == f"came: holds no recordings; {wanted}"


WRONG = "is no file of a recording; those are <id>/<run>.csv"
MEMBERS = {
    "absolute": ("/tiny/about.json", 0, WRONG),
    "upwards": ("../tiny/about.json", 0, WRONG),
    "upwards from a document": ("tiny/../base,seed=0.csv", 0, WRONG),
    "other name": ("tiny/weights.bin", 0, WRONG),
    "hidden": ("tiny/.base,seed=0.csv", 0, WRONG),
    "backslash": ("..\\tiny/about.json", 0, WRONG),
    "link": ("tiny/base,seed=0.csv", stat.S_IFLNK | 0o777, "is not a regular file"),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kind", MEMBERS)
def test_members_that_lead_elsewhere_are_refused(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    name, mode, message = MEMBERS[kind]
    shutil.rmtree(CAME)
    CAME.mkdir()
    with zipfile.ZipFile(CAME / "all.zip", "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, "/etc/passwd")
    assert bring() == 1
    assert capsys.readouterr().err == f"came/all.zip: {name!r} {message}; left out\n"
    assert not Path("recorded").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kept", range(0, 1000, 200))
def test_a_damaged_archive_is_refused(capsys: pytest.CaptureFixture[str], kept: int) -> None:
    measure("tiny", runs=4)
    pack(CAME / "all.zip", CAME)
    content = (CAME / "all.zip").read_bytes()
    assert len(content) > 1000
    (CAME / "all.zip").write_bytes(content[:kept])
    assert bring() == 1
    assert capsys.readouterr().err.startswith("came/all.zip: is no whole .zip file: ")


@pytest.mark.usefixtures("project")
def test_a_file_that_unpacks_to_too_much_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.store.archive._MAX_BYTES", 100)
    pack(CAME / "all.zip", CAME)
    assert bring() == 1
    message = "came/all.zip: 'crowd/base,seed=0.csv': unpacks to more than 100 bytes; left out\n"
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.usefixtures("project")
def test_the_report_is_made_again_where_all_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    class Done:
        returncode = 0

    ask_git = subprocess.run

    def run(command: list[str], **options: object) -> Done | subprocess.CompletedProcess:
        if command[0] == "git":
            return ask_git(command, **options)
        calls.append(command[1:])
        return Done()

    monkeypatch.setattr(add_recordings.subprocess, "run", run)
    bring()
    assert calls == []
    measure("tiny", runs=4)
    for name in ("tiny", "crowd"):
        write_history(name, [], [], data="mnist")
    bring()
    assert calls == [["-m", "pipeline", "--single-item", "evaluate", "report"]]
    bring()
    assert len(calls) == 1


def test_all_recordings_of_the_repository_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, resolved = resolve_all(changes=BOOK)
    numbered = claimed_epochs()
    recordings = [item for source in list_sources(ROOT) for item in source.read().items()]
    assert len(recordings) > 20
    for name, files in recordings:
        document, epochs = identity(name, resolved), numbered.get(name, ())
        for file in run_files(files):
            run = check_run(file, files, resolved[name], document=document, numbered=epochs)
            assert write_run(run) == files[file], f"{name}/{file}: holds more than is kept"
