"""Every network's program as a GPU or a TPU would be given it, written on the CPU."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import jax
import numpy as np
import pytest

from nndl_jax.data.selection import select
from nndl_jax.documents import Network
from nndl_jax.documents.layers import Conv, Dense
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.variants import variants
from nndl_jax.training.engine import Engine
from nndl_jax.training.groups import groups
from nndl_jax.training.program import like_mnist, trace_training
from nndl_jax.training.state import abstract_state

PLATFORMS = ("cuda", "tpu")
SEEDS = (0, 1)
# What a program must not hold: a call of the host, numbers in double precision, XLA's own
# convolution, which is slow in loops and where runs lie side by side, and copies of the images.
FOREIGN = {
    "a call that XLA knows nothing of": r"custom_call @(?!Sharding\b)\w+",
    "a call of the host": r"callback|infeed|outfeed|\bsend\b|\brecv\b",
    "a convolution of XLA's": r"stablehlo\.convolution",
    "double precision": r"\bf64\b|xf64>",
    "images for each run": rf"tensor<{len(SEEDS)}x(?:50|10)000x784x",
}


NETWORKS = [name for name in list_specs() if isinstance(load_spec(name), Network)]
# They have all that a test below lists; the rest are slow.
FIRST = ("ch1-30-hidden", "ch3-early-stopping", "ch3-neuron", "ch3-overfitting-replay")
FIRST += ("ch3-schedule", "ch5-gradients", "ch6-dropout", "ch6-elastic", "ch6-expanded")
FIRST += ("ch6-learning-rate", "ch6-tanh")


def found_in(text: str) -> list[str]:
    return [what for what, pattern in FOREIGN.items() if re.search(pattern, text)]


def programs(name: str) -> Iterator[jax.stages.Traced]:
    """Each program of a document, runs side by side; of those that differ in images, the first."""
    spec, seen = load_spec(name), set()
    assert isinstance(spec, Network)
    for group in groups(spec, SEEDS):
        template, training = group.template, group.template.training
        alike = template.model_copy(
            update={
                "data": template.data.model_copy(update={"train_images": None}),
                "training": training.model_copy(update={"epochs": 1, "evaluate_every": 1}),
            }
        )
        if alike not in seen:
            seen.add(alike)
            splits = select(like_mnist(), template)
            num_epochs = min(training.epochs, training.evaluate_every)
            yield trace_training(group, splits, num_epochs=num_epochs, side_by_side=True)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FIRST else pytest.mark.slow, id=name)
        for name in NETWORKS
    ],
)
def test_every_network_is_lowered_for_accelerators(name: str) -> None:
    spec = load_spec(name)
    assert isinstance(spec, Network)
    is_double = spec.training.dtype == "float64"
    with jax.enable_x64(is_double):
        for traced in programs(name):
            text = traced.lower(lowering_platforms=PLATFORMS).as_text()
            assert found_in(text) == (["double precision"] if is_double else [])


def test_networks_of_every_chapter_that_trains_any_are_lowered() -> None:
    assert {name[:3] for name in NETWORKS} - {"bey"} == {"ch1", "ch3", "ch5", "ch6"}
    assert {name[:3] for name in FIRST} == {"ch1", "ch3", "ch5", "ch6"}


def test_what_is_lowered_each_time_has_all_that_any_network_has() -> None:
    first, networks = ([*chain.from_iterable(map(parts, names))] for names in (FIRST, NETWORKS))
    assert set(first) == set(networks)


def parts(name: str) -> Iterator[tuple[str, object]]:
    """What a network and its variants are made of."""
    for variant in variants(load_spec(name)):
        spec = variant.spec
        assert isinstance(spec, Network)
        yield "loss", spec.loss
        yield "dtype", spec.training.dtype
        yield "augmentation", spec.data.augmentation and spec.data.augmentation.kind
        yield "schedule", spec.optimizer.schedule and spec.optimizer.schedule.rule
        for layer in spec.model.layers:
            yield "layer", layer.kind
            if isinstance(layer, Dense):
                yield "dropout", layer.dropout > 0
            if isinstance(layer, Dense | Conv):
                yield "activation", layer.activation


def _noisy(x: jax.Array) -> jax.Array:
    jax.debug.print("{x}", x=x)
    return x


@pytest.mark.parametrize(
    ("what", "platform", "function"),
    [
        # Calls of the host are not even written down for devices that are not there.
        ("a call of the host", "cpu", _noisy),
        ("a convolution of XLA's", "tpu", lambda x: jax.lax.conv(x, x, (1, 1), "SAME")),
        ("a call that XLA knows nothing of", "tpu", lambda x: jax.numpy.linalg.eigh(x[0, 0])[0]),
        ("double precision", "tpu", lambda x: x.astype(np.float64)),
        (
            "images for each run",
            "tpu",
            lambda x: jax.numpy.zeros((len(SEEDS), 50_000, 784)) + x[0, 0, 0, 0],
        ),
    ],
)
def test_what_has_no_place_in_a_program_is_seen(what: str, platform: str, function) -> None:
    with jax.enable_x64(what == "double precision"):
        example = jax.ShapeDtypeStruct((1, 1, 3, 3), np.float32)
        text = jax.jit(function).trace(example).lower(lowering_platforms=(platform,)).as_text()
    assert what in found_in(text)


def test_what_is_traced_is_what_an_engine_runs(small_network, small_dataset) -> None:
    spec = small_network({"training.epochs": 4, "training.evaluate_every": 2})
    (group,) = groups(spec, SEEDS)
    splits = select(small_dataset, spec)
    one_device = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    engine = Engine(group, splits, one_device, side_by_side=True)
    traced = trace_training(group, splits, num_epochs=2, side_by_side=True)
    state = abstract_state(spec, len(SEEDS))
    engines_own, _ = engine.lower(engine.init(), 0)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), engines_own.out_info[0]) == (
        jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state)
    )
    operations = [
        Counter(re.findall(r"= \"?stablehlo\.(dot_general|gather|reduce|sort|while)\b", text))
        for text in (engines_own.as_text(), traced.lower().as_text())
    ]
    # Selections are functions of their own where several have the same shapes.
    assert operations[0] == operations[1]
    assert len(operations[0]) == 5


def test_runs_side_by_side_are_runs_one_after_another(small_network, small_dataset) -> None:
    spec = small_network({"training.epochs": 2})
    (group,) = groups(spec, range(3))
    splits = select(small_dataset, spec)
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("runs",))
    states = []
    for side_by_side in (False, True):
        engine = Engine(group, splits, mesh, side_by_side=side_by_side)
        state = engine.init()
        for number in range(2):
            state, _ = engine.run(state, number)
        states.append(engine.to_host(state.params))
    for one, other in zip(*map(jax.tree.leaves, states), strict=True):
        # Both round each of 24 steps otherwise, by about a part in 2^24 of weights below 4.
        np.testing.assert_allclose(one, other, rtol=0, atol=24 * 4 * 2**-24)
