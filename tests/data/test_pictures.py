"""Pictures of one's own, as MNIST's images are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nndl_jax.data.pictures import as_mnist, read_picture

# An L of ink, 60 rows by 30 columns, in a picture of 200 x 150 on white paper.
DRAWN = np.full((200, 150), 255.0)
DRAWN[40:100, 20:30] = 0
DRAWN[90:100, 20:50] = 0

SEEN_ALIKE = {
    "light on dark": 255 - DRAWN,
    "grey on grey": 90 + DRAWN / 2,
    "elsewhere": np.roll(DRAWN, (70, 60), axis=(0, 1)),
    "twice as large": np.kron(DRAWN, np.ones((2, 2))),
    "with dust": DRAWN - 255 * (np.indices(DRAWN.shape) % 50 == 45).all(axis=0),
    "on paper that darkens": DRAWN - np.linspace(0, 15, 150)[None],
}


def test_the_longer_side_fills_twenty_pixels_around_the_centre_of_mass() -> None:
    image = as_mnist(DRAWN).reshape(28, 28)
    rows, columns = np.nonzero(image > 25)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 10)
    assert image.max() == 255
    mass = image / image.sum()
    centre = [(mass.sum(axis=1 - axis) * (np.arange(28) + 0.5)).sum() for axis in (0, 1)]
    np.testing.assert_allclose(centre, 14, atol=0.5)


@pytest.mark.parametrize("how", SEEN_ALIKE)
def test_a_digit_looks_alike_however_it_was_pictured(how: str) -> None:
    expected, found = as_mnist(DRAWN).astype(int), as_mnist(SEEN_ALIKE[how]).astype(int)
    assert np.abs(found - expected).mean() < 5


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_pictures_are_read_of_any_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"drawn.{suffix}"
    Image.fromarray(DRAWN.astype(np.uint8)).convert("RGB").save(path)
    # JPEG blurs edges.
    assert np.abs(read_picture(path).astype(int) - as_mnist(DRAWN)).mean() < 5


def test_what_is_transparent_is_paper(tmp_path: Path) -> None:
    ink = np.zeros((*DRAWN.shape, 4), np.uint8)
    ink[..., 3] = 255 - DRAWN
    Image.fromarray(ink).save(tmp_path / "drawn.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "drawn.png"), as_mnist(DRAWN))
    ink[..., :3] = 255  # White ink is seen on black.
    Image.fromarray(ink).save(tmp_path / "drawn.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "drawn.png"), as_mnist(DRAWN))


def test_images_of_mnist_stay_nearly_what_they_are(small_dataset) -> None:
    image = np.zeros((28, 28))
    image[4:24, 9:19] = 255
    assert np.abs(as_mnist(255 - image).reshape(28, 28) - image).max() == 0


def test_an_empty_picture_is_refused(tmp_path: Path) -> None:
    Image.new("L", (50, 50), 200).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match=r"empty.png: nothing stands out of its ground"):
        read_picture(tmp_path / "empty.png")


@pytest.mark.parametrize(
    ("dtype", "suffix", "largest"),
    [("uint16", "png", 40_000), ("int32", "tif", 9e6), ("float32", "tif", 1)],
)
def test_pictures_are_read_of_any_number_of_levels(
    tmp_path: Path, dtype: str, suffix: str, largest: float
) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray((DRAWN * (largest / 255)).astype(dtype)).save(path)
    assert np.abs(read_picture(path).astype(int) - as_mnist(DRAWN)).max() <= 1


def test_a_folder_and_a_picture_beyond_all_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r": is a folder; name the pictures in it"):
        read_picture(tmp_path)
    path = tmp_path / "large.gif"
    Image.new("P", (1, 1)).save(path)
    for side in (8_000, 10_000, 15_000):  # Pillow warns of the second, and refuses the third.
        header = path.read_bytes()
        path.write_bytes(header[:6] + side.to_bytes(2, "little") * 2 + header[10:])
        with pytest.raises(ValueError, match=r"large.gif: has more pixels than the 50,000,000"):
            read_picture(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"odd.png: is no picture that can be read"):
        read_picture(tmp_path / "odd.png")
