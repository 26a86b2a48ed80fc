"""What `params.yaml` changes in a document: overrides of fields, and the limits of a profile."""

from typing import TypeVar

from nndl_jax.documents import Baseline, Document, Network
from nndl_jax.documents.load import override
from pipeline.plan.settings import Profile, Settings

Limited = TypeVar("Limited", Network, Baseline)


def apply_settings(spec: Document, settings: Settings) -> Document:
    """The document with overrides and the profile's limits; claims stay what the book says."""
    if values := settings.overrides.get(spec.id):
        spec = override(spec, values)
    profile = settings.active().of(spec.id)
    match spec:
        case Network():
            return _limit_network(spec, profile)
        case Baseline():
            return _limit_axes(spec, "data.train_images", profile.max_fit_images)
        case _:
            return spec


def _limit_network(spec: Network, profile: Profile) -> Network:
    training, data = spec.training, spec.data
    if profile.max_epochs is not None:
        epochs = min(training.epochs, profile.max_epochs)
        training = training.model_copy(update={"epochs": epochs})
    if profile.max_train_images is not None and data.examples is None:
        present = data.train_images or profile.max_train_images
        num_images = min(present, profile.max_train_images)
        data = data.model_copy(update={"train_images": num_images})
    spec = spec.model_copy(update={"training": training, "data": data})
    spec = _cap_axes(spec, "training.epochs", profile.max_epochs)
    return _limit_axes(spec, "data.train_images", profile.max_train_images)


def _limit_axes(spec: Limited, field: str, limit: int | None) -> Limited:
    """Without variants that ask for more; the first one stays."""
    if limit is None:
        return spec
    vary = []
    for axis in spec.vary:
        sizes = axis.get(field, ())
        kept = [i for i, size in enumerate(sizes) if int(size) <= limit] or [0]
        rows = kept if sizes else range(len(next(iter(axis.values()))))
        vary.append({name: tuple(values[i] for i in rows) for name, values in axis.items()})
    return spec.model_copy(update={"vary": tuple(vary)})


def _cap_axes(spec: Network, field: str, limit: int | None) -> Network:
    """With no more than the limit in any variant; variants that become equal are one."""
    if limit is None:
        return spec
    vary = []
    for axis in spec.vary:
        capped = {
            name: tuple(min(int(value), limit) if name == field else value for value in values)
            for name, values in axis.items()
        }
        rows = dict.fromkeys(zip(*capped.values(), strict=True))
        vary.append(dict(zip(axis, zip(*rows, strict=True), strict=True)))
    return spec.model_copy(update={"vary": tuple(vary)})
