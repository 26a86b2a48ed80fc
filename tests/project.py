"""Throw-away copies of the repository, in which tests run stages and whole pipelines."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jax_settings import CACHE, JAX_SETTINGS
from ruamel.yaml import YAML

from nndl_jax.data.datasets import Dataset, Split, save_dataset
from nndl_jax.documents.load import list_specs
from pipeline import resolve
from pipeline.store.recorded_run import write_run
from pipeline.store.recordings import read_runs
from pipeline.store.results import Results, load_recorded

ROOT = Path(__file__).parent.parent
TINY = """\
kind: network
id: tiny
title: A tiny network
source: {chapter: 1, section: Tests}
model:
  inputs: [784]
  layers:
    - {kind: dense, units: 8, activation: sigmoid}
    - {kind: dense, units: 10, activation: sigmoid}
  initializer: {weights: normal, biases: normal}
loss: quadratic
optimizer: {learning_rate: 1.0, momentum: 0.5}
training: {epochs: 300, batch_size: 10}
monitors: [test_accuracy]
"""
KEEPING = TINY.replace("batch_size: 10", "batch_size: 10, keep_best: true").replace(
    "[test_accuracy]", "[validation_accuracy, test_accuracy]"
)
CROWD = """\
kind: ensemble
id: crowd
title: A vote
source: {chapter: 6, section: Tests}
members: tiny
size: 3
"""
MACHINE = """\
kind: baseline
id: machine
title: A machine
source: {chapter: 1, section: Tests}
method: {kind: svm}
monitors: [test_accuracy]
"""


def environment(**extra: str) -> dict[str, str]:
    """The environment of a subprocess: this Python's commands first, and JAX as for a user.

    The flags and the platform under which the tests run are those of the subprocess. It keeps the
    bytecode of what it imports, which the next one reads.
    """
    ours = {*JAX_SETTINGS, CACHE, "PYTHONDONTWRITEBYTECODE"}
    own = {name: value for name, value in os.environ.items() if name not in ours}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    return {**own, "PATH": path, "PYTHONPATH": str(ROOT), **extra}


def start_anew(folder: Path, **extra: str) -> subprocess.Popen[str]:
    """Begin all stages of a project anew, in a process group of their own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "--force"],
        cwd=folder,
        env=environment(**extra),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(
    *command: str, cwd: Path, check: bool = True, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a project; `python` is this Python."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(**extra), capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done


# Results are made anew; what was recorded of later chapters only takes long to draw.
_LATER = ("recorded/ch3", "recorded/ch5", "recorded/ch6")
_LEFT_OUT = ("tests/", "metrics/", "report/", "dvc.lock", *_LATER)


def copy_repository(folder: Path) -> Path:
    """A copy of the files that git tracks or would track, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, listed):
        source, target = ROOT / name, folder / name
        if source.is_file() and not name.startswith(_LEFT_OUT):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    (folder / "recorded").mkdir(exist_ok=True)  # Git keeps no empty folder, and DVC asks for it.
    run("git", "init", "-q", cwd=folder)
    return folder


def keep_documents(folder: Path, kept: Collection[str]) -> None:
    """Leave these documents alone in a copy of the repository, whose stages take seconds then."""
    left_out = set(list_specs(folder / "spec")) - set(kept)
    if not left_out:
        return
    for name in left_out:
        (folder / f"spec/{name}.yaml").unlink()
    content = YAML(typ="safe", pure=True).load(folder / "dvc.yaml")
    content = _without(content, re.compile(rf"(?<![\w-])({'|'.join(left_out)})(?![\w-])"))
    stages, plots = content["stages"], content["plots"]
    content["stages"] = {name: stage for name, stage in stages.items() if stage.get("foreach", 1)}
    content["plots"] = [
        plot_group for plot_group in plots if all(plot["y"] for plot in plot_group.values())
    ]
    YAML(typ="safe", pure=True).dump(content, folder / "dvc.yaml")
    params = folder / "params.yaml"
    limits = r"\n    (leave_out|limits):.*?(?=\n  \w)"
    params.write_text(re.sub(limits, "", params.read_text(), flags=re.DOTALL))


def _without(content: Any, named: re.Pattern[str]) -> Any:
    """What is in lists and mappings, without what names something."""
    if isinstance(content, dict):
        trimmed = {key: _without(value, named) for key, value in content.items()}
        return {key: value for key, value in trimmed.items() if not named.search(f"{key} {value}")}
    if isinstance(content, list):
        trimmed = [_without(value, named) for value in content]
        return [value for value in trimmed if not named.search(str(value))]
    return content


def replace_in(path: Path, old: str, new: str) -> None:
    """Replace what stands in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def commit(folder: Path) -> None:
    """Commit everything in a project."""
    who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    run("git", "add", "-A", cwd=folder)
    run("git", *who, "commit", "-q", "--allow-empty", "-m", "State", cwd=folder)


def write_params(folder: Path, **changed: str) -> None:
    """Write a `params.yaml` with some values other than in the repository's."""
    values: Mapping[str, str] = {
        "profile": "book",
        "documents": "all",
        "runs": "2",
        "seed": "0",
        "overrides": "{}",
        **changed,
    }
    profile = "{runs: 2, max_runs: 4, max_epochs: 2, max_train_images: 1000, max_fit_images: 200}"
    limitless = (
        "{runs: 2, max_runs: null, max_epochs: null, max_train_images: null, max_fit_images: null}"
    )
    lines = [f"{name}: {value}" for name, value in values.items()]
    lines += ["profiles:", f"  smoke: {profile}", f"  quick: {limitless}", f"  book: {limitless}"]
    (folder / "params.yaml").write_text("\n".join(lines) + "\n")


def tiny_project(folder: Path, *, num_images: int = 200) -> Path:
    """A project with one small document and a small data set: stages run in it without DVC."""
    (folder / "spec").mkdir(parents=True)
    (folder / "spec/tiny.yaml").write_text(TINY)
    write_params(folder)
    write_dataset(folder, num_images=num_images)
    return folder


def read_recorded() -> dict[str, Results]:
    """What is recorded in the working folder of documents as they are now."""
    resolve.main()
    return load_recorded()[0]


def edit_heads(name: str, *, only: str = "", **changed: Any) -> None:
    """Change what the runs in `recorded/<id>`, or one file of them, say of themselves."""
    for run in read_runs(Path("recorded") / name):
        if run.head.file == only or not only:
            head = run.head._replace(**changed)
            (Path("recorded") / name / head.file).write_bytes(write_run(run._replace(head=head)))


def write_dataset(folder: Path, *, num_images: int) -> None:
    """Write a data set that is not MNIST where the stages look for one."""
    (folder / "data").mkdir()
    save_dataset(synthetic(num_images), folder / "data/dataset.safetensors")


def synthetic(num_images: int) -> Dataset:
    """Noisy copies of ten random pictures."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 256, (10, 784))

    def split() -> Split:
        labels = np.arange(num_images, dtype=np.int32) % 10
        noise = rng.normal(0, 60, (num_images, 784))
        return Split(np.clip(prototypes[labels] + noise, 0, 255).astype(np.uint8), labels)

    return Dataset("synthetic", split(), split(), split())
