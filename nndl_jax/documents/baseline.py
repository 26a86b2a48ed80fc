"""Documents of kind `baseline`: what the book compares its networks with (ch. 1)."""

from typing import Annotated, Literal

from pydantic import Field

from nndl_jax.documents.experiment import Experiment
from nndl_jax.reading.record import NumImages, Record


class RandomGuess(Record):
    """Guess each digit at random, every digit equally often."""

    kind: Literal["random-guess"]


class AverageDarkness(Record):
    """Guess the digit whose mean sum of pixels over the training images is nearest."""

    kind: Literal["average-darkness"]


class SVM(Record):
    """A support vector machine with a Gaussian kernel, scikit-learn's `SVC`."""

    kind: Literal["svm"]
    C: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    """Penalty of a margin's violation."""
    gamma: Literal["auto", "scale"] = "auto"
    """Width of the kernel. `auto`: 1/784, scikit-learn's default when the book was written;
    `scale`, its default today, gives far higher accuracies."""


Accuracy = Literal["train_accuracy", "validation_accuracy", "test_accuracy"]
Method = Annotated[RandomGuess | AverageDarkness | SVM, Field(discriminator="kind")]


class Fit(Record):
    """What a baseline is fitted on."""

    train_images: NumImages | None = None
    """Fit on the first so many training images; None for all."""


class Baseline(Experiment):
    """A method without a network, and what the book reports of it."""

    stage = "baseline"
    taken_by = "nndl_jax.training.baselines.run_baseline takes it"
    kind: Literal["baseline"]
    method: Method
    data: Fit = Fit()
    monitors: Annotated[tuple[Accuracy, ...], Field(min_length=1, max_length=3)]
    """What is measured."""

    def metrics(self) -> tuple[str, ...]:
        """The monitors."""
        return self.monitors

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        return isinstance(self.method, RandomGuess)
