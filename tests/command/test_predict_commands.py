"""Commands that use trained networks: on pictures, and from the book's program."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import nndl_jax
from nndl_jax.data.pictures import read_picture


@pytest.fixture
def seven(nndl) -> str:
    """A picture of a seven, in the working folder."""
    ink = np.full((90, 70), 255, np.uint8)
    ink[10:20, 15:55] = 0
    for row in range(20, 80):
        right = 55 - (row - 20) // 2
        ink[row, right - 10 : right] = 0
    Image.fromarray(ink).save("seven.png")
    return "seven.png"


def test_predict_shows_the_digit_the_image_and_ten_bars(nndl, seven: str) -> None:
    done = nndl("predict", "ch1-100-hidden", seven)
    assert done.exit_code == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first == "seven.png: 7"
    assert len(lines) == 14
    bars = [line[32:] for line in lines[:10]]
    assert [bar.split()[0] for bar in bars] == [str(digit) for digit in range(10)]
    assert max(bars, key=lambda bar: bar.count("#")).startswith("7 ")
    assert "@" in done.stdout


def test_predict_json_is_what_the_library_gives(nndl, seven: str) -> None:
    found = json.loads(nndl("predict", "ch1-30-hidden", seven, seven, "--json").stdout)
    model = nndl_jax.load_pretrained("ch1-30-hidden")
    images = np.stack([read_picture(seven)])
    assert [entry["digit"] for entry in found] == [int(nndl_jax.predict(model, images)[0])]
    outputs = nndl_jax.activations(model, images)[-1][0]
    np.testing.assert_allclose(found[0]["outputs"], outputs, rtol=1e-5)


def test_a_picture_that_cannot_be_read_hides_no_other(nndl, seven: str) -> None:
    done = nndl("predict", "ch1-100-hidden", "no.png", seven)
    assert done.exit_code == 1
    assert done.stdout.startswith("seven.png: 7\n")
    assert done.stderr == "error: no.png: there is no such picture\n"


def test_a_network_of_other_inputs_reads_no_pictures(nndl, seven: str, small_network) -> None:
    spec = small_network({"model.inputs": [4], "data.name": "./own.csv"})
    nndl_jax.save(nndl_jax.build_model(spec, key=jax.random.key(0)), spec, "four.safetensors")
    done = nndl("predict", "four.safetensors", seven)
    assert done.exit_code == 1
    message = "four.safetensors: has 4 inputs, and a picture is read as 28 x 28 pixels"
    assert done.stderr == f"error: {message}; give a network of such images\n"


def network2(**changes: object) -> str:
    """What the book's network2 saves of a network of 784, 2 and 10 neurons."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).tolist() for shape in ((2, 784), (10, 2))]
    biases = [rng.normal(size=(size, 1)).tolist() for size in (2, 10)]
    saved = {"sizes": [784, 2, 10], "weights": weights, "biases": biases}
    return json.dumps({**saved, "cost": "CrossEntropyCost", **changes})


def test_a_network_of_network2_computes_here_what_it_did_there(nndl) -> None:
    Path("net.json").write_text(network2())
    done = nndl("import", "net.json", "--out", "net.safetensors")
    assert (done.exit_code, done.stdout) == (0, "wrote net.safetensors\n"), done.stderr
    model, spec = nndl_jax.load("net.safetensors")
    assert spec.loss == "cross-entropy"
    saved, a = json.loads(network2()), np.linspace(0, 1, 784)[:, None]
    for weight, bias in zip(saved["weights"], saved["biases"], strict=True):  # The book's loop.
        a = 1 / (1 + np.exp(-(np.array(weight) @ a + np.array(bias))))
    ours = model(jnp.linspace(0, 1, 784)[None])
    np.testing.assert_allclose(ours[0], a[:, 0], atol=1e-5)


REFUSED = {
    "missing picture": ("predict ch1-30-hidden no.png", "no.png: there is no such picture"),
    "folder as picture": (
        "predict ch1-30-hidden folder.png",
        "is a folder; name the pictures in it",
    ),
    "text as picture": ("predict ch1-30-hidden text.png", "text.png: is no picture"),
    "empty picture": ("predict ch1-30-hidden empty.png", "nothing stands out of its ground"),
    "no such network": ("predict ch1-31-hidden seven.png", "did you mean 'ch1-30-hidden'?"),
    "missing weights": (
        "predict no.safetensors seven.png",
        "no.safetensors: there is no such file",
    ),
    "picture as weights": ("predict seven.png seven.png", "is not a whole safetensors file"),
    "missing net": ("import no.json --out a.safetensors", "no.json: No such file"),
    "a device as net": ("import /dev/null --out a.safetensors", "/dev/null: is not a file"),
    "text as net": ("import text.png --out a.safetensors", "is not what the book's network2 saves"),
    "net of other sizes": (
        "import sizes.json --out a.safetensors",
        "its sizes [784, 3, 10] are not those of its weights",
    ),
    "net with another cost": (
        "import cost.json --out a.safetensors",
        "cost.json: its cost is 'OtherCost'; known are 'CrossEntropyCost', 'QuadraticCost'",
    ),
    "net with NaN": ("import nan.json --out a.safetensors", "numbers that are not finite"),
    "out of another kind": ("import net.json --out a.txt", "must end in .safetensors"),
    "out in no folder": ("import net.json --out no/a.safetensors", "no"),
}


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize("situation", REFUSED)
def test_what_is_refused_gets_a_sentence(nndl, situation: str) -> None:
    Path("folder.png").mkdir()
    Path("text.png").write_text("text")
    Image.new("L", (20, 20)).save("empty.png")
    Path("net.json").write_text(network2())
    Path("sizes.json").write_text(network2(sizes=[784, 3, 10]))
    Path("cost.json").write_text(network2(cost="OtherCost"))
    Path("nan.json").write_text(network2(biases=[[[1.0], [float("nan")]], [[0.0]] * 10]))
    words, message = REFUSED[situation]
    done = nndl(*words.split())
    assert done.exit_code == 1, done.output
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not Path("a.safetensors").exists()


@pytest.mark.parametrize("words", ["predict", "predict ch1-30-hidden", "import net.json"])
def test_what_is_called_wrongly_gets_its_usage(nndl, words: str) -> None:
    done = nndl(*words.split())
    assert done.exit_code == 2, done.output
    assert "Usage: nndl" in done.stderr
