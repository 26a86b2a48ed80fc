"""What documents may monitor beside accuracies and costs, against NumPy."""

import jax
import pytest

from nndl_jax import build_model, evaluate, predict
from nndl_jax.documents.metrics import OfImages, parse_metric
from nndl_jax.training.evaluation import read_evaluation

KEY = jax.random.key(0)


@pytest.fixture
def measured(small_network, small_dataset):
    """Values of a monitor on the test images by name, and the network that they are of."""

    def measure(monitor, changes=None):
        spec = small_network({"monitors": [monitor], **(changes or {})})
        model = build_model(spec, key=KEY)
        metric = parse_metric(monitor)
        assert isinstance(metric.quantity, OfImages)
        found = evaluate(model, small_dataset.test, spec)
        return read_evaluation(metric, metric.quantity, found), model

    return measure


def test_errors_are_counted(measured, small_dataset):
    found, model = measured("test_errors")
    wrong = predict(model, small_dataset.test) != small_dataset.test.labels
    assert 0 < found["test_errors"] == wrong.sum()
