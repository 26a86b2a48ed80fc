"""What commands say of what they cannot do: one sentence on standard error, and their status."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from project import TINY, environment, write_dataset

from nndl_jax.command import app as app_module
from nndl_jax.command.app import app

REFUSED = {
    "unknown id": ("show ch1-31-hidden", "did you mean 'ch1-30-hidden'?"),
    "unknown id to compare": ("diff ch1-30-hidden ch9", "there is no such document"),
    "missing file": ("check missing.yaml", "missing.yaml: cannot be read: No such file"),
    "folder as document": ("check folder.yaml", "folder.yaml: cannot be read: Is a directory"),
    "no YAML": ("show broken.yaml", "broken.yaml:1: not valid YAML"),
    "not UTF-8": ("check bytes.yaml", "bytes.yaml:1: the file is not UTF-8 text"),
    "empty file": ("check empty.yaml", "empty.yaml:1: the file is empty"),
    "other id than the file's": (
        "check other.yaml",
        "must be the file's name, 'other', got 'tiny'",
    ),
    "picture of another kind": ("show ch6-relu --diagram a.png", "--diagram a.png: must end in"),
    "picture of a vote": ("show ch6-ensemble --diagram a.svg", "has no network that could be"),
    "picture into nowhere": ("show ch6-relu --diagram no/a.svg", "there is no such folder"),
    "name in capitals": ("new Mine --from ch1-30-hidden", "lower-case letters"),
    "name outside the folder": ("new ../mine --from ch1-30-hidden", "got '../mine'"),
    "name of the book": ("new ch1-svm --from ch1-30-hidden", "ch1-svm is a document of the book"),
    "copy of nothing": ("new mine --from nothing", "there is no such document"),
    "change without a value": ("new mine --from tiny.yaml -S training.epochs", "FIELD=VALUE"),
    "change to nothing": ("new mine --from tiny.yaml -S training.epochs=", "FIELD=VALUE"),
    "change of no field": ("new mine --from tiny.yaml -S =3", "FIELD=VALUE"),
    "unknown field": ("new mine --from tiny.yaml -S training.epoch=3", "did you mean 'epochs'"),
    "unknown layer": ("train tiny.yaml -S model.layers[7].units=3", "is not a field"),
    "bad value": ("train tiny.yaml -S training.epochs=0", "training.epochs: must be >= 1, got 0"),
    "value that is no YAML": ("train tiny.yaml -S vary=[", "-S vary:1: not valid YAML"),
    "value with an alias": ("train tiny.yaml -S vary=*a", "anchors and aliases"),
    "field set twice": ("train tiny.yaml -S loss=a -S loss=b", "-S loss: is set twice"),
    "field of the id": ("train tiny.yaml -S id=other", "id: cannot be overridden"),
    "varied field": (
        "train ch3-dropout -S model.layers[1].dropout=0.1",
        "set vary as well, [] for this value alone",
    ),
    "baseline to train": ("train ch1-svm", "ch1-svm is of kind baseline, and network is needed"),
    "construction to train": ("train ch1-nand", "is of kind construction"),
    "no data set": ("train tiny.yaml", "no data set is named: give --data digits"),
    "missing data": ("train tiny.yaml --data nowhere", "--data nowhere: there is no data set"),
    "folder without MNIST": ("train tiny.yaml --data folder.yaml", "holds neither IDX or .npy"),
    "data that are something else": (
        "train tiny.yaml --data tiny.yaml",
        "its name ends in none of",
    ),
    "seed too large": ("train tiny.yaml --seed 4294967296", "seeds must be whole numbers"),
    "batches larger than memory": (
        "train tiny.yaml --data data.safetensors -S training.batch_size=1000000 "
        "-S model.layers[0].units=1000000",
        "GiB and this machine has",
    ),
    "out in a file's place": (
        "train tiny.yaml --data data.safetensors --out tiny.yaml",
        "tiny.yaml is a file, and results go into a folder; give another --out",
    ),
    "results of something else": (
        "train tiny.yaml --data data.safetensors --out odd",
        "odd/results.json cannot be read; move it away, or give another --out",
    ),
    "column of what is no table": (
        "train ch1-30-hidden -S data.name=iris -S data.target=kind",
        "leave it out, or name the table by data.name",
    ),
    "data of the document that are not there": (
        "train tiny.yaml -S data.name=./no.csv",
        "there is no such file or folder; put it there; or name another by --data",
    ),
    "weights of no name": ("evaluate ch1-31-hidden", "did you mean 'ch1-30-hidden'?"),
    "missing weights": ("evaluate missing.safetensors", "missing.safetensors"),
    "weights that are none": ("evaluate tiny.yaml", "tiny.yaml"),
    "data as weights": ("evaluate data.safetensors", "holds no document"),
    "no report": ("results", "report/judgements.json is written by the pipeline"),
    "no page": ("serve", "report/site/index.html is written by the pipeline"),
    "no pipeline": ("run", "there is no dvc.yaml here"),
    "no pipeline for its words": ("run --force report", "there is no dvc.yaml here"),
}
MISUSED = {
    "chapter seven": "ls --chapter 7",
    "chapter zero": "ls --chapter 0",
    "chapter in words": "ls --chapter three",
    "unknown command": "shwo ch1-30-hidden",
    "unknown option": "ls --chpater 3",
    "nothing to show": "show",
    "JSON and LaTeX at once": "show ch6-relu --json --latex",
    "nothing to check": "check",
    "one document to compare": "diff ch1-30-hidden",
    "nothing to copy": "new mine",
    "no runs": "train tiny.yaml --runs 0",
    "too many runs": "train tiny.yaml --runs 1000000000",
    "port too high": "serve --port 65536",
    "negative seed": "train tiny.yaml --seed -1",
    "unknown split": "evaluate tiny.yaml --split testing",
    "one document too many": "show ch1-30-hidden ch6-relu",
}


@pytest.fixture
def folder(nndl, tmp_path: Path) -> None:
    """A working folder with files that are not what they should be."""
    Path("tiny.yaml").write_text(TINY)
    Path("other.yaml").write_text(TINY)
    Path("broken.yaml").write_text("kind: [")
    Path("bytes.yaml").write_bytes(b"\xff\xfe")
    Path("empty.yaml").write_text("")
    Path("folder.yaml").mkdir()
    Path("odd").mkdir()
    Path("odd/results.json").write_text('{"identity": {}, "epochs": 3}')
    write_dataset(tmp_path, num_images=10)
    (tmp_path / "data/dataset.safetensors").rename("data.safetensors")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("situation", REFUSED)
def test_what_is_refused_gets_a_sentence(nndl, situation: str) -> None:
    words, message = REFUSED[situation]
    done = nndl(*words.split())
    assert done.exit_code == 1, done.output
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("situation", MISUSED)
def test_what_is_called_wrongly_gets_its_usage(nndl, situation: str) -> None:
    done = nndl(*MISUSED[situation].split())
    assert done.exit_code == 2, done.output
    assert "Usage: nndl" in done.stderr
    assert done.stdout == ""


def test_a_terminal_does_not_obey_what_is_refused(nndl) -> None:
    for words in (("show", "a\x1b[2J"), ("evaluate", "a\x1b[2J"), ("show", "\udcff")):
        done = nndl(*words)
        assert done.exit_code == 1
        assert done.stderr.rstrip("\n").isprintable()


@pytest.mark.usefixtures("folder")
def test_nothing_is_written_of_a_document_that_is_refused(nndl) -> None:
    nndl("new", "mine", "--from", "tiny.yaml", "-S", "training.epochs=0")
    nndl("train", "tiny.yaml", "-S", "training.epochs=0")
    assert not Path("experiments").exists()
    assert not Path("trained").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"judgements": [3], "recorded": []}', "\x00"])
def test_a_damaged_report_is_refused(nndl, content: str) -> None:
    Path("report").mkdir()
    Path("report/judgements.json").write_text(content)
    done = nndl("results")
    assert done.exit_code == 1
    assert (
        done.stderr
        == "error: report/judgements.json is not what the pipeline writes; run it again\n"
    )


def test_every_command_has_help_with_an_example(nndl) -> None:
    names = [command.name for command in app.registered_commands]
    assert names == [
        *("ls", "show", "check", "schema", "new", "diff"),
        *("train", "evaluate", "predict", "export", "import", "results", "serve", "run"),
    ]
    for name in names:
        done = nndl(name, "--help")
        assert done.exit_code == 0
        assert f"Example: nndl {name}" in done.stdout


def test_documents_are_shown_without_what_trains_them(tmp_path: Path) -> None:
    """The module too, from another folder, in a pipe: no colours, and neither JAX nor documents."""
    code = (
        "import sys\nfrom nndl_jax.__main__ import main\n"
        "sys.argv = ['nndl', *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n"
        "    print('loaded', [m for m in ('jax', 'nndl_jax.documents', 'dvc') if m in sys.modules])"
    )
    own = environment(NNDL_CACHE=str(tmp_path / "cache"), PYTHONPATH=os.pathsep.join(sys.path))
    shown = [
        subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=True)
        for command in (
            [sys.executable, "-m", "nndl_jax", "show", "ch1-30-hidden"],
            [sys.executable, "-c", code, "show", "ch1-30-hidden"],
        )
    ]
    assert shown[1].stdout == f"{shown[0].stdout}loaded []\n"
    assert "\x1b" not in shown[0].stdout


@pytest.mark.parametrize("when", ["sys.meta_path.insert(0, Stop())", "atexit.register(stop)"])
def test_ctrl_c_before_and_after_a_command_prints_no_traceback(tmp_path: Path, when: str) -> None:
    code = f"""if True:
    import atexit, importlib.abc, os, signal, sys
    def stop():
        os.kill(os.getpid(), signal.SIGINT)
    class Stop(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "typer":
                stop()
    {when}
    sys.argv = ["nndl", "ls", "--mine", "--json"]
    from nndl_jax.__main__ import main
    main()
    """
    own = environment(NNDL_CACHE=str(tmp_path / "cache"), PYTHONPATH=os.pathsep.join(sys.path))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_a_warning_is_a_sentence_without_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(app_module, "app", lambda **_: None)
    app_module.main()
    shown = warnings.formatwarning("all 120 are taken", UserWarning, "selection.py", 164)
    assert shown == "warning: all 120 are taken\n"
