"""Commands that show, check, compare and write documents."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from project import ROOT, TINY

import nndl_jax
from nndl_jax.command import cards
from nndl_jax.documents.load import example_folder, spec_folder

FAULTS = ROOT / "tests/faults/spec"


def test_ls_lists_a_chapter_with_variants_and_parameters(nndl) -> None:
    done = nndl("ls", "--chapter", "2")
    assert done.exit_code == 0, done.stderr
    heads, *rows = done.stdout.splitlines()
    assert heads.split() == ["id", "kind", "variants", "parameters", "title"]
    of_chapter = [
        name
        for name in nndl_jax.list_specs()
        if (source := nndl_jax.load_spec(name).source) and source.chapter == 2
    ]
    assert [row.split()[0] for row in rows] == of_chapter


def test_ls_json_gives_each_document_of_the_book(nndl) -> None:
    listed = json.loads(nndl("ls", "--json").stdout)
    known = nndl_jax.list_specs() + nndl_jax.list_specs(example_folder())
    assert [card["id"] for card in listed] == known
    by_id = {card["id"]: card for card in listed}
    # (784 + 1) 30 + (30 + 1) 10
    assert by_id["ch1-30-hidden"]["parameters"] == [23_860]
    assert by_id["ch6-l2"]["num_variants"] == 16
    assert by_id["ch1-nand"]["parameters"] == []


def test_ls_mine_lists_the_folder_of_ones_own(nndl) -> None:
    done = nndl("ls", "--mine")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "there are no documents in experiments/ here; nndl new writes one\n"
    assert nndl("new", "mine", "--from", "ch1-30-hidden").exit_code == 0
    assert "mine" in nndl("ls", "--mine").stdout
    assert "mine" not in nndl("ls").stdout.split()


def test_ls_lists_what_can_be_read_beside_what_is_faulty(nndl) -> None:
    nndl("new", "mine", "--from", "ch1-30-hidden")
    Path("experiments/faulty.yaml").write_text("kind: [")
    done = nndl("ls", "--mine")
    assert done.exit_code == 1
    assert [row.split()[0] for row in done.stdout.splitlines()] == ["id", "mine"]
    assert done.stderr.startswith("error: experiments/faulty.yaml:1: not valid YAML")


def test_show_tells_shapes_claims_and_deviations(nndl) -> None:
    shown = nndl("show", "ch6-relu").stdout
    assert "conv      1 x 28 x 28   20 x 24 x 24  relu" in shown
    for line in ("85,670 parameters", "  optimizer.learning_rate: 0.03", "  weights=normal-fan-in"):
        assert line in shown.splitlines()
    assert "(test_accuracy = 0.9923, best-validation)" in shown
    assert "The program never shuffles" in shown


@pytest.mark.parametrize("name", ["ch1-nand", "ch2-backpropagation", "ch6-ensemble", "ch1-svm"])
def test_show_knows_documents_of_every_kind(nndl, name: str) -> None:
    done = nndl("show", name)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{name}: {nndl_jax.load_spec(name).title}\n")
    assert "Fields" in done.stdout


def test_show_counts_what_a_step_multiplies(nndl) -> None:
    shown = json.loads(nndl("show", "ch6-relu", "--json").stdout)
    # Filters, numbers under a kernel, places; then inputs and outputs.
    products = [20 * 25 * 24 * 24, 40 * 20 * 25 * 8 * 8, 640 * 100, 100 * 10]
    # A product is 2 operations, for each of 10 images; the first layer goes back once only.
    assert shown["flops"] == 2 * 10 * (3 * sum(products) - products[0]) == 92_220_000
    assert "92.2 million multiplications and additions a step" in nndl("show", "ch6-relu").stdout
    assert "\n2,124 bytes of memory for a run\n2,720 multiplications" in nndl("show", "iris").stdout


def test_show_latex_has_layers_cost_and_step(nndl) -> None:
    lines = nndl("show", "ch3-l2", "--latex").stdout.splitlines()
    assert r"dense & $784$ & $30$ & sigmoid & 23,520 & 30 \\" in lines
    for name in ("cross-entropy cost", "L2 penalty", "step"):
        assert rf"\paragraph{{{name}}}" in lines
    assert r"\[ w \to w - \eta \frac{\partial C}{\partial w} \]" in lines


def test_latex_takes_a_title_for_text(nndl) -> None:
    Path("tiny.yaml").write_text(TINY.replace("A tiny network", r"50 % of x_1 \ {y}"))
    shown = nndl("show", "tiny.yaml", "--latex").stdout
    assert r"\section*{50 \% of x\_1 \textbackslash{} \{y\}}" in shown


@pytest.mark.parametrize("name", ["ch6-relu", "ch4-bump"])
def test_a_diagram_is_a_file_of_its_own_with_all_layers(nndl, name: str) -> None:
    assert nndl("show", name, "--diagram", "net.svg").stdout == "wrote net.svg\n"
    drawing = ElementTree.parse("net.svg").getroot()  # noqa: S314 -- what we wrote.
    svg = "{http://www.w3.org/2000/svg}"
    assert drawing.tag == f"{svg}svg"
    assert ".neuron" in drawing.findtext(f"{svg}style", "")
    texts = [text.text for text in drawing.iter(f"{svg}text")]
    layers = {"ch6-relu": ["20×24×24", "40×4×4", "100", "10"], "ch4-bump": ["1", "2"]}
    assert set(layers[name]) <= set(texts)


def test_show_json_holds_the_document_as_it_is_read(nndl, tmp_path: Path) -> None:
    shown = json.loads(nndl("show", "ch3-dropout", "--json").stdout)
    again = tmp_path / "ch3-dropout.yaml"
    again.write_text(json.dumps(shown["document"]))  # JSON is YAML.
    assert nndl_jax.load_spec(again) == nndl_jax.load_spec("ch3-dropout")


def test_a_card_is_kept_and_made_anew_when_its_document_changes(
    nndl, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("tiny.yaml")
    path.write_text(TINY)
    nndl("show", "tiny.yaml")
    made = []
    make_card = cards.make_card
    monkeypatch.setattr(cards, "make_card", lambda name: made.append(name) or make_card(name))
    assert "6,370 parameters" in nndl("show", "tiny.yaml").stdout
    assert made == []
    path.write_text(TINY.replace("units: 8", "units: 9"))
    assert "7,165 parameters" in nndl("show", "tiny.yaml").stdout
    assert made == ["tiny.yaml"]


@pytest.mark.parametrize("damage", ["", "no key\n{}", "[", "\x00"])
def test_a_damaged_card_is_made_anew(nndl, tmp_path: Path, damage: str) -> None:
    expected = nndl("show", "ch1-30-hidden").stdout
    (kept,) = (tmp_path / "cache/cards").iterdir()
    kept.write_text(damage)
    assert nndl("show", "ch1-30-hidden").stdout == expected
    key, _, _ = kept.read_text().partition("\n")
    kept.write_text(f"{key}\n{{")
    assert nndl("show", "ch1-30-hidden").stdout == expected


def test_a_cache_that_cannot_be_written_costs_time_only(
    nndl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "file"))
    assert nndl("show", "ch1-30-hidden").exit_code == 0


def test_a_document_of_the_same_file_name_elsewhere_is_another(nndl) -> None:
    for folder, units in (("a", 8), ("b", 9)):
        Path(folder).mkdir()
        Path(folder, "tiny.yaml").write_text(TINY.replace("units: 8", f"units: {units}"))
    assert "6,370 parameters" in nndl("show", "a/tiny.yaml").stdout
    assert "7,165 parameters" in nndl("show", "b/tiny.yaml").stdout


def test_the_folder_of_documents_is_the_librarys() -> None:
    assert cards.spec_folder() == spec_folder()
    assert cards.example_folder() == example_folder()


def test_check_says_what_load_spec_says_of_each_file(nndl) -> None:
    faulty = [FAULTS / "anchor.yaml", FAULTS / "epochs-negative.yaml"]
    good = ROOT / "spec/ch1-30-hidden.yaml"
    done = nndl("check", *map(str, (faulty[0], good, faulty[1])))
    assert done.exit_code == 1
    assert done.stdout == f"{good}: fits\n"
    expected = []
    for path in faulty:
        with pytest.raises(nndl_jax.SpecError) as error:
            nndl_jax.load_spec(path)
        expected += [f"error: {line}" for line in str(error.value).splitlines()]
    assert done.stderr.splitlines() == expected
    assert nndl("check", "--quiet", str(good)).output == ""


def test_a_document_that_fits_is_not_found_faulty_under_another_name(nndl) -> None:
    Path("tiny.yaml").write_text(TINY)
    Path("other.yaml").write_text(TINY)
    assert nndl("check", "tiny.yaml").exit_code == 0
    done = nndl("check", "other.yaml")
    assert done.exit_code == 1
    assert "id: must be the file's name, 'other', got 'tiny'" in done.stderr


def test_schema_is_that_of_documents(nndl) -> None:
    assert json.loads(nndl("schema").stdout) == nndl_jax.documents.json_schema()


def test_new_copies_without_the_books_claims(nndl) -> None:
    changes = ("-S", "training.epochs=2", "-S", "vary=[]", "-S", "model.layers[0].units=50")
    done = nndl("new", "mine", "--from", "ch3-dropout", *changes, "--title", "Mine")
    assert (done.exit_code, done.stdout) == (0, "wrote experiments/mine.yaml\n")
    spec = nndl_jax.load_spec("experiments/mine.yaml")
    wanted = {"training.epochs": 2, "vary": [], "model.layers[0].units": 50}
    book = nndl_jax.load_spec("ch3-dropout", wanted)
    own = {"id": "mine", "title": "Mine", "source": None, "claims": ()}
    assert spec == book.model_copy(update=own)
    lines = Path("experiments/mine.yaml").read_text().splitlines()
    assert lines[:3] == ["kind: network", "id: mine", "title: Mine"]


def test_a_document_of_ones_own_has_an_id_where_it_lies(nndl) -> None:
    nndl("new", "mine", "--from", "iris", "-S", "training.epochs=7")
    assert nndl("show", "mine").stdout.startswith("mine: Eight hidden neurons on iris\n")
    nndl("new", "other", "--from", "mine")
    assert nndl_jax.load_spec("experiments/other.yaml").training.epochs == 7
    assert nndl("diff", "mine", "other").stdout == "mine and other describe the same experiment\n"
    done = nndl("train", "mine", "-S", "training.epochs=0")
    assert done.stderr == "error: mine: training.epochs: must be >= 1, got 0\n"


def test_a_shell_completes_ids_of_the_book_and_here(nndl, monkeypatch) -> None:
    nndl("new", "ch6-mine", "--from", "ch1-30-hidden")
    monkeypatch.setenv("_NNDL_COMPLETE", "complete_bash")
    for words in ("nndl show ch6-", "nndl diff ch1-nand ch6-", "nndl new other --from ch6-"):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        found = nndl().stdout.split()
        assert {"ch6-mine", "ch6-relu"} <= set(found)
        assert all(name.startswith("ch6-") for name in found)


def test_new_never_overwrites(nndl) -> None:
    nndl("new", "mine", "--from", "ch1-30-hidden")
    before = Path("experiments/mine.yaml").read_bytes()
    done = nndl("new", "mine", "--from", "ch3-dropout")
    assert done.exit_code == 1
    message = "error: experiments/mine.yaml exists; choose another name, or move it away\n"
    assert done.stderr == message
    assert Path("experiments/mine.yaml").read_bytes() == before


def test_diff_shows_the_fields_that_differ(nndl) -> None:
    heads, *rows = nndl("diff", "ch1-30-hidden", "ch1-100-hidden").stdout.splitlines()
    assert heads.split() == ["field", "ch1-30-hidden", "ch1-100-hidden"]
    assert [row.split() for row in rows] == [["model.layers[0].units", "30", "100"]]
    shown = json.loads(nndl("diff", "ch1-30-hidden", "ch1-100-hidden", "--json").stdout)
    fields = {"model.layers[0].units": {"ch1-30-hidden": 30, "ch1-100-hidden": 100}}
    assert shown == {"fields": fields, "claims": {}, "metrics": {}}
    same = nndl("diff", "ch6-relu", "ch6-relu")
    assert same.stdout == "ch6-relu and ch6-relu describe the same experiment\n"


def test_values_are_yaml_1_2(nndl) -> None:
    changes = ("-S", "optimizer.learning_rate=1e-3", "-S", "training.shuffle=false")
    changes += ("-S", "training.early_stopping=null", "-S", "regularizer={l2: 0.5}")
    assert nndl("new", "mine", "--from", "ch1-30-hidden", *changes).exit_code == 0
    spec = nndl_jax.load_spec("experiments/mine.yaml")
    assert spec.optimizer.learning_rate == 0.001
    assert spec.training.shuffle is False
    assert spec.regularizer.l2 == 0.5
