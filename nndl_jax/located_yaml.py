"""YAML texts whose every value knows its line.

YAML 1.2 as DVC reads it (`1e-3` is a number, `off` a word), without anchors, tags, directives or
repeated keys, with texts for keys, and bounded in size and depth, so that no text can do more harm
than be refused.
"""

import re
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

from nndl_jax.faults import Location, SpecError, field_path

MAX_BYTES = 200_000
MAX_DEPTH = 32
MAX_DIGITS = 100


class LocatedYaml(NamedTuple):
    """A YAML text as plain values, with the tree that knows their lines."""

    where: str
    """The file, as it is named in messages."""
    value: object
    root: Node | None
    """None for values that stand in no file."""

    def follow(self, location: Location) -> tuple[Location, int | None]:
        """The part of a location that the text has, and the line (from 1) where that stands.

        Steps that are not in the text, such as the tags that a validator adds to tell the members
        of a union apart, are passed over.
        """
        found: list[str | int] = []
        value, node, line = self.value, self.root, None if self.root is None else 1
        for step in location:
            if not _has(value, step):
                continue
            value = value[step]  # pyright: ignore[reportIndexIssue]
            found.append(step)
            if (child := _child(node, step)) is not None:
                key, node = child
                line = key.start_mark.line + 1
        return tuple(found), line

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
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError.at(path, None, "", f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise SpecError.at(
            path, 1, "", f"the file has {len(raw):,} bytes; at most {MAX_BYTES:,} are read"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = "the file is not UTF-8 text; save it as UTF-8"
        raise SpecError.at(path, line, "", said) from None


def parse_yaml(text: str, path: Path) -> LocatedYaml:
    """The values of a YAML text; `path` is named in messages."""
    # A fresh reader each time: ruamel's objects keep state from one text to the next.
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _PlainComposer
    try:
        _check_text(text)
        root = yaml.compose(text)
    except _ForbiddenError as error:
        said, line = error.args
        raise SpecError.at(path, line, "", said) from None
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
    return LocatedYaml(str(path), _Values(path).build(root), root)


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
        said = f"not valid YAML: the escape of U+{code} stands for no character"
        raise _ForbiddenError(said, text.count("\n", 0, escape.start()) + 1)
    if directive := re.search("^%", text, re.MULTILINE):
        said = "directives are not read here; leave it out"
        raise _ForbiddenError(said, text.count("\n", 0, directive.start()) + 1)


class _PlainComposer(Composer):
    """Makes nodes of events, and refuses the forbidden ones on the way."""

    _num_open = 0
    """Collections that the next event stands in."""

    def compose_node(self, parent: Node | None, index: object) -> Node:
        event = self.parser.peek_event()
        is_collection = isinstance(event, CollectionStartEvent)
        self._num_open += is_collection
        said = ""
        if event.anchor:
            said = "anchors and aliases are not read here; write the value out"
        elif event.tag is not None:
            said = f"tags are not read here, got {str(event.tag)!r}; leave it out"
        elif self._num_open > MAX_DEPTH:
            said = f"nested more than {MAX_DEPTH} deep"
        if said:
            raise _ForbiddenError(said, event.start_mark.line + 1)
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

    def build(self, node: Node, at: Location = ()) -> object:
        match node:
            case MappingNode():
                return self._mapping(node, at)
            case SequenceNode():
                return [self.build(item, (*at, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _mapping(self, node: MappingNode, at: Location) -> dict[str, object]:
        lines: dict[str, int] = {}
        values: dict[str, object] = {}
        for key, value in node.value:
            name, line = self._name(key), key.start_mark.line + 1
            if name in values:
                said = f"is given twice, first in line {lines[name]}; keep one"
                raise SpecError.at(self._path, line, field_path((*at, name)), said)
            lines[name] = line
            values[name] = self.build(value, (*at, name))
        return values

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
            said = f"a number of {length:,} characters is too long; at most {MAX_DIGITS} are read"
            raise self._error(node, said)
        try:
            return self._constructor.construct_object(node)
        except ValueError as error:
            raise self._error(node, f"not valid YAML: {error}") from None

    def _error(self, node: Node, said: str) -> SpecError:
        return SpecError.at(self._path, node.start_mark.line + 1, "", said)


def _tag(node: Node) -> str:
    return node.tag.removeprefix("tag:yaml.org,2002:")


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _child(node: Node | None, step: str | int) -> tuple[Node, Node] | None:
    """The key (or item) that a step leads to, and its value."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item
    return None
