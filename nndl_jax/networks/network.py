"""Documents to networks (ch. 1, 3, 6): layers in a row."""

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import assert_never

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from nndl_jax.documents import Conv, Dense, Document, MaxPool, Network
from nndl_jax.documents.layers import Pool
from nndl_jax.documents.memory import check_memory
from nndl_jax.documents.variants import single
from nndl_jax.networks.activations import activation_fn, is_saturated
from nndl_jax.networks.layers import (
    POOLS,
    AnyLayer,
    ConvLayer,
    DenseLayer,
    OwnLayer,
)
from nndl_jax.reading.faults import SpecError

BuildFn = Callable[[Key[Array, ""]], nnx.Module]
"""From a key to a network, or to a module that takes images to weighted inputs of the output."""


class FeedforwardNetwork(nnx.Module):
    """A stack of layers from images to output activations.

    A network evaluates until `train` has it drop neurons, and does again after `eval`.

    Attributes:
        layers: the layers in order of evaluation, the last a `DenseLayer`.
        inputs: shape of one input.
        spec: the document that it was built from, without axes and claims; None where not known.
        deterministic: whether no neuron is dropped where no keys are given.
        rngs: the random stream of what is dropped otherwise; None before `train` was given one.
    """

    def __init__(
        self,
        layers: Iterable[AnyLayer],
        inputs: tuple[int, ...],
    ) -> None:
        self.layers = nnx.List(list(layers))
        self.inputs = inputs
        self.spec: Network | None = None
        self.deterministic = True
        self.rngs: nnx.RngStream | None = nnx.data(None)
        self._output()

    def __repr__(self) -> str:
        count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(self, nnx.Param)))
        shape = " x ".join(map(str, self.inputs))
        layers = "; ".join(
            getattr(layer, "describe", lambda layer=layer: type(layer).__name__)()
            for layer in self.layers
        )
        of = "" if self.spec is None else f" of {self.spec.id}"
        return f"<FeedforwardNetwork{of}: {shape} inputs; {layers}; {count:,} parameters>"

    def __str__(self) -> str:
        return repr(self)

    def train(self, *, rngs: nnx.Rngs | None = None, **attributes: object) -> None:
        """Drop neurons from now on as in training, each layer of each call others.

        Args:
            rngs: where the network's own random stream forks from, such as `nnx.Rngs(0)`; needed
                once where a layer has dropout. It is part of the module's state, beside the
                parameters.
            **attributes: set on the module and its layers, as Flax does.
        """
        if rngs is not None:
            self.rngs = rngs["dropout"].fork()
        super().train(**attributes)

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view(model, deterministic=False)` asks for.

        Args:
            deterministic: whether no neuron is dropped; None to leave it.
        """
        if deterministic is not None:
            self.deterministic = deterministic

    def logits(
        self,
        images: Float[Array, "*batch pixels"],
        *,
        dropout_keys: Key[Array, " layers"] | None = None,
    ) -> Float[Array, "*batch out"]:
        """Weighted inputs of the output layer, from which losses are computed stably.

        Args:
            images: pixels in 0 .. 1.
            dropout_keys: drop neurons as in training, one for each layer, such as
                `jax.random.split(key, len(model.layers))`; layers that have equal ones, and equally
                many inputs, drop the same of them. None for what `train` or `eval` have set: to let
                all work, as in evaluation, unless they have set otherwise.

        Raises:
            ValueError: there is not a key for each layer, or the network has no stream to draw
                them from.
        """
        keys = self._draw_keys() if dropout_keys is None else self._check_keys(dropout_keys)
        *_, logits = self._pass(images, keys)
        return logits

    def activations(self, images: Float[Array, "*batch pixels"]) -> tuple[Float[Array, "..."], ...]:
        """What each layer gives, the output last: neurons, or maps with rows and columns."""
        *hidden, logits = self._pass(images, self._draw_keys())
        return (*hidden, self.activate(logits))

    def saturation(self, images: Float[Array, "*batch pixels"]) -> Float[Array, "*batch layers"]:
        """For each image, the fraction of neurons that are saturated, by layer with biases.

        Raises:
            ValueError: a layer has an activation of one's own.
        """
        batch, found = images.shape[:-1], []
        given = (images.reshape(*batch, *self.inputs), *self.activations(images)[:-1])
        for layer, inputs in zip(self.layers, given, strict=True):
            if isinstance(layer, DenseLayer):
                weighted = layer.weighted_input(inputs.reshape(*batch, -1))
            elif isinstance(layer, ConvLayer):
                weighted = layer.weighted_input(inputs)
            else:
                continue
            saturated = is_saturated(layer.activation, weighted).reshape(*batch, -1)
            found.append(jnp.mean(saturated, axis=-1, dtype=weighted.dtype))
        return jnp.stack(found, axis=-1)

    def _pass(
        self, images: Float[Array, "*batch pixels"], keys: Key[Array, " layers"] | None
    ) -> Iterator[Float[Array, "..."]]:
        """Activations of each layer but the last, and then the weighted inputs of that."""
        batch = images.shape[:-1]
        activations = images.reshape(*batch, *self.inputs)
        output, last = self._output(), len(self.layers) - 1
        for index, layer in enumerate(list(self.layers)[:last]):
            if isinstance(layer, DenseLayer):
                key = None if keys is None else keys[index]
                activations = layer(activations.reshape(*batch, -1), dropout_key=key)
            else:
                activations = layer(activations)
            yield activations
        key = None if keys is None else keys[last]
        if isinstance(output, DenseLayer):
            activations = activations.reshape(*batch, -1)
        yield output.weighted_input(activations, dropout_key=key)

    def __call__(self, images: Float[Array, "*batch pixels"]) -> Float[Array, "*batch out"]:
        """Output activations of a batch of images with pixels in 0 .. 1.

        They are what is computed with: neither looked at nor scaled. Networks are trained on bytes
        / 256, which `predict` and `evaluate` make of bytes themselves; or on a document's own
        examples, taken as they are.
        """
        return self.activate(self.logits(images))

    def activate(self, logits: Float[Array, "*batch out"]) -> Float[Array, "*batch out"]:
        """Output activations that belong to weighted inputs of the output layer."""
        return activation_fn(self._output().activation)(logits)

    @property
    def num_outputs(self) -> int:
        """Number of output neurons."""
        return self._output().num_outputs

    def _output(self) -> DenseLayer | OwnLayer:
        """The output layer, also where it was replaced."""
        output = self.layers[-1] if len(self.layers) else None
        if not isinstance(output, DenseLayer | OwnLayer):
            raise TypeError(f"the last layer must be a DenseLayer, got {type(output).__name__}")
        return output

    def _draw_keys(self) -> Key[Array, " layers"] | None:
        """Keys from the network's own stream; None where nothing is to be dropped."""
        dropping = any(isinstance(layer, DenseLayer) and layer.dropout > 0 for layer in self.layers)
        if self.deterministic or not dropping:
            return None
        if self.rngs is None:
            raise ValueError(
                "the network is to drop neurons and has no random stream for that; start it with "
                "model.train(rngs=nnx.Rngs(0)), or give logits dropout_keys"
            )
        return jax.random.split(self.rngs(), len(self.layers))

    def _check_keys(self, keys: Key[Array, " layers"]) -> Key[Array, " layers"]:
        # An index beyond the end would give the last key again.
        is_typed = jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)
        if not is_typed or keys.shape != (len(self.layers),):
            wanted = f"jax.random.split(jax.random.key(seed), {len(self.layers)})"
            raise ValueError(
                f"dropout_keys must be typed keys, one for each of {len(self.layers)} layers, such "
                f"as {wanted}; got {keys.dtype} {keys.shape}"
            )
        return keys


def check_network(model: object) -> FeedforwardNetwork:
    """The network, where one is meant.

    Raises:
        TypeError: it is something else; says what gives one.
    """
    if isinstance(model, FeedforwardNetwork):
        return model
    raise TypeError(
        "a network is needed here, which build_model(spec, key=key), load(path)[0] or model(i) of "
        f"a result of training give; got {type(model).__name__}"
    )


def fitting_network(model: object, spec: Network) -> FeedforwardNetwork:
    """The network, where one with the inputs and outputs of a document is meant.

    Raises:
        TypeError: it is no network.
        ValueError: it has others; says which.
    """
    network = check_network(model)
    found = prod(network.inputs), network.num_outputs
    wanted = spec.num_inputs(), spec.num_outputs()
    if found != wanted:
        raise ValueError(
            f"the network has {found[0]} inputs and {found[1]} outputs, and that of {spec.id} "
            f"{wanted[0]} and {wanted[1]}; give the document that it was built from"
        )
    return network


def document_of(model: object, spec: Document | None) -> Network:
    """The document that is given with a network, or that the network was built from.

    Raises:
        SpecError: the document has axes.
        TypeError: it is of another kind, or the model is no network.
        ValueError: none is given, and the network knows none.
    """
    if spec is not None:
        return single(spec, Network)
    network = check_network(model)
    if network.spec is None:
        raise ValueError(
            "the network does not know its document, as those of build_model, load and results of "
            "training do; give it as well, spec=load_spec(...)"
        )
    return network.spec


def split_model(
    model: FeedforwardNetwork,
) -> tuple[nnx.GraphDef[FeedforwardNetwork], nnx.State]:
    """Structure and parameters of a network that evaluates, whatever it was set to do."""
    graph, params = nnx.split(FeedforwardNetwork(model.layers, model.inputs))
    return graph, params


def build_model(spec: Document, *, key: Key[Array, ""]) -> FeedforwardNetwork:
    """The network of a document with freshly drawn weights.

    Args:
        spec: a document without `vary`; `nndl_jax.variants` gives those of one with it.
        key: a typed key, `jax.random.key(seed)`.

    Raises:
        SpecError: the document has axes, asks for what is not built yet, or does not fit in memory.
        TypeError: it is of another kind, or the key is none.
    """
    spec = single(spec, Network)
    check_supported(spec)
    check_memory(spec)
    model = draw_network(spec, key=read_key(key))
    model.spec = spec.bare()
    return model


def read_key(key: object) -> Key[Array, ""]:
    """A key from outside, also as `jax.random.PRNGKey` gives it.

    Raises:
        TypeError: it is not one key, as a seed is not; says how to make one.
    """
    if isinstance(key, Array):
        if key.dtype == jnp.uint32 and key.ndim == 1:
            return jax.random.wrap_key_data(key)
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return key
    found = f"{key.dtype} {key.shape}" if isinstance(key, Array) else repr(key)
    raise TypeError(f"key must be one random key, such as jax.random.key(0); got {found}")


def draw_network(
    spec: Network, *, key: Key[Array, ""], build_fn: BuildFn | None = None
) -> FeedforwardNetwork:
    """The same without asking whether it can be built: for programs that are compiled.

    Args:
        spec: the document.
        key: used up here.
        build_fn: gives a network of one's own in the place of the document's.
    """
    if build_fn is None:
        return FeedforwardNetwork(_build_layers(spec, key), spec.model.inputs)
    if isinstance(build_fn, nnx.Module):
        message = "a function from a key to one, as it is drawn anew for each run"
        raise TypeError(f"model is a network, and must be {message}; give its weights as init")
    model = build_fn(key)
    if isinstance(model, FeedforwardNetwork):
        return FeedforwardNetwork(model.layers, model.inputs)
    if not isinstance(model, nnx.Module):
        message = "a model of one's own is a function from a key to a module of flax.nnx"
        raise TypeError(f"{message}, such as lambda key: build_model(spec, key=key); got {model!r}")
    activation = spec.model.layers[-1].activation or "linear"
    own = OwnLayer(model, activation, spec.num_outputs())
    return FeedforwardNetwork([own], spec.model.inputs)


def drops(spec: Network) -> bool:
    """Whether a document asks for dropout anywhere."""
    return any(layer.dropout > 0 for layer in spec.model.layers)


def check_supported(spec: Network) -> None:
    """Refuse what JAX, as it was started, cannot train.

    Raises:
        SpecError: names the field.
    """
    if spec.training.dtype == "float64" and not jax.config.jax_enable_x64:  # pyright: ignore
        message = "float64 needs JAX's 64-bit mode; set JAX_ENABLE_X64=1 before Python starts"
        raise SpecError.at(spec.id, None, "training.dtype", message)


def _build_layers(spec: Network, key: Key[Array, ""]) -> Iterator[AnyLayer]:
    """A module for each layer; max-pooling is a part of the convolution that it follows."""
    stack, shapes = [layer for _, layer in spec.model.stack()], spec.model.shapes()
    keys, dtype = jax.random.split(key, len(stack)), jnp.dtype(spec.training.dtype)
    is_pooled = False
    for index, layer in enumerate(stack):
        inputs, layer_key = shapes[index].inputs, keys[index]
        match layer:
            case Dense():
                yield DenseLayer(
                    prod(inputs),
                    layer,
                    layer.initializer or spec.model.initializer,
                    key=layer_key,
                    dtype=dtype,
                    dropout_masks=spec.training.dropout_masks,
                )
            case Conv():
                pool = stack[index + 1]
                is_pooled = isinstance(pool, MaxPool)
                yield ConvLayer(
                    inputs[0],
                    layer,
                    layer.initializer or spec.model.initializer,
                    window=pool.window if isinstance(pool, MaxPool) else (1, 1),
                    key=layer_key,
                    dtype=dtype,
                )
            case MaxPool():
                if not is_pooled:
                    yield POOLS[layer.kind](layer.window)
                is_pooled = False
            case Pool():
                yield POOLS[layer.kind](layer.window)
            case _:
                assert_never(layer)
