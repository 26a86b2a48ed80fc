"""Commands that use trained networks: on pictures, in other programs, from the book's program."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nndl_jax.command.console import AsJson, Quiet, in_a_sentence, say_error, show, show_json
from nndl_jax.command.setup import prepare_jax

if TYPE_CHECKING:
    import numpy as np

    from nndl_jax.networks.network import FeedforwardNetwork

Trained = Annotated[
    str, typer.Argument(metavar="WEIGHTS_OR_ID", help="A file of nndl train, or a shipped network.")
]
_SHADES = " .:-=+*#%@"
_BAR = 30
"""Letters of the longest bar."""


@in_a_sentence
def predict(
    weights: Trained,
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Of a digit each.")],
    as_json: AsJson = False,
) -> None:
    """Read the digit in pictures of your own.

    What the network sees and gives is shown. A picture may be of any size and format, dark on light
    or light on dark.
    """
    import numpy as np

    from nndl_jax.data.pictures import read_picture

    seen: dict[Path, np.ndarray] = {}
    for path in dict.fromkeys(pictures):
        try:
            seen[path] = read_picture(path)
        except (OSError, ValueError) as error:
            say_error(error)
    if not seen:
        raise typer.Exit(1)
    prepare_jax(1)
    import nndl_jax

    model, images = load_trained(weights), np.stack(list(seen.values()))
    if math.prod(model.inputs) != images.shape[1]:
        message = f"has {math.prod(model.inputs):,} inputs, and a picture is read as 28 x 28 pixels"
        raise ValueError(f"{weights}: {message}; give a network of such images")
    digits = nndl_jax.predict(model, images)
    outputs = np.asarray(nndl_jax.activations(model, images)[-1])
    if as_json:
        rows = zip(seen, digits, outputs, strict=True)
        show_json(
            [
                {"picture": str(path), "digit": int(digit), "outputs": list(map(float, row))}
                for path, digit, row in rows
            ]
        )
    else:
        for (path, image), digit, row in zip(seen.items(), digits, outputs, strict=True):
            show(f"{path}: {digit}")
            _show_picture(image, row)
    if len(seen) < len(set(pictures)):
        raise typer.Exit(1)


def find_weights(weights: str) -> Path:
    """The file that is meant, or that of a network which is found by name.

    Raises:
        FileNotFoundError: there is none of the name.
        ValueError: it is not the file that was listed.
    """
    from nndl_jax.training.pretrained import find_pretrained

    path = Path(weights)
    return path if path.suffix == ".safetensors" or path.exists() else find_pretrained(weights)


def load_trained(weights: str) -> "FeedforwardNetwork":
    """The network in a file, or one that is found by name.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not one of ours.
    """
    import jax

    import nndl_jax

    model, _ = nndl_jax.load(find_weights(weights))
    if model.spec is not None and model.spec.training.dtype == "float64":
        jax.config.update("jax_enable_x64", val=True)
        return load_trained(weights) if jax.numpy.zeros(()).dtype == "float32" else model
    return model


def _show_picture(image: "np.ndarray", outputs: "np.ndarray") -> None:
    """The image in letters, two rows in one, beside a bar for each output."""
    darkness = image.reshape(14, 2, 28).mean(axis=1) / 256
    lines = ["".join(_SHADES[int(value * len(_SHADES))] for value in row) for row in darkness]
    longest = max(float(abs(outputs).max()), 1e-9)
    bars = [
        f"{index} {'#' * round(_BAR * max(0.0, float(output)) / longest):{_BAR}} {output:.3f}"
        for index, output in enumerate(outputs)
    ]
    bars += [""] * (len(lines) - len(bars))
    for line, bar in zip(lines, bars, strict=False):
        show(f"  {line}  {bar}".rstrip())


@in_a_sentence
def export(
    weights: Trained,
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="stablehlo, onnx, torch or numpy.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it goes; else beside, by its name.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a trained network for other programs.

    What is written has given what the network gives, on 100 inputs.
    """
    prepare_jax(1)
    from nndl_jax.training.export import EXPORTS, NUM_CHECKED, SUFFIXES, inputs_in_words

    if to not in EXPORTS:
        raise typer.BadParameter(f"--to must be one of {', '.join(EXPORTS)}, got {to!r}")
    model = load_trained(weights)
    path = out or Path(f"{Path(weights).name.removesuffix('.safetensors')}{SUFFIXES[to]}")
    if not path.name.endswith(SUFFIXES[to]):
        raise ValueError(f"--out {path}: must end in {SUFFIXES[to]}")
    EXPORTS[to](model, path)
    if not quiet:
        show(f"wrote {path}, which gives what the network does on {NUM_CHECKED} inputs")
        if model.spec is not None and model.spec.data.is_scaled():
            show(f"its inputs are {inputs_in_words(model)}")


@in_a_sentence
def import_network(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="net.json of network2's save.")],
    out: Annotated[Path, typer.Option(metavar="WEIGHTS", help="Where it goes.")],
    quiet: Quiet = False,
) -> None:
    """Make a network that the book's network2 saved one of ours."""
    prepare_jax(1)
    import nndl_jax
    from nndl_jax.training.network2 import load_network2

    if out.suffix != ".safetensors":
        raise ValueError(f"--out {out}: must end in .safetensors")
    model = load_network2(path)
    if model.spec is not None:
        nndl_jax.save(model, model.spec, out)
    if not quiet:
        show(f"wrote {out}")
