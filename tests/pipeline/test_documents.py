"""Documents that the stages of the pipeline read once."""

from pathlib import Path

import pytest

from nndl_jax.documents.load import load_spec
from nndl_jax.reading.faults import SpecError
from pipeline.plan import documents
from pipeline.plan.documents import load_document

NAME = "ch6-relu"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a document, with nothing kept yet."""
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / f"spec/{NAME}.yaml").read_text(encoding="utf-8")
    (tmp_path / f"{NAME}.yaml").write_text(text, encoding="utf-8")
    return tmp_path / f"{NAME}.yaml"


def times_read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found = []
    monkeypatch.setattr(documents, "load_spec", lambda path: found.append(path) or load_spec(path))
    return found


def test_a_document_is_read_once_and_stays_the_same(path: Path, monkeypatch) -> None:
    read = times_read(monkeypatch)
    assert load_document(path) == load_document(path) == load_spec(path)
    assert len(read) == 1


def test_an_edited_document_is_read_anew(path: Path, monkeypatch) -> None:
    read = times_read(monkeypatch)
    load_document(path)
    path.write_text(path.read_text().replace("batch_size: 10", "batch_size: 20"))
    assert load_document(path).training.batch_size == 20
    assert len(read) == 2


def test_what_reads_documents_is_part_of_what_is_kept(path: Path, monkeypatch) -> None:
    read = times_read(monkeypatch)
    load_document(path)
    monkeypatch.setattr(documents, "_reader", lambda: "another version")
    load_document(path)
    assert len(read) == 2


@pytest.mark.parametrize("spoilt", ["", "no key", "{key}\n{}", "{key}\nnot JSON"])
def test_what_is_kept_and_spoilt_is_read_anew(path: Path, spoilt: str) -> None:
    expected = load_document(path)
    kept = documents._KEPT / f"{NAME}.json"
    key = kept.read_text().partition("\n")[0]
    kept.write_text(spoilt.replace("{key}", key))
    assert load_document(path) == expected
    assert kept.read_text().startswith(f"{key}\n")


def test_a_faulty_document_is_refused_each_time(path: Path) -> None:
    path.write_text(path.read_text().replace("batch_size: 10", "batch_size: 0"))
    for _ in range(2):
        with pytest.raises(SpecError, match="batch_size: must be"):
            load_document(path)
    assert not documents._KEPT.exists()


def test_a_document_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(SpecError, match=r"no-such\.yaml"):
        load_document(path.with_name("no-such.yaml"))
