"""Pictures of one's own in the form of MNIST's images: found, cropped, scaled, centred by mass."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE, _BOX = 28, 20
"""Rows and columns of an image, and of the box that MNIST's digits fill."""
_INK = 0.25
"""Share of the strongest contrast from which on a pixel is ink."""
_SPECK = 0.05
"""Share of the largest patch of ink below which another is dust."""
_LEAST_CONTRAST = 24
"""Levels of 255 between paper and ink; less is noise."""
MAX_PIXELS = 50_000_000


def read_picture(path: Path | str) -> UInt8[np.ndarray, "784"]:
    """The digit in a picture as MNIST's digits are, 0 white to 255 black.

    What is lighter than its ground is inverted. The ink is cut out, its longer side scaled to 20
    pixels, and its centre of mass laid on the middle of 28 x 28 (LeCun and others, 1998).

    What is transparent is paper: white, or black where nothing would stand out of white.

    Args:
        path: of a file of any format that Pillow reads; at most 50 million pixels.

    Raises:
        ImportError: Pillow is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, too large, or no digit stands out of its ground.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ImportError("pictures need Pillow: pip install pillow") from None
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name the pictures in it")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such picture")
    try:
        with warnings.catch_warnings():  # Pillow's own about its size, which is looked at here.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                grey = _grey_of(ImageOps.exif_transpose(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        message = f"has more pixels than the {MAX_PIXELS:,} that are read"
        raise ValueError(f"{path}: {message}; make it smaller") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path}: is no picture that can be read ({reason})") from None
    try:
        return as_mnist(grey)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _grey_of(picture: "Image") -> Float[np.ndarray, "rows columns"]:
    """A picture in greys, 0 black to 255 white, on paper where it is transparent."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):  # More levels than bytes have, of whatever unit.
        levels = np.nan_to_num(np.asarray(picture, np.float64)).clip(0)
        return 255 * levels / (float(levels.max()) or 1.0)
    own = picture.convert("RGBA")

    def laid_on(colour: str) -> Float[np.ndarray, "rows columns"]:
        paper = Image.new("RGBA", own.size, colour)
        return np.asarray(Image.alpha_composite(paper, own).convert("L"), np.float64)

    on_white = laid_on("white")
    return on_white if np.ptp(on_white) >= _LEAST_CONTRAST else laid_on("black")


def as_mnist(grey: Float[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "784"]:
    """The same of a picture in greys, 0 black to 255 white.

    Raises:
        ValueError: no digit stands out of its ground.
    """
    ink = _ink_of(grey)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scaled = _scale(cut)
    return _centre(np.rint(255 * scaled / scaled.max())).astype(np.uint8).reshape(-1)


def _ink_of(grey: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """How much each pixel differs from the ground, towards the side of the ink; dust is 0."""
    import scipy.ndimage

    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    difference = np.median(edge) - grey
    # Ink is what there is of the stronger contrast: dark on light, or light on dark.
    ink = np.clip(difference if difference.max() >= -difference.min() else -difference, 0, None)
    if ink.max() < _LEAST_CONTRAST:
        raise ValueError("nothing stands out of its ground; give a digit of one clear colour")
    is_ink = ink >= _INK * ink.max()
    patches = np.zeros(is_ink.shape, np.int32)
    scipy.ndimage.label(is_ink, np.ones((3, 3)), output=patches)
    sizes = np.bincount(patches.ravel())
    sizes[0] = 0
    kept = np.flatnonzero(sizes >= _SPECK * sizes.max())
    near = scipy.ndimage.binary_dilation(np.isin(patches, kept[kept > 0]), np.ones((3, 3)))
    return np.where(near, ink, 0)


def _scale(ink: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "_ _"]:
    """The same with the longer side of 20 pixels."""
    from PIL import Image

    height, width = ink.shape
    size = [max(1, round(side * _BOX / max(height, width))) for side in (width, height)]
    picture = Image.fromarray(ink.astype(np.float32))
    return np.clip(np.asarray(picture.resize((size[0], size[1]), Image.Resampling.BOX)), 0, None)


def _centre(ink: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "28 28"]:
    """The same in the middle of 28 x 28 pixels, by its centre of mass, if it does not leave it."""
    image = np.zeros((_SIDE, _SIDE))
    corner = []
    for axis, length in enumerate(ink.shape):
        mass = ink.sum(axis=1 - axis)
        centre = float((mass * (np.arange(length) + 0.5)).sum() / mass.sum())
        corner.append(int(np.clip(round(_SIDE / 2 - centre), 0, _SIDE - length)))
    image[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]] = ink
    return image
