"""What a network learns from: images with digits as targets, or examples written out."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.reading.record import NumImages, Record, fault

_NUM_TRAIN_IMAGES = 50_000
"""Of MNIST."""
_COPIES = 5

Digit = Annotated[int, Field(ge=0, le=9)]
Numbers = Annotated[
    tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...], Field(min_length=1, max_length=1024)
]


class Example(Record):
    """A training example written out (ch. 3 for a single neuron)."""

    inputs: Numbers
    """One number for each input of the network."""
    targets: Numbers
    """One number for each of its outputs."""


class Shifts(Record):
    """Each image and its four copies shifted by one pixel: five times as many images (ch. 6)."""

    kind: Literal["shifts"]


class Distortions(Record):
    """Each image distorted anew in each epoch (ch. 6; Simard, Steinkraus and Platt, 2003).

    What is drawn lies evenly between the largest values given here and the same below zero.
    """

    kind: Literal["distortions"]
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest angle, in degrees."""
    skew: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Largest slant of vertical lines, in degrees."""
    translation: Annotated[float, Field(ge=0, le=14)] = 0.0
    """Largest shift along rows and along columns, in pixels."""
    elastic: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Strength of elastic distortions, Simard's alpha: each pixel moves by this times the mean of
    uniform random numbers around it, weighted by a Gaussian."""
    smoothness: Annotated[float, Field(ge=0.5, le=14)] = 4.0
    """Standard deviation of that Gaussian, Simard's sigma, in pixels."""

    @model_validator(mode="after")
    def _something_is_distorted(self) -> Self:
        if not (self.rotation or self.skew or self.translation or self.elastic):
            said = "distorts nothing; give rotation, skew, translation or elastic, or leave it out"
            raise fault((), said)
        return self


Augmentation = Annotated[Shifts | Distortions, Field(discriminator="kind")]


class Data(Record):
    """Which images are learnt, and how their labels are put as targets."""

    train_images: NumImages | None = None
    """Train on the first so many images; None for all."""
    validation_images: NumImages | None = None
    """Validate on the first so many images; None for all."""
    digits: Annotated[tuple[Digit, ...], Field(min_length=2)] | None = None
    """Keep only images of these digits, in all splits and before counting; None for all ten."""
    targets: Literal["one-hot", "binary"] = "one-hot"
    """`one-hot`: ten outputs, the largest wins. `binary`: the digit's four bits, lowest first."""
    augmentation: Augmentation | None = None
    """How training images are varied; None to leave them as they are."""
    examples: Annotated[tuple[Example, ...], Field(min_length=1, max_length=1024)] | None = None
    """Train on these instead of images; None for images."""

    @model_validator(mode="after")
    def _digits_differ(self) -> Self:
        digits = self.digits or ()
        for index, digit in enumerate(digits):
            if digit in digits[:index]:
                raise fault(("digits", index), f"{digit} is there already; leave it out")
        return self

    @model_validator(mode="after")
    def _examples_stand_alone(self) -> Self:
        others = sorted(self.model_fields_set - {"examples"})
        if self.examples is None:
            return self
        if others and any(getattr(self, name) != _default(name) for name in others):
            raise fault(("examples",), f"take the place of images; leave out {', '.join(others)}")
        sizes = [(len(each.inputs), len(each.targets)) for each in self.examples]
        for index, size in enumerate(sizes):
            if size != sizes[0]:
                raise fault(
                    ("examples", index),
                    f"must have {sizes[0][0]} inputs and {sizes[0][1]} targets as the first "
                    f"example has, got {size[0]} and {size[1]}",
                )
        return self

    def num_inputs(self) -> int:
        """Number of inputs that the examples or images have."""
        return len(self.examples[0].inputs) if self.examples else 784

    def most_train_images(self) -> int:
        """Number of training examples or images, the copies included, or more."""
        if self.examples:
            return len(self.examples)
        copies = _COPIES if isinstance(self.augmentation, Shifts) else 1
        return (self.train_images or _NUM_TRAIN_IMAGES) * copies

    def num_outputs(self) -> int:
        """Number of output neurons that the targets ask for."""
        if self.examples:
            return len(self.examples[0].targets)
        return 10 if self.targets == "one-hot" else 4


def _default(name: str) -> object:
    return Data.model_fields[name].default
