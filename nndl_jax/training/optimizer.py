"""Records of optimisers to optax, and the penalties (ch. 1 eq. 20-21, ch. 3 eq. 93-97, 107)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from nndl_jax.documents import Network, Optimizer
from nndl_jax.documents.optimizers import Adam, AdamW, RmsProp, Sgd


class Hyperparameters(NamedTuple):
    """What runs of one compiled program may differ in: arguments of it, not constants."""

    learning_rate: Float[Array | np.ndarray, "*runs"]
    optimizer: Mapping[str, Float[Array | np.ndarray, "*runs"]]
    """The optimiser's other numbers, by name."""
    l1: Float[Array | np.ndarray, "*runs"]
    l2: Float[Array | np.ndarray, "*runs"]
    per_batch: Bool[Array | np.ndarray, "*runs"]
    """Whether penalties are divided by the number of mini-batches, not of images."""
    shuffle: Bool[Array | np.ndarray, "*runs"]
    """Whether every epoch has an order of its own."""
    separate_streams: Bool[Array | np.ndarray, "*runs"]
    """Whether every run and layer draws for itself what dropout drops."""


def hyperparameters(specs: Sequence[Network]) -> Hyperparameters:
    """Those of several documents, each as an array with an entry per document."""
    dtype = specs[0].training.dtype
    rows = [spec.optimizer.numbers() for spec in specs]
    optimizer = {name: np.array([row[name] for row in rows], dtype) for name in rows[0]}
    return Hyperparameters(
        learning_rate=optimizer.pop("learning_rate"),
        optimizer=optimizer,
        l1=np.array([spec.regularizer.l1 for spec in specs], dtype),
        l2=np.array([spec.regularizer.l2 for spec in specs], dtype),
        per_batch=np.array([spec.regularizer.per == "batch" for spec in specs]),
        shuffle=np.array([spec.training.shuffle for spec in specs]),
        separate_streams=np.array([spec.training.dropout_streams == "separate" for spec in specs]),
    )


def hyperparameters_of(spec: Network) -> Hyperparameters:
    """Those of one document, each as a number."""
    return jax.tree.map(lambda column: column[0], hyperparameters([spec]))


def build_optimizer(
    spec: Network,
    numbers: Hyperparameters,
    *,
    divisor: Int[Array, ""] | int,
    update_rule: optax.GradientTransformation | None = None,
    frozen: nnx.filterlib.Filter | None = None,
) -> optax.GradientTransformation:
    """The optimiser that the document asks for, with its penalties.

    With g the mean gradient of the mini-batch, for weights (biases have no penalty)

        g <- g + (l2 / n) w + (l1 / n) sgn(w),

    and then g <- g min(1, c / |g|), with |g| over all weights and biases, if it is to be clipped.

    The optimiser is built inside the compiled program, from numbers that are its arguments.

    Args:
        spec: the document; says which steps there are.
        numbers: how large they are.
        divisor: n above, images in the training set (or mini-batches, in chapter 6's program).
        update_rule: takes the place of the document's optimiser, but not of its penalties.
        frozen: parameters that stay as they are; None for none.

    References:
        Nielsen (2015), ch. 3, sections on regularisation and on momentum.
    """
    steps: list[optax.GradientTransformation] = []
    if spec.regularizer.l2 > 0:
        steps.append(
            optax.add_decayed_weights(jnp.asarray(numbers.l2) / divisor, mask=weights_only)
        )
    if spec.regularizer.l1 > 0:
        steps.append(optax.masked(_add_sign(jnp.asarray(numbers.l1) / divisor), weights_only))
    if update_rule is not None:
        steps.append(_promoting(update_rule))
    else:
        if spec.optimizer.clip_norm is not None:
            steps.append(optax.clip_by_global_norm(numbers.optimizer["clip_norm"]))
        steps += _update_rule(spec.optimizer, numbers)
    optimizer = optax.chain(*steps)
    return optimizer if frozen is None else _freeze(optimizer, frozen)


def _update_rule(
    spec: Optimizer, numbers: Hyperparameters
) -> Iterator[optax.GradientTransformation]:
    """The steps from a gradient to an update.

    Nesterov's momentum takes the gradient at u = w + mu v. Here u stands in the place of w, which
    is looked at nowhere then, and moves by mu v - eta g with the new v.

    References:
        Sutskever, Martens, Dahl and Hinton (2013), On the importance of initialization and momentum
        in deep learning, eq. 3 and 4.
    """
    own, descend = numbers.optimizer, optax.scale(-jnp.asarray(numbers.learning_rate))
    match spec:
        case Sgd():
            yield descend
            if spec.momentum != 0:
                yield optax.trace(own["momentum"], nesterov=spec.nesterov)
        case RmsProp():
            yield optax.scale_by_rms(own["decay"], own["epsilon"], eps_in_sqrt=False)
            yield descend
        case Adam():
            yield _promoting(optax.scale_by_adam(own["beta1"], own["beta2"], own["epsilon"]))
            yield descend
        case AdamW():
            yield _promoting(optax.scale_by_adam(own["beta1"], own["beta2"], own["epsilon"]))
            yield optax.add_decayed_weights(jnp.asarray(own["weight_decay"]), mask=weights_only)
            yield descend
        case _:
            assert_never(spec)


def _promoting(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same where JAX is told to mix no types: optax takes beta^t of a whole number t."""

    def update_fn(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        with jax.numpy_dtype_promotion("standard"):
            return inner.update(updates, state, params)

    return optax.GradientTransformation(inner.init, update_fn)


def _freeze(
    optimizer: optax.GradientTransformation, frozen: nnx.filterlib.Filter
) -> optax.GradientTransformation:
    """The same for all parameters but the frozen ones, which it neither sees nor moves."""

    def label(params: optax.Params) -> optax.Params:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: "frozen" if is_frozen(frozen, path, leaf) else "trained", params
        )

    return optax.partition({"trained": optimizer, "frozen": optax.set_to_zero()}, label)


def is_frozen(
    frozen: nnx.filterlib.Filter, path: jax.tree_util.KeyPath, leaf: Array | jax.ShapeDtypeStruct
) -> bool:
    """Whether a filter, of paths such as `("layers", 0, "weight")`, fits a parameter."""
    keys = tuple(key.key for key in path if isinstance(key, jax.tree_util.DictKey))
    return nnx.filterlib.to_predicate(frozen)(keys, leaf)


def weights_only(params: optax.Params) -> optax.Params:
    """A mask that is true for weights and false for biases, shaped like the parameters."""
    return jax.tree_util.tree_map_with_path(lambda path, _: is_weight(path), params)


def is_weight(path: jax.tree_util.KeyPath) -> bool:
    """Whether a path in the parameters leads to a layer's weights; Flax calls them kernel."""
    names = jax.tree_util.keystr(path, simple=True, separator="/").split("/")
    return "weight" in names or "kernel" in names


def _add_sign(l1: Float[Array | np.ndarray, ""]) -> optax.GradientTransformation:
    def update_fn(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
        return jax.tree.map(lambda g, w: g + l1 * jnp.sign(w), updates, params)

    return optax.stateless(update_fn)
