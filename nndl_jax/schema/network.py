"""Documents of kind `network`: an architecture and how it is trained."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.schema.base import NumImages, Record, fault
from nndl_jax.schema.claims import Experiment, NumberClaim
from nndl_jax.schema.layers import Dense, Model

Digit = Annotated[int, Field(ge=0, le=9)]
Lambda = Annotated[float, Field(ge=0, le=1e9)]


class Data(Record):
    """Which images are learnt, and how their labels are put as targets."""

    train_images: NumImages | None = None
    """Train on the first so many images; None for all."""
    validation_images: NumImages | None = None
    """Validate on the first so many images; None for all."""
    digits: Annotated[tuple[Digit, ...], Field(min_length=2)] | None = None
    """Keep only these digits; None for all ten."""
    targets: Literal["one-hot", "binary"] = "one-hot"
    """`one-hot`: ten outputs, the largest wins. `binary`: the digit's four bits, lowest first."""
    augmentation: Literal["none", "shifts"] = "none"
    """`shifts`: each image and its four copies shifted by one pixel (ch. 6)."""

    def num_outputs(self) -> int:
        """Number of output neurons that the targets ask for."""
        return 10 if self.targets == "one-hot" else 4


class Plateau(Record):
    """No-improvement-in-n on validation accuracy (ch. 3)."""

    patience: Annotated[int, Field(ge=1, le=100_000)]
    """Number of epochs without a new best after which it acts."""


class Schedule(Plateau):
    """Halve the learning rate on a plateau, and stop when it has become too small (ch. 3)."""

    stop_at: Annotated[float, Field(gt=0, lt=1)] = 1 / 128
    """Fraction of the first learning rate at which training ends."""


class Optimizer(Record):
    """Stochastic gradient descent, with momentum if asked for."""

    learning_rate: Annotated[float, Field(gt=0, le=1e6)]
    """Step size, the book's eta."""
    momentum: Annotated[float, Field(ge=-10, le=10)] = 0.0
    """Momentum coefficient, the book's mu: v <- mu v - eta g, w <- w + v."""
    schedule: Schedule | None = None
    """How the learning rate changes; None to keep it."""


class Regularizer(Record):
    """Penalties on the size of the weights; biases are free (ch. 3)."""

    l2: Lambda = 0.0
    """Lambda of (lambda / 2n) times the sum of squared weights."""
    l1: Lambda = 0.0
    """Lambda of (lambda / n) times the sum of absolute weights."""
    per: Literal["image", "batch"] = "image"
    """What n counts: training images (ch. 3) or mini-batches, as chapter 6's program does."""


class Training(Record):
    """How the training images are gone through."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of passes over the training images."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)]
    """Images per mini-batch. A last, shorter batch is averaged over its own length."""
    shuffle: bool = True
    """Draw a new order for each epoch; false keeps the order of the file."""
    drop_short_batch: bool = False
    """Leave out a last, shorter batch."""
    early_stopping: Plateau | None = None
    """When to stop before the last epoch; None to go on to the end."""
    dtype: Literal["float32", "float64"] = "float32"
    """Arithmetic of weights and activations."""
    draws: Literal["jax", "legacy"] = "jax"
    """`legacy`: the author's generators and seed, to replay his recorded curves."""


class Network(Experiment):
    """A network of the book, how it is trained, and what the book reports of it."""

    kind: Literal["network"]
    data: Data = Data()
    model: Model
    loss: Literal["quadratic", "cross-entropy", "log-likelihood"]
    """Cost per example: 1/2 |y - a|^2, the sum over outputs of the binary cross-entropy, or
    -ln a_y of a softmax output."""
    optimizer: Optimizer
    regularizer: Regularizer = Regularizer()
    training: Training

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        shapes = self.model.shapes()
        outputs, wanted = prod(shapes[-1].outputs), self.data.num_outputs()
        last = len(shapes) - 1
        if outputs != wanted:
            field = "units" if isinstance(self.model.layers[last], Dense) else "kind"
            raise fault(
                ("model", "layers", last, field),
                f"the last layer must have {wanted} outputs for {self.data.targets} targets, "
                f"got {outputs}",
            )
        if prod(self.model.inputs) != 784:
            raise fault(
                ("model", "inputs"),
                f"an image has 784 pixels, got inputs of {list(self.model.inputs)}; "
                "write [784] or [1, 28, 28]",
            )
        self._check_output()
        self._check_epochs()
        return self

    def _check_output(self) -> None:
        """Refuse a loss that does not belong to the output layer."""
        activations = [getattr(layer, "activation", None) for layer in self.model.layers]
        for index, activation in enumerate(activations[:-1]):
            if activation == "softmax":
                raise fault(
                    ("model", "layers", index, "activation"),
                    "softmax belongs to the last layer; use sigmoid, tanh, relu or linear here",
                )
        needed = {"cross-entropy": "sigmoid", "log-likelihood": "softmax"}.get(self.loss)
        if needed is not None and activations[-1] != needed:
            raise fault(
                ("loss",),
                f"{self.loss} needs a {needed} output layer, got {activations[-1]!r}; "
                "change the loss or the last layer's activation",
            )
        if self.loss == "log-likelihood" and self.data.targets == "binary":
            raise fault(("loss",), "log-likelihood needs one-hot targets, got 'binary'")

    def _check_epochs(self) -> None:
        """Refuse a claim on an epoch that training does not reach."""
        for index, claim in enumerate(self.claims):
            match claim:
                case NumberClaim(epoch=int() as epoch) if epoch >= self.training.epochs:
                    raise fault(
                        ("claims", index, "epoch"),
                        f"must be below training.epochs = {self.training.epochs} (epoch 0 is the "
                        f"state after the first pass), got {epoch}",
                    )
                case _:
                    pass
