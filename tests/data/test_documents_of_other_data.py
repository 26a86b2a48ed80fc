"""The documents in docs/data, each trained for a moment on its data, or on some of their form."""

import numpy as np
import pytest

from nndl_jax import Dataset, list_specs, load_data, load_spec, predict, train
from nndl_jax.documents.load import example_folder

rng = np.random.default_rng(0)


def of_form(shape: tuple[int, ...], num_classes: int) -> Dataset:
    images = rng.integers(0, 256, (5 * num_classes, *shape), dtype=np.uint8)
    return Dataset.from_arrays(images, list(range(num_classes)) * 5)


DATA = {
    "fashion-mnist": lambda: of_form((28, 28), 10),
    "letters": lambda: of_form((28, 28), 26),
    "iris": lambda: load_data("iris"),
    "diabetes": lambda: load_data("diabetes"),
    "colours": lambda: of_form((32, 32, 3), 10),
}


def test_all_documents_are_tried() -> None:
    assert {*list_specs(example_folder())} == {*DATA}
    assert {*list_specs()}.isdisjoint(DATA)


LEARNT = {"iris": ("test_accuracy", 0.85), "diabetes": ("test_r2", 0.3)}
"""What is well above a guess."""


@pytest.mark.parametrize("name", DATA)
def test_a_document_of_other_data_trains(name: str) -> None:
    spec = load_spec(name, None if name in LEARNT else {"training.epochs": 1})
    data = DATA[name]()
    *_, result = train(spec, data)
    values = [value for metric in spec.metrics() for value in result.metrics[metric]]
    assert np.isfinite(values).all()
    assert len(predict(result.model(0), data.test.images, result.spec(0))) == len(data.test.labels)
    metric, least = LEARNT.get(name, (spec.metrics()[0], 0))
    assert result.metrics[metric][0] >= least
