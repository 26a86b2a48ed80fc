"""Circuits of perceptrons that say whether an odd number of bits is 1: depth saves gates (ch. 5).

>>> from nndl_jax import build_construction, load_spec
>>> deep = {"vary": [], "network.inputs": 4, "network.design": "pairs"}
>>> model = build_construction(load_spec("ch5-parity", deep))
>>> import numpy as np
>>> model(np.array([[1, 0, 1, 1], [1, 0, 1, 0]], np.float32)).tolist()
[[1.0], [0.0]]
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Annotated, Literal, assert_never

import numpy as np
from jaxtyping import Float
from pydantic import Field

from nndl_jax.calculations.dense import DenseValues, Points, Run
from nndl_jax.calculations.quantity import Form


class Parity(Form):
    """A circuit of perceptrons that gives 1 if an odd number of its inputs is 1 (ch. 5)."""

    equations = (
        ("parity", r"x_1 \oplus x_2 \oplus \cdots \oplus x_n"),
        ("of two bits", r"x \oplus y = (x \lor y) \land \lnot (x \land y)"),
    )
    form: Literal["parity"]
    inputs: Annotated[int, Field(ge=2, le=10)]
    """Number of bits, n."""
    design: Literal["pairs", "settings", "counts"]
    """`pairs`: the parity of pairs of bits, then of pairs of these, and so on; each takes two
    layers of AND, OR and NOT. `settings`: a layer with an AND for each setting of the inputs whose
    parity is odd, and an OR of them. `counts`: neuron k of a layer says whether at least k inputs
    are 1, and the output adds these up with weights of 1 and -1 in turn, which no gate does."""

    def metrics(self) -> tuple[str, ...]:
        """Settings of the inputs with a wrong output, and the size of the circuit."""
        return ("num_wrong", "num_layers", "num_neurons", "num_connections")

    def layers(self) -> Sequence[DenseValues]:
        """The layers of the network; where a bit has no partner, a perceptron hands it on.

        References:
            Nielsen, 2015, ch. 5, before its first section; Minsky and Papert, 1969, for `counts`.
        """
        match self.design:
            case "pairs":
                return list(_pairs(self.inputs))
            case "settings":
                return _settings(self.inputs)
            case "counts":
                return _counts(self.inputs)
            case unknown:
                assert_never(unknown)

    def measure(self, run: Run) -> Float[np.ndarray, " metrics"]:
        """Values of the metrics."""
        layers, settings = self.layers(), _all_settings(self.inputs)
        outputs = run(settings).activations[:, 0]
        values = [
            (outputs != settings.sum(axis=1) % 2).sum(),
            len(layers),
            sum(len(layer.bias) for layer in layers),
            sum(np.count_nonzero(layer.weight) for layer in layers),
        ]
        return np.array(values, np.float64)


def _all_settings(num_inputs: int) -> Points:
    return np.array(list(product((0.0, 1.0), repeat=num_inputs)))


def _pairs(num_inputs: int) -> Iterator[DenseValues]:
    """Two layers for each halving: OR and AND of each pair, then OR but not AND."""
    while num_inputs > 1:
        num_pairs, rest = num_inputs // 2, num_inputs % 2
        both = np.kron(np.eye(num_pairs), np.ones((2, 2)))
        apart = np.kron(np.eye(num_pairs), np.array([[1.0, -1.0]]))
        biases = np.tile([-0.5, -1.5], num_pairs)
        yield _with_rest(both, biases, rest)
        yield _with_rest(apart, np.full(num_pairs, -0.5), rest)
        num_inputs = num_pairs + rest


def _with_rest(
    weight: Float[np.ndarray, "out in"], bias: Float[np.ndarray, " out"], rest: int
) -> DenseValues:
    """The layer, which hands on one bit more if there is a rest."""
    weight = np.pad(weight, (0, rest))
    if rest:
        weight[-1, -1] = 1.0
    return DenseValues(weight, np.append(bias, [-0.5] * rest), "step")


def _settings(num_inputs: int) -> Sequence[DenseValues]:
    settings = _all_settings(num_inputs)
    odd = settings[settings.sum(axis=1) % 2 == 1]
    hidden = DenseValues(2 * odd - 1, 0.5 - odd.sum(axis=1), "step")
    return [hidden, DenseValues(np.ones((1, len(odd))), np.array([-0.5]), "step")]


def _counts(num_inputs: int) -> Sequence[DenseValues]:
    hidden = np.ones((num_inputs, num_inputs)), 0.5 - np.arange(1, num_inputs + 1)
    signs = np.resize([1.0, -1.0], (1, num_inputs))
    return [DenseValues(*hidden, "step"), DenseValues(signs, np.array([-0.5]), "step")]
