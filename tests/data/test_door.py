"""Arrays of one's own where they enter: `train`, `evaluate`, `predict`, `vote` and the rest."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nndl_jax import backpropagate, bias_gradients, build_model, evaluate, predict, train, vote
from nndl_jax.data.datasets import Dataset, Split
from nndl_jax.data.selection import read_dataset, read_split
from nndl_jax.networks.targets import decode
from nndl_jax.training.augmentation import shift

EVERYTHING = ["train_accuracy", "validation_accuracy", "test_accuracy", "test_cost"]
EXAMPLES = {
    "data.examples": [
        {"inputs": [0.0, 1.0], "targets": [1.0]},
        {"inputs": [2.0, 3.0], "targets": [0.0]},
    ],
    "model.inputs": [2],
    "model.layers[1].units": 1,
    "monitors": ["train_cost"],
}
FOUR_BITS = {"data.targets": "binary", "model.layers[1].units": 4}


@pytest.fixture(scope="module")
def spec(small_network):
    return small_network({"monitors": EVERYTHING})


@pytest.fixture(scope="module")
def model(spec):
    return build_model(spec, key=jax.random.key(0))


@pytest.fixture(scope="module")
def of_examples(small_network):
    spec = small_network(EXAMPLES)
    return build_model(spec, key=jax.random.key(0)), spec


def relabelled(dataset, label_fn, splits=("train", "validation", "test")):
    changed = {
        name: getattr(dataset, name)._replace(labels=label_fn(getattr(dataset, name).labels))
        for name in splits
    }
    return dataset._replace(**changed)


def results(spec, dataset):
    (result,) = train(spec, dataset)
    weights = [np.asarray(layer.weight[...]) for layer in result.model(0).layers]
    return {name: values.tolist() for name, values in result.metrics.items()}, weights


@pytest.fixture(scope="module")
def of_bytes(spec, small_dataset):
    return results(spec, small_dataset)


def test_training_is_the_same_on_numbers_of_a_table_as_on_bytes(spec, small_dataset, of_bytes):
    # As CSV files and PIL give them, with labels in a column, one-hot and as a list.
    images = [split.images for split in small_dataset.splits]
    labels = [split.labels for split in small_dataset.splits]
    table = Dataset(
        "own",
        Split(images[0].astype(np.int64), labels[0].astype(float)[:, None]),
        Split(np.asfortranarray(images[1].astype(">i4")), np.eye(10)[labels[1]]),
        Split(images[2].reshape(-1, 28, 28), labels[2].tolist()),
    )
    found = results(spec, table)
    assert found[0] == of_bytes[0]
    for ours, theirs in zip(found[1], of_bytes[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_training_learns_pixels_given_as_floats_as_it_learns_bytes(spec, small_dataset, of_bytes):
    floats = [Split(s.images.astype(np.float32) / 256, s.labels) for s in small_dataset.splits]
    found = results(spec, Dataset("own", *floats))
    for ours, theirs in zip(found[1], of_bytes[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_pixels_given_as_floats_are_shifted_as_bytes_are(small_dataset):
    images, copies = jnp.asarray(small_dataset.test.images[:5]), jnp.arange(5)
    found = shift(images.astype(jnp.float32), copies)
    np.testing.assert_array_equal(found, shift(images, copies).astype(jnp.float32))


@pytest.mark.parametrize(
    ("label_fn", "found"),
    [
        (lambda labels: labels + 1, "1 to 10"),
        (lambda labels: labels + 15, "15 to 24"),
        (lambda labels: labels - 1, "-1 to 8"),
    ],
)
@pytest.mark.parametrize("changes", [{}, FOUR_BITS], ids=["ten outputs", "four bits"])
def test_labels_that_are_no_digits_are_refused_before_training(
    small_network, small_dataset, label_fn, found, changes
):
    spec = small_network({"monitors": EVERYTHING, **changes})
    data = relabelled(small_dataset, label_fn, ("test",))
    message = f"test.labels go from {found}; ten outputs are for 0 to 9"
    with pytest.raises(ValueError, match=message):
        next(train(spec, data))
    with pytest.raises(ValueError, match=message.removeprefix("test.")):
        evaluate(build_model(spec, key=jax.random.key(0)), data.test, spec)


def test_images_at_another_scale_are_refused_before_training(spec, small_dataset):
    images = small_dataset.train.images.astype(float)
    data = small_dataset._replace(train=Split(images, small_dataset.train.labels))
    with pytest.raises(ValueError, match=r"^train\.images are floats from 0 to 255; floats must"):
        next(train(spec, data))


def test_what_a_document_does_not_read_is_not_looked_at(small_network, small_dataset, of_examples):
    nothing = Split(np.zeros(0, np.uint8), np.zeros(0, np.int32))
    data = small_dataset._replace(validation=nothing, test=nothing)
    next(train(small_network({"monitors": ["train_cost"]}), data))
    next(train(of_examples[1], data._replace(train=nothing)))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("train", "give some to train on"),
        ("validation", "give some to measure, or take its monitors away"),
        ("test", "give some to measure, or take its monitors away"),
    ],
)
def test_an_empty_split_is_named_before_training(spec, small_dataset, name, remedy):
    empty = Split(np.zeros((0, 784), np.uint8), np.zeros(0, np.int32))
    message = f"there are no {name} images; the data set has 0: {remedy}"
    with pytest.raises(ValueError, match=message):
        next(train(spec, small_dataset._replace(**{name: empty})))


def test_digits_that_the_data_lack_are_named_before_training(small_network, small_dataset):
    data = relabelled(small_dataset, lambda labels: labels % 4, ("validation",))
    spec = small_network({"data.digits": [7, 8], "monitors": ["validation_accuracy"]})
    message = (
        "there are no validation images; the data set has 60, of the digits [0, 1, 2, 3], and the "
        "document keeps [7, 8] only"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        next(train(spec, data))


FORMS = {
    "a column": lambda labels: labels.reshape(-1, 1),
    "one-hot": lambda labels: np.eye(10, dtype=np.float32)[labels],
    "a list": lambda labels: labels.tolist(),
    "floats": lambda labels: labels.astype(float),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_accuracy_is_the_same_fraction_whatever_the_form_of_labels(
    model, spec, small_dataset, form
):
    test = small_dataset.test
    expected = evaluate(model, test, spec)
    found = evaluate(model, Split(test.images, form(test.labels)), spec)
    assert (float(found.accuracy), float(found.cost)) == (expected.accuracy, expected.cost)
    assert 0 <= found.accuracy <= 1


def test_an_evaluation_of_no_images_is_refused(model, spec):
    with pytest.raises(ValueError, match="there are no images; give at least one"):
        evaluate(model, Split(np.zeros((0, 784)), []), spec)


def test_digits_are_predicted_of_images_alone_and_of_a_single_one(model, spec, small_dataset):
    images, labels = small_dataset.test
    expected = predict(model, small_dataset.test, spec)
    np.testing.assert_array_equal(predict(model, images, spec), expected)
    np.testing.assert_array_equal(predict(model, images.reshape(-1, 28, 28), spec), expected)
    for single in (images[0], images[0].reshape(28, 28), Split(images[0], labels[0])):
        np.testing.assert_array_equal(predict(model, single, spec), expected[:1])
    assert predict(model, images[:0], spec).shape == (0,)


def test_as_many_digits_are_predicted_as_there_are_images(model, spec):
    images = np.random.default_rng(0).integers(0, 256, (2500, 784), dtype=np.uint8)
    split = Split(images, np.zeros(1, np.int32))
    assert predict(model, split, spec).shape == (2500,)
    voted = vote([model, model], split, spec)
    assert (voted.votes.shape, voted.digits.shape) == ((2, 2500), (2500,))
    np.testing.assert_array_equal(vote([model], images[7], spec).digits, voted.digits[7:8])


def test_a_vote_of_no_networks_is_refused(spec, small_dataset):
    with pytest.raises(ValueError, match="there are no networks to vote; give at least one"):
        vote([], small_dataset.test, spec)


def test_the_path_of_a_picture_is_refused_in_a_sentence(model, spec):
    with pytest.raises(ValueError, match="images must be an array of numbers, got str of <U9"):
        predict(model, "seven.png", spec)


def test_gradients_are_the_same_of_numbers_of_a_table_as_of_bytes(model, spec, small_dataset):
    images, labels = (array[:5] for array in small_dataset.test)
    targets = jnp.asarray(np.eye(10, dtype=np.float32)[labels])
    table = images.astype(np.int64).reshape(5, 28, 28)
    found = backpropagate(model, table, targets, spec).gradients
    expected = backpropagate(model, images, targets, spec).gradients
    np.testing.assert_array_equal(found[0].bias, expected[0].bias)
    compiled = jax.jit(lambda x: backpropagate(model, x, targets, spec).gradients[0].bias)
    np.testing.assert_allclose(compiled(images), expected[0].bias, rtol=1e-5, atol=1e-8)
    ours = bias_gradients(model, Split(table, labels[:, None]), spec)
    theirs = bias_gradients(model, Split(images, labels), spec)
    np.testing.assert_array_equal(ours[0], theirs[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, ">f8"])
def test_inputs_of_examples_are_numbers_for_every_function_as_for_the_model(of_examples, dtype):
    model, spec = of_examples
    inputs = np.array([[0, 1], [2, 3]], dtype)
    expected = np.mean(np.asarray(model(jnp.asarray(inputs, jnp.float32)))[:, 0])
    found = evaluate(model, Split(inputs, np.array([1, 0], dtype)), spec)
    assert float(found.output) == pytest.approx(expected, rel=1e-6)
    passed = backpropagate(model, inputs, jnp.array([[1.0], [0.0]]), spec)
    np.testing.assert_array_equal(passed.activations[0], inputs.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_network_on_examples_has_no_digits_to_predict_and_no_accuracy(of_examples, dtype):
    model, spec = of_examples
    inputs = np.array([[0, 1], [2, 3]], dtype)
    for ask_fn in (lambda: predict(model, inputs, spec), lambda: vote([model], inputs, spec)):
        with pytest.raises(ValueError, match="examples written out in a document stand for no dig"):
            ask_fn()
    with pytest.raises(ValueError, match="stand for no digits"):
        decode(model(jnp.asarray(inputs, jnp.float32)), spec.data)
    found = evaluate(model, Split(inputs, [1, 0]), spec)
    assert found.num_correct is None
    with pytest.raises(ValueError, match="are no digits and have no accuracy; look at cost or"):
        _ = found.accuracy


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split([[0, 1, 2]], [1]), "inputs have the shape (1, 3); give (examples, 2)"),
        (Split([[0, 1]], [[1, 2]]), "targets have the shape (1, 2); give (examples, 1)"),
        (Split([[0, 1]], [1, 0]), "there are 1 inputs and 2 targets; give at least one example"),
        (Split(np.zeros((0, 2)), []), "there are 0 inputs and 0 targets; give at least one"),
    ],
)
def test_examples_of_another_shape_are_refused(of_examples, split, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_split(split, of_examples[1])


def test_what_is_no_split_and_no_data_set_is_refused(spec, small_dataset):
    images, labels = small_dataset.test
    message = r"given as a Split\(images, labels\), got "
    for wrong in (images, (images, labels), None):
        with pytest.raises(TypeError, match=message + type(wrong).__name__):
            read_split(wrong, spec)
    with pytest.raises(TypeError, match=message + "tuple"):
        read_dataset(small_dataset._replace(test=(images, labels)), ["test"])
    with pytest.raises(TypeError, match=r"are a Dataset\(name, .*\), got Split"):
        read_dataset(small_dataset.test, ["test"])
