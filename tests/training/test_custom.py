"""Parts of a training that are passed: first weights, models, optimisers, costs, filters."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import nndl_jax
from nndl_jax.networks.losses import cross_entropy
from nndl_jax.training.checkpoint import load_snapshot, save_snapshot
from nndl_jax.training.train import abstract_states

TWO_EPOCHS = {"training.epochs": 2}
REGULARIZED = {"regularizer.l2": 0.5}


class TwoLinear(nnx.Module):
    """A module of Flax that knows nothing of documents."""

    def __init__(self, key: jax.Array) -> None:
        rngs = nnx.Rngs(key)
        self.hidden, self.out = nnx.Linear(784, 8, rngs=rngs), nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Weighted inputs of ten outputs."""
        return self.out(jax.nn.sigmoid(self.hidden(images)))


class Normalizing(TwoLinear):
    """The same with a state beside its parameters."""

    def __init__(self, key: jax.Array) -> None:
        super().__init__(key)
        self.norm = nnx.BatchNorm(8, rngs=nnx.Rngs(0))


class Narrow(TwoLinear):
    """The same with an output too few."""

    def __call__(self, images: jax.Array) -> jax.Array:
        """Weighted inputs of nine outputs."""
        return super().__call__(images)[:, 1:]


def quadratic(logits: jax.Array, targets: jax.Array) -> jax.Array:
    return 0.5 * jnp.sum((jax.nn.sigmoid(logits) - targets) ** 2, axis=-1)


def leaves(model: nndl_jax.FeedforwardNetwork) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


def same(one, other) -> bool:
    return all(map(np.array_equal, leaves(one), leaves(other)))


@pytest.fixture
def last(small_dataset):
    """A function from a document and what `train` takes to the last result."""

    def train(spec, **given):
        *_, result = nndl_jax.train(spec, small_dataset, **given)
        return result

    return train


def test_the_documents_own_parts_given_by_hand_give_the_same_numbers(small_network, last):
    spec = small_network(REGULARIZED)
    own = last(spec)
    begun = nndl_jax.build_model(spec, key=jax.random.key(3))
    given = last(
        spec,
        model=lambda key: nndl_jax.build_model(spec, key=key),
        optimizer=optax.sgd(3.0),
        loss=quadratic,
    )
    for one, other in zip(leaves(own.model(0)), leaves(given.model(0)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(own.metrics["test_cost"], given.metrics["test_cost"], rtol=1e-5)
    assert not same(last(spec, init=begun).model(0), own.model(0))


def test_training_goes_on_from_weights_of_its_own(small_network, last):
    spec = small_network({"training.shuffle": False})
    whole = last(small_network({"training.shuffle": False, **TWO_EPOCHS}), seeds=[0, 1])
    first = last(spec, seeds=[0, 1])
    second = last(spec, seeds=[5, 6], init=[first.model(0), first.model(1)])
    for run in (0, 1):
        assert same(second.model(run), whole.model(run))


def test_weights_to_begin_with_are_not_taken_away(small_network, last):
    spec = small_network()
    begun = nndl_jax.build_model(spec, key=jax.random.key(3))
    before = leaves(begun)
    last(spec, init=begun)
    assert all(map(np.array_equal, leaves(begun), before))


def test_frozen_parameters_stay_and_the_others_learn(small_network, last):
    spec = small_network({**REGULARIZED, "optimizer.momentum": 0.5})
    begun = nndl_jax.build_model(spec, key=jax.random.key(3))
    trained = last(spec, init=begun, frozen=nnx.PathContains(0)).model(0)
    assert same(trained.layers[0], begun.layers[0])
    assert not np.array_equal(trained.layers[1].weight[...], begun.layers[1].weight[...])
    unfrozen = last(spec, init=begun).model(0)
    assert not same(unfrozen.layers[0], begun.layers[0])


def test_a_module_of_ones_own_is_trained_measured_and_knows_its_document(
    small_network, small_dataset, last
):
    changes = {"loss": "cross-entropy", "optimizer.learning_rate": 0.5}
    spec = small_network({**changes, "training.epochs": 20, "training.evaluate_every": 20})
    result = last(spec, model=TwoLinear)
    model = result.model(0)
    assert isinstance(model.layers[0].module, TwoLinear)
    assert model.spec == spec.bare()
    found = nndl_jax.evaluate(model, small_dataset.test)
    assert found.accuracy == result.metrics["test_accuracy"][0] > 0.5
    assert float(found.cost) == pytest.approx(result.metrics["test_cost"][0], rel=1e-6)
    pixels = small_dataset.test.images.astype(np.float32) / 256
    digits = np.asarray(model.layers[0].module(jnp.asarray(pixels))).argmax(axis=1)
    assert nndl_jax.predict(model, small_dataset.test).tolist() == digits.tolist()


def test_kernels_of_flax_are_regularised(small_network, last):
    spec = small_network({"regularizer.l2": 1000.0, "optimizer.learning_rate": 0.01})
    kernel = last(spec, model=TwoLinear).model(0).layers[0].module.hidden.kernel[...]
    plain = last(small_network({"optimizer.learning_rate": 0.01}), model=TwoLinear).model(0)
    assert jnp.abs(kernel).sum() < 0.7 * jnp.abs(plain.layers[0].module.hidden.kernel[...]).sum()


def test_an_activation_of_ones_own_is_computed_with_and_not_saved_as_another(
    small_network, small_dataset, last, tmp_path
):
    spec = small_network()

    def sigmoid(z):
        return jax.nn.sigmoid(3 * z)

    def build(key):
        model = nndl_jax.build_model(spec, key=key)
        model.layers[0].activation = sigmoid
        return model

    model = last(spec, model=build).model(0)
    images = jnp.asarray(small_dataset.test.images[:3] / np.float32(256))
    layer = model.layers[0]
    hidden = sigmoid(images @ layer.weight[...].T + layer.bias[...][None])
    np.testing.assert_allclose(model.activations(images)[0], hidden, atol=1e-6)
    with pytest.raises(nndl_jax.SpecError, match="layer 0 of the network is dense, a function"):
        nndl_jax.save(model, model.spec, tmp_path / "own.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_drops_neurons_does_so_in_training(small_network, last):
    spec = small_network()
    dropping = small_network({"model.layers[1].dropout": 0.5})
    by_hand = last(spec, model=lambda key: nndl_jax.build_model(dropping, key=key))
    assert same(by_hand.model(0), last(dropping).model(0))


GIVEN = {
    "loss": {"loss": quadratic},
    "model": {"model": TwoLinear},
    "optimizer": {"optimizer": optax.adam(0.01)},
    "frozen": {"frozen": nnx.PathContains(0)},
}


@pytest.mark.parametrize("part", GIVEN)
def test_a_snapshot_goes_on_with_the_same_parts_alone(small_network, small_dataset, part, tmp_path):
    spec = small_network(TWO_EPOCHS)
    first, second = list(nndl_jax.train(spec, small_dataset, **GIVEN[part]))[:2]
    results = nndl_jax.train(spec, small_dataset, **GIVEN[part])
    snapshot = next(results).snapshot()
    path, identity = tmp_path / "snapshot.safetensors", {"document": "small"}
    save_snapshot(snapshot._replace(history=[{}]), path, identity=identity)
    shaping = {name: value for name, value in GIVEN[part].items() if name != "loss"}
    read, problems = load_snapshot(
        path, identity=identity, like=abstract_states(spec, (0,), **shaping)
    )
    assert problems == []
    (resumed,) = nndl_jax.train(spec, small_dataset, resume=read, **GIVEN[part])
    assert same(resumed.model(0), second.model(0))
    assert first.number == 0
    with pytest.raises(ValueError, match="the snapshot is not of this training"):
        next(nndl_jax.train(spec, small_dataset, resume=read))
    plain = next(nndl_jax.train(spec, small_dataset)).snapshot()
    with pytest.raises(ValueError, match="the snapshot is not of this training"):
        next(nndl_jax.train(spec, small_dataset, resume=plain, **GIVEN[part]))


OTHERS = {
    "cost": ({"loss": quadratic}, {"loss": lambda z, y: 2 * quadratic(z, y)}),
    "learning rate": ({"optimizer": optax.sgd(0.1)}, {"optimizer": optax.sgd(0.2)}),
}


@pytest.mark.parametrize("part", OTHERS)
def test_functions_are_told_apart_by_what_they_compute(small_network, small_dataset, part):
    spec = small_network(TWO_EPOCHS)
    then, now = OTHERS[part]
    snapshot = next(nndl_jax.train(spec, small_dataset, **then)).snapshot()
    message = r"the functions given to train .* are not those of then"
    with pytest.raises(ValueError, match=message):
        next(nndl_jax.train(spec, small_dataset, resume=snapshot, **now))


def test_a_snapshot_of_other_first_weights_is_refused(small_network, small_dataset):
    spec = small_network(TWO_EPOCHS)
    ones = [nndl_jax.build_model(spec, key=jax.random.key(seed)) for seed in (1, 2)]
    snapshot = next(nndl_jax.train(spec, small_dataset, init=ones[0])).snapshot()
    with pytest.raises(ValueError, match="the first weights given to train"):
        next(nndl_jax.train(spec, small_dataset, init=ones[1], resume=snapshot))
    (result,) = nndl_jax.train(spec, small_dataset, init=ones[0], resume=snapshot)
    assert result.number == 1


RATES = {"vary": [{"optimizer.learning_rate": [1.0, 2.0]}]}
HALVING = {"optimizer.schedule": {"rule": "exponential", "half_life": 2.0}}
REFUSED = {
    "a scalar cost": (
        {},
        {"loss": lambda z, y: quadratic(z, y).mean()},
        "loss must give a cost for each example, a function of logits and targets of the shape "
        r"\(3, 10\); it gives \(\) and not \(3,\)",
    ),
    "the name of a cost": (
        {},
        {"loss": "cross-entropy"},
        "loss must give a cost for each example, .*; got 'cross-entropy', which a document's",
    ),
    "a cost in whole numbers": (
        {},
        {"loss": lambda z, y: (z > y).sum(axis=-1)},
        "loss must give a cost for each example, .*; it gives int32, which has no slope",
    ),
    "a number in place of a filter": ({}, {"frozen": 0}, r"frozen must be a filter .*; got 0"),
    "a network in place of what draws it": (
        {},
        {"model": Narrow(jax.random.key(0))},
        "model is a network, and must be a function from a key to one, .* give its weights as init",
    ),
    "the path of a network": ({}, {"init": "a.safetensors"}, r"a network is needed .* got str"),
    "what load gives": ({}, {"init": ["network", "document"]}, r"a network is needed .* got str"),
    "variants of what is given": (
        RATES,
        {"optimizer": optax.sgd(1.0)},
        "the variants differ in optimizer, in the place of which one of your own is given",
    ),
    "a learning rate of the document": (HALVING, {"optimizer": optax.sgd(1.0)}, "set it to None"),
    "no optimiser": ({}, {"optimizer": optax.sgd}, "must be a transformation of Optax, got func"),
    "no module": ({}, {"model": lambda key: 3}, "from a key to a module of flax.nnx, .* got 3"),
    "other state": (
        {},
        {"model": Normalizing},
        "the model given here holds BatchStat beside its parameters; give one with nnx.Param only",
    ),
    "too few outputs": (
        {},
        {"model": Narrow},
        r"makes \(3, 9\) of 3 images; the document has 10 outputs",
    ),
    "norms of its layers": (
        {"monitors": ["gradient_norms"]},
        {"model": TwoLinear},
        "monitors: gradient_norms is known of the document's own layers only",
    ),
    "saturation of its layers": (
        {"monitors": ["test_saturation"]},
        {"model": TwoLinear},
        "monitors: test_saturation is known of the document's own layers only",
    ),
    "nothing frozen": ({}, {"frozen": nnx.PathContains("kernel")}, "frozen fits no parameter"),
    "all frozen": ({}, {"frozen": True}, "frozen fits all parameters"),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_what_does_not_fit_the_document_is_refused(small_network, small_dataset, situation):
    changes, given, message = REFUSED[situation]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        next(inspect.unwrap(nndl_jax.train)(small_network(changes), small_dataset, **given))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [1, 3])
def test_another_number_of_first_networks_than_runs_is_refused(small_network, last, number):
    spec = small_network()
    models = [nndl_jax.build_model(spec, key=jax.random.key(0))] * number
    with pytest.raises(ValueError, match=f"init holds {number} networks and there are 2 runs"):
        last(spec, seeds=[0, 1], init=models)


def test_first_weights_of_another_network_are_refused(small_network, last):
    wider = nndl_jax.build_model(small_network({"model.layers[0].units": 9}), key=jax.random.key(0))
    message = r"the weights to begin with are of another network: array 'layers.0.bias' must be"
    with pytest.raises(ValueError, match=message):
        last(small_network(), init=wider)


def test_first_weights_that_are_not_finite_are_not_blamed_on_the_learning_rate(small_network, last):
    graph, params = nnx.split(nndl_jax.build_model(small_network(), key=jax.random.key(0)))
    broken = nnx.merge(graph, jax.tree.map(lambda weights: weights * np.nan, params))
    with pytest.raises(ValueError, match="the weights to begin with are not all finite numbers"):
        last(small_network(), init=broken)


def test_the_library_knows_the_costs_that_documents_name(small_network, last):
    spec = small_network({"loss": "cross-entropy"})
    assert same(last(spec).model(0), last(small_network(), loss=cross_entropy).model(0))
