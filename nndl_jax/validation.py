"""From a YAML text to a record, or to one sentence per fault.

A fault reads `spec/ch6-conv.yaml:14: model.layers[2].filters: must be >= 1, got 0`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from nndl_jax.faults import Fault, Location, SpecError, field_path
from nndl_jax.located_yaml import LocatedYaml

Validated = TypeVar("Validated")

_short = Repr()
_short.maxstring = _short.maxother = 60


def validate(adapter: TypeAdapter[Validated], text: LocatedYaml) -> Validated:
    """The record that a text describes.

    Raises:
        SpecError: with a line for each fault.
    """
    # Strict validation takes lists for tuples only in JSON, where there is nothing else.
    try:
        return adapter.validate_json(json.dumps(text.value, default=str))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise SpecError(_faults(faults, adapter.json_schema(), text)) from None


def parse_field_path(path: str) -> Location:
    """The location that a path names; `a[2].b` and `a.2.b` are the same."""
    steps = [step for step in re.split(r"[.\[\]]+", path) if step]
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def closest(word: str, known: Sequence[str]) -> str:
    """A hint at the known word nearest to a misspelt one, or at all of them."""
    match get_close_matches(word, known, n=1, cutoff=0.6):
        case [nearest]:
            return f"did you mean {nearest!r}?"
        case _:
            return f"known are {', '.join(map(repr, known))}"


class _Complaint(NamedTuple):
    """What is asked of a value, and what is said after that: what was found, a hint."""

    wanted: str
    rest: str = ""
    meant: str | None = None


def _faults(
    faults: Sequence[ErrorDetails], schema: Mapping[str, Any], text: LocatedYaml
) -> list[Fault]:
    said: dict[Location, list[_Complaint]] = {}
    line_of: dict[Location, int | None] = {}
    # Missing fields come last: one that is there, misspelt, has then been hinted at.
    located = [(each, each["loc"] + _inner_location(each.get("ctx", {}))) for each in faults]
    around = {
        at[:end] for at in (text.follow(full)[0] for _, full in located) for end in range(len(at))
    }
    for fault, full in sorted(located, key=lambda pair: pair[0]["type"] == "missing"):
        at, line = text.follow(full)
        if fault["type"] in ("too_short", "literal_error") and at in around:
            continue  # Said of the whole only because of what is wrong inside.
        if fault["type"] == "missing":
            at = (*at, full[-1])
            if any((*other[:-1], c.meant) == at for other, cs in said.items() for c in cs):
                continue
        line_of.setdefault(at, line)
        said.setdefault(at, []).append(_complain(fault, at, full, text, schema))
    found = [
        Fault(text.where, line_of[at], field_path(at) or "(top level)", _join(complaints))
        for at, complaints in said.items()
    ]
    return sorted(found, key=lambda fault: fault.line or 0)


def _inner_location(context: Mapping[str, Any]) -> Location:
    """Where inside a record its own validator, or the tag of a union, found the fault."""
    tag_field = context.get("discriminator", "").strip("'")
    return (*context.get("at", ()), *([tag_field] if "tag" in context else []))


def _join(complaints: Sequence[_Complaint]) -> str:
    """One sentence; of a union that nothing matched, what each member asks for."""
    wanted = dict.fromkeys(complaint.wanted.removeprefix("must be ") for complaint in complaints)
    if len(wanted) == 1:
        return complaints[0].wanted + complaints[0].rest
    return f"must be {' or '.join(wanted)}{complaints[0].rest}"


def _complain(
    fault: ErrorDetails,
    at: Location,
    full: Location,
    text: LocatedYaml,
    schema: Mapping[str, Any],
) -> _Complaint:
    context = fault.get("ctx", {})
    if fault["type"] == "missing":
        return _Complaint("is missing; add it")
    if fault["type"] == "extra_forbidden":
        hint = closest(str(at[-1]), _known_fields(schema, full[:-1]))
        meant = hint.split("'")[1] if hint.startswith("did") else None
        return _Complaint(f"is not a known field; {hint}", meant=meant)
    found = at[-1] if full[-1:] == ("[key]",) else text.lookup(at)
    got = f", got {_shown(found)}"
    match fault["type"]:
        case "literal_error" | "union_tag_invalid":
            allowed = context.get("expected") or context.get("expected_tags", "")
            return _one_of(re.findall(r"'([^']*)'", allowed), found)
        case "union_tag_not_found":
            return _Complaint(f"is missing its field {context['discriminator']}; add it")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" as kind:
            bound = next(iter(context.values()))
            return _Complaint(f"must be {_SIGNS[kind]} {bound:,}", got)
        case "too_short" | "too_long" | "string_too_short" | "string_too_long" as kind:
            at_least = "short" in kind
            bound = context["min_length"] if at_least else context["max_length"]
            unit = "character" if "string" in kind else "entry"
            if bound != 1:
                unit = {"character": "characters", "entry": "entries"}[unit]
            return _Complaint(f"must have at {'least' if at_least else 'most'} {bound} {unit}", got)
        case "document":
            return _Complaint(fault["msg"])
        case kind:
            return _Complaint(f"must be {_WANTED.get(kind, fault['msg'])}", got)


_SIGNS = {
    "greater_than": ">",
    "greater_than_equal": ">=",
    "less_than": "<",
    "less_than_equal": "<=",
}
_WANTED = {
    "string_pattern_mismatch": (
        "lower-case letters, digits and hyphens, at most 64, beginning with a letter"
    ),
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
}


def _shown(found: object) -> str:
    """A value as it stands in YAML, shortened."""
    words = {None: "null", True: "true", False: "false"}
    return words[found] if found is None or isinstance(found, bool) else _short.repr(found)


def _one_of(words: Sequence[str], found: object) -> _Complaint:
    near = isinstance(found, str) and get_close_matches(found, words, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return _Complaint(f"must be {_alternatives(words)}", f", got {_shown(found)}{hint}")


def _alternatives(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _known_fields(schema: Mapping[str, Any], location: Location) -> list[str]:
    """Names of the fields that a record at this location may have, from the JSON Schema."""
    node: Any = schema
    for step in location:
        node = _descend(_dereference(schema, node), step, schema)
    return sorted(_dereference(schema, node).get("properties", {}))


def _descend(node: Mapping[str, Any], step: str | int, schema: Mapping[str, Any]) -> Any:
    if isinstance(step, int):
        return node.get("items", {})
    if step in node.get("properties", {}):
        return node["properties"][step]
    if step in (tags := node.get("discriminator", {}).get("mapping", {})):
        return {"$ref": tags[step]}
    # Of a mapping: by the pattern of its names, if they have one.
    named = next(iter(node.get("patternProperties", {}).values()), {})
    return named or node.get("additionalProperties") or {}


def _dereference(schema: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    if options := [n for n in node.get("anyOf", []) if n.get("type") != "null"]:
        node = options[0]
    if "$ref" in node:
        return _dereference(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
    return node
