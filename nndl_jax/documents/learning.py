"""How a network is trained: gradient descent, penalties, and when to stop."""

from typing import Annotated, Literal, Self

from pydantic import Field

from nndl_jax.documents.metrics import VALIDATION
from nndl_jax.reading.record import Record
from nndl_jax.reading.validation import METRIC_PATTERN

Lambda = Annotated[float, Field(ge=0, le=1e9)]
Watched = Annotated[str, Field(pattern=METRIC_PATTERN)]
Patience = Annotated[int, Field(ge=1, le=100_000)]


class Plateau(Record):
    """Lower the learning rate whenever there was no improvement in n epochs (ch. 3)."""

    rule: Literal["no-improvement"]
    patience: Patience
    """The n above: epochs in a row without a new best of the metric."""
    metric: Watched = VALIDATION
    """What is watched, of which the highest or the lowest is best: it must be measured."""
    factor: Annotated[float, Field(gt=1, le=1e6)] = 2.0
    """What the learning rate is divided by."""
    stop_at: Annotated[float, Field(gt=0, lt=1)] = 1 / 128
    """Fraction of the first learning rate at which training ends."""

    def template(self) -> Self:
        """The rule of one compiled program: numbers are arguments of it."""
        return self.model_copy(update={"patience": 1, "factor": 2.0, "stop_at": 1 / 128})


class Decay(Record):
    """Lower the learning rate by the same factor after each epoch (ch. 6)."""

    rule: Literal["exponential"]
    half_life: Annotated[float, Field(ge=0.01, le=1e6)]
    """Epochs in which the learning rate halves."""

    def template(self) -> Self:
        """The rule of one compiled program: numbers are arguments of it."""
        return self.model_copy(update={"half_life": 1})


Schedule = Annotated[Plateau | Decay, Field(discriminator="rule")]


class NoImprovement(Record):
    """Stop when there was no improvement in n epochs (ch. 3)."""

    rule: Literal["no-improvement"]
    patience: Patience
    """The n above: epochs in a row without a new best of the metric."""
    metric: Watched = VALIDATION
    """What is watched, of which the highest or the lowest is best: it must be measured."""


class GeneralizationLoss(Record):
    """Stop when a cost has risen too far above its lowest (Prechelt, 1998, GL)."""

    rule: Literal["generalization-loss"]
    threshold: Annotated[float, Field(gt=0, le=1e6)]
    """Largest rise, as a fraction of the lowest."""
    metric: Watched = "validation_cost"
    """What is watched, of which the lowest is best: it must be measured."""


EarlyStopping = Annotated[NoImprovement | GeneralizationLoss, Field(discriminator="rule")]


class Regularizer(Record):
    """Penalties on the size of the weights; biases are free (ch. 3)."""

    l2: Lambda = 0.0
    """Lambda of (lambda / 2n) times the sum of squared weights."""
    l1: Lambda = 0.0
    """Lambda of (lambda / n) times the sum of absolute weights."""
    per: Literal["image", "batch"] = "image"
    """What n counts: training images (ch. 3) or mini-batches, as chapter 6's program does."""


class Replay(Record):
    """The author's generators and their state, to draw what his scripts drew (ch. 3).

    His scripts for the figures seed NumPy's legacy generator, which draws weights, and Python 2's,
    which shuffles, and then train one network after another: each begins where the one before it
    has left both generators, and the list of images if that was shuffled itself.
    """

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 12345678
    """Of both generators."""
    networks_before: Annotated[int, Field(ge=0, le=100)] = 0
    """Sets of weights and biases drawn before this network's."""
    shuffles_before: Annotated[int, Field(ge=0, le=1000)] = 0
    """Shuffles of the same list before this network's first."""
    uniforms_before: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Uniform numbers drawn before that, for shuffles of other lists."""


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
    evaluate_every: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Epochs from one measurement to the next; the last epoch is always measured."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; None to go on to the end."""
    allow_divergence: bool = False
    """Whether a cost that is no longer finite is a result, as where the book's own run diverged;
    false ends training with an error."""
    dropout_masks: Literal["image", "batch"] = "image"
    """`image`: neurons are dropped anew for each image (ch. 6); `batch`: once for all images of a
    mini-batch (ch. 3)."""
    dropout_streams: Literal["separate", "common"] = "separate"
    """`separate`: each layer and each run draws for itself. `common`: all draw the same numbers,
    so that layers with equally many inputs drop the same ones, as chapter 6's program does."""
    keep_best: bool = False
    """Keep the network of the epoch that classifies most validation images rightly, the later one
    of equals, beside the last."""
    dtype: Literal["float32", "float64"] = "float32"
    """Arithmetic of weights and activations."""
    matmul_precision: Literal["default", "high", "highest"] = "highest"
    """What an accelerator may round before it multiplies float32 matrices, in JAX's words:
    `highest` nothing, `high` and `default` what it likes (TensorFloat-32, bfloat16) to be fast. A
    CPU rounds nothing."""
    replay: Replay | None = None
    """Draw as the author's scripts did, in place of what a run's seed gives; None for the seed."""
