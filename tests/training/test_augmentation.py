"""Shifted copies and random distortions of images (ch. 6)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nndl_jax.data.datasets import Split
from nndl_jax.documents import Distortions, Shifts
from nndl_jax.training.augmentation import SHIFTS, distort, num_examples, read, shift

KEY = jax.random.key(0)
FIVE = Shifts(kind="shifts")
NUM_DRAWS = 400
ROWS, COLUMNS = np.mgrid[:28, :28]


def distortions(**largest):
    return Distortions(kind="distortions", **largest)


def moved(image, down, right):
    """An image moved by whole pixels, white where it came from."""
    result = np.zeros_like(image)
    for row in range(28):
        for column in range(28):
            if 0 <= row - down < 28 and 0 <= column - right < 28:
                result[row, column] = image[row - down, column - right]
    return result


def few_images():
    return np.random.default_rng(0).integers(1, 256, (3, 28, 28), dtype=np.uint8)


def test_an_image_has_four_copies_moved_by_one_pixel():
    assert sorted(SHIFTS) == [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]
    assert num_examples(FIVE, 50_000) == 250_000
    assert num_examples(None, 50_000) == num_examples(distortions(skew=1.0), 50_000) == 50_000


def test_copies_are_moved_and_white_where_they_came_from():
    images = few_images()
    for copy, (down, right) in enumerate(SHIFTS):
        found = shift(jnp.asarray(images.reshape(3, 784)), jnp.full(3, copy)).reshape(3, 28, 28)
        np.testing.assert_array_equal(found, [moved(image, down, right) for image in images])
        # Nothing that leaves on one side comes in on the other: these images have no white pixel.
        assert (np.asarray(found) == 0).sum() == (0 if copy == 0 else 3 * 28)


def test_images_of_a_batch_are_moved_each_in_its_way():
    images = few_images()[[0] * 5]
    found = shift(jnp.asarray(images.reshape(5, 784)), jnp.array([3, 0, 4, 1, 2]))
    expected = [moved(images[0], *SHIFTS[copy]).ravel() for copy in (3, 0, 4, 1, 2)]
    np.testing.assert_array_equal(found, expected)


def test_examples_are_numbered_image_by_image_and_keep_their_labels():
    split = Split(few_images().reshape(3, 784), np.array([7, 0, 4], np.int32))
    images, labels = read(split, jnp.arange(15), FIVE)
    expected = [
        moved(image.reshape(28, 28), *by).ravel() for image in split.images for by in SHIFTS
    ]
    np.testing.assert_array_equal(images, expected)
    assert labels.tolist() == [7] * 5 + [0] * 5 + [4] * 5


def test_examples_of_images_as_they_are_are_the_images():
    split = Split(few_images().reshape(3, 784), np.array([7, 0, 4], np.int32))
    images, labels = read(split, jnp.array([2, 0, 2]), None)
    np.testing.assert_array_equal(images, split.images[[2, 0, 2]])
    assert labels.tolist() == [4, 7, 4]


def blob(row, column, deviation=1.5):
    """A spot of ink."""
    return np.exp(-((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / (2 * deviation**2))


def distorted(image, spec, key=KEY):
    """Many distortions of an image."""
    images = jnp.asarray(np.tile(image.ravel(), (NUM_DRAWS, 1)), jnp.float32)
    return np.asarray(distort(images, spec, key=key), float).reshape(-1, 28, 28)


def centers(images):
    """Rows and columns of the centres of mass, from the middle of the image."""
    total = images.sum(axis=(1, 2))
    return [(images * places).sum(axis=(1, 2)) / total - 13.5 for places in (ROWS, COLUMNS)]


def assert_even(values, largest):
    """Values lie evenly between the largest and the same below zero, to a hundredth of it."""
    assert np.abs(values).max() <= 1.01 * largest
    assert stats.kstest(values, stats.uniform(-largest, 2 * largest).cdf).pvalue > 0.01


def test_rotation_turns_ink_about_the_middle():
    # A spot 8 pixels to the right of the middle goes along a circle, up to 30 degrees.
    rows, columns = centers(distorted(blob(13.5, 21.5), distortions(rotation=30.0)))
    np.testing.assert_allclose(np.hypot(rows, columns), 8, atol=0.02)
    assert_even(np.degrees(np.arctan2(rows, columns)), 30)


def test_rotation_turns_all_of_an_image_alike():
    # A quarter turn takes the spot above the middle to the one to the right of it.
    spec = distortions(rotation=40.0)
    above, right = (distorted(blob(*at), spec) for at in ((5.5, 13.5), (13.5, 21.5)))
    (row, column), (other_row, other_column) = centers(above), centers(right)
    np.testing.assert_allclose(column, other_row, atol=0.02)
    np.testing.assert_allclose(-row, other_column, atol=0.02)


def test_skew_slants_vertical_lines():
    # A spot 8 pixels below the middle goes sideways, and one beside the middle stays.
    spec = distortions(skew=25.0)
    rows, columns = centers(distorted(blob(21.5, 13.5), spec))
    np.testing.assert_allclose(rows, 8, atol=0.02)
    assert_even(np.degrees(np.arctan2(columns, rows)), 25)
    beside = np.abs(centers(distorted(blob(13.5, 21.5), spec)) - np.array([[0], [8]]))
    assert beside.max() < 0.02


def test_translation_moves_ink_along_rows_and_columns():
    moves = centers(distorted(blob(13.5, 13.5), distortions(translation=4.0)))
    for move in moves:
        assert_even(move, 4)
    # Five standard errors of the correlation of independent numbers.
    assert abs(np.corrcoef(*moves)[0, 1]) < 5 / NUM_DRAWS**0.5


def displacements(spec):
    """How far each pixel is from the place that it takes its value from, by rows and by columns.

    Of an image whose pixels are their own row or column, as fractions.
    """
    ramps = [distorted(places / 27, spec) * 27 - places for places in (ROWS, COLUMNS)]
    return np.stack(ramps)


@pytest.fixture(scope="module")
def fields():
    """Elastic displacements of strength 30, Gaussian weights of deviation 2."""
    return displacements(distortions(elastic=30.0, smoothness=2.0))


def test_elastic_displacements_have_the_deviation_of_weighted_means(fields):
    # Uniform numbers have the deviation 1/sqrt(3); a Gaussian's squared weights add up to
    # 1/(2 sqrt(pi) 2) along rows and along columns alike: 30 * 0.577 * 0.141 = 2.44.
    expected = 30 / 3**0.5 / (4 * np.pi**0.5)
    middle = fields[:, :, 12:16, 12:16]
    # A field has some 4 places in the middle that are nearly independent.
    assert middle.std() == pytest.approx(expected, rel=5 / (2 * 2 * NUM_DRAWS) ** 0.5)
    assert middle.mean() == pytest.approx(0, abs=5 * expected / (2 * NUM_DRAWS) ** 0.5)


@pytest.mark.parametrize("distance", [1, 2, 4])
def test_elastic_displacements_are_as_smooth_as_a_gaussian(fields, distance):
    # The mean of noise with Gaussian weights correlates by exp(-d^2 / (4 sigma^2)).
    expected = np.exp(-(distance**2) / 16)
    for ahead in (fields[..., 12, 12 + distance], fields[..., 12 + distance, 12]):
        found = np.corrcoef(fields[..., 12, 12].ravel(), ahead.ravel())[0, 1]
        assert found == pytest.approx(expected, abs=5 * (1 - expected**2) / (2 * NUM_DRAWS) ** 0.5)


def test_elastic_displacements_of_rows_and_columns_are_independent(fields):
    rows, columns = fields[..., 12, 12]
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 5 / NUM_DRAWS**0.5


EVERYTHING = distortions(rotation=40.0, skew=20.0, translation=5.0, elastic=30.0)


def test_distorted_pixels_stay_between_white_and_black():
    bytes_drawn = np.random.default_rng(0).choice([0, 255], (28, 28))
    found = distorted(bytes_drawn / 256, EVERYTHING)
    assert found.min() == 0
    assert 0.9 < found.max() < 1


def test_ink_that_leaves_the_image_does_not_come_back():
    found = distorted(blob(13.5, 2.0, deviation=1.0), distortions(translation=14.0))
    assert found[:, :, 22:].max() < 1e-3
    assert found.sum(axis=(1, 2)).min() < 0.01


def test_what_lies_outside_of_an_image_is_white():
    # All black, moved by d pixels: its sides are white as far as they are laid bare.
    found = distorted(np.ones((28, 28)), distortions(translation=14.0))
    rows, columns = found.max(axis=2).sum(axis=1), found.max(axis=1).sum(axis=1)
    assert rows.min() == pytest.approx(14, abs=1)
    assert columns.min() == pytest.approx(14, abs=1)


def test_smallest_distortions_leave_images_as_they_are():
    image = np.random.default_rng(0).random((28, 28))
    spec = distortions(rotation=1e-4, skew=1e-4, translation=1e-5, elastic=1e-5)
    np.testing.assert_allclose(distorted(image, spec)[0], image, atol=1e-3)


def test_images_of_a_batch_are_distorted_each_in_its_own_way():
    found = distorted(few_images()[0] / 256, EVERYTHING)
    assert len({image.tobytes() for image in found}) == NUM_DRAWS


def test_a_key_fixes_distortions():
    image = few_images()[0] / 256
    first, again, other = (distorted(image, EVERYTHING, jax.random.key(k)) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not (first == other).all(axis=(1, 2)).any()
