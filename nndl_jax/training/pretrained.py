"""Trained networks by the names of their documents: in a folder, a checkout or the package."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from nndl_jax.networks.network import FeedforwardNetwork
from nndl_jax.reading.validation import closest
from nndl_jax.training.checkpoint import load

VARIABLE = "NNDL_MODELS"
_INDEX = "index.json"
_PACKAGE = Path(__file__).parents[1]


def model_folders() -> Iterator[Path]:
    """Where networks are looked for, the nearest first.

    The folder that `NNDL_MODELS` names; `models/` of the working folder and of the checkout; what
    the package ships.
    """
    if own := os.environ.get(VARIABLE):
        yield Path(own).expanduser()
    yield Path("models")
    yield _PACKAGE.parent / "models"
    packaged = _PACKAGE / "pretrained"
    yield packaged if packaged.is_dir() else _PACKAGE.parent / "pretrained"


def list_pretrained() -> list[str]:
    """Names of the networks that `load_pretrained` finds here.

    Raises:
        ValueError: the list in a folder cannot be read.
    """
    return sorted({name for folder in model_folders() for name in _read_index(folder)})


def find_pretrained(name: str) -> Path:
    """The file of a trained network, whose sum is that in the list beside it.

    Args:
        name: of its document, such as `ch1-30-hidden`.

    Raises:
        FileNotFoundError: there is none here; says where to get it.
        ValueError: it is not the file that was listed, or the list cannot be read.
    """
    for folder in model_folders():
        entry = _read_index(folder).get(name)
        if entry is None:
            continue
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            raise FileNotFoundError(f"{folder / _INDEX} lists {name}, and {path} is not there")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != entry:
            message = (
                f"is not the file that {_INDEX} beside it lists: its SHA-256 is {found[:12]}..."
            )
            raise ValueError(f"{path} {message} and not {entry[:12]}...; get both again")
        return path
    message = f"there are no weights of {name!r} here, {closest(name, list_pretrained())}"
    raise FileNotFoundError(
        f"{message}; run `nndl train {name}` and name the file that it writes, run the pipeline in "
        f"a checkout, get all that one has with `dvc get CHECKOUT models`, or name the folder that "
        f"holds them in {VARIABLE}"
    )


def load_pretrained(name: str) -> FeedforwardNetwork:
    """A trained network by the name of its document, which it knows: `model.spec`.

    Examples:
        >>> load_pretrained("ch1-30-hidden").spec.title
        'Thirty hidden neurons'

    Args:
        name: such as `ch1-30-hidden`, which the package ships.

    Raises:
        FileNotFoundError: there is none here; says where to get it.
        ValueError: it is not the file that was listed, or not one of ours.
    """
    return load(find_pretrained(name))[0]


def _read_index(folder: Path) -> Mapping[str, str]:
    """The sum of each network in a folder; none where there is no list."""
    path = folder / _INDEX
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(entry["sha256"]) for name, entry in listed.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{path} cannot be read; get it again, or move it away") from None
