"""The documents of chapter 6 say what the book says, and what they correct of its program."""

import math
from itertools import pairwise

import pytest

from nndl_jax.documents import ComparisonClaim, Conv, Dense, MaxPool, Network, NumberClaim, Shifts
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.variants import variants

PRINTED, CORRECTED = "normal-fan-out", "normal-fan-in"
WEIGHTS, UNITS, LAMBDA = "model.initializer.weights", "model.layers[4].units", "regularizer.l2"
ORDER = {WEIGHTS: (PRINTED, CORRECTED), "training.shuffle": (False, True)}
PENALTY = {**ORDER, "regularizer.per": ("batch", "image"), LAMBDA: (0.1, 1.0)}
DROPOUT = {**ORDER, "training.dropout_streams": ("common", "separate")}

# Learning rate, epochs, lambda as the book's program takes it, and what is corrected.
NETWORKS = {
    "ch6-shallow": (0.1, 60, 0.0, ORDER),
    "ch6-conv": (0.1, 60, 0.0, ORDER),
    "ch6-conv-no-hidden": (0.1, 60, 0.0, ORDER),
    "ch6-two-conv": (0.1, 60, 0.0, ORDER),
    "ch6-tanh": (0.1, 60, 0.0, ORDER),
    "ch6-l2": (0.1, 60, 0.1, ORDER),
    "ch6-relu": (0.03, 60, 0.1, PENALTY),
    "ch6-relu-l2": (0.03, 60, 0.1, ORDER),
    "ch6-expanded": (0.03, 60, 0.1, PENALTY),
    "ch6-expanded-wide": (0.03, 60, 0.1, PENALTY),
    "ch6-expanded-two-hidden": (0.03, 60, 0.1, PENALTY),
    "ch6-dropout": (0.03, 40, 0.0, DROPOUT),
    "ch6-dropout-300": (0.03, 40, 0.0, DROPOUT),
}
# Programs that the book asks for; they exist as corrected only.
PROBLEMS = (
    "ch6-early-stopping",
    "ch6-learning-rate",
    "ch6-distortions",
    "ch6-elastic",
    "ch6-relu-initialization",
)
TRAINED = [name for name in list_specs() if name[:3] == "ch6" and load_spec(name).kind == "network"]
# The convolutions have 20 (25 + 1) = 520 and 40 (20 x 25 + 1) = 20,040 parameters, each other layer
# (inputs + 1) x outputs; a document with several sizes of hidden layers has a number for each.
NUM_PARAMS = {
    "ch6-shallow": (79_510,),
    "ch6-conv": (289_630,),
    "ch6-conv-no-hidden": (29_330,),
    "ch6-expanded-wide": (215_870, 671_570),
    "ch6-expanded-two-hidden": (95_770, 306_170, 1_672_570),
    "ch6-dropout": (1_672_570,),
    "ch6-dropout-300": (306_170,),
}
# Correct test images of 10,000 that the book prints, by what singles them out.
ACCURACIES = {
    "ch6-shallow": {None: 9780},
    "ch6-conv": {None: 9878},
    "ch6-two-conv": {None: 9906},
    "ch6-relu": {None: 9923},
    "ch6-expanded": {None: 9937},
    "ch6-expanded-wide": {300: 9946, 1000: 9943},
    "ch6-expanded-two-hidden": {100: 9943, 300: 9948, 1000: 9947},
    "ch6-dropout": {None: 9960},
}
# Each is said to beat the one before it.
IN_ORDER = ("ch6-shallow", "ch6-conv", "ch6-two-conv", "ch6-relu", "ch6-expanded", "ch6-dropout")


def _network(name: str) -> Network:
    spec = load_spec(name)
    assert isinstance(spec, Network)
    return spec


def _networks(name: str) -> list[Network]:
    return [
        variant.spec for variant in variants(_network(name)) if isinstance(variant.spec, Network)
    ]


def _pull(spec: Network) -> float:
    """Lambda as a part of the learning rate: what a step takes off each weight."""
    copies = 5 if isinstance(spec.data.augmentation, Shifts) else 1
    num_images = copies * (spec.data.train_images or 50_000)
    is_per_image = spec.regularizer.per == "image"
    return spec.regularizer.l2 / (num_images if is_per_image else num_images // 10)


def test_no_document_of_chapter_6_is_left_out_here():
    assert sorted(TRAINED) == sorted([*NETWORKS, *PROBLEMS])


@pytest.mark.parametrize("name", NETWORKS)
def test_hyper_parameters_are_the_books(name):
    learning_rate, epochs, l2, _ = NETWORKS[name]
    spec = _network(name)
    assert (spec.optimizer.learning_rate, spec.optimizer.momentum) == (learning_rate, 0.0)
    assert (spec.training.epochs, spec.training.batch_size) == (epochs, 10)
    assert (spec.regularizer.l2, spec.regularizer.l1) == (l2, 0.0)
    assert isinstance(spec.data.augmentation, Shifts) == name.startswith(
        ("ch6-expanded", "ch6-dropout")
    )


@pytest.mark.parametrize("name", TRAINED)
def test_what_all_networks_of_the_chapter_have_in_common_is_the_books(name):
    for spec in _networks(name):
        output = spec.model.layers[-1]
        assert isinstance(output, Dense)
        assert output.initializer is not None
        assert (output.units, output.activation) == (10, "softmax")
        assert (output.initializer.weights, output.initializer.biases) == ("zeros", "zeros")
        assert (spec.loss, spec.model.initializer.biases) == ("log-likelihood", "normal")
        assert (spec.training.drop_short_batch, spec.training.keep_best) == (True, True)
        assert spec.monitors == ("validation_accuracy", "test_accuracy")


@pytest.mark.parametrize("name", NETWORKS)
def test_hidden_layers_share_the_books_activation(name):
    books = {"sigmoid"} if NETWORKS[name][0] == 0.1 else {"relu"}
    for spec in _networks(name):
        hidden = [layer for layer in spec.model.layers[:-1] if not isinstance(layer, MaxPool)]
        activations = {layer.activation for layer in hidden}
        assert activations == books or (name == "ch6-tanh" and activations == {"tanh"})


@pytest.mark.parametrize("name", TRAINED)
def test_numbers_of_parameters_are_the_books(name):
    counts = {spec.model.num_params() for spec in _networks(name)}
    assert counts == set(NUM_PARAMS.get(name, (85_670,)))


def test_convolution_has_over_forty_times_fewer_parameters_than_thirty_hidden_neurons():
    first, *_ = _network("ch6-conv").model.shapes()
    convolution = first.num_weights + first.num_biases
    # 30 (784 + 1), the first layer of chapter 1's network.
    assert (convolution, 23_550 // convolution) == (520, 45)


@pytest.mark.parametrize("name", TRAINED)
def test_shapes_are_the_books(name):
    for spec in _networks(name):
        num_convolutions = sum(isinstance(layer, Conv) for layer in spec.model.layers)
        assert num_convolutions == {"ch6-shallow": 0}.get(name, 1 + ("ch6-conv" not in name))
        maps = [(20, 24, 24), (20, 12, 12), (40, 8, 8), (40, 4, 4)][: 2 * num_convolutions]
        shapes = spec.model.shapes()
        assert [shape.outputs for shape in shapes[: len(maps)]] == maps
        # The next layer takes all pooled maps: 20 x 12 x 12 = 2,880 or 40 x 4 x 4 = 640 inputs.
        expected = {0: 784, 1: 2_880, 2: 640}[num_convolutions]
        assert math.prod(shapes[len(maps)].inputs) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_first_axis_corrects_what_the_books_program_does_and_nothing_else(name):
    spec = _network(name)
    assert spec.vary[0] == NETWORKS[name][3]
    assert next(iter(spec.vary[0])) == WEIGHTS  # It names the variants.


@pytest.mark.parametrize("name", NETWORKS)
def test_document_itself_is_as_printed(name):
    spec = _network(name)
    streams = "common" if "dropout" in name else "separate"
    assert spec.model.initializer.weights == PRINTED
    assert (spec.training.shuffle, spec.training.dropout_streams) == (False, streams)
    assert spec.regularizer.l2 == 0 or spec.regularizer.per == "batch"
    assert spec.bare() in [network.bare() for network in _networks(name)]


@pytest.mark.parametrize("name", NETWORKS)
def test_both_penalties_pull_equally(name):
    networks = _networks(name)
    half = len(networks) // 2  # The first axis changes slowest.
    for printed, corrected in zip(networks[:half], networks[half:], strict=True):
        assert _pull(printed) == pytest.approx(_pull(corrected), rel=1e-12)


def test_penalties_pull_as_in_the_books_program():
    # 0.1 over 5,000 mini-batches, and over 25,000 of expanded data.
    assert _pull(_network("ch6-relu")) == pytest.approx(2e-5)
    assert _pull(_network("ch6-expanded")) == pytest.approx(4e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_are_trained_as_corrected(name):
    spec = _network(name)
    assert spec.model.layers == _network("ch6-relu").model.layers
    assert spec.model.initializer.weights == CORRECTED
    assert spec.training.shuffle
    assert (spec.optimizer.learning_rate, spec.regularizer.per) == (0.03, "image")


@pytest.mark.parametrize("name", ["ch6-distortions", "ch6-elastic"])
def test_distorted_images_are_as_many_as_shifted_ones(name):
    spec, expanded = _network(name), _networks("ch6-expanded")[1]
    assert spec.training.epochs == 5 * expanded.training.epochs
    assert spec.training.evaluate_every == 5 * expanded.training.evaluate_every
    assert _pull(spec) == pytest.approx(_pull(expanded))


def test_dropout_is_on_the_inputs_of_all_dense_layers():
    for name in ("ch6-dropout", "ch6-dropout-300"):
        layers = [layer for _, layer in _network(name).model.stack() if isinstance(layer, Dense)]
        assert [layer.dropout for layer in layers] == [0.5, 0.5, 0.5]


def test_sweeps_of_lambda_are_those_of_the_authors_script():
    lambdas = (0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
    assert _network("ch6-l2").vary[1] == {LAMBDA: lambdas}
    assert _network("ch6-relu-l2").vary[1] == {LAMBDA: (0.0, *lambdas)}


@pytest.mark.parametrize("name", TRAINED)
def test_claims_of_chapter_6_are_the_numbers_printed(name):
    claims = [claim for claim in _network(name).claims if isinstance(claim, NumberClaim)]
    message = {(claim.variant or {}).get(UNITS): round(claim.value * 10_000, 6) for claim in claims}
    assert message == ACCURACIES.get(name, {})
    assert len(message) == len(claims)
    for claim in claims:
        assert (claim.variant or {})[WEIGHTS] == PRINTED
        assert (claim.metric, claim.epoch, claim.best_of) == ("test_accuracy", "best-validation", 3)
        assert (claim.exact, claim.tolerance) == (False, 0.0)


@pytest.mark.parametrize(("worse", "better"), list(pairwise(IN_ORDER)))
def test_each_network_of_the_chapter_is_said_to_beat_the_one_before(worse, better):
    claims = [claim for claim in _network(better).claims if isinstance(claim, ComparisonClaim)]
    (claim,) = [claim for claim in claims if claim.worse.document == worse]
    assert (claim.metric, claim.epoch) == ("test_accuracy", "best-validation")
    assert claim.better.document is None
    assert claim.better.variant == claim.worse.variant == {WEIGHTS: PRINTED}


@pytest.mark.parametrize("name", TRAINED)
def test_no_claim_of_chapter_6_looks_beyond_the_epochs(name):
    for claim in _network(name).claims:
        sides = [claim.better, claim.worse] if isinstance(claim, ComparisonClaim) else []
        names = {name, *(side.document for side in sides if side.document)}
        if isinstance(epoch := getattr(claim, "epoch", None), int):
            least = min(spec.training.epochs for document in names for spec in _networks(document))
            assert epoch < least


@pytest.mark.parametrize("name", TRAINED)
def test_sides_of_other_documents_name_variants_that_they_have(name):
    claims = [claim for claim in _network(name).claims if isinstance(claim, ComparisonClaim)]
    for side in (side for claim in claims for side in (claim.better, claim.worse)):
        spec, wanted = load_spec(side.document or name), (side.variant or {}).items()
        assert sum(wanted <= variant.values.items() for variant in variants(spec)) == 1
