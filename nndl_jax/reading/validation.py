"""From a YAML text to a record, or to one sentence per fault.

A fault reads `spec/ch6-conv.yaml:14: model.layers[2].filters: must be >= 1, got 0`.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from reprlib import Repr
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from nndl_jax.reading.faults import MAX_SHOWN, Fault, Location, SpecError, field_path
from nndl_jax.reading.located_yaml import LocatedYaml, without_comma

ID_PATTERN = r"^[a-z][a-z0-9-]{0,63}$"
METRIC_PATTERN = r"^[a-z][a-zA-Z0-9_.]{0,63}$"
MAX_LISTED = 20
"""Known words that a hint lists; of more, it names the nearest."""

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
    except RecursionError:
        raise _no_json(text) from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise _no_json(text) from None
        raise _error(faults, _schema(adapter), text) from None


def _no_json(text: LocatedYaml) -> SpecError:
    """Of values that stand in no YAML file, where this has been refused already."""
    at = next(_halves(text.value), None)
    if at is None:
        return SpecError.at(text.where, None, "", "nested too deep to be read")
    message = "holds half of a surrogate pair, which is no character; leave it out"
    return SpecError.at(text.where, text.follow(at)[1], field_path(at), message)


def _halves(value: object) -> Iterator[Location]:
    """Where texts stand that UTF-8 cannot write."""
    waiting: deque[tuple[Location, object]] = deque([((), value)])
    while waiting:
        at, found = waiting.popleft()
        match found:
            case dict():
                waiting.extend(((*at, key), value) for key, value in found.items())
                yield from ((*at, key) for key in found if _HALF.search(str(key)))
            case list():
                waiting.extend(((*at, index), value) for index, value in enumerate(found))
            case str() if _HALF.search(found):
                yield at


_HALF = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=2)  # That of the documents takes a tenth of a second.
def _schema(adapter: TypeAdapter[object]) -> Mapping[str, Any]:
    return adapter.json_schema()


def parse_field_path(path: str) -> Location:
    """The location that a path names; `a[2].b` and `a.2.b` are the same."""
    steps = [step for step in re.split(r"[.\[\]]+", path) if step]
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def closest(word: str, known: Sequence[str]) -> str:
    """A hint at the known word nearest to a misspelt one, or at all of them if they are few."""
    match _nearest(word, known, 1, cutoff=0.6):
        case [nearest]:
            return f"did you mean {nearest!r}?"
        case _ if len(known) <= MAX_LISTED:
            return f"known are {', '.join(map(repr, known))}"
        case _:
            return f"the nearest are {', '.join(map(repr, _nearest(word, known, 3, cutoff=0)))}"


def _nearest(word: str, known: Sequence[str], count: int, *, cutoff: float) -> list[str]:
    """The known words that are most like another, in whatever case that is written."""
    lowered = {name.lower(): name for name in known}
    found = get_close_matches(word[:100].lower(), lowered, n=count, cutoff=cutoff)
    return [lowered[name] for name in found]


class _Complaint(NamedTuple):
    """What is asked of a value, and what is said after that: what was found, a hint."""

    wanted: str
    rest: str = ""
    meant: str | None = None


def _error(
    details: Sequence[ErrorDetails], schema: Mapping[str, Any], text: LocatedYaml
) -> SpecError:
    """A sentence for each place that is wrong, of the first of them if they are many."""
    located = [
        (detail, detail["loc"] + _inner_location(detail.get("ctx", {}))) for detail in details
    ]
    ats = [text.follow(full) for _, full in located]
    around = {at[:end] for at, _ in ats for end in range(len(at))}
    found: dict[Location, _Place] = {}
    for (detail, full), (at, line) in zip(located, ats, strict=True):
        if detail["type"] in ("too_short", "literal_error") and at in around:
            continue  # Said of the whole only because of what is wrong inside.
        at = (*at, full[-1]) if detail["type"] == "missing" else at
        found.setdefault(at, _Place(line, [])).details.append((detail, full))
    ordered = sorted(found.items(), key=lambda item: item[1].line or 0)
    message: dict[Location, Fault] = {}
    meant: set[Location] = set()
    # Missing fields come last: one that is there, misspelt, has then been hinted at.
    first = sorted(ordered[:MAX_SHOWN], key=lambda item: item[1].is_missing())
    for at, place in first:
        if at in meant:
            continue
        complaints = [_complain(detail, at, full, text, schema) for detail, full in place.details]
        meant |= {(*at[:-1], complaint.meant) for complaint in complaints if complaint.meant}
        field = field_path(at) or "(top level)"
        message[at] = Fault(text.where, place.line, field, _join(complaints))
    faults = sorted(message.values(), key=lambda fault: fault.line or 0)
    return SpecError(faults, len(found) - len(first))


class _Place(NamedTuple):
    """What is wrong at one place of a text."""

    line: int | None
    details: list[tuple[ErrorDetails, Location]]
    """Each with the whole location that a validator gives."""

    def is_missing(self) -> bool:
        return self.details[0][0]["type"] == "missing"


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
        return _unknown_field(str(at[-1]), at, full, schema)
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
        case "string_pattern_mismatch":
            return _misnamed(context["pattern"], found)
        case kind:
            wanted = _WANTED.get(kind, fault["msg"])
            number = without_comma(found) if isinstance(found, str) else None
            hint = f"; write {number}" if number and "number" in wanted else ""
            return _Complaint(f"must be {wanted}", got + hint)


_SIGNS = {
    "greater_than": ">",
    "greater_than_equal": ">=",
    "less_than": "<",
    "less_than_equal": "<=",
}
_WANTED = {
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


_NAMES = {
    ID_PATTERN: (
        "-",
        "lower-case letters, digits and hyphens, at most 64, beginning with a letter",
    ),
    METRIC_PATTERN: (
        "_",
        "letters, digits, underscores and points, at most 64, beginning with a lower-case letter",
    ),
}
"""By pattern, what parts the words of a name, and what may be in it."""


def _misnamed(pattern: str, found: object) -> _Complaint:
    sign, wanted = _NAMES[pattern]
    named = re.sub("[^a-z0-9.]+" if sign == "_" else "[^a-z0-9]+", sign, str(found).lower())
    hint = f"; did you mean {named!r}?" if re.fullmatch(pattern, named) else ""
    return _Complaint(f"must be {wanted}", f", got {_shown(found)}{hint}")


def _unknown_field(
    name: str, at: Location, full: Location, schema: Mapping[str, Any]
) -> _Complaint:
    known = _known_fields(schema, full[:-1])
    places = list(_places(name, schema, full))
    own = re.sub(r"\[\d+\]", "", field_path(at[:-1]))
    if places and own not in places and not _nearest(name, known, 1, cutoff=0.8):
        return _Complaint(f"is not a known field here; it belongs into {places[0]}")
    hint = closest(name, known)
    meant = hint.split("'")[1] if hint.startswith("did") else None
    return _Complaint(f"is not a known field; {hint}", meant=meant)


def _places(name: str, schema: Mapping[str, Any], full: Location) -> Iterator[str]:
    """The parts of a document that have a field of this name, the outermost first."""
    root = _descend(schema, full[0], schema) if "discriminator" in schema else schema
    waiting: deque[tuple[str, Mapping[str, Any]]] = deque([("", root)])
    while waiting:
        path, node = waiting.popleft()
        if "$ref" in node:
            node = _dereference(schema, node)
        inside = [*node.get("anyOf", ()), *node.get("oneOf", ()), node.get("items")]
        waiting.extend((path, part) for part in inside if isinstance(part, dict))
        properties = node.get("properties", {})
        if path and name in properties:
            yield path
        waiting.extend((f"{path}.{key}".lstrip("."), part) for key, part in properties.items())


def _shown(found: object) -> str:
    """A value as it stands in YAML, shortened."""
    words = {None: "null", True: "true", False: "false"}
    return words[found] if found is None or isinstance(found, bool) else _short.repr(found)


def _one_of(words: Sequence[str], found: object) -> _Complaint:
    near = isinstance(found, str) and _nearest(found, words, 1, cutoff=0.5)
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
