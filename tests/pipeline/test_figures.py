"""Pictures: what they show of a synthetic history, beside what the book says."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from nndl_jax.documents import Calculation, CurveClaim, Document
from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs, variants
from pipeline.figures import draw
from pipeline.figures.curves import Panel, draw_curves, panel_lines
from pipeline.figures.frame import BEST, COLOURS, PRINTED, new_figure, save
from pipeline.figures.gradients import draw_bars, speed_panels
from pipeline.figures.pictures import choose_pictures
from pipeline.figures.sizes import draw_sizes
from pipeline.pages.charts import draw_charts
from pipeline.store.results import Results
from pipeline.store.runs import History

NAN = float("nan")
PICTURES = {
    "ch1-30-hidden": [""],
    "ch1-average-darkness": [],
    "ch1-svm": [""],
    "ch3-dropout": [""],
    "ch3-hessian": [""],
    "ch3-initialization": [""],
    "ch3-learning-rates-replay": [""],
    "ch3-neuron": ["", "-output"],
    "ch3-overfitting-full": [""],
    "ch3-overfitting-replay": ["", "-regularized"],
    "ch3-polynomial": [""],
    "ch3-softmax": [""],
    "ch3-training-sizes-replay": [""],
    "ch3-weighted-input": [""],
    "ch5-depth": [""],
    "ch5-gradients": ["", "-bars"],
}


def test_a_colour_means_the_same_in_all_panels_of_a_picture():
    # Variants differ by colour in one panel of this one, and layers in the others.
    results = synthetic(load_spec("ch3-saturation"), num_epochs=5)
    (picture,) = choose_pictures(results)
    figure = draw_curves(results, picture.panels, columns=2)
    assert figure is not None
    lines = [line for axes in figure.axes for line in axes.lines]
    shown = {(line.get_label(), line.get_color()) for line in lines if line.get_label()[0] != "_"}
    names = [name for name, _ in shown]
    assert sorted(names) == ["layer 1", "layer 2", "weights = normal", "weights = normal-fan-in"]
    assert len({colour for _, colour in shown}) == len(shown)


def synthetic(document: Document, *, num_epochs: int = 400) -> Results:
    """An experiment of two runs of every variant, with some value for all that it measures."""
    runs = list_runs(document, range(2))
    epochs = 1 if isinstance(document, Calculation) else num_epochs
    level = np.array([run.seed for run in runs])[:, None] / 100
    values = 0.9 + level - 0.3 * np.exp(-np.arange(epochs) / 20)
    names = list(document.metrics())
    if "gradient_norm.1" in names:
        names += [f"gradient.{layer}.{neuron}" for layer in (1, 2) for neuron in range(1, 7)]
    return Results(
        document, variants(document), History(runs, dict.fromkeys(names, values), ""), None, ()
    )


def with_metrics(experiment: Results, **metrics: list) -> Results:
    history = experiment.history._replace(metrics={n: np.array(v) for n, v in metrics.items()})
    return experiment._replace(history=history)


def lines(axes, colour: str | None = None) -> list:
    """The drawn curves of a panel, without those that are there for the legend alone."""
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 0]
    return [line for line in drawn if colour in (None, line.get_color())]


def crosses(axes) -> list[tuple[float, float]]:
    marked = [line for line in lines(axes) if line.get_marker() == "x"]
    return [tuple(point) for line in marked for point in line.get_xydata().tolist()]


@pytest.mark.parametrize("name", PICTURES)
def test_each_experiment_has_its_pictures(name: str, tmp_path: Path) -> None:
    experiments = {document: synthetic(load_spec(document)) for document in {name, "ch1-svm"}}
    paths = draw(experiments[name], experiments, tmp_path, footnote="a test")
    assert [path.name for path in paths] == [f"{name}{suffix}.png" for suffix in PICTURES[name]]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width >= 900
        assert path.stat().st_size < 100_000


def test_an_experiment_that_was_not_run_has_no_picture(tmp_path: Path) -> None:
    experiment = synthetic(load_spec("ch1-30-hidden"))._replace(history=None)
    assert draw(experiment, {}, tmp_path, footnote="") == []


def test_the_same_history_gives_the_same_bytes(tmp_path: Path) -> None:
    experiment = synthetic(load_spec("ch3-overfitting-full"))
    contents = []
    for _ in range(2):
        (path,) = draw(experiment, {}, tmp_path, footnote="a test")
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["ch1-30-hidden", "ch3-dropout", "ch3-overfitting-replay"])
def test_legend_and_footnote_cover_nothing(name: str, tmp_path: Path) -> None:
    experiment = synthetic(load_spec(name))
    metrics = [*experiment.metrics()]
    figure = draw_curves(experiment, [Panel([metric]) for metric in metrics], columns=2)
    save(figure, tmp_path / "picture.png", "a footnote")
    FigureCanvasAgg(figure).draw()
    body, strip = figure.subfigs
    boxes = [axes.get_tightbbox() for axes in body.axes]
    boxes += [body.legends[0].get_window_extent(), strip.texts[0].get_window_extent()]
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_every_run_is_a_thin_line_and_their_mean_a_thick_one() -> None:
    experiment = synthetic(load_spec("ch1-30-hidden"))
    curves = [[0.5, 0.75, 1.0], [0.25, 0.5, NAN]]
    experiment = with_metrics(experiment, test_accuracy=curves)
    (axes,) = draw_curves(experiment, [Panel(["test_accuracy"])], columns=1).axes
    first, second, mean = lines(axes, COLOURS[0])
    assert first.get_xydata().tolist() == [[0, 50], [1, 75], [2, 100]]
    assert second.get_xydata().tolist() == [[0, 25], [1, 50]]
    assert mean.get_xydata().tolist() == [[0, 37.5], [1, 62.5]]
    assert mean.get_linewidth() > first.get_linewidth()
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("test accuracy (%)", "epoch")


def test_curves_join_the_epochs_that_were_measured() -> None:
    experiment = synthetic(load_spec("ch1-30-hidden"))
    experiment = with_metrics(experiment, test_accuracy=[[0.5, NAN, 1.0], [0.5, NAN, 0.5]])
    (axes,) = draw_curves(experiment, [Panel(["test_accuracy"])], columns=1).axes
    assert lines(axes, COLOURS[0])[-1].get_xydata().tolist() == [[0, 50], [2, 75]]


def test_one_epoch_alone_has_one_tick() -> None:
    experiment = with_metrics(synthetic(load_spec("ch6-conv")), test_accuracy=[[0.5]] * 4)
    figure = draw_curves(experiment, [Panel(["test_accuracy"])], columns=1)
    assert figure is not None
    assert figure.axes[0].get_xticks().tolist() == [0]


def test_the_books_numbers_are_marked_at_their_epochs() -> None:
    # The last epoch is the book's, also where a profile ends before it.
    experiment = synthetic(load_spec("ch1-30-hidden"), num_epochs=3)
    (axes,) = draw_curves(experiment, [Panel(["test_accuracy"])], columns=1).axes
    expected = [(0, 91.29), (1, 92.95), (2, 93.48), (27, 95.28), (29, 95.34)]
    assert crosses(axes) == [(epoch, pytest.approx(value)) for epoch, value in expected]
    (best,) = [line for line in lines(axes) if line.get_linestyle() == ":"]
    assert best.get_ydata()[0] == pytest.approx(95.42)
    assert set(axes.get_legend_handles_labels()[1]) == {"mean of our runs", PRINTED, BEST}


def test_a_curve_of_the_book_is_marked_here_and_there() -> None:
    experiment = synthetic(load_spec("ch3-overfitting-full-replay"))
    claims = experiment.document.claims
    (values,) = [claim.values for claim in claims if isinstance(claim, CurveClaim)]
    panel = Panel(["test_accuracy"], {"regularizer.l2": 5.0}, epochs=(0, 27))
    (axes,) = draw_curves(experiment, [panel], columns=1).axes
    marked = crosses(axes)
    assert len(marked) == 12
    assert {0, 27} <= {epoch for epoch, _ in marked}
    assert marked == [(epoch, pytest.approx(100 * values[int(epoch)])) for epoch, _ in marked]


def test_variants_differ_in_colour_and_splits_in_style() -> None:
    experiment = synthetic(load_spec("ch3-dropout"))
    (axes,) = draw_curves(experiment, [Panel(["train_cost", "test_cost"])], columns=1).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in lines(axes)}
    assert looks == {(colour, style) for colour in COLOURS[:2] for style in ("-", "--")}
    labels = axes.get_legend_handles_labels()[1]
    assert dict.fromkeys(labels) == dict.fromkeys(
        ["dropout = 0", "dropout = 0.5", "test", "training"]
    )


def test_a_panel_shows_its_variant_and_its_epochs() -> None:
    experiment = synthetic(load_spec("ch3-overfitting-replay"))
    panel = Panel(["train_cost"], {"regularizer.l2": 0.1}, epochs=(200, 399))
    (axes,) = draw_curves(experiment, [panel], columns=1).axes
    assert {*lines(axes, COLOURS[0])[-1].get_xdata()} == set(range(200, 400))
    assert crosses(axes) == [(399, 0.11539)]
    assert axes.get_title() == "λ = 0.1"


@pytest.mark.parametrize(("highest", "limits"), [(0.95, (90, 100)), (0.5, None)])
def test_limits_hold_if_any_run_gets_there(highest: float, limits: tuple | None) -> None:
    experiment = synthetic(load_spec("ch1-30-hidden"))
    experiment = with_metrics(experiment, test_accuracy=[[0.1, highest], [0.1, 0.2]])
    (axes,) = draw_curves(experiment, [Panel(["test_accuracy"], limits=(90, 100))], columns=1).axes
    assert (axes.get_ylim() == (90, 100)) == (limits is not None)


def test_speeds_of_hidden_layers_are_logarithmic() -> None:
    experiment = synthetic(load_spec("ch5-gradients"))
    figure = draw_curves(experiment, speed_panels(experiment), columns=3)
    coloured = [{line.get_color() for line in lines(axes)} for axes in figure.axes]
    assert coloured == [set(COLOURS[:number]) for number in (2, 3, 4)]
    assert [axes.get_yscale() for axes in figure.axes] == ["log"] * 3
    assert [axes.get_title() for axes in figure.axes] == [f"hidden layers = {n}" for n in (2, 3, 4)]


def test_gradients_of_neurons_stand_beside_the_books() -> None:
    figure = draw_bars(synthetic(load_spec("ch5-gradients")))
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert [layer[:6] for layer in heights] == [[pytest.approx(0.6)] * 6] * 2
    assert [layer[6:][3] for layer in heights] == [0.01260, 0.04674]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


@pytest.mark.parametrize("is_there", [True, False])
def test_sizes_are_compared_with_the_machine_if_it_was_run(is_there: bool) -> None:
    names = ["ch3-training-sizes"] + ["ch1-svm"] * is_there
    experiments = {name: synthetic(load_spec(name)) for name in names}
    figure = draw_sizes(experiments["ch3-training-sizes"], experiments)
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log", "log"]
    assert bool(lines(figure.axes[2], COLOURS[1])) is is_there
    printed = dict(crosses(figure.axes[0]))
    assert printed[100] == pytest.approx(69.09)
    assert printed[50_000] == pytest.approx(95.97)
    assert len(crosses(figure.axes[2])) == (18 if is_there else 9)


@pytest.mark.parametrize("title", ["a $\\frac$ b", "$", "${a}$ | $", "two\nlines $x_{$"])
def test_a_dollar_in_a_title_is_a_dollar(title: str, tmp_path: Path) -> None:
    experiment = synthetic(load_spec("ch3-dropout"))
    document = experiment.document.model_copy(update={"title": title})
    (path,) = draw(experiment._replace(document=document), {}, tmp_path, footnote=title)
    assert path.exists()


def test_a_dollar_in_a_varied_value_is_a_dollar(tmp_path: Path) -> None:
    figure, (axes,) = new_figure(1, columns=1, title="")
    axes.set_title("a = $\\frac$")
    axes.plot([0, 1], [0, 1], label="a = $\\frac$")
    save(figure, tmp_path / "picture.png", "")
    assert (tmp_path / "picture.png").exists()


def test_beyond_the_last_colour_lines_differ_in_style() -> None:
    experiment = synthetic(load_spec("ch1-unlearned"), num_epochs=3)
    lines = panel_lines(experiment, Panel(["test_accuracy"]))
    assert len({(line.colour, line.style) for line in lines}) == len(lines) == 12
    assert [series.dash for series in draw_charts(experiment)[0].series] == [(1, 0)] * 7 + [
        (7, 4)
    ] * 5
