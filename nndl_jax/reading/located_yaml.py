"""YAML texts whose every value knows its line.

YAML 1.2 as DVC reads it (`1e-3` is a number, `off` a word), without anchors, tags, directives or
repeated keys, with texts for keys, and bounded in size and depth, so that no text can do more harm
than be refused.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

from nndl_jax.reading.faults import Location, SpecError, field_path

MAX_BYTES = 200_000
MAX_DEPTH = 32
MAX_DIGITS = 100


class LocatedYaml(NamedTuple):
    """A YAML text as plain values, with their lines."""

    where: str
    """The file, as it is named in messages."""
    value: object
    lines: Mapping[Location, int] | None
    """Line of each value, from 1, where its key stands; None for values that stand in no file."""

    def follow(self, location: Location) -> tuple[Location, int | None]:
        """The part of a location that the text has, and the line (from 1) where that stands.

        Steps that are not in the text, such as the tags that a validator adds to tell the members
        of a union apart, are passed over.
        """
        found: Location = ()
        value = self.value
        for step in location:
            if _has(value, step):
                value = value[step]  # pyright: ignore[reportIndexIssue]
                found = (*found, step)
        return found, None if self.lines is None else self.lines[found]

    def lookup(self, location: Location) -> object:
        """The value at a location that the text has."""
        value = self.value
        for step in location:
            value = value[step]  # pyright: ignore[reportIndexIssue]
        return value


def read_yaml(path: Path) -> LocatedYaml:
    """The values of a YAML file.

    Raises:
        SpecError: the file cannot be read or is not the plain YAML described above.
    """
    return parse_yaml(read_text(path), path)


def read_text(path: Path) -> str:
    """The text of a file; a SpecError if it cannot be read, is too long or is no text."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            is_file = stat.S_ISREG(status.st_mode)
            raw = file.read(MAX_BYTES + 1) if is_file else b""
    except OSError as error:
        raise SpecError.at(path, None, "", f"cannot be read: {error.strerror}") from None
    except ValueError:  # Of a null character, or half of a surrogate pair.
        message = "cannot be read: its name holds what no name of a file can"
        raise SpecError.at(path, None, "", message) from None
    if not is_file:
        raise SpecError.at(path, None, "", "cannot be read: it is not a file with a text in it")
    if len(raw) > MAX_BYTES:
        message = f"the file has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read"
        raise SpecError.at(path, 1, "", message)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message = "the file is not UTF-8 text; save it as UTF-8"
        raise SpecError.at(path, line, "", message) from None


def _open_at_once(path: str, flags: int) -> int:
    """Opens a pipe that nobody writes to as well, where Python would wait for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse_yaml(text: str, path: Path) -> LocatedYaml:
    """The values of a YAML text; `path` is named in messages."""
    # A fresh reader each time: ruamel's objects keep state from one text to the next.
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _PlainComposer
    try:
        _check_text(text)
        root = yaml.compose(text)
    except _ForbiddenError as error:
        message, line = error.args
        raise SpecError.at(path, line, "", message) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise SpecError.at(path, line, "", f"not valid YAML: {_problem(error)}") from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise SpecError.at(path, line, "", f"not valid YAML: {error.reason}") from None
    except YAMLError as error:
        problem = str(error).split("\n")[0]
        raise SpecError.at(path, 1, "", f"not valid YAML: {problem}") from None
    if root is None:
        raise SpecError.at(path, 1, "", "the file is empty")
    values = _Values(path)
    return LocatedYaml(str(path), values.build(root), values.lines)


_REMEDIES = {
    "expected <block end>": "check the indentation",
    "found character '\\t'": "indent with spaces",
    "mapping values": "put a text that contains a colon in quotes",
}


def _problem(error: MarkedYAMLError) -> str:
    """What the parser says, with the line where the unfinished part begins, or with a remedy."""
    problem, context = error.problem or "unreadable", error.context or ""
    for start, remedy in _REMEDIES.items():
        if problem.startswith(start):
            return f"{problem}; {remedy}"
    if context.startswith("expected"):
        return f"{context} {problem}"
    if error.context_mark is None or error.context_mark.line == error.problem_mark.line:
        return problem
    return f"{problem}, {context} that begins in line {error.context_mark.line + 1}"


# Beyond Unicode, or half of a surrogate pair.
_NO_CHARACTER = re.compile(r"\\(U(?!000|0010)[0-9a-fA-F]{8}|(u|U0000)[dD][89a-fA-F][0-9a-fA-F]{2})")


class _ForbiddenError(Exception):
    """What a text must not have, and its line."""


def _check_text(text: str) -> None:
    """Refuse what does not show in the events of a text."""
    if escape := _NO_CHARACTER.search(text):
        code = escape[0][2:].upper()
        message = f"not valid YAML: the escape of U+{code} stands for no character"
        raise _ForbiddenError(message, text.count("\n", 0, escape.start()) + 1)
    if directive := re.search("^%", text, re.MULTILINE):
        message = "directives are not read here; leave it out"
        raise _ForbiddenError(message, text.count("\n", 0, directive.start()) + 1)


class _PlainComposer(Composer):
    """Makes nodes of events, and refuses the forbidden ones on the way."""

    _num_open = 0
    """Collections that the next event stands in."""

    def compose_node(self, parent: Node | None, index: object) -> Node:
        event = self.parser.peek_event()
        is_collection = isinstance(event, CollectionStartEvent)
        self._num_open += is_collection
        message = ""
        if event.anchor:
            message = "anchors and aliases are not read here; write the value out"
        elif event.tag is not None:
            message = f"tags are not read here, got {str(event.tag)!r}; leave it out"
        elif self._num_open > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
        if message:
            raise _ForbiddenError(message, event.start_mark.line + 1)
        node = super().compose_node(parent, index)
        self._num_open -= is_collection
        return node


class _Values:
    """Builds the plain values of a tree of nodes.

    Not ruamel's own way, which joins merge keys, makes dates, and raises errors without a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._constructor = YAML(typ="safe", pure=True).constructor
        self.lines: dict[Location, int] = {(): 1}
        """Of what has been built."""

    def build(self, node: Node, at: Location = ()) -> object:
        match node:
            case MappingNode():
                return self._mapping(node, at)
            case SequenceNode():
                return [self._item(item, (*at, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _item(self, node: Node, at: Location) -> object:
        self.lines[at] = node.start_mark.line + 1
        return self.build(node, at)

    def _mapping(self, node: MappingNode, at: Location) -> dict[str, object]:
        values: dict[str, object] = {}
        for index, (key, value) in enumerate(node.value):
            if index and _is_digits(key, value):
                self._check_comma(node.value, index, (*at, next(reversed(values))))
            name, line = self._name(key), key.start_mark.line + 1
            own = (*at, name)
            if name in values:
                message = f"is given twice, first in line {self.lines[own]}; keep one"
                raise SpecError.at(self._path, line, field_path(own), message)
            self.lines[own] = line
            values[name] = self.build(value, own)
        return values

    def _check_comma(self, fields: Sequence[tuple[Node, Node]], index: int, at: Location) -> None:
        """Refuse `{epochs: 1,000,000}`, which YAML reads as three fields."""
        groups = takewhile(lambda field: _is_digits(*field), fields[index:])
        written = ",".join([str(fields[index - 1][1].value), *(key.value for key, _ in groups)])
        if number := without_comma(written):
            message = f"in braces a comma ends a field; write {number}"
            raise self._error(fields[index][0], message, field_path(at))

    def _name(self, key: Node) -> str:
        if _tag(key) == "merge":
            raise self._error(key, "merge keys are not read here; write the values out")
        if _tag(key) in ("int", "float", "bool", "null", "seq", "map"):
            found = {"seq": "a list", "map": "a mapping"}.get(_tag(key), key.value)
            raise self._error(key, f"the name of a field must be a text, got {found}")
        return key.value

    def _scalar(self, node: Node) -> object:
        if _tag(node) not in ("int", "float", "bool", "null"):
            return node.value
        if (length := len(node.value)) > MAX_DIGITS:
            message = (
                f"a number of {length:,} characters is too long; at most {MAX_DIGITS} are read"
            )
            raise self._error(node, message)
        try:
            return self._constructor.construct_object(node)
        except ValueError as error:
            raise self._error(node, f"not valid YAML: {error}") from None

    def _error(self, node: Node, message: str, field: str = "") -> SpecError:
        return SpecError.at(self._path, node.start_mark.line + 1, field, message)


def without_comma(text: str) -> str | None:
    """A number that is written with commas, as YAML writes it; None for all other texts.

    >>> without_comma("1,000"), without_comma("0,5"), without_comma("5")
    ('1000', '0.5', None)
    """
    if re.fullmatch("[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+", text):
        return text.replace(",", "")
    return text.replace(",", ".") if re.fullmatch("[+-]?[0-9]+,[0-9]+", text) else None


def _is_digits(key: Node, value: Node) -> bool:
    return value.value == "" and re.fullmatch("[0-9]+", str(key.value)) is not None


def _tag(node: Node) -> str:
    return node.tag.removeprefix("tag:yaml.org,2002:")


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)
