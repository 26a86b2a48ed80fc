"""Which class networks take images for: kept beside the history, drawn and told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nndl_jax.documents.load import load_spec, override
from nndl_jax.documents.variants import list_runs, variants
from pipeline.figures import draw
from pipeline.store.confusions import read_confusion
from pipeline.store.results import Results
from pipeline.store.runs import CONFUSION, History, write_confusions
from pipeline.tables.side_by_side import confusions_line

NAMES = ["cat", "dog", "owl"]
COUNTS = np.array([[90, 10, 0], [5, 95, 0], [0, 0, 50]])


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A document of one variant, whose file is still to be written."""
    document = load_spec("ch1-30-hidden", {"training.epochs": 1})
    history = History(list_runs(document, [0]), {"test_accuracy": np.array([[0.94]])}, "mnist")
    return Results(document, variants(document), history, None, [tmp_path / CONFUSION])


def test_what_is_written_comes_back_by_the_names_of_classes(results, tmp_path):
    write_confusions({"base": COUNTS}, NAMES, tmp_path)
    found = read_confusion(results)
    assert found is not None
    assert found.classes == found.guesses == NAMES
    assert found.counts.tolist() == COUNTS.tolist()
    assert found.mistakes() == [(0.1, "cat", "dog"), (0.05, "dog", "cat")]


def test_digits_that_there_are_no_images_of_are_left_out_and_what_bits_spell_is_not(
    results, tmp_path
):
    counts = np.zeros((10, 16), int)
    counts[0, 0], counts[1, 1], counts[1, 13] = 7, 5, 2
    write_confusions({"base": counts}, None, tmp_path)
    found = read_confusion(results)
    assert found is not None
    assert (found.classes, found.guesses) == (["0", "1"], ["0", "1", "13"])
    assert found.counts.tolist() == [[7, 0, 0], [0, 5, 2]]


def test_nothing_is_written_where_nothing_is_classified(results, tmp_path):
    write_confusions({}, None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_several_variants_are_kept_and_not_told(tmp_path):
    document = override(load_spec("ch1-30-hidden"), {"vary": [{"training.epochs": [1, 2]}]})
    names = [variant.name for variant in variants(document)]
    write_confusions(dict.fromkeys(names, COUNTS), NAMES, tmp_path)
    results = Results(document, variants(document), None, None, [tmp_path / CONFUSION])
    assert read_confusion(results) is None
    assert confusions_line(results) == ""
    assert (tmp_path / CONFUSION).read_text().count(",owl,owl,50\n") == 2


TABLE = "variant,class,taken for,images\nbase,a,a,3\nbase,a,b,1\nbase,b,a,0\nbase,b,b,4\n"


@pytest.mark.parametrize(
    "content",
    [
        "",
        TABLE.replace("base,a,b,1\n", ""),
        TABLE.replace("b,a,0", "b,a,-1"),
        TABLE.replace("b,a,0", "b,a,none"),
        TABLE.replace("b,a,0", "b,c,0"),
        TABLE.replace("taken for", "label"),
        "\xff",
    ],
)
def test_a_damaged_table_is_told_in_a_sentence_that_says_where(results, tmp_path, content):
    path = tmp_path / CONFUSION
    path.write_text(content, encoding="latin-1")
    with pytest.raises(OSError, match="is not what was written; restore it, or delete") as caught:
        read_confusion(results)
    assert str(caught.value).startswith(f"{path}: ")


def test_it_is_drawn_beside_the_curves(results, tmp_path):
    write_confusions({"base": COUNTS}, NAMES, tmp_path)
    names = [path.name for path in draw(results, {}, tmp_path, footnote="a test")]
    assert names == ["ch1-30-hidden.png", "ch1-30-hidden-confusion.png"]
    path = tmp_path / names[1]
    assert path.stat().st_size < 40_000
    with Image.open(path) as picture:
        assert 300 < picture.width < 900


def test_the_largest_shares_are_told(results, tmp_path):
    write_confusions({"base": COUNTS}, NAMES, tmp_path)
    message = "Taken for another most often, by the share of a class's test images"
    assert confusions_line(results) == f"{message}: cat for dog (10.0 %), dog for cat (5.0 %)."
