"""What another machine has recorded: checked, and added to what is recorded here."""

import json
import shutil
import stat
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from project import CROWD, ROOT, TINY, tiny_project

from nndl_jax.documents.variants import list_runs
from pipeline import add_recordings, record
from pipeline.plan.resolving import BOOK, resolve_all
from pipeline.store.archive import list_sources, pack
from pipeline.store.check_recording import check_recording
from pipeline.store.recordings import FILES, read_rows
from pipeline.store.results import identity
from pipeline.store.runs import read_about, write_history

CAME = Path("came")
SHORT = TINY.replace("epochs: 300", "epochs: 3").replace(
    "[test_accuracy]", "[test_accuracy, test_cost]"
)


def measure(name: str, *, runs: int = 2, accuracy: float = 0.75) -> None:
    """Write what a recorder elsewhere has made of a document."""
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
    folder = CAME / name
    folder.parent.mkdir(exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    (Path("runs") / name).rename(folder)
    if name == "crowd":
        (folder / "errors.csv").write_text("image,label,output\n3,1,7\n")
    about = {
        "data": "mnist",
        "document": identity(name, resolved),
        "device": "1 x NVIDIA H100 80GB HBM3",
        "seconds": 12.5,
    }
    (folder / "about.json").write_text(json.dumps(about))


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
    assert contents(Path("recorded")).keys() == contents(CAME).keys()
    for name in ("tiny/history.csv", "crowd/history.csv", "crowd/errors.csv"):
        assert (Path("recorded") / name).read_bytes() == (CAME / name).read_bytes()


@pytest.mark.usefixtures("project")
def test_recordings_from_an_archive_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    bring()
    before, said = contents(Path("recorded")), capsys.readouterr()
    pack(Path("results.zip"))
    shutil.rmtree("recorded")
    shutil.rmtree(CAME)
    CAME.mkdir()
    Path("results.zip").rename(CAME / "results.zip")
    (CAME / "times.json").write_text("{}")
    assert bring() == 0
    assert capsys.readouterr() == said
    assert contents(Path("recorded")) == before


@pytest.mark.usefixtures("project")
def test_equal_recordings_give_equal_archives(tmp_path: Path) -> None:
    pack(tmp_path / "one.zip", CAME)
    shutil.copytree(CAME, "copy")
    (CAME / "notes.txt").touch()
    (CAME / ".tiny.abc.writing").mkdir()
    pack(tmp_path / "two.zip", Path("copy"))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == [
            "crowd/about.json",
            "crowd/errors.csv",
            "crowd/history.csv",
            "tiny/about.json",
            "tiny/history.csv",
        ]


@pytest.mark.usefixtures("project")
def test_more_runs_are_added_to_those_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    bring()
    measure("tiny", runs=3)
    capsys.readouterr()
    before = read_about(Path("recorded/tiny"))
    assert bring() == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == [
        "crowd: added 0 of 1 run(s); the others are recorded already",
        "tiny: added 1 of 3 run(s); the others are recorded already",
    ]
    assert len(read_rows(Path("recorded/tiny/history.csv"))) == 3
    # Nobody knows how long the one run took of the three.
    assert read_about(Path("recorded/tiny")) == {**before, "seconds": None}


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
    said = "came: crowd: was recorded of another version of the document; left out\n"
    assert capsys.readouterr().err == said
    assert [path.name for path in Path("recorded").iterdir()] == ["tiny"]


HEAD = "variant,seed,epoch,batch_cost,test_accuracy,test_cost\n"


def edit(file: str, old: str, new: str) -> Callable[[], object]:
    def apply() -> None:
        path = CAME / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return apply


ROW = "base,0,1,0.5,0.75,0.25\n"
FAULTS = {
    "other data": (
        edit("tiny/about.json", "mnist", "digits"),
        "tiny: was measured on 'digits', not on 'mnist'",
    ),
    "unknown document": (
        lambda: (CAME / "tiny").rename(CAME / "tin"),
        "tin: there is no such document; did you mean 'tiny'?",
    ),
    "no history": (
        lambda: (CAME / "tiny/history.csv").unlink(),
        "tiny: history.csv is missing",
    ),
    "no JSON": (
        lambda: (CAME / "tiny/about.json").write_text("{"),
        "tiny: about.json: is no JSON",
    ),
    "another field": (
        edit("tiny/about.json", '"data"', '"more": 1, "data"'),
        "tiny: about.json: must have data, document, device, seconds, may have program and "
        "versions, and nothing else",
    ),
    "a device that is no name": (
        edit("tiny/about.json", "NVIDIA", "<b>"),
        "tiny: about.json: device: must be a name, got '1 x <b> H100 80GB HBM3'",
    ),
    "infinite seconds": (
        edit("tiny/about.json", "12.5", "Infinity"),
        "tiny: about.json: seconds: must be a number or null, got 'inf'",
    ),
    "a column too few": (
        lambda: (CAME / "tiny/history.csv").write_text(HEAD.replace(",test_cost", "")),
        "tiny: history.csv: column 'test_cost' is missing",
    ),
    "a column too many": (
        lambda: (CAME / "tiny/history.csv").write_text(HEAD.replace("\n", ",more\n")),
        "tiny: history.csv: column 'more' is not measured by the document",
    ),
    "a column twice": (
        edit("tiny/history.csv", "test_cost", "test_accuracy"),
        "tiny: history.csv: must begin with the columns variant, seed, epoch, each column once",
    ),
    "no runs": (
        lambda: (CAME / "tiny/history.csv").write_text(HEAD),
        "tiny: history.csv: holds no runs",
    ),
    "an empty file": (
        lambda: (CAME / "tiny/history.csv").write_text(""),
        "tiny: history.csv: ends within a line",
    ),
    "cut in a number": (
        lambda: (CAME / "tiny/history.csv").write_text(HEAD + ROW[:-2]),
        "tiny: history.csv: ends within a line",
    ),
    "a short line": (
        edit("tiny/history.csv", ROW, "base,0,1,0.5,0.75\n"),
        "tiny: history.csv, line 3: must have 6 cells, got 5",
    ),
    "another variant": (
        edit("tiny/history.csv", ROW, ROW.replace("base", "bass")),
        "tiny: history.csv, line 3: variant: there is no 'bass'; did you mean 'base'?",
    ),
    "a seed that is no number": (
        edit("tiny/history.csv", ROW, ROW.replace("base,0", "base,-1")),
        "tiny: history.csv, line 3: seed: must be a whole number up to 4,294,967,295, got '-1'",
    ),
    "an epoch after the last": (
        edit("tiny/history.csv", ROW, ROW.replace(",0,1,", ",0,3,")),
        "tiny: history.csv: run base,seed=0: epoch: must be a whole number up to 2, got '3'",
    ),
    "an epoch twice": (
        edit("tiny/history.csv", ROW, ROW.replace(",0,1,", ",0,0,")),
        "tiny: history.csv: run base,seed=0: has an epoch twice",
    ),
    "an epoch left out": (
        edit("tiny/history.csv", ROW, ""),
        "tiny: history.csv: run base,seed=0: epoch 1 must come next, got 2",
    ),
    "a run that was not finished": (
        edit("tiny/history.csv", ROW.replace(",0,1,", ",0,2,"), ""),
        "tiny: history.csv: run base,seed=0: ends at epoch 1, and must go on to 2",
    ),
    "an accuracy above 1": (
        edit("tiny/history.csv", "0.75", "11.44"),
        "tiny: history.csv, line 2: test_accuracy: must be 0 to 1, got 11.44",
    ),
    "an infinite cost": (
        edit("tiny/history.csv", "0.25", "inf"),
        "tiny: history.csv, line 2: test_cost: must be a finite number, got 'inf'",
    ),
    "an empty cost": (
        edit("tiny/history.csv", "0.25", ""),
        "tiny: history.csv, line 2: test_cost: must be a finite number, got ''",
    ),
    "no number": (
        edit("tiny/history.csv", "0.25", "0x1"),
        "tiny: history.csv, line 2: test_cost: must be a number, got '0x1'",
    ),
    "not UTF-8": (
        lambda: (CAME / "tiny/history.csv").write_bytes(b"\xff\n"),
        "tiny: history.csv: is no text in UTF-8",
    ),
    "errors of a network": (
        lambda: (CAME / "tiny/errors.csv").write_text("image,label,output\n"),
        "tiny: errors.csv belongs to a vote, and this is none",
    ),
    "a vote without errors": (
        lambda: (CAME / "crowd/errors.csv").unlink(),
        "crowd: errors.csv is missing",
    ),
    "a digit of two figures": (
        edit("crowd/errors.csv", "3,1,7", "3,1,17"),
        "crowd: errors.csv, line 2: output: must be a whole number up to 9, got '17'",
    ),
    "half an error": (
        edit("crowd/history.csv", "1.0", "1.5"),
        "crowd: history.csv, line 2: num_errors: must be a whole number, got 1.5",
    ),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_recording_is_left_out_with_one_sentence(
    capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    spoil, expected = FAULTS[fault]
    spoil()
    assert bring() == 1
    assert capsys.readouterr().err == f"came: {expected}; left out\n"
    assert len(list(Path("recorded").iterdir())) == 1


@pytest.mark.usefixtures("project")
def test_a_link_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    path = CAME / "tiny/history.csv"
    path.rename("elsewhere.csv")
    path.symlink_to(Path("elsewhere.csv").absolute())
    assert bring() == 1
    said = "came/tiny/history.csv: is not a regular file; left out\n"
    assert capsys.readouterr().err == said
    assert [path.name for path in Path("recorded").iterdir()] == ["crowd"]


@pytest.mark.usefixtures("project")
def test_a_folder_without_recordings_is_told() -> None:
    shutil.rmtree(CAME)
    assert bring() == "came: there is no such folder"
    CAME.mkdir()
    wanted = "what is wanted is <id>/about.json, or .zip files with such"
    assert bring() == f"came: holds no recordings; {wanted}"


WRONG = f"is no file of a recording; those are <id>/ with {', '.join(FILES)}"
MEMBERS = {
    "absolute": ("/tiny/about.json", 0, WRONG),
    "upwards": ("../tiny/about.json", 0, WRONG),
    "other name": ("tiny/weights.bin", 0, WRONG),
    "backslash": ("..\\tiny/about.json", 0, WRONG),
    "link": ("tiny/history.csv", stat.S_IFLNK | 0o777, "is not a regular file"),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kind", MEMBERS)
def test_members_that_lead_elsewhere_are_refused(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    name, mode, said = MEMBERS[kind]
    shutil.rmtree(CAME)
    CAME.mkdir()
    with zipfile.ZipFile(CAME / "all.zip", "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, "/etc/passwd")
    assert bring() == 1
    assert capsys.readouterr().err == f"came/all.zip: {name!r} {said}; left out\n"
    assert not Path("recorded").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("kept", range(0, 1000, 200))
def test_a_damaged_archive_is_refused(capsys: pytest.CaptureFixture[str], kept: int) -> None:
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
    said = "came/all.zip: 'crowd/about.json': unpacks to more than 100 bytes; left out\n"
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.usefixtures("project")
def test_the_report_is_made_again_where_all_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    class Done:
        returncode = 0

    def run(command: list[str]) -> Done:
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
    recordings = [item for source in list_sources(ROOT) for item in source.read().items()]
    assert len(recordings) > 20
    for name, files in recordings:
        check_recording(name, files, resolved)
