"""What people see of documents, networks and results: short texts, and tables in notebooks."""

import jax
import numpy as np
import pytest
from flax import nnx

import nndl_jax
from nndl_jax.documents import Construction, Network
from nndl_jax.reading.html import html_curves, html_table

NETWORK = nndl_jax.load_network("ch1-30-hidden")
MODEL = nndl_jax.build_model(NETWORK, key=jax.random.key(0))
ZEROS = nndl_jax.Split(np.zeros((3, 784), np.uint8), np.arange(3, dtype=np.int32))


def test_a_measurement_is_a_line_of_numbers() -> None:
    found = nndl_jax.Evaluation(np.int32(9028), 10_000, np.float32(0.0812), np.float32(0.1))
    assert repr(found) == "Evaluation(accuracy=0.9028, cost=0.0812)"
    of_examples = found._replace(num_correct=None)
    assert repr(of_examples) == "Evaluation(output=0.1, cost=0.0812)"
    of_runs = nndl_jax.Evaluation(np.array([5, 10]), 10, np.zeros(2), np.zeros(2))
    assert repr(of_runs) == "Evaluation(accuracy=[0.5 1. ], cost=[0. 0.])"


SHORT = {
    "document": lambda: NETWORK,
    "long document": lambda: nndl_jax.load_spec("ch3-l2"),
    "construction": lambda: nndl_jax.load_spec("ch4-many-towers"),
    "variant": lambda: nndl_jax.variants(nndl_jax.load_spec("ch1-learning-rates"))[0],
    "data set": lambda: nndl_jax.Dataset("zeros", ZEROS, ZEROS, ZEROS),
    "split": lambda: ZEROS,
    "network": lambda: MODEL,
    "vote": lambda: nndl_jax.vote([MODEL], ZEROS),
    "backpropagated": lambda: nndl_jax.backpropagate(MODEL, ZEROS.images, np.eye(10)[:3]),
    "step": lambda: nndl_jax.Step(MODEL, nnx.state(MODEL), np.float32(0)),
    "snapshot": lambda: nndl_jax.Snapshot(3, [nnx.state(MODEL)]),
}


@pytest.mark.parametrize("name", SHORT)
def test_what_is_shown_is_short(name: str) -> None:
    shown = repr(SHORT[name]())
    assert len(shown) <= 200
    assert "\n" not in shown


def test_a_network_says_its_layers_and_its_document() -> None:
    assert (
        repr(MODEL)
        == str(MODEL)
        == (
            "<FeedforwardNetwork of ch1-30-hidden: 784 inputs; dense, sigmoid; dense, sigmoid; "
            "23,860 parameters>"
        )
    )


def test_a_notebook_shows_the_layers_of_a_document() -> None:
    html = nndl_jax.load_spec("ch6-relu")._repr_html_()
    assert "<td>conv</td><td>1 x 28 x 28</td><td>20 x 24 x 24</td><td>relu</td>" in html
    assert "learning_rate" in html
    shown = nndl_jax.load_spec("ch4-many-towers")._repr_html_()
    assert shown.startswith("<b>ch4-many-towers: ")


def test_a_notebook_shows_the_splits_of_a_data_set_and_four_images() -> None:
    pictures = np.arange(10 * 6 * 6, dtype=np.uint8).reshape(10, 6, 6)
    data = nndl_jax.Dataset.from_arrays(pictures, ["<b>", "dog"] * 5, name="pets")
    assert repr(data) == "<Dataset pets: 6 train, 2 validation, 2 test>"
    html = data._repr_html_()
    assert "<td>train</td><td>6</td><td>from 0 to 255</td><td>&lt;b&gt; 3, dog 3</td>" in html
    assert html.count('src="data:image/png;base64,') == 4


def test_what_a_document_says_is_no_code_in_a_notebook() -> None:
    spec = NETWORK.model_copy(update={"title": "<script>alert(1)</script>"})
    assert "<script" not in spec._repr_html_()
    assert html_table("<i>", ("<b>",), [("<u>",)]).count("&lt;") == 3


def test_a_notebook_shows_a_curve_for_each_run(small_network, small_dataset) -> None:
    spec = small_network({"training.epochs": 2})
    first, last = nndl_jax.train(spec, small_dataset, seeds=[0, 1])
    assert [len(result.history) for result in (first, last)] == [1, 2]
    html = last._repr_html_()
    assert html.count("<polyline") == 2 * len(last.metrics)
    assert "<title>base,seed=1</title>" in html


def test_a_curve_leaves_out_what_is_no_number() -> None:
    html = html_curves("cost", {"a": [1.0, float("nan"), 3.0], "b": []})
    assert 'points="0.0,120.0 320.0,0.0"' in html
    assert html_curves("cost", {"a": [float("nan")]}) == "<b>cost</b>: nothing measured"


def test_a_document_is_asked_for_by_its_kind() -> None:
    assert nndl_jax.load_network("ch1-30-hidden") == nndl_jax.load_spec("ch1-30-hidden")
    found = nndl_jax.load_spec("ch1-nand", {"vary": []}, kind=Construction)
    assert isinstance(found, Construction)
    with pytest.raises(TypeError, match="ch1-nand is of kind construction, and network is needed"):
        nndl_jax.load_spec("ch1-nand", kind=Network)
    with pytest.raises(TypeError, match="ch1-svm is of kind baseline"):
        nndl_jax.load_network("ch1-svm")
