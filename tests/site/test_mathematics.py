"""What the page calculates is what Python calculates, for every document that it shows."""

from collections.abc import Iterator

import numpy as np
import pytest
from in_node import NEEDS_NODE, in_node
from oracle import Layer, backpropagate, cost, feedforward

from nndl_jax.calculations.activations import ACTIVATIONS
from nndl_jax.calculations.analysis import steep_width
from nndl_jax.calculations.bumps import Bumps, intervals, score, weighted_output
from nndl_jax.calculations.chain import Chain
from nndl_jax.calculations.dense import LayerOutputs
from nndl_jax.calculations.descent import descend
from nndl_jax.calculations.formula import FormulaError, parse_formula
from nndl_jax.calculations.ridges import Ridges
from nndl_jax.calculations.ridges import evaluate as evaluate_ridges
from nndl_jax.calculations.softmax import softmax
from nndl_jax.calculations.towers import Towers
from nndl_jax.calculations.towers import evaluate as evaluate_towers
from nndl_jax.documents import Construction, NumberClaim
from nndl_jax.documents.load import list_specs, load_spec
from nndl_jax.documents.variants import variants

pytestmark = NEEDS_NODE
Z = np.concatenate([np.linspace(-40, 40, 161), [-0.5, 0.01, 2.9999, 3.0001, 5.2]])


def test_activations_are_pythons():
    names = [name for name in ACTIVATIONS if name != "softmax"]
    body = """return data.names.map((name) => data.z.map(NNDL.mathematics.ACTIVATIONS[name]));"""
    found = in_node(body, {"names": names, "z": Z.tolist()})
    for name, values in zip(names, found, strict=True):
        wanted = ACTIVATIONS[name](Z)
        np.testing.assert_allclose(values, wanted, rtol=1e-12, atol=1e-13, err_msg=name)


def test_a_softmax_is_pythons_also_where_powers_overflow():
    cases = [([2.5, -1.0, 3.2, 0.5], 1.0), ([2.5, -1.0, 3.2, 0.5], 100.0), ([1e4, 0.0, -1e4], 1.0)]
    found = in_node("return data.map(([z, c]) => NNDL.mathematics.softmax(z, c));", cases)
    for (z, scale), values in zip(cases, found, strict=True):
        np.testing.assert_allclose(values, softmax(z, scale), rtol=1e-14, atol=1e-300)


FORMULAS = [
    "0.2 + 0.4*x**2 + 0.3*x*sin(15*x) + 0.05*cos(50*x)",
    "-x**2 - -x",
    "2*(x - 1)/(x + 3)/4 - 1 - 2",
    "sigmoid(3*x) + tanh(x)*exp(-x) - log(x + 1) + sqrt(x) + abs(x - 0.5) + tan(x)",
    "x**-2 + x**0.5 + pi - e",
    ".5*x + 1e-3 + 1.5E2*x",
]


def test_formulas_are_read_as_in_documents():
    x = np.linspace(0.1, 1, 7)
    body = "return data.formulas.map((f) => data.x.map(NNDL.mathematics.parseFormula(f)));"
    found = in_node(body, {"formulas": FORMULAS, "x": x.tolist()})
    for formula, values in zip(FORMULAS, found, strict=True):
        np.testing.assert_allclose(values, parse_formula(formula, ["x"])(x), rtol=1e-13)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("2*y", "'y' is not known at character 3"),
        ("2^x", "'^' is not expected at character 2"),
        ("sin x", "'(' is missing at character 5"),
        ("(x", "')' is missing at the end, at character 3"),
        ("x +", "something is missing at the end, at character 4"),
        ("x**x", "an exponent must be a number from -32 to 32 at character 4"),
        ("x**99", "an exponent must be a number from -32 to 32 at character 4"),
        ("constructor(x)", "'constructor' is not known at character 1"),
        ("", "something is missing at the end, at character 1"),
    ],
)
def test_what_documents_refuse_is_refused_with_its_place(formula: str, message: str):
    body = (
        """try { NNDL.mathematics.parseFormula(data); } catch (error) { return error.message; }"""
    )
    assert in_node(body, formula) == message
    with pytest.raises(FormulaError):
        parse_formula(formula, ["x"])


def constructions(form: type) -> Iterator[tuple[str, Bumps | Ridges | Towers | Chain]]:
    """The networks of the book's constructions of a form, each variant by its name."""
    for name in list_specs("spec"):
        document = load_spec(name)
        if isinstance(document, Construction) and isinstance(document.network, form):
            for variant in variants(document):
                assert isinstance(variant.spec, Construction)
                yield f"{name}, {variant.name}", variant.spec.network


def test_bumps_of_all_documents_are_pythons():
    named, x = dict(constructions(Bumps)), np.linspace(-0.1, 1.1, 61)
    body = """const m = NNDL.mathematics;
      return data.specs.map((s) => [m.bumpIntervals(s).map((b) => [b.from, b.to, b.height]),
        data.x.map((x) => m.weightedOutput(m.bumpNeurons(s), s.activation)(x)),
        s.function === null ? null : m.bumpScore(s)]);"""
    specs = [spec.model_dump(mode="json", by_alias=True) for spec in named.values()]
    found = in_node(body, {"specs": specs, "x": x.tolist()})
    for (name, spec), (bumps, values, points) in zip(named.items(), found, strict=True):
        np.testing.assert_allclose(
            np.reshape(bumps, (-1, 3)), np.transpose(intervals(spec)), atol=1e-12, err_msg=name
        )
        np.testing.assert_allclose(values, weighted_output(spec, x), atol=1e-9, err_msg=name)
        if spec.function is not None:
            assert points == pytest.approx(score(spec), abs=1e-12), name


def test_surfaces_of_all_documents_of_two_inputs_are_pythons():
    points = np.random.default_rng(0).random((40, 2))
    for form, evaluate, function in (
        (Ridges, evaluate_ridges, "ridges"),
        (Towers, evaluate_towers, "towers"),
    ):
        named = {
            name: spec
            for name, spec in constructions(form)
            if spec.inputs == 2 and (form is Ridges or spec.num_outputs() == 1)
        }
        specs = [spec.model_dump(mode="json", by_alias=True) for spec in named.values()]
        for spec in specs:
            for box in spec.get("boxes", ()):
                box["weight"] = box["weight"] if isinstance(box["weight"], float) else None
        body = f"""return data.specs.map((s) => data.points.map(([x, y]) =>
          NNDL.mathematics.{function}(s)(x, y)));"""
        found = in_node(body, {"specs": specs, "points": points.tolist()})
        for (name, spec), values in zip(named.items(), found, strict=True):
            wanted = evaluate(spec, points).ravel()
            np.testing.assert_allclose(values, wanted, atol=1e-9, err_msg=name)


def test_chains_of_all_documents_are_as_measured():
    named = dict(constructions(Chain))
    specs = [spec.model_dump(mode="json") for spec in named.values()]
    found = in_node("return data.map(NNDL.mathematics.chain);", specs)
    for (name, spec), chain in zip(named.items(), found, strict=True):
        keys = ("biases", "activations", "factors", "ratios")
        values = np.concatenate([chain[key] for key in keys])
        np.testing.assert_allclose(values, spec.measure(_run(spec))[:-2], rtol=1e-12, err_msg=name)


def _run(spec: Chain):
    """The network in NumPy."""

    def run(points: np.ndarray, layer: int = -1) -> LayerOutputs:
        layers = list(spec.layers())
        for dense in layers[: len(layers) if layer == -1 else layer + 1]:
            weighted = points @ dense.weight.T + dense.bias
            points = ACTIVATIONS[dense.activation](weighted)
        return LayerOutputs(weighted, points)

    return run


def test_the_single_neuron_learns_as_the_books_does():
    document = load_spec("ch3-neuron")
    cases = [
        (
            variant.spec.model.initializer,
            variant.spec.loss,
            variant.spec.optimizer.learning_rate,
            variant,
        )
        for variant in variants(document)
    ]
    data = [
        {"weight": i.weights, "bias": i.biases, "rate": rate, "loss": loss, "updates": 301}
        for i, loss, rate, _ in cases
    ]
    found = in_node("return data.map(NNDL.mathematics.trainNeuron);", data)
    num_compared = 0
    for claim in document.claims:
        if not isinstance(claim, NumberClaim) or claim.metric != "train_output":
            continue
        chosen = [
            outputs["outputs"]
            for outputs, (*_, variant) in zip(found, cases, strict=True)
            if (claim.variant or {}).items() <= variant.values.items()
        ]
        updates = 301 if claim.epoch == "last" else claim.epoch + 1
        assert chosen[0][updates] == pytest.approx(claim.value, abs=claim.tolerance), claim
        num_compared += 1
    assert num_compared > 30


@pytest.mark.parametrize("loss", ["quadratic", "cross-entropy"])
def test_gradients_are_those_of_the_oracle(loss: str):
    rng = np.random.default_rng(3)
    sizes = [3, 4, 2]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.standard_normal(shape) for shape in shapes]
    biases = [rng.standard_normal(shape[0]) for shape in shapes]
    inputs, targets = rng.random(3), np.array([1.0, 0.0])
    written = [
        {"weights": w.tolist(), "biases": b.tolist()} for w, b in zip(weights, biases, strict=True)
    ]
    data = {"layers": written, "inputs": inputs.tolist(), "targets": targets.tolist(), "loss": loss}
    found = in_node(
        "return NNDL.mathematics.backpropagate("
        "data.layers, 'sigmoid', data.loss, data.inputs, data.targets);",
        data,
    )
    layers = [Layer(w, b, "sigmoid") for w, b in zip(weights, biases, strict=True)]
    for layer, gradient in enumerate(backpropagate(layers, inputs, targets, loss)):
        np.testing.assert_allclose(found["weights"][layer], gradient.weight, rtol=1e-12)
        np.testing.assert_allclose(found["deltas"][layer], gradient.bias, rtol=1e-12)
    outputs = feedforward(layers, inputs)[-1][1]
    assert found["cost"] == pytest.approx(cost(loss, outputs, targets), rel=1e-12)


def test_descents_and_widths_are_pythons():
    found = in_node(
        "const { descend, steepWidth } = NNDL.mathematics;"
        "return [descend([-0.9, 0.7], 0.3, 5), data.map(steepWidth)];",
        weights := [3.9, 4.0, 4.1, 6.894, -20.0],
    )
    np.testing.assert_allclose(found[0], descend([-0.9, 0.7], 0.3, 5), rtol=1e-14)
    np.testing.assert_allclose(found[1], [steep_width(w) for w in weights], rtol=1e-12)
