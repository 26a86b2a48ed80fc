"""What is written: safe names, whole files and folders or none."""

import doctest
from pathlib import Path

import pytest

from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.variants import Run, variants
from pipeline.machine import writing
from pipeline.machine.writing import file_name, replacing, write_text
from pipeline.store.runs import network_path
from pipeline.tables import claims as tables

LONG = "function=" + "+".join(["0.01*sin(x)"] * 20)


@pytest.mark.parametrize("module", [writing, tables])
def test_the_examples_are_true(module) -> None:
    assert doctest.testmod(module).failed == 0


def test_every_variant_of_the_book_keeps_its_name() -> None:
    names = {variant.name for name in list_specs() for variant in variants(load_spec(name))}
    assert {name for name in names if file_name(name) != name} == set()


@pytest.mark.parametrize(
    "name",
    [
        "function=0.2+x/10",
        LONG,
        "a=../../x",
        "a=x\0y",
        "a=x\ny",
        'a=<>:"|?*\\',
        "a=é" * 99,
        "~",
        "",
    ],
)
def test_a_name_is_safe_for_a_file_whatever_a_value_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{file_name(name)}.json"
    path.write_text("")
    assert list(tmp_path.iterdir()) == [path]
    assert path.name.isascii()


def test_names_that_differ_in_one_unsafe_sign_stay_apart() -> None:
    names = ["a=x/y", "a=x_y", "a=x:y", "a=x*y", LONG, LONG.replace("sin", "cos"), f"{LONG}+1"]
    assert len({file_name(name) for name in names}) == len(names)


def test_a_network_of_a_varied_formula_with_a_slash_has_a_file_of_its_own() -> None:
    path = network_path("tiny", Run("function=0.2+x/10", 7), is_best=True)
    assert path.parent == Path("runs/tiny/weights/best")


def test_a_folder_is_replaced_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    for content in ("first", "second"):
        with replacing(folder) as fresh:
            (fresh / content).write_text(content)
            assert not (folder / content).exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["metrics", "second"]


def test_a_folder_stays_as_it_is_if_its_writer_fails(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "earlier").write_text("")
    with pytest.raises(RuntimeError):
        _fail_in(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["metrics", "earlier"]


def _fail_in(folder: Path) -> None:
    with replacing(folder) as fresh:
        (fresh / "later").write_text("")
        raise RuntimeError


@pytest.mark.parametrize("left", [".metrics.replaced", ".metrics.writing"])
def test_what_a_killed_writer_left_is_cleared_or_brought_back(tmp_path: Path, left: str) -> None:
    """Killed between its two moves it leaves nothing but the earlier folder, under another name."""
    (tmp_path / left).mkdir()
    (tmp_path / left / "earlier").write_text("")
    with pytest.raises(RuntimeError):
        _fail_in(tmp_path / "metrics")
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    assert found == (["metrics", "metrics/earlier"] if "replaced" in left else [])


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "some/file.txt"
    write_text(path, "earlier")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        write_text(path, "later")
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]
    assert path.read_text() == "earlier"


def test_a_file_that_would_not_change_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "same")
    before = path.stat().st_ino
    write_text(path, "same")
    assert path.stat().st_ino == before
