"""Pictures of MNIST, and of what the book derives: what they show."""

from pathlib import Path

import numpy as np
import pytest

from nndl_jax.calculations.analysis import PLOTTED
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.data.mnist import load_mnist
from nndl_jax.documents.load import load_spec
from nndl_jax.documents.variants import list_runs, variants
from nndl_jax.networks.calculated import run_calculation
from pipeline.figures import draw
from pipeline.figures.calculations import draw_calculation
from pipeline.figures.data import HARD, draw_data, quadrants, rotate, shift
from pipeline.figures.frame import save
from pipeline.store.results import Results
from pipeline.store.runs import History

NAMES = (
    *("mnist-first-six", "mnist-first-six-apart", "mnist-hundred", "mnist-2-and-1"),
    *("mnist-quadrants", "mnist-hard", "mnist-fives"),
)
DOCUMENTS = (
    *("ch1-gradient-descent", "ch1-small-change", "ch3-activations", "ch5-identity-neuron"),
    *("ch5-width", "ch6-relu-scaling"),
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """As many images of noise as the pictures of MNIST need."""
    rng = np.random.default_rng(0)

    def split(num_images: int) -> Split:
        images = rng.integers(0, 256, (num_images, 784), dtype=np.uint8)
        return Split(images, np.zeros(num_images, np.int32))

    return Dataset("mnist", split(100), split(1), split(5643))


@pytest.fixture(scope="module")
def shown(dataset) -> dict[str, list]:
    """What the panels of each picture show."""
    figures = {name: figure.subfigs[0].axes for name, figure in draw_data(dataset)}
    return {
        name: [np.asarray(axes.images[0].get_array()) for axes in panels]
        for name, panels in figures.items()
    }


def equal(panels, expected) -> bool:
    return len(panels) == len(expected) and all(map(np.array_equal, panels, expected))


def test_pictures_are_written_small(dataset, tmp_path: Path):
    for name, figure in draw_data(dataset):
        save(figure, tmp_path / f"{name}.png", "a test")
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(NAMES)
    assert all(path.stat().st_size < 200_000 for path in tmp_path.iterdir())


def test_other_data_have_no_pictures(dataset):
    assert list(draw_data(dataset._replace(name="digits"))) == []


def test_first_six_stand_together_without_their_sides(dataset, shown):
    six = dataset.train.images[:6].reshape(6, 28, 28)
    assert equal(shown["mnist-first-six"], [np.hstack([image[:, 3:25] for image in six])])
    assert equal(shown["mnist-first-six-apart"], list(six))


def test_hundred_stand_in_rows_of_ten(dataset, shown):
    images = dataset.train.images[:100].reshape(100, 28, 28)[:, 3:25, 3:25]
    rows = [np.hstack(list(images[start : start + 10])) for start in range(0, 100, 10)]
    assert equal(shown["mnist-hundred"], [np.vstack(rows)])


def test_two_and_one_are_training_images_5_and_3(dataset, shown):
    expected = dataset.train.images[[5, 3]].reshape(2, 28, 28)
    assert equal(shown["mnist-2-and-1"], list(expected))


def test_hard_images_are_those_of_the_book(dataset, shown):
    assert sorted(HARD) == list(HARD)
    assert (len(HARD), sum(HARD)) == (18, 41_151)
    expected = dataset.test.images[list(HARD)].reshape(18, 28, 28)
    assert equal(shown["mnist-hard"], list(expected))


def test_quadrants_make_up_the_image(dataset, shown):
    image = dataset.train.images[1].reshape(28, 28)
    parts = quadrants(image)
    assert equal(shown["mnist-quadrants"], [image, *parts])
    np.testing.assert_array_equal(parts.sum(axis=0), image)
    corners = [part[row, column] for part in parts for row in (13, 14) for column in (13, 14)]
    inner = image[13:15, 13:15].ravel()
    np.testing.assert_array_equal(np.reshape(corners, (4, 4)), np.diag(inner))


def test_five_is_turned_and_shifted(dataset, shown):
    image = dataset.train.images[0].reshape(28, 28)
    shifted = [shift(image, by) for by in ((1, 0), (-1, 0), (0, -1), (0, 1))]
    assert equal(shown["mnist-fives"], [image, rotate(image), *shifted])


@pytest.mark.parametrize("by", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_shift_moves_down_and_to_the_right(by):
    image = np.arange(1, 785).reshape(28, 28)
    moved = shift(image, by)
    rows, columns = np.nonzero(moved)
    assert len(rows) == 27 * 28
    np.testing.assert_array_equal(moved[rows, columns], image[rows - by[0], columns - by[1]])


def test_rotation_is_that_of_the_author():
    # Each pixel looks 15 degrees clockwise of itself, x to the right and y up from row 14, column
    # 13, and takes the mean of four pixels, weighted by distance. Nothing is near the border.
    image = np.zeros((28, 28))
    image[6:22, 6:22] = np.random.default_rng(0).random((16, 16))
    expected, cosine, sine = np.zeros((28, 28)), np.cos(np.pi / 12), np.sin(np.pi / 12)
    for row in range(28):
        for column in range(28):
            x, y = column - 13, 14 - row
            x, y = cosine * x + sine * y, cosine * y - sine * x
            left, low = int(np.floor(x)), int(np.floor(y))
            for across, up in ((0, 0), (0, 1), (1, 0), (1, 1)):
                share = abs(1 - across - (x - left)) * abs(1 - up - (y - low))
                at = 14 - low - up, 13 + left + across
                if min(at) >= 0 and max(at) < 28:
                    expected[row, column] += share * image[at]
    np.testing.assert_allclose(rotate(image), expected, atol=1e-12)


def test_mnist_has_the_digits_that_the_book_shows(mnist_folder):
    mnist = load_mnist(mnist_folder)
    assert mnist.train.labels[:6].tolist() == [5, 0, 4, 1, 9, 2]
    assert [name for name, _ in draw_data(mnist)] == list(NAMES)


def experiment(name):
    """A document with its own numbers."""
    document = load_spec(name)
    specs = {variant.name: variant.spec for variant in variants(document)}
    runs = list_runs(document, (0, 1))
    rows = [run_calculation(specs[run.variant], seed=run.seed) for run in runs]
    metrics = {metric: np.array([[row[metric]] for row in rows]) for metric in rows[0]}
    return Results(document, variants(document), History(runs, metrics, "none"), None, ())


def axes_of(name):
    drawn = experiment(name)
    figure = draw_calculation(drawn, drawn.variants[0].spec)
    assert figure is not None
    return figure.subfigs[0].axes


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_analysis_has_its_picture(name, tmp_path: Path):
    paths = draw(experiment(name), {}, tmp_path, footnote="a test")
    assert [path.name for path in paths] == [f"{name}.png"]
    assert paths[0].stat().st_size < 100_000


def test_directions_have_no_picture(tmp_path: Path):
    assert draw(experiment("ch1-steepest-descent"), {}, tmp_path, footnote="") == []


def test_valley_shows_each_way_down():
    *maps, surface = axes_of("ch1-gradient-descent")
    assert surface.name == "3d"
    ends = [axes.lines[0].get_xydata()[[0, -1]] for axes in maps]
    # The last one is beyond the valley after 20 steps of factor -1.2.
    factors = [0.98**20, 0.8**20, 0.8**20, 1.2**20]
    expected = [np.outer([1, factor], [-0.9, 0.7]) for factor in factors]
    np.testing.assert_allclose(ends, expected, atol=1e-12)


def test_widest_interval_is_marked():
    (axes,) = axes_of("ch5-width")
    crosses = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "x"]
    assert [points for points in crosses if points] == [[[6.9, 0.45]]]
    curve = axes.lines[0].get_xydata()
    assert curve[curve[:, 1].argmax()] == pytest.approx([6.89, 0.4477], abs=0.02)


def test_slope_of_the_sigmoid_is_marked_at_a_quarter():
    panels = axes_of("ch3-activations")
    assert [axes.get_title() for axes in panels] == list(PLOTTED)
    assert panels[-1].lines[1].get_xydata().tolist() == [[0, 0.25]]


def test_changed_neurons_stand_on_the_sigmoid():
    (axes,) = axes_of("ch1-small-change")
    curve, tangent, *points = (line.get_xydata() for line in axes.lines)
    # z = 0.6 - 0.6 + 0.1 + 0.3, and the changes add up to 0.5 - 0.1 + 0.025 + 0.3.
    z = 0.4 + 0.725 * np.array([0, 1, 0.1, 0.01])
    np.testing.assert_allclose(np.vstack(points), np.transpose([z, 1 / (1 + np.exp(-z))]))
    assert curve[200] == pytest.approx(tangent[200])
    assert np.abs(curve - tangent).max() > 0.1


def test_identity_neurons_end_at_their_errors():
    outputs, errors = axes_of("ch5-identity-neuron")
    assert len(outputs.lines) == len(errors.lines) + 1
    ends = [line.get_ydata()[-1] for line in errors.lines]
    assert ends == pytest.approx([1.016e-2, 1.0414e-4, 1.0417e-6, 0.05605], rel=1e-3)


def test_rescaled_outputs_stand_with_and_without_biases():
    (axes,) = axes_of("ch6-relu-scaling")
    tops = [(bar.get_center()[0], bar.get_height()) for bar in axes.patches[:6]]
    heights = [0.5, 2, 0.25, 4, 0.125, 8]
    assert tops == [pytest.approx((n - 0.2, height)) for n, height in enumerate(heights)]
    assert axes.get_yscale() == "log"
    marked = [line.get_xydata().tolist() for line in axes.lines if len(line.get_xdata())]
    assert marked == [[[0.8, 2], [2.8, 4], [3.8, 0.125], [4.8, 8]]]
