"""Whatever stands in a file: at most so much is read, and few printable lines are said."""

import copy
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from nndl_jax.data.array_files import open_arrays
from nndl_jax.data.datasets import load_dataset
from nndl_jax.documents.load import load_spec, parse_spec
from nndl_jax.reading import validation
from nndl_jax.reading.faults import Fault, SpecError, printable

HEAD = """\
kind: network
id: wrong
title: A network
source: {chapter: 1, section: A section}
model:
  inputs: [784]
  layers: [{kind: dense, units: 10, activation: sigmoid}]
  initializer: {weights: normal, biases: normal}
loss: quadratic
optimizer: {learning_rate: 3.0}
training: {epochs: 30, batch_size: 10}
monitors: [test_accuracy]
"""


def _refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return str(caught.value)


def _read_arrays(path: Path) -> None:
    with open_arrays(path):
        pass


def _said(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, Path("wrong.yaml"))
    return str(caught.value).split("\n")


def test_a_sparse_file_of_three_gigabytes_is_refused_at_once(tmp_path):
    path = tmp_path / "x.yaml"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    tracemalloc.start()
    message = _refusal(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message == f"{path}:1: the file has 3,221,225,472 bytes; at most 200,000 are read"
    assert most < 2_000_000


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_link_to_a_device_is_refused(tmp_path, device):
    path = tmp_path / "x.yaml"
    path.symlink_to(device)
    assert _refusal(path) == f"{path}: cannot be read: it is not a file with a text in it"


def test_a_pipe_is_refused_at_once(tmp_path):
    path = tmp_path / "x.yaml"
    os.mkfifo(path)
    assert _refusal(path) == f"{path}: cannot be read: it is not a file with a text in it"


def test_of_many_faults_twenty_are_told_and_the_others_counted():
    lines = _said(HEAD + f"deviations: [{', '.join(['[]'] * 60)}]\n")
    assert lines[:-1] == [
        f"wrong.yaml:13: deviations[{index}]: must be a text, got []" for index in range(20)
    ]
    assert lines[-1] == "and 40 more"


def test_a_list_that_is_too_long_is_one_fault():
    (line,) = _said(HEAD + f"deviations: [{'a, ' * 5000}]\n")
    assert line.startswith(
        "wrong.yaml:13: deviations: must have at most 64 entries, got ['a', 'a', 'a'"
    )


def test_unknown_fields_are_counted_without_a_hint_for_each(monkeypatch):
    asked = []
    closest = validation.closest
    monkeypatch.setattr(
        validation, "closest", lambda word, known: asked.append(word) or closest(word, known)
    )
    lines = _said(HEAD + "".join(f"field_{number}: 1\n" for number in range(2000)))
    assert len(lines) == 21
    assert lines[0].startswith("wrong.yaml:13: field_0: is not a known field; known are ")
    assert lines[-1] == "and 1,980 more"
    assert len(asked) == 20


def test_the_first_faults_are_those_of_the_first_lines():
    text = HEAD.replace("chapter: 1", "chapter: 0") + "".join(f"f{n}: 1\n" for n in range(50))
    assert _said(text)[0] == "wrong.yaml:4: source.chapter: must be >= 1, got 0"


def test_a_long_sentence_loses_its_middle():
    fault = Fault("spec/x.yaml", 3, "a" * 1000, "b" * 100_000)
    assert len(str(fault)) < 1300
    assert str(fault).startswith("spec/x.yaml:3: aaaa")
    assert str(fault).endswith("bbbb")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r", r"a\nb\r"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u2028b", r"a\u2028b"),
        ("\u202e", r"\u202e"),
        ("Zürich, 数字", "Zürich, 数字"),
    ],
)
def test_no_control_character_reaches_a_terminal(text, shown):
    assert printable(text) == shown
    assert str(Fault(text, 1, text, text)) == f"{shown}:1: {shown}: {shown}"


@pytest.mark.parametrize("place", ["&{}", "!{}", "[1, {}"])
def test_what_the_parser_says_of_control_characters_is_printable(place):
    text = HEAD + 'more: "\\e[2J"\n' + place.format("a\x7fb")
    assert all(line.isprintable() for line in _said(text))


def test_faults_are_handed_on_whole_to_another_process():
    # What pickles an exception for that asks what copies one.
    error = SpecError([Fault("x.yaml", 1, "a", "is wrong")] * 30, num_more=5)
    handed_on = copy.copy(error)
    assert handed_on is not error
    assert (handed_on.faults, handed_on.num_more) == (error.faults, 5)
    assert str(handed_on).split("\n") == [*["x.yaml:1: a: is wrong"] * 20, "and 15 more"]


@pytest.mark.parametrize("kind", ["\x1b[2J", "\u202e", "line\nbreak", "x" * 5000])
@pytest.mark.parametrize("read", [_read_arrays, load_dataset])
def test_what_a_header_of_arrays_holds_is_told_in_a_printable_line(tmp_path, read, kind):
    path = tmp_path / "x.safetensors"
    header = json.dumps({"a": {"dtype": kind, "shape": [1], "data_offsets": [0, 1]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(ValueError, match="safetensors file") as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(path)) + 1200
