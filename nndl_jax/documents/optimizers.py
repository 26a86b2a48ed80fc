"""How weights follow from gradients: a record for each kind of optimiser.

A record knows its numbers, what of it is compiled, and how much it remembers.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field

from nndl_jax.documents.learning import Schedule
from nndl_jax.reading.record import Record

Remaining = Annotated[float, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0, le=1)]


class UpdateRule(Record):
    """What all optimisers have."""

    learning_rate: Annotated[float, Field(gt=0, le=1e6)]
    """Step size, the book's eta."""
    schedule: Schedule | None = None
    """How the learning rate changes; None to keep it."""
    clip_norm: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Largest Euclidean length of the gradient by all weights and biases, penalties included: a
    longer one is shortened to it (Pascanu, Mikolov and Bengio, 2013). None for any length."""

    def numbers(self) -> dict[str, float]:
        """All its numbers by name, in which runs of one compiled program may differ."""
        return {name: value for name, value in self if isinstance(value, float)}

    def template(self) -> Self:
        """What is compiled: the same rule with its numbers put to one."""
        ones = dict.fromkeys(self.numbers(), 1.0)
        schedule = self.schedule and self.schedule.template()
        return self.model_copy(update={**ones, "schedule": schedule})

    def num_slots(self) -> int:
        """Numbers that it remembers of each weight and bias."""
        raise NotImplementedError


class Sgd(UpdateRule):
    """Stochastic gradient descent, with momentum if asked for (ch. 1, 3)."""

    kind: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=-10, le=10)] = 0.0
    """Momentum coefficient, the book's mu: v <- mu v - eta g, w <- w + v."""
    nesterov: bool = False
    """Take the gradient where the velocity is about to lead, at w + mu v (Nesterov's momentum, as
    in Sutskever et al., 2013). The weights that are measured and kept are those places."""

    def template(self) -> Self:
        """The same; without momentum another program, as one of zero would round once more."""
        momentum = float(self.momentum != 0)
        return super().template().model_copy(update={"momentum": momentum})

    def num_slots(self) -> int:
        """The velocity, if there is momentum."""
        return int(self.momentum != 0)


class RmsProp(UpdateRule):
    """The gradient by the root of a running mean of its squares (Hinton, 2012, lecture 6e)."""

    kind: Literal["rmsprop"]
    decay: Remaining = 0.9
    """What remains of the mean of squares at a step: m <- decay m + (1 - decay) g^2."""
    epsilon: Epsilon = 1e-8
    """Added to the root, w <- w - eta g / (sqrt(m) + epsilon): the lecture leaves it out."""

    def num_slots(self) -> int:
        """The mean of squares."""
        return 1


class Moments(UpdateRule):
    """Running means of the gradient and of its squares, each by what it is short of at first.

    At step t, m <- beta1 m + (1 - beta1) g and v <- beta2 v + (1 - beta2) g^2, and then
    d = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon).
    """

    beta1: Remaining = 0.9
    """What remains of the mean of gradients at a step."""
    beta2: Remaining = 0.999
    """What remains of the mean of squares at a step."""
    epsilon: Epsilon = 1e-8
    """Added to the root."""

    def num_slots(self) -> int:
        """Both means; the number of the step is one for all."""
        return 2


class Adam(Moments):
    """Steps along the means' ratio, w <- w - eta d (Kingma and Ba, 2015)."""

    kind: Literal["adam"]


class AdamW(Moments):
    """Adam whose weights decay by themselves, not through the gradient; biases do not.

    w <- w - eta (d + weight_decay w), after Loshchilov and Hutter (2019), whose lambda is eta times
    weight_decay and whose eta_t is what a schedule makes of eta. The decay is no part of the cost;
    what `regularizer` asks for comes on top of it.
    """

    kind: Literal["adamw"]
    weight_decay: Annotated[float, Field(ge=0, le=1e6)] = 0.01
    """What a weight loses at a step, as a fraction of it and by the learning rate."""


def _name_kind(value: object) -> object:
    """What is said without a kind is gradient descent."""
    return {"kind": "sgd", **value} if isinstance(value, dict) else value


Optimizer = Annotated[
    Sgd | RmsProp | Adam | AdamW, Field(discriminator="kind"), BeforeValidator(_name_kind)
]
