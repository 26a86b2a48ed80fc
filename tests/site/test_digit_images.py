"""Drawings become images as MNIST's are; the nearest images, and votes."""

import base64

import numpy as np
import pytest
from in_node import NEEDS_NODE, in_node

from pipeline.pages.weights import halve

pytestmark = NEEDS_NODE
DRAW = "return data.map((strokes) => Array.from(NNDL.network.drawStrokes(strokes)));"
SEVEN = [[[20, 20], [80, 20], [45, 90]]]


def draw(*drawings: list) -> np.ndarray:
    return np.reshape(in_node(DRAW, drawings), (-1, 28, 28))


def test_a_drawing_fills_twenty_pixels_and_its_mass_is_in_the_middle():
    (image,) = draw(SEVEN)
    rows, columns = np.nonzero(image > 0.1)
    assert rows.max() - rows.min() + 1 == pytest.approx(20, abs=1)
    assert columns.max() - columns.min() + 1 < 20
    middles = np.arange(28) + 0.5
    assert image.sum(axis=1) @ middles / image.sum() == pytest.approx(14, abs=0.1)
    assert image.sum(axis=0) @ middles / image.sum() == pytest.approx(14, abs=0.1)
    assert image.max() == 255 / 256
    assert image.min() == 0


def test_size_and_place_of_a_drawing_do_not_count():
    small = [[[x / 7 + 60, y / 7 + 3] for x, y in stroke] for stroke in SEVEN]
    first, second = draw(SEVEN, small)
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_a_dot_is_a_dot_and_nothing_is_nothing():
    dot, nothing = draw([[[40, 90]]], [])
    assert 1 < dot.sum() < 10
    assert not nothing.any()


def test_the_nearest_images_are_those_of_least_distance():
    rng = np.random.default_rng(0)
    images, image = rng.integers(0, 256, (30, 196), np.uint8), rng.random(784)
    small = image.reshape(14, 2, 14, 2).mean(axis=(1, 3)).ravel()
    distances = ((images / 256 - small) ** 2).sum(axis=1)
    data = {"image": image.tolist(), "images": base64.b64encode(images.tobytes()).decode()}
    found = in_node(
        "const { nearest, halve, bytesOf } = NNDL.network;"
        "return nearest(halve(data.image), bytesOf(data.images), 5);",
        data,
    )
    assert found == np.argsort(distances)[:5].tolist()


def test_halves_are_means_of_four_pixels():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 0, :2], image[0, 27, 27] = 200, 255
    halves = halve(image.reshape(1, 784)).reshape(14, 14)
    assert (halves[0, 0], halves[13, 13], halves.sum()) == (100, 64, 164)


def test_a_draw_goes_to_the_digit_of_the_earliest_network():
    votes = [[3, 7, 7, 3], [1, 2, 2], [4]]
    assert in_node("return data.map(NNDL.network.plurality);", votes) == [3, 2, 4]
