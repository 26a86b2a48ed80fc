"""What a network learns from: a data set by its name or path, or examples written out."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nndl_jax.documents.known_data import KNOWN_DATA, MNIST, KnownData, is_path
from nndl_jax.reading.record import NumImages, Record, Text, fault
from nndl_jax.reading.validation import closest

_COPIES = 5
_NUM_BITS = 4

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
            message = (
                "distorts nothing; give rotation, skew, translation or elastic, or leave it out"
            )
            raise fault((), message)
        return self


Augmentation = Annotated[Shifts | Distortions, Field(discriminator="kind")]


Column = Annotated[tuple[Annotated[float, Field(ge=-1e30, le=1e30)], ...], Field(max_length=65_536)]


class Scaling(Record):
    """What is taken from each input, and what the rest is divided by."""

    means: Annotated[Column, Field(min_length=1)]
    """One number for each input, or one for all."""
    deviations: Annotated[Column, Field(min_length=1)]
    """Standard deviations, above 0; as many numbers."""

    @model_validator(mode="after")
    def _numbers_belong_together(self) -> Self:
        if len(self.means) != len(self.deviations):
            message = f"must be as many as means, {len(self.means)}, got {len(self.deviations)}"
            raise fault(("deviations",), message)
        for index, deviation in enumerate(self.deviations):
            if deviation <= 0:
                raise fault(("deviations", index), f"must be above 0, got {deviation:g}")
        return self


class Data(Record):
    """Which data are learnt, and how their labels are put as targets."""

    name: Text = MNIST
    """A data set that is known by this name, such as `fashion-mnist`, `emnist-letters`, `digits`,
    `iris` or `diabetes`; or the path of a file or folder of one's own, which has a slash or a dot
    in it: IDX, `.npz`, `.npy`, `.csv`, `.parquet`, `.safetensors`, or a folder with a folder of
    images for each class."""
    target: Text | None = None
    """The column of a table that is to be learnt; None for the last."""
    train_images: NumImages | None = None
    """Train on the first so many images; None for all."""
    validation_images: NumImages | None = None
    """Validate on the first so many images; None for all."""
    digits: Annotated[tuple[Digit, ...], Field(min_length=2)] | None = None
    """Keep only images of these digits, in all splits and before counting; None for all ten."""
    targets: Literal["one-hot", "binary", "real"] = "one-hot"
    """`one-hot`: an output for each class, the largest wins. `binary`: the digit's four bits,
    lowest first. `real`: the targets are numbers, and so are the outputs."""
    standardize: bool = False
    """Take from each input its mean over the training inputs, and divide by its standard deviation;
    an input that does not vary is divided by 1."""
    scaling: Scaling | None = None
    """The numbers of that, which training fills in, so that they stand in the document that is
    saved with the weights; None for those of the training inputs."""
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
        sizes = [(len(example.inputs), len(example.targets)) for example in self.examples]
        for index, size in enumerate(sizes):
            if size != sizes[0]:
                raise fault(
                    ("examples", index),
                    f"must have {sizes[0][0]} inputs and {sizes[0][1]} targets as the first "
                    f"example has, got {size[0]} and {size[1]}",
                )
        return self

    @model_validator(mode="after")
    def _name_is_known(self) -> Self:
        if self.known() is None and not is_path(self.name):
            message = f"there is no data set {self.name!r}; {closest(self.name, list(KNOWN_DATA))}"
            message += ", or write the path of a file or folder with a slash in it"
            raise fault(("name",), message)
        return self

    @model_validator(mode="after")
    def _parts_belong_to_the_data(self) -> Self:
        if self.examples is not None:
            return self
        known = self.known()
        is_real = self.targets == "real"
        if known is not None and is_real != (known.num_classes == 0):
            kind = "targets of real numbers" if not known.num_classes else "labels of classes"
            right = "real" if not known.num_classes else "one-hot"
            message = f"{self.name} has {kind}, got {self.targets!r}; write {right}"
            raise fault(("targets",), message)
        if self.target is not None and known is not None:
            message = f"is a column of a table, and {self.name} is none"
            raise fault(("target",), f"{message}; leave it out, or name the table by data.name")
        if is_real and self.digits is not None:
            raise fault(("digits",), "are labels, and these targets are real numbers; leave it out")
        if self.targets == "binary" and known is not None and known.num_classes > 2**_NUM_BITS:
            message = (
                f"spell at most 16 classes, and {self.name} has {known.num_classes}; use one-hot"
            )
            raise fault(("targets",), f"four bits {message}")
        if self.augmentation is not None:
            if known is None or not known.is_of_images:
                message = "is of images of 28 x 28 pixels, and those of"
                raise fault(("augmentation",), f"{message} {self.name} need not be; leave it out")
            if self.is_scaled():
                message = (
                    "has white edges, which standardized inputs have not; leave one of them out"
                )
                raise fault(("augmentation",), message)
        return self

    def known(self) -> KnownData | None:
        """What is known of the data set; None of a file of one's own."""
        return KNOWN_DATA.get(self.name)

    def is_of_images(self) -> bool:
        """Whether inputs are known to be images: bytes, or floats from 0 to 1."""
        known = self.known()
        return self.examples is None and known is not None and known.is_of_images

    def has_classes(self) -> bool:
        """Whether outputs stand for classes; else they are numbers."""
        return self.examples is None and self.targets != "real"

    def is_one_hot(self) -> bool:
        """Whether there is an output for each class."""
        return self.has_classes() and self.targets == "one-hot"

    def is_scaled(self) -> bool:
        """Whether inputs are standardized."""
        return self.standardize or self.scaling is not None

    def num_inputs(self) -> int | None:
        """Number of inputs that the examples or the data have; None where only a file says it."""
        if self.examples:
            return len(self.examples[0].inputs)
        known = self.known()
        return None if known is None else known.num_inputs

    def most_train_images(self) -> int:
        """Number of training examples or images, the copies included, or more."""
        if self.examples:
            return len(self.examples)
        copies = _COPIES if isinstance(self.augmentation, Shifts) else 1
        known = self.known() or KNOWN_DATA[MNIST]
        return (self.train_images or known.num_train) * copies

    def num_outputs(self) -> int | None:
        """Number of output neurons that the targets ask for; None where only a file says it."""
        if self.examples:
            return len(self.examples[0].targets)
        if self.targets == "binary":
            return _NUM_BITS
        known = self.known()
        return None if known is None else max(1, known.num_classes)


def _default(name: str) -> object:
    return Data.model_fields[name].default
