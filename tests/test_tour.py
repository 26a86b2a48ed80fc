"""The notebook of the docs: its cells run, and nothing that they gave is kept in it."""

import json

import pytest
from project import ROOT

CELLS = json.loads((ROOT / "docs/tour.ipynb").read_text())["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    known: dict = {}
    for cell in CODE:
        exec("".join(cell["source"]), known)  # noqa: S102 -- the notebook's own.
    message = capsys.readouterr().out
    assert known["spec"].training.epochs == len(known["results"]) == 5
    # A misled network is right less often, and one that learns a thousand times too fast is wrong.
    rights = [float(line.split()[1]) for line in message.splitlines()[-3:]]
    assert rights == sorted(rights, reverse=True)
    assert rights[0] > rights[-1]


def test_the_notebook_holds_no_outputs() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CODE)
