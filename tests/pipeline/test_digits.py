"""Pictures of chapter 6: digits that a vote gets wrong, and filters of a first layer."""

from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from project import CROWD, TINY, synthetic

from nndl_jax import build_model, load, save
from nndl_jax.data.datasets import save_dataset
from nndl_jax.documents import Document, Ensemble, Network
from nndl_jax.documents.load import parse_spec
from nndl_jax.documents.variants import Run, list_runs, variants
from pipeline import ensemble
from pipeline.figures import draw
from pipeline.figures.digits import draw_errors, draw_filters
from pipeline.figures.frame import COLOURS
from pipeline.plan.plans import Plan, save_plan
from pipeline.store.results import Results
from pipeline.store.runs import History, network_path

RATES = f"{TINY}vary:\n  - optimizer.learning_rate: [0.5, 1.0]\n"
VOTE = f"""\
{CROWD.replace("size: 3", "size: 2")}variant: {{optimizer.learning_rate: 1.0}}
known_errors: [{{image: 4, output: 9}}, {{image: 6, output: 0}}]
"""
CONVOLUTION = """\
  inputs: [1, 28, 28]
  layers:
    - {kind: conv, filters: 3, kernel: [5, 4], activation: sigmoid}
"""
CONVOLUTIONAL = RATES.replace(
    """\
  inputs: [784]
  layers:
    - {kind: dense, units: 8, activation: sigmoid}
""",
    CONVOLUTION,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which a vote got three of ten images wrong."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "runs/crowd", "pictures"):
        (tmp_path / name).mkdir(parents=True)
    save_dataset(synthetic(10), Path("data/dataset.safetensors"))
    write_errors([(1, 1, 7), (4, 4, 9), (8, 8, 3)])
    return tmp_path


def write_errors(errors: list[tuple[int, int, int]]) -> None:
    lines = ["image,label,output", *(",".join(map(str, error)) for error in errors)]
    Path("runs/crowd/errors.csv").write_text("\n".join(lines) + "\n")


def hold_vote(network: str, text: str = CONVOLUTIONAL) -> Results:
    """Let untrained networks vote, each with weights of its own."""
    members = parse_spec(text, Path("tiny.yaml"))
    save_plan("tiny", Plan.of(members, (0, 1)))
    own = variants(members)[0].spec
    assert isinstance(own, Network)
    for index, run in enumerate(list_runs(members, range(2))):
        for is_best in (False, True):
            path = network_path("tiny", run, is_best=is_best)
            path.parent.mkdir(parents=True, exist_ok=True)
            save(build_model(own, key=jax.random.key(2 * index + is_best)), own, path)
    spec = parse_spec(f"{VOTE}network: {network}\n", Path("crowd.yaml"))
    ensemble.run("crowd", Plan.of(spec, (0,)))
    return experiment(spec)


def experiment(document: Document) -> Results:
    runs = list_runs(document, range(2))
    history = History(runs, {"test_accuracy": np.full((len(runs), 1), 0.7)}, "synthetic")
    return Results(
        document, variants(document), history, None, list(Path("runs/crowd").glob("*.csv"))
    )


def crowd() -> tuple[Results, Ensemble]:
    spec = parse_spec(VOTE, Path("crowd.yaml"))
    assert isinstance(spec, Ensemble)
    return experiment(spec), spec


def errors() -> Figure:
    figure = draw_errors(*crowd())
    assert figure is not None
    return figure


def test_each_error_is_shown_with_its_digit_and_its_vote() -> None:
    panels = errors().axes
    assert [axes.get_title() for axes in panels] == ["1", "4", "8"]
    images = synthetic(10).test.images
    for axes, image in zip(panels, (1, 4, 8), strict=True):
        shown = axes.images[0].get_array()
        np.testing.assert_array_equal(shown, 255 - images[image].reshape(28, 28))
    texts = [[(text.get_text(), text.get_va()) for text in axes.texts] for axes in panels]
    pairs = (("1", "7"), ("4", "9"), ("8", "3"))
    assert texts == [[(label, "top"), (vote, "bottom")] for label, vote in pairs]


def test_errors_that_the_book_shares_are_framed() -> None:
    panels = errors().axes
    framed = [all(spine.get_visible() for spine in axes.spines.values()) for axes in panels]
    assert framed == [False, True, False]
    colours = {to_hex(spine.get_edgecolor()) for spine in panels[1].spines.values()}
    assert colours == {COLOURS[1].lower()}


@pytest.mark.parametrize(
    ("num_errors", "message"),
    [(3, "3 errors"), (40, "40 errors"), (41, "the first 40 of 41 errors")],
)
def test_at_most_forty_errors_are_shown_and_the_title_says_of_how_many(
    num_errors: int, message: str
) -> None:
    write_errors([(image % 10, 0, 1) for image in range(num_errors)])
    figure = errors()
    assert len(figure.axes) == min(num_errors, 40)
    (body, _) = figure.subfigs
    words = body.get_suptitle().split()
    assert " ".join(words) == f"A vote: {message}, framed where the book's are the same"


def test_errors_among_other_images_have_no_picture() -> None:
    vote, spec = crowd()
    assert vote.history is not None
    elsewhere = vote._replace(history=vote.history._replace(data="mnist"))
    assert draw_errors(elsewhere, spec) is None


def test_without_errors_there_is_no_picture_of_them() -> None:
    write_errors([])
    assert draw_errors(*crowd()) is None
    Path("runs/crowd/errors.csv").unlink()
    assert draw_errors(*crowd()) is None


@pytest.mark.parametrize("network", ["last", "best"])
def test_filters_are_those_of_the_first_network_that_votes(network: str) -> None:
    figure = draw_filters(hold_vote(network))
    assert figure is not None
    first = Run("learning_rate=1.0", 0)
    model, _ = load(network_path("tiny", first, is_best=network == "best"))
    shown = np.array([axes.images[0].get_array() for axes in figure.axes], np.float32)
    np.testing.assert_array_equal(shown, -np.asarray(model.layers[0].weight[...])[:, 0])


def test_a_first_layer_without_filters_has_no_picture() -> None:
    assert draw_filters(hold_vote("last", RATES)) is None


def test_a_vote_has_its_two_pictures(folder: Path) -> None:
    vote = hold_vote("last")
    paths = draw(vote, {"crowd": vote}, folder / "pictures", footnote="a test")
    assert [path.name for path in paths] == ["crowd.png", "crowd-filters.png"]
    assert sorted((folder / "pictures").iterdir()) == sorted(paths)
    assert all(path.stat().st_size < 100_000 for path in paths)


def test_texts_of_many_errors_lie_inside() -> None:
    write_errors([(image % 10, 0, 1) for image in range(33)])
    figure = errors()
    FigureCanvasAgg(figure).draw()
    title = figure.subfigs[0].texts[0].get_window_extent()
    assert figure.bbox.x0 <= title.x0
    assert title.x1 <= figure.bbox.x1
    for axes in figure.axes:
        frame = axes.get_window_extent()
        for text in axes.texts:
            box = text.get_window_extent()
            assert frame.x0 <= box.x0
            assert box.x1 <= frame.x1
