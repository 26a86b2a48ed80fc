"""Documents of kind `network`: an architecture and how it is trained."""

from math import inf, prod
from typing import Annotated, Literal, Self, assert_never

from pydantic import Field, model_validator

from nndl_jax.calculations.activations import NEURON_ACTIVATIONS, RANGES
from nndl_jax.documents.data import Data
from nndl_jax.documents.experiment import Experiment
from nndl_jax.documents.float32 import check_float32
from nndl_jax.documents.known_data import MNIST
from nndl_jax.documents.layers import Dense, Model
from nndl_jax.documents.learning import (
    Decay,
    GeneralizationLoss,
    NoImprovement,
    Plateau,
    Regularizer,
    Training,
)
from nndl_jax.documents.metrics import VALIDATION, Monitor, OfGradients, parse_metric
from nndl_jax.documents.optimizers import Optimizer
from nndl_jax.reading.html import html_table
from nndl_jax.reading.record import fault

_NUM_DIGITS = 10


class Network(Experiment):
    """A network of the book, how it is trained, and what the book reports of it."""

    stage = "train"
    taken_by = "build_model and train take it"
    kind: Literal["network"]
    data: Data = Data()
    model: Model
    loss: Literal["quadratic", "cross-entropy", "log-likelihood", "cross-entropy-by-activation"]
    """Cost per example: 1/2 |y - a|^2, the sum over outputs of the binary cross-entropy, or
    -ln a_y of a softmax output. `cross-entropy-by-activation` is the cross-entropy with a gradient
    by the activation where that by the weighted input belongs: what chapter 3's pages compute."""
    optimizer: Optimizer
    regularizer: Regularizer = Regularizer()
    training: Training
    monitors: Annotated[tuple[Monitor, ...], Field(min_length=1, max_length=32)]
    """What is measured: after each epoch, or as often as training says."""

    def _repr_html_(self) -> str:
        """What notebooks show: a row for each layer, and how it is trained."""
        layers = [
            (
                layer.kind,
                " x ".join(map(str, shape.inputs)),
                " x ".join(map(str, shape.outputs)),
                layer.activation or "",
                f"{layer.dropout:g}" if layer.dropout else "",
                f"{shape.num_weights + shape.num_biases:,}",
            )
            for (_, layer), shape in zip(self.model.stack(), self.model.shapes(), strict=True)
        ]
        heads = ("layer", "inputs", "outputs", "activation", "dropout", "parameters")
        table = html_table(f"{self.id}: {self.title}", heads, layers)
        message = self.model_dump(mode="json", exclude_defaults=True)
        named = ("data", "loss", "optimizer", "regularizer", "training", "monitors")
        rows = [(name, message[name]) for name in named if name in message]
        rows += [("varied", ", ".join(axis)) for axis in self.vary]
        return table + html_table("Training", (), rows)

    def learning(self) -> Training:
        """How the network is trained."""
        return self.training

    def data_learnt(self) -> Data:
        """The data of the network."""
        return self.data

    def metrics(self) -> tuple[str, ...]:
        """The monitors; then of those by layer one for each layer with biases, and so on."""
        found: list[str] = []
        parts: list[str] = []
        for metric in map(parse_metric, self.monitors):
            match metric.quantity.by:
                case None:
                    found.append(metric.name)
                case "layer":
                    num_layers = sum(shape.num_biases > 0 for shape in self.model.shapes())
                    parts += [metric.of(layer) for layer in range(1, num_layers + 1)]
                case "digit":
                    digits = self.data.digits or range(self.num_classes())
                    parts += [metric.of(digit) for digit in sorted(digits)]
                case "neuron":
                    pass
                case _:
                    assert_never(metric.quantity.by)
        return (*found, *parts)

    def num_inputs(self) -> int:
        """Numbers in one input of the network."""
        return prod(self.model.inputs)

    def num_outputs(self) -> int:
        """Number of output neurons."""
        return prod(self.model.shapes()[-1].outputs)

    def num_classes(self) -> int:
        """Number of classes of the labels, as far as the outputs tell: four bits are of digits."""
        return _NUM_DIGITS if self.data.targets == "binary" else self.num_outputs()

    def is_random(self) -> bool:
        """Whether runs with different seeds differ."""
        layers = self.model.layers
        drawn = any(
            initializer is not None and initializer.is_drawn()
            for initializer in (self.model.initializer, *(layer.initializer for layer in layers))
        )
        drops = any(layer.dropout > 0 for layer in layers)
        ordered = self.training.shuffle or self.data.augmentation is not None
        return self.training.replay is None and (drawn or drops or ordered)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        outputs, wanted = self.num_outputs(), self.data.num_outputs()
        last = len(self.model.layers) - 1
        if wanted is not None and outputs != wanted:
            field = "units" if isinstance(self.model.layers[last], Dense) else "kind"
            of_which = "" if self.data.name == MNIST else f" of {self.data.name}"
            raise fault(
                ("model", "layers", last, field),
                f"the last layer must have {wanted} outputs for {self._targets()} targets"
                f"{of_which}, got {outputs}",
            )
        num_inputs = self.data.num_inputs()
        if num_inputs is not None and prod(self.model.inputs) != num_inputs:
            what = f"{self.id} wants {prod(self.model.inputs):,} inputs, {self.data.name} has"
            what, wanted = f"{what} {num_inputs};", f"[{num_inputs}]"
            if self.data.examples:
                what = f"an example has {num_inputs} inputs,"
            elif self.data.is_of_images():
                wanted = "[784] or [1, 28, 28]"
                what = "an image has 784 pixels," if self.data.name == MNIST else what
            raise fault(
                ("model", "inputs"),
                f"{what} got inputs of {list(self.model.inputs)}; write {wanted}",
            )
        self._check_output()
        self._check_targets()
        self._check_monitors()
        self._check_replay()
        self._check_extent()
        return self

    @model_validator(mode="after")
    def _all_variants_learn_the_same(self) -> Self:
        for index, axis in enumerate(self.vary):
            for field in axis:
                if field in ("data.name", "data.target"):
                    message = "cannot be varied, as a training reads one data set"
                    raise fault(("vary", index, field), f"{message}; write a document for each")
        return self

    @model_validator(mode="after")
    def _numbers_are_of_the_type(self) -> Self:
        if self.training.dtype == "float32":
            for part in _COMPUTED:
                check_float32(getattr(self, part), (part,))
        return self

    def _check_output(self) -> None:
        """Refuse a loss that does not belong to the output layer."""
        stack = self.model.stack()
        last, output = stack[-1]
        if not isinstance(output, Dense):
            message = f"the last layer must be dense, got {output.kind!r}; add one"
            raise fault(("model", "layers", last, "kind"), message)
        activations = [layer.activation for _, layer in stack]
        for (at, _), activation in zip(stack, activations[:-1], strict=False):
            if activation == "softmax":
                raise fault(
                    ("model", "layers", at, "activation"),
                    f"softmax belongs to the last layer; use {NEURON_ACTIVATIONS} here",
                )
        for (at, _), activation in zip(stack, activations, strict=True):
            if activation == "step":
                raise fault(
                    ("model", "layers", at, "activation"),
                    "a step has no slope to learn by; use sigmoid, or write a construction",
                )
        needed = "softmax" if self.loss == "log-likelihood" else "sigmoid"
        needed = None if self.loss == "quadratic" else needed
        if needed is not None and activations[-1] != needed:
            raise fault(
                ("loss",),
                f"{self.loss} needs a {needed} output layer, got {activations[-1]!r}; "
                "change the loss or the last layer's activation",
            )
        if self.loss == "log-likelihood" and self.data.targets == "binary":
            raise fault(("loss",), "log-likelihood needs one-hot targets, got 'binary'")
        if self.loss != "quadratic" and self.data.targets == "real":
            message = f"must be quadratic for targets of real numbers, got {self.loss!r}"
            raise fault(("loss",), message)
        if output.activation == "softmax" and output.units == 1:
            message = (
                "a softmax of one unit is always 1 and learns nothing; use sigmoid, or two units"
            )
            raise fault(("model", "layers", last, "activation"), message)

    def _check_targets(self) -> None:
        """Refuse targets that the output layer cannot give."""
        activation = self.model.layers[-1].activation or "linear"
        if activation == "softmax" and self.data.targets != "one-hot":
            message = "must be one-hot for a softmax output layer, whose outputs add up to 1"
            raise fault(("data", "targets"), f"{message}, got {self.data.targets!r}")
        low, high = RANGES.get(activation, (-inf, inf))
        for index, example in enumerate(self.data.examples or ()):
            at = ("data", "examples", index, "targets")
            for place, target in enumerate(example.targets):
                if not low <= target <= high:
                    bounds = f"be from {low:g} to {high:g}" if high < inf else f"be >= {low:g}"
                    message = f"must {bounds} for a {activation} output layer, got {target:g}"
                    raise fault((*at, place), message)
            total = sum(example.targets)
            if activation == "softmax" and abs(total - 1) > _ROUNDING:
                message = f"must add up to 1 for a softmax output layer, got {total:g}"
                raise fault(at, message)

    def _targets(self) -> str:
        return "the examples'" if self.data.examples else self.data.targets

    def _check_monitors(self) -> None:
        """Refuse what cannot be measured, and rules for what is not measured."""
        self._check_rules_of_examples()
        for index, monitor in enumerate(self.monitors):
            metric, at = parse_metric(monitor), ("monitors", index)
            if self.data.examples and metric.split in ("validation", "test"):
                message = f"examples have no {metric.split} split to measure, got {monitor!r}"
                raise fault(at, f"{message}; monitor train_cost or train_output")
            if self.data.examples and metric.quantity.needs_digits:
                message = f"examples have no digit to guess, got {monitor!r}"
                raise fault(at, f"{message}; monitor train_cost or train_output")
            if metric.quantity.needs_outputs and self.data.targets == "binary":
                message = (
                    "takes an output for each digit, and data.targets is binary; make it one-hot"
                )
                raise fault(at, f"{message}, or leave the monitor out")
            if self.data.targets == "real" and metric.quantity.needs_digits:
                message = f"targets of real numbers are no classes to guess, got {monitor!r}"
                raise fault(at, f"{message}; monitor {metric.split}_cost")
            if self.data.has_classes() and metric.quantity.needs_numbers:
                message = (
                    f"takes targets of real numbers, and data.targets is {self.data.targets!r}"
                )
                raise fault(
                    at, f"{message}; monitor {metric.split}_cost or {metric.split}_accuracy"
                )
            every = self.training.evaluate_every
            if isinstance(metric.quantity, OfGradients) and every != 1:
                message = (
                    f"{monitor} are measured before each epoch, and training.evaluate_every is "
                )
                raise fault(at, f"{message}{every}; make it 1")
        rules = {
            ("optimizer", "schedule"): self.optimizer.schedule,
            ("training", "early_stopping"): self.training.early_stopping,
        }
        if self.training.keep_best and VALIDATION not in self.monitors:
            message = f"looks at {VALIDATION}, which is not measured; add it to the monitors"
            raise fault(("training", "keep_best"), message)
        for at, rule in rules.items():
            if rule is None:
                continue
            if not isinstance(rule, Decay):
                self._check_watched(at, rule)
            if self.training.evaluate_every != 1:
                every = self.training.evaluate_every
                raise fault(at, f"counts epochs, and training.evaluate_every is {every}; make it 1")

    def _check_watched(
        self, at: tuple[str, ...], rule: Plateau | NoImprovement | GeneralizationLoss
    ) -> None:
        """Refuse a rule for what is not measured, or of which no value is better."""
        if rule.metric not in self.metrics():
            message = f"watches {rule.metric}, which is not measured; add it to the monitors"
            raise fault(at, message)
        best = parse_metric(rule.metric).quantity.best
        if best is None:
            message = (
                f"watches {rule.metric}, of which no value is better; watch an accuracy or a cost"
            )
            raise fault(at, message)
        if isinstance(rule, GeneralizationLoss) and best != "lowest":
            message = f"watches the rise of {rule.metric}, which is to rise; watch a cost"
            raise fault(at, message)

    def _check_rules_of_examples(self) -> None:
        """Refuse what looks at validation images where there are none."""
        schedule, stopping = self.optimizer.schedule, self.training.early_stopping

        def not_trained_on(rule: Plateau | NoImprovement | GeneralizationLoss) -> bool:
            return parse_metric(rule.metric).split in ("validation", "test")

        rules = {
            ("optimizer", "schedule"): isinstance(schedule, Plateau) and not_trained_on(schedule),
            ("training", "early_stopping"): stopping is not None and not_trained_on(stopping),
            ("training", "keep_best"): self.training.keep_best,
        }
        for at, is_given in rules.items():
            if is_given and self.data.examples is not None:
                message = "looks at validation images, and examples have none; leave it out"
                raise fault(at, message)

    def _check_replay(self) -> None:
        """Refuse a replay of what the author's scripts did not draw."""
        if self.training.replay is None:
            return
        at, initializer = ("training", "replay"), self.model.initializer
        if not self.training.shuffle:
            raise fault(at, "the scripts shuffled, and training.shuffle is false; leave one out")
        if self.data.is_scaled():
            raise fault(at, "the scripts did not standardize; leave out data.standardize")
        if self.data.augmentation is not None:
            raise fault(at, "the scripts left images as they are; leave out data.augmentation")
        if any(not isinstance(layer, Dense) or layer.initializer for layer in self.model.layers):
            raise fault(at, "the scripts had dense layers with one initialisation; leave it out")
        if any(layer.dropout for layer in self.model.layers):
            raise fault(at, "the scripts had no dropout; leave it out or make model.layers' 0")
        if initializer.weights not in ("normal", "normal-fan-in") or initializer.biases != "normal":
            raise fault(
                at,
                "the scripts drew weights 'normal' or 'normal-fan-in' and biases 'normal', got "
                f"{initializer.weights!r} and {initializer.biases!r}; leave it out",
            )

    def _check_extent(self) -> None:
        """Refuse what would show nothing for very long."""
        num_layers = len(self.model.stack())
        if num_layers > MAX_LAYERS:
            message = (
                f"are {num_layers:,} with their repeats; at most {MAX_LAYERS} are built, as a "
            )
            raise fault(("model", "layers"), f"{message}program of more takes minutes to compile")
        training = self.training
        num_epochs = min(training.evaluate_every, training.epochs)
        num_images = num_epochs * self.data.most_train_images()
        if num_images > MAX_UNSEEN:
            raise fault(
                ("training", "evaluate_every"),
                f"asks for {num_images:,} images between two measurements; at most {MAX_UNSEEN:,} "
                "are gone through, as nothing is shown or saved before; make it smaller",
            )


MAX_LAYERS = 256
MAX_UNSEEN = 50_000_000

_COMPUTED = ("data", "model", "optimizer", "regularizer", "training")
_ROUNDING = 1e-6
_NUM_DIGITS = 10
