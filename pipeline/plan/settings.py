"""`params.yaml`: what is run today, checked as strictly as the documents."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from nndl_jax.reading.faults import Fault, SpecError
from nndl_jax.reading.located_yaml import LocatedYaml, parse_yaml, read_text
from nndl_jax.reading.record import Identifier, Record
from nndl_jax.reading.validation import closest, validate
from pipeline.machine.paths import PARAMS

MAX_RUNS = 1000
NumRuns = Annotated[int, Field(ge=1, le=MAX_RUNS)]


class Limits(Record):
    """What a profile limits in one document otherwise than in the others; None to not."""

    runs: NumRuns | None = None
    max_epochs: Annotated[int, Field(ge=1)] | None = None
    max_train_images: Annotated[int, Field(ge=1)] | None = None


class Profile(Record):
    """How much of each experiment is run."""

    runs: NumRuns
    """Runs of each variant."""
    max_runs: NumRuns | None
    """Most runs of one document, all variants together, but at least two of each variant."""
    max_epochs: Annotated[int, Field(ge=1)] | None
    """Most epochs of a network."""
    max_train_images: Annotated[int, Field(ge=1)] | None
    """Most images that a network is trained on."""
    max_fit_images: Annotated[int, Field(ge=1)] | None
    """Most images that a baseline is fitted on; variants that ask for more are left out."""
    leave_out: tuple[Identifier, ...] = ()
    """Documents that are too long for this profile; they are run where `documents` names them."""
    limits: dict[Identifier, Limits] = Field(default_factory=dict)
    """By document, in place of the profile's own."""

    def of(self, name: str) -> "Profile":
        """The profile with a document's own limits."""
        own = self.limits.get(name, Limits())
        return self.model_copy(update=own.model_dump(exclude_none=True))


class Profiles(Record):
    """The three profiles."""

    smoke: Profile
    quick: Profile
    book: Profile


class Settings(Record):
    """The contents of `params.yaml`."""

    profile: Literal["smoke", "quick", "book"]
    documents: Literal["all"] | list[Identifier]
    """Which documents are run."""
    runs: NumRuns | None
    """Runs of each variant; None for the profile's number."""
    seed: Annotated[int, Field(ge=0, le=2**31)]
    """Of the first run; further runs count up from it."""
    experiments: Annotated[str, Field(min_length=1, max_length=255)] = "experiments"
    """The folder with documents of one's own, beside `spec/`."""
    overrides: dict[Identifier, dict[str, JsonValue]]
    """Values by document and field path, put in place of the document's own."""
    profiles: Profiles

    def active(self) -> Profile:
        """The profile that is run."""
        return getattr(self.profiles, self.profile)


def load_settings(params: Path = PARAMS) -> tuple[Settings, LocatedYaml]:
    """The settings, and the text that they stand in.

    Raises:
        SpecError: names line and field of each fault.
    """
    return _parse(read_text(params), params)


@lru_cache(maxsize=1)  # It is asked for what documents and what overrides there are, and for all.
def _parse(text: str, params: Path) -> tuple[Settings, LocatedYaml]:
    located = parse_yaml(text, params)
    return validate(TypeAdapter(Settings), located), located


def check_names(settings: Settings, text: LocatedYaml, ids: Sequence[str]) -> None:
    """Refuse settings that name a document or a folder that there is not.

    Args:
        settings: of the text.
        text: that they stand in.
        ids: of the documents that there are.

    Raises:
        SpecError: names line and field of each fault.
    """
    named = {("overrides", name): name for name in settings.overrides}
    if settings.documents != "all":
        named |= {("documents", at): name for at, name in enumerate(settings.documents)}
    for profile in Profiles.model_fields:
        own, path = getattr(settings.profiles, profile), ("profiles", profile)
        named |= {(*path, "leave_out", at): name for at, name in enumerate(own.leave_out)}
        named |= {(*path, "limits", name): name for name in own.limits}
    faults: list[Fault] = []
    for location, name in named.items():
        if name not in ids:
            _, line = text.follow(location)
            message = f"there is no document {name!r}; {closest(name, ids)}"
            field = ".".join(str(step) for step in location[:-1])
            faults.append(Fault(text.where, line, field, message))
    folder = settings.experiments
    if folder != Settings.model_fields["experiments"].default and not Path(folder).is_dir():
        message = f"there is no folder {folder!r}; make it, or take 'experiments'"
        faults.append(Fault(text.where, text.follow(("experiments",))[1], "experiments", message))
    if faults:
        raise SpecError(faults)
