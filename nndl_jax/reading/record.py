"""The record that every part of a document is: frozen, strict and closed to unknown fields."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, LiteralString, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from nndl_jax.reading.validation import ID_PATTERN

Identifier = Annotated[str, Field(pattern=ID_PATTERN)]
"""A document's name: lower-case letters, digits and hyphens, at most 64 of them."""


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""What has the rest of a line, beyond the text itself, read from the other side."""


def _check_printable(text: str) -> str:
    """Refuse what a terminal would obey, what would break a line of a table, and nothing at all."""
    if not text.strip():
        raise fault((), f"must have something to read in it, got {text!r}")
    for number, character in enumerate(text, start=1):
        breaks = unicodedata.category(character) in ("Cc", "Zl", "Zp")
        if breaks or unicodedata.bidirectional(character) in _TURNS:
            raise fault(
                (),
                "must be one line without control characters, got "
                f"{character!a} at character {number}; leave it out, or fold lines with >-",
            )
    return text


Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_check_printable)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Extent = Annotated[int, Field(ge=1, le=1024)]
NumImages = Annotated[int, Field(ge=1, le=1_000_000)]

FieldValue = bool | int | float | str
"""What a varied field can be set to."""


class Record(BaseModel):
    """A part of a document. Validate it from JSON, or from YAML with `nndl_jax.load_spec`."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
    )


def fault(at: Sequence[str | int], message: str) -> PydanticCustomError:
    """An error about a field that only its surroundings show to be wrong.

    Args:
        at: the field, from the record whose validator raises this.
        message: one sentence that says what is wrong, what was found and what would be right.
    """
    # Braces would be taken for placeholders by pydantic's message templates.
    sentence = message.replace("{", "(").replace("}", ")")
    return PydanticCustomError("document", cast(LiteralString, sentence), {"at": tuple(at)})
