"""Parts of a training that are passed and not named in a document: for loops of one's own making.

Functions have no names that a document could hold, so what they compute is told by the program that
they are compiled to: a snapshot of a training with other ones is refused.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from nndl_jax.data.array_files import misfit
from nndl_jax.documents import Network
from nndl_jax.documents.metrics import parse_metric
from nndl_jax.networks.layers import DenseLayer
from nndl_jax.networks.losses import LossFn, build_loss
from nndl_jax.networks.network import (
    BuildFn,
    FeedforwardNetwork,
    check_network,
    draw_network,
    drops,
)
from nndl_jax.training.optimizer import is_frozen, is_weight
from nndl_jax.training.trees import describe_leaves

Frozen = nnx.filterlib.Filter
Networks = FeedforwardNetwork | Sequence[FeedforwardNetwork]


class Custom(NamedTuple):
    """What takes the place of parts of a document; None for the document's."""

    model: BuildFn | None = None
    optimizer: optax.GradientTransformation | None = None
    loss: LossFn | None = None
    frozen: Frozen | None = None
    """Parameters that stay as they are."""

    def loss_fn(self, spec: Network) -> LossFn:
        """The cost per example, a function of logits and targets."""
        return build_loss(spec) if self.loss is None else self.loss

    def drops(self, spec: Network) -> bool:
        """Whether anything is dropped in training."""
        if self.model is None:
            return drops(spec)
        layers = abstract_network(spec, self).layers
        return any(isinstance(layer, DenseLayer) and layer.dropout > 0 for layer in layers)


NOTHING = Custom()


def abstract_network(spec: Network, custom: Custom) -> FeedforwardNetwork:
    """The network that is trained, without numbers."""
    return nnx.eval_shape(lambda: draw_network(spec, key=jax.random.key(0), build_fn=custom.model))


def check_custom(custom: Custom, specs: Sequence[Network], *, has_init: bool) -> None:
    """Refuse parts that do not fit the documents, or by which these would no longer differ.

    Raises:
        TypeError: a part is not what it must be.
        ValueError: the documents differ in what a part takes the place of, or it does not fit them.
    """
    parts = {"model": custom.model, "optimizer": custom.optimizer, "loss": custom.loss}
    parts["model"] = True if has_init else custom.model
    for name, part in parts.items():
        if part is not None and len({getattr(spec, name) for spec in specs}) > 1:
            message = "in the place of which one of your own is given"
            raise ValueError(f"{specs[0].id}: the variants differ in {name}, {message}; give one")
    optimizer = custom.optimizer
    if optimizer is not None and not isinstance(optimizer, optax.GradientTransformation):
        found = type(optimizer).__name__
        raise TypeError(f"optimizer must be a transformation of Optax, got {found}")
    spec = specs[0]
    if optimizer is not None and any(spec.optimizer.schedule is not None for spec in specs):
        message = "lowers the document's learning rate, and the optimizer given here has its own"
        raise ValueError(f"{spec.id}: optimizer.schedule: {message}; set it to None")
    for variant in specs:
        _check_model(custom, variant)
    if custom.loss is not None:
        check_loss(custom.loss, spec)


def check_loss(loss: object, spec: Network) -> None:
    """Refuse a cost that is not one number for each example.

    Raises:
        TypeError: says what it gives.
    """
    shape = jax.ShapeDtypeStruct((3, spec.data.num_outputs()), spec.training.dtype)
    message = (
        f"a cost for each example, a function of logits and targets of the shape {shape.shape}"
    )
    if not callable(loss):
        raise TypeError(f"loss must give {message}; got {loss!r}, which a document's loss may be")
    found = jax.eval_shape(loss, shape, shape)
    if getattr(found, "shape", None) != (3,):
        given = getattr(found, "shape", type(found).__name__)
        raise TypeError(f"loss must give {message}; it gives {given} and not (3,)")
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise TypeError(f"loss must give {message}; it gives {found.dtype}, which has no slope")


def _check_model(custom: Custom, spec: Network) -> None:
    network = abstract_network(spec, custom)
    params = nnx.state(network, nnx.Param)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if custom.model is not None:
        _check_own(network, spec)
        has_weights = any(is_weight(path) for path, _ in leaves)
        if not has_weights and (spec.regularizer.l1 > 0 or spec.regularizer.l2 > 0):
            message = "no parameter of the model given here is called weight or kernel"
            raise ValueError(
                f"{spec.id}: regularizer: {message}, and nothing is regularised; drop it"
            )
    if custom.frozen is not None:
        _check_filter(custom.frozen)
        frozen = [is_frozen(custom.frozen, path, leaf) for path, leaf in leaves]
        if all(frozen) or not any(frozen):
            found = "all parameters" if all(frozen) else "no parameter"
            paths = f"{next(iter(nnx.to_flat_state(params)))[0]}"
            message = f"frozen fits {found}, whose paths are such as {paths}"
            raise ValueError(f"{spec.id}: {message}; give a filter that fits some")


def _check_filter(frozen: object) -> None:
    try:
        nnx.filterlib.to_predicate(frozen)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):  # Flax cannot say what is wrong with a number.
        message = "a filter of Flax, such as nnx.PathContains(0) for the first layer"
        raise TypeError(f"frozen must be {message}; got {frozen!r}") from None


def _check_own(network: FeedforwardNetwork, spec: Network) -> None:
    """Refuse a model of one's own that cannot be trained as the document's is."""
    if others := nnx.state(network, nnx.Not(nnx.Param)):
        kinds = sorted({type(variable).__name__ for _, variable in nnx.to_flat_state(others)})
        message = f"the model given here holds {', '.join(kinds)} beside its parameters"
        raise ValueError(f"{spec.id}: {message}; give one with nnx.Param only")
    by_layer = [name for name in spec.monitors if parse_metric(name).quantity.by == "layer"]
    if by_layer or spec.training.replay is not None:
        field = "training.replay" if spec.training.replay else f"monitors: {by_layer[0]}"
        message = "is known of the document's own layers only, and another model is given"
        raise ValueError(f"{spec.id}: {field} {message}; leave it out")
    pixels = jax.ShapeDtypeStruct((3, spec.data.num_inputs()), spec.training.dtype)
    found = nnx.eval_shape(lambda model, images: model.logits(images), network, pixels).shape
    if found != (3, spec.data.num_outputs()):
        message = f"the model given here makes {found} of 3 images"
        raise ValueError(
            f"{spec.id}: {message}; the document has {spec.data.num_outputs()} outputs"
        )


def first_params(
    init: object, spec: Network, custom: Custom, *, num_runs: int
) -> Sequence[nnx.State]:
    """The weights that each run begins with.

    Raises:
        TypeError: they are no networks.
        ValueError: there is not one for each run, or not one for all, or they do not fit.
    """
    given = init if isinstance(init, list | tuple) else [init] * num_runs
    models = [check_network(model) for model in given]
    if len(models) != num_runs:
        message = f"init holds {len(models)} networks and there are {num_runs} runs"
        raise ValueError(f"{spec.id}: {message}; give one for each, or one for all")
    wanted = describe_leaves(nnx.state(abstract_network(spec, custom), nnx.Param))
    states = [nnx.state(model, nnx.Param) for model in models]
    for state in states:
        if why := misfit(describe_leaves(state), wanted):
            message = "the weights to begin with are of another network"
            raise ValueError(f"{spec.id}: {message}: {why}; give init a network of this document")
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state)):
            raise ValueError(f"{spec.id}: the weights to begin with are not all finite numbers")
    # Training takes its state over, and these are somebody's.
    return jax.tree.map(jnp.array, states)
