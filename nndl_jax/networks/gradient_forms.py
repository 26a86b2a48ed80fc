"""Other ways to the gradient of backpropagation, which must all agree with it (ch. 2)."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise, product
from typing import assert_never

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from jaxtyping import Array, Float

from nndl_jax.calculations.backpropagation import Backpropagation, Form, Loss
from nndl_jax.networks.activations import ACTIVATIONS
from nndl_jax.networks.backpropagation import (
    Layer,
    activation_slope,
    backpropagate_layers,
    cost_slope,
    feedforward,
    gradients_of,
    with_neuron,
)
from nndl_jax.networks.losses import LossFn, cross_entropy, quadratic

Layers = tuple[Layer, ...]
Inputs = Float[Array, "batch in"]
Targets = Float[Array, "batch out"]
CostFn = Callable[[Layers], Float[Array, ""]]


@partial(jax.jit, static_argnames="loss")
def at_once(layers: Layers, inputs: Inputs, targets: Targets, loss: Loss) -> Layers:
    """The gradient by backpropagation through a mini-batch whose images are one matrix.

    This is what the problem "Fully matrix-based approach to backpropagation over a mini-batch" asks
    for.
    """
    return backpropagate_layers(layers, inputs, targets, loss).gradients


@partial(jax.jit, static_argnames="loss")
def one_by_one(layers: Layers, inputs: Inputs, targets: Targets, loss: Loss) -> Layers:
    """The same by a loop over images, as the book's program has it."""

    def add_image(
        total: Layers, image: tuple[Float[Array, " in"], Float[Array, " out"]]
    ) -> tuple[Layers, None]:
        one = at_once(layers, image[0][None], image[1][None], loss)
        return jax.tree.map(jnp.add, total, one), None

    nothing = jax.tree.map(jnp.zeros_like, layers)
    total, _ = jax.lax.scan(add_image, nothing, (inputs, targets))
    return jax.tree.map(lambda gradient: gradient / len(inputs), total)


@partial(jax.jit, static_argnames="loss")
def by_matrices(layers: Layers, inputs: Inputs, targets: Targets, loss: Loss) -> Layers:
    """The gradient from errors that are one long product of matrices (eq. 33 to 35).

        delta^l = Sigma'(z^l) (w^(l+1))^T ... Sigma'(z^(L-1)) (w^L)^T Sigma'(z^L) grad_a C

    Sigma'(z) is the matrix with sigma'(z_j) on its diagonal; of a softmax it is full.
    """

    def errors_of(
        image: Float[Array, " in"], target: Float[Array, " out"]
    ) -> tuple[Float[Array, " _"], ...]:
        weighted_inputs, activations = feedforward(layers, image)
        factors = jnp.eye(len(target), dtype=target.dtype)
        products = []
        for layer, z in zip(reversed(layers), reversed(weighted_inputs), strict=True):
            products.append(jax.jacobian(layer.activation_fn)(z).T @ factors)
            factors = layer.weight.T @ products[-1]
        slope = cost_slope(loss, activations[-1], target)
        return tuple(matrix @ slope for matrix in reversed(products))

    _, activations = feedforward(layers, inputs)
    return gradients_of(layers, activations, jax.vmap(errors_of)(inputs, targets))


@partial(jax.jit, static_argnames="loss")
def over_paths(layers: Layers, inputs: Inputs, targets: Targets, loss: Loss) -> Layers:
    """The gradient as a sum over all paths from a weight to the cost (eq. 53).

    A path goes through a neuron of each layer from the weight's own to the last, and contributes
    dC/da^L_m (da^L_m/da^(L-1)_n) ... (da^(l+1)_q/da^l_j) (da^l_j/dw^l_jk). No layer is a softmax.
    """
    weighted_inputs, activations = feedforward(layers, inputs)
    slopes = [activation_slope(layer, z) for layer, z in zip(layers, weighted_inputs, strict=True)]
    rates = [s[:, :, None] * layer.weight[None] for layer, s in zip(layers, slopes, strict=True)]
    ends = cost_slope(loss, activations[-1], targets)
    gradients = []
    for index, layer in enumerate(layers):
        paths = np.array(list(product(*(range(len(layer.bias)) for layer in layers[index:]))))
        along = ends[:, paths[:, -1]]
        for rate, (before, after) in zip(rates[index + 1 :], pairwise(paths.T), strict=True):
            along = along * rate[:, after, before]
        # Paths are in the order of the weight's own neuron, where they begin.
        by_activation = jnp.sum(along.reshape(*slopes[index].shape, -1), axis=-1)
        by_bias = by_activation * slopes[index]
        by_weight = jnp.einsum("xj,xk->jk", by_bias, activations[index]) / len(inputs)
        gradients.append(layer._replace(weight=by_weight, bias=jnp.mean(by_bias, axis=0)))
    return tuple(gradients)


def one_sided_differences(cost_fn: CostFn, layers: Layers, *, step: float) -> Layers:
    """About the gradient, (C(w + e) - C(w)) / e for each weight and bias in turn (eq. 46)."""
    flat, unravel = ravel_pytree(layers)
    cost, moves = cost_fn(layers), step * np.eye(len(flat), dtype=flat.dtype)
    return unravel(jnp.stack([(cost_fn(unravel(flat + move)) - cost) / step for move in moves]))


def central_differences(cost_fn: CostFn, layers: Layers, *, step: float) -> Layers:
    """The same on both sides, (C(w + e) - C(w - e)) / (2 e): closer, for twice the passes."""
    ahead = one_sided_differences(cost_fn, layers, step=step)
    behind = one_sided_differences(cost_fn, layers, step=-step)
    return jax.tree.map(lambda a, b: (a + b) / 2, ahead, behind)


def largest_difference(some: Layers, others: Layers) -> float:
    """Of any derivative from its counterpart; NaN where one of them is."""
    differences = jax.tree.map(lambda a, b: np.abs(np.subtract(a, b)).max(), some, others)
    return float(np.max(jax.tree.leaves(differences)))  # Python's max would pass over NaN.


def passes_of_differences(layers: Layers) -> int:
    """Forward passes in which finite differences give the gradient by all weights.

    One for each weight and one for C(w); the biases would take as many more as there are of them.
    """
    return sum(layer.weight.size for layer in layers) + 1


def passes_of_backpropagation(layers: Layers) -> float:
    """What backpropagation costs in forward passes, each counted by its multiplications.

    A weight is multiplied by an activation on the way forward and, unless it is of the first layer,
    by an error on the way back (BP2); its derivative takes one more multiplication (BP4). These are
    about two passes, as the book says, where most weights are of the first layer; three at most.
    """
    num_weights = sum(layer.weight.size for layer in layers)
    return 3 - layers[0].weight.size / num_weights


def check_backpropagation(quantity: Backpropagation, *, seed: int) -> Mapping[str, float]:
    """The quantity's numbers by name.

    Args:
        quantity: what is measured.
        seed: of weights, biases, inputs and targets.

    Raises:
        RuntimeError: JAX is not in its 64-bit mode.
    """
    if not jax.config.jax_enable_x64:  # pyright: ignore
        raise RuntimeError(
            "gradients are compared in JAX's 64-bit mode; set JAX_ENABLE_X64=1 before Python starts"
        )
    rng = np.random.default_rng(seed)
    layers = _draw_layers(quantity, rng)
    inputs = jnp.array(rng.random((quantity.batch_size, quantity.sizes[0])))
    labels = rng.integers(quantity.sizes[-1], size=quantity.batch_size)
    targets = jax.nn.one_hot(labels, quantity.sizes[-1], dtype=inputs.dtype)
    ours = at_once(layers, inputs, targets, quantity.loss)
    others = [
        _gradient_by(form, layers, inputs, targets, quantity=quantity) for form in quantity.against
    ]
    passes = passes_of_differences(layers), passes_of_backpropagation(layers)
    speeds = _speeds(layers, inputs, targets, quantity=quantity) if quantity.rounds else ()
    values = *(largest_difference(ours, other) for other in others), *passes, *speeds
    return dict(zip(quantity.metrics(), map(float, values), strict=True))


def _draw_layers(quantity: Backpropagation, rng: np.random.Generator) -> Layers:
    """Layers with weights N(0, 1/n_in) and biases N(0, 1)."""
    sizes = zip(quantity.sizes[:-1], quantity.sizes[1:], quantity.activations, strict=True)
    layers = [
        Layer(
            jnp.array(rng.normal(0, num_inputs**-0.5, (units, num_inputs))),
            jnp.array(rng.standard_normal(units)),
            Partial(ACTIVATIONS[activation]),
        )
        for num_inputs, units, activation in sizes
    ]
    if quantity.neuron is not None:
        index, activation_fn = quantity.neuron.layer - 1, ACTIVATIONS[quantity.neuron.activation]
        layers[index] = with_neuron(layers[index], quantity.neuron.number - 1, activation_fn)
    return tuple(layers)


def _gradient_by(
    form: Form, layers: Layers, inputs: Inputs, targets: Targets, *, quantity: Backpropagation
) -> Layers:
    loss_fn = _loss_fn(quantity)

    @jax.jit
    def cost_fn(layers: Layers) -> Float[Array, ""]:
        return jnp.mean(loss_fn(feedforward(layers, inputs)[0][-1], targets))

    match form:
        case "autodiff":
            return jax.grad(cost_fn)(layers)
        case "one-sided-differences":
            return one_sided_differences(cost_fn, layers, step=quantity.step)
        case "central-differences":
            return central_differences(cost_fn, layers, step=quantity.step)
        case "matrices":
            return by_matrices(layers, inputs, targets, quantity.loss)
        case "paths":
            return over_paths(layers, inputs, targets, quantity.loss)
        case "one-by-one":
            return one_by_one(layers, inputs, targets, quantity.loss)
        case _:
            assert_never(form)


def _loss_fn(quantity: Backpropagation) -> LossFn:
    """The loss that networks are trained with."""
    match quantity.loss:
        case "quadratic":
            return quadratic(quantity.activations[-1])
        case "cross-entropy":
            return cross_entropy
        case "log-likelihood":
            return optax.losses.softmax_cross_entropy
        case _:
            assert_never(quantity.loss)


def _speeds(
    layers: Layers, inputs: Inputs, targets: Targets, *, quantity: Backpropagation
) -> tuple[float, float, float]:
    """Images per second of a mini-batch at once and of a loop, and how often one is the other."""

    def seconds(fn: Callable[..., Layers]) -> float:
        start = time.perf_counter()
        jax.block_until_ready(fn(layers, inputs, targets, quantity.loss))
        return time.perf_counter() - start

    # They take turns, so that both meet all noise; in the first round they are compiled.
    rounds = [[seconds(at_once), seconds(one_by_one)] for _ in range(1 + quantity.rounds)]
    batched, looped = len(inputs) / np.median(rounds[1:], axis=0)
    return batched, looped, batched / looped
